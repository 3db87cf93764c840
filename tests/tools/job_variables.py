"""The variables of a job."""

from __future__ import annotations

# As few as every job can do with.
GOOD = {
    "PROJECT": "web",
    "OKD_URL": "https://api.okd.example.test:6443",
    "OKD_TOKEN": "sha256~secret-token",
    "ROUTE_NAME": "shop",
    "IMAGE_TAG": "v1",
    "ROUTE_TEMPLATES_PROJECT": "ops/route-templates",
    "CI_SERVER_URL": "https://gitlab.example.test",
    "CI_JOB_TOKEN": "job-token",
}
