"""The names of our objects, labels and annotations in the cluster."""

from __future__ import annotations

import hashlib

# The Helm release, and with it the Service, Deployment, BuildConfig and ImageStream of the page.
PAGE = "maintenance-page"

MANAGED_BY = "maintenance-ci"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
# The Lease of the namespace: one job at a time.
LEASE = "maintenance-ci"

# What ROUTE_STRATEGY may be: each is an entry of `maintenance_ci.plan.strategies.STRATEGIES`.
ROUTE_STRATEGIES = ("swap", "repoint")

# What ACTION may be: what a pipeline is for. The rules and the form of the pipeline have the same words.
ACTIONS = ("begin", "end", "plan", "rehearse")

NOTES = "maintenance-ci/"  # what the names of our own annotations and labels begin with
ROUTE_ANNOTATION = "maintenance-ci/route"
# oc get routes -l maintenance-ci/route=shop: all maintenance Routes of one Route.
ROUTE_LABEL = ROUTE_ANNOTATION
STRATEGY_ANNOTATION = "maintenance-ci/strategy"
PIPELINE_ANNOTATION = "maintenance-ci/pipeline"
PIPELINE_URL_ANNOTATION = "maintenance-ci/pipeline-url"
# When the maintenance is announced to end: ISO 8601, with seconds and offset.
END_ANNOTATION = "maintenance-ci/end"
# The pipeline that has changed what users read, where it is not the one whose maintenance it is.
TEXTS_PIPELINE_ANNOTATION = "maintenance-ci/texts-pipeline"
JOB_ANNOTATION = "maintenance-ci/job"
TOUCHED_ANNOTATION = "maintenance-ci/touched"
# On all that a rehearsal on the cluster makes: the id of its run. Its objects are called REHEARSAL-ID.
# No label of NOTES, which no maintenance Route mirrors, and a Route that is put back loses.
REHEARSAL, REHEARSAL_LABEL = "maintenance-rehearsal", "maintenance-rehearsal/run"
# On a Route for testers: to whose application it leads.
TESTERS_OF_ANNOTATION = "maintenance-ci/testers-of"

# The label by which an EndpointSlice names its Service.
SERVICE_LABEL = "kubernetes.io/service-name"


def page_route_name(route_name: str, subpath: str | None) -> str:
    """Return the maintenance Route's name; for a part of the site it ends in 8 digits of the path's SHA-256."""
    if subpath is None:
        return f"{route_name}-{PAGE}"
    return f"{route_name}-{PAGE}-{hashlib.sha256(subpath.encode()).hexdigest()[:8]}"


def name_for_testers(route_name: str) -> str:
    """Return the name of the Route by which testers reach the application of a Route in maintenance."""
    return f"{route_name}-preview"


def snapshot_name(route_name: str) -> str:
    """Return the name of the Secret that holds a Route's snapshot."""
    return f"{route_name}-maintenance-snapshot"


def notes(route_name: str, strategy: str, pipeline: str = "", pipeline_url: str = "", end: str = "") -> dict[str, str]:
    """Return the annotations that say, on an object of ours, which maintenance it belongs to."""
    given = {
        ROUTE_ANNOTATION: route_name,
        STRATEGY_ANNOTATION: strategy,
        PIPELINE_ANNOTATION: pipeline,
        PIPELINE_URL_ANNOTATION: pipeline_url,
        END_ANNOTATION: end,
    }
    return {name: value for name, value in given.items() if value}
