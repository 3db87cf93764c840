"""The embedded OpenShift, GitLab and users on which the jobs are rehearsed and tested."""
