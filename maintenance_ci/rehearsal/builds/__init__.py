"""Binary builds, and the images that they make."""
