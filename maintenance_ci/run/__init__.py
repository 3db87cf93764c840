"""What acts, and what waits."""
