"""The router: HAProxy, configured from Routes."""
