"""An OpenShift API server in memory."""
