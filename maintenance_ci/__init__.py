"""Put an OpenShift Route into maintenance from a GitLab pipeline, and take it out again, without a 5xx."""

__version__ = "0.1.0"
