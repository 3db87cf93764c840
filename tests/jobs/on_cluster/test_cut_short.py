"""A sample of requests at which a rehearsal is killed, or the cluster fails: nothing is left behind in the end."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from maintenance_ci.rehearsal.trouble import parse_trouble
from tests.jobs.on_cluster.rehearsals import everything, rehearse
from tests.tools.clusters import QUICK, Cluster, running
from tests.tools.outcomes import ok

# Without users it takes a few seconds, and as many requests.
QUIET: dict[str, str | None] = {"PROBES": "false"}
KILLED = [
    "helm PATCH services: kill",
    "helm PATCH deployments: kill after",
    "ours PATCH deployments/maintenance-rehearsal: kill after",
    "ours PATCH routes/maintenance-rehearsal: kill",
    "ours PATCH routes/maintenance-rehearsal: kill after",
    "ours POST secrets: kill after",
    "ours DELETE routes/maintenance-rehearsal #1: kill after",
    "ours DELETE routes/maintenance-rehearsal #3: kill",
    "ours DELETE secrets: kill",
    "helm DELETE deployments: kill after",
    "helm DELETE services: kill after",
    "ours DELETE deployments/maintenance-rehearsal: kill after",
]
FAILING = [
    "ours PATCH deployments/maintenance-rehearsal: 503 x5",
    "ours PATCH routes/maintenance-rehearsal: reset after",
    "ours POST secrets: reset after",
    "ours DELETE routes/maintenance-rehearsal: 503 x9",
    "ours DELETE deployments/maintenance-rehearsal: reset after",
    "helm DELETE deployments: 503",
]


@pytest.fixture
def site() -> Iterator[Cluster]:
    with running(QUICK) as cluster:
        yield cluster


@pytest.mark.slow
@pytest.mark.parametrize("trouble", KILLED)
def test_what_a_rehearsal_that_was_killed_leaves_the_next_one_removes(site: Cluster, trouble: str) -> None:
    before = everything(site)
    site.call(site.inside.troubles.add, parse_trouble(trouble))
    killed = rehearse(site, QUIET)
    assert site.inside.troubles.met, killed.log
    assert killed.code == -signal.SIGKILL, killed.log
    site.call(site.inside.troubles.clear)
    job = ok(rehearse(site, QUIET))
    assert everything(site) == before, job.log


@pytest.mark.slow
@pytest.mark.parametrize("trouble", FAILING)
def test_a_cluster_that_fails_meanwhile(site: Cluster, trouble: str) -> None:
    """Either it is patient, or the rehearsal fails; nothing is left in the end."""
    before = everything(site)
    site.call(site.inside.troubles.add, parse_trouble(trouble))
    job = rehearse(site, QUIET)
    assert site.inside.troubles.met, job.log
    assert job.code in (0, 1, 75), job.log
    assert (job.code == 0) == job.lines[-1].startswith("The rehearsal went well: ")
    if everything(site) != before:
        assert "Of the rehearsal there is still: " in job.lines[-1]
        site.call(site.inside.troubles.clear)
        ok(rehearse(site, QUIET))
    assert everything(site) == before
