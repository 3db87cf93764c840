"""Pods that really serve: the kubelet, and what it runs."""
