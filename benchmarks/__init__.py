"""What is measured in seconds: never a test, since a machine that is busy is no fault. `make bench` runs all."""
