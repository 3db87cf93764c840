"""The GitLab project with the Routes' templates: reading, rendering and writing them."""
