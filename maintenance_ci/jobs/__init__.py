"""The jobs of the pipeline: each module is one job, read top to bottom."""
