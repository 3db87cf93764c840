"""The page: what it is made of, its image, its build, its Helm release."""
