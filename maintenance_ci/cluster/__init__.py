"""The cluster's API, and the commands that talk to it."""
