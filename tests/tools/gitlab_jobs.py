"""Which jobs there are in a pipeline, as GitLab evaluates the component's rules."""

from __future__ import annotations

from collections.abc import Mapping

from tests.tools.gitlab_evaluation import Job, pipeline_of
from tests.tools.gitlab_pipeline import JOBS, Configuration, our_pipeline

OURS = our_pipeline()
GOOD = {"PROJECT": "web", "ROUTE_NAME": "shop"}
SELECTED = {"PROJECT": "web", "ROUTE_SELECTOR": "depends-on=legacy", "MAINTENANCE": "legacy"}
PLAN = {"plan": Job("on_success", "maintenance/web/-plan")}
REHEARSE = {"rehearse": Job("on_success", "maintenance/web/-rehearsal", "maintenance/web")}


def named(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Leave out what is undefined."""
    return {name: value for name, value in variables.items() if value is not None}


def changing(environment: str = "maintenance/web/shop", group: str = "maintenance/web") -> dict[str, Job]:
    """The jobs that change something."""
    begin = {name: Job("on_success", environment, group) for name in ("build-and-deploy", "deploy-route")}
    return {**begin, "delete": Job("manual", environment, group, may_fail=True)}


def ending(environment: str = "maintenance/web/shop", group: str = "maintenance/web") -> dict[str, Job]:
    """The job that ends a maintenance by itself, and turns its pipeline red where it fails."""
    return {"delete": Job("on_success", environment, group)}


def jobs_of(configuration: Configuration, source: str, variables: Mapping[str, str | None]) -> dict[str, Job]:
    """Those of the component's jobs that GitLab creates; a variable of None is undefined."""
    pipeline = pipeline_of(configuration, source, named(variables))
    return {name: job for name, job in (pipeline.jobs if pipeline else {}).items() if name in JOBS}
