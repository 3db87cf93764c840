"""The pipeline's variables: read, checked, and named in one message where they are wrong."""
