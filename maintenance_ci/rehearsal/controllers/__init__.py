"""The controllers that a cluster runs, just enough of them."""
