"""What stands in the way of the night is found by ``rehearse --cluster``, and named; nothing of it is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from maintenance_ci.names import REHEARSAL
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.rights import User
from maintenance_ci.rehearsal.cluster import PIPELINE, Options
from maintenance_ci.rehearsal.trouble import parse_trouble
from tests.jobs.on_cluster.rehearsals import everything, left_behind, rehearse
from tests.tools.clusters import Cluster, running
from tests.tools.outcomes import ok

WEB = manifests.NAMESPACE
NOTHING_LEFT = "All that the rehearsal made is removed. No Route of an application was touched."


@pytest.fixture
def site(built: Cluster) -> Iterator[Cluster]:
    """That cluster; afterwards it is as it was before."""
    before = everything(built)
    users: Any = built.inside.server.users
    role = users[built.inside.token]
    yield built
    users[built.inside.token] = role
    built.call(built.inside.troubles.clear)
    for quota in built.call(built.store.list, "resourcequotas", WEB):
        built.call(built.store.delete, "resourcequotas", WEB, quota["metadata"]["name"])
    assert everything(built) == before


def without(cluster: Cluster, verb: str, resource: str) -> None:
    """Take a right away from the pipeline's token."""
    users: Any = cluster.inside.server.users
    rules = []
    for rule in users[cluster.inside.token].roles[WEB]:
        for one in rule["resources"]:
            verbs = [kept for kept in rule["verbs"] if (kept, one) != (verb, resource)]
            rules.append({"apiGroups": rule["apiGroups"], "resources": [one], "verbs": verbs})
    users[cluster.inside.token] = User(PIPELINE, roles={WEB: rules})


@pytest.mark.parametrize(
    ("verb", "resource"),
    [
        ("create", "networkpolicies"),
        ("delete", "deployments"),
        ("patch", "services"),
        ("delete", "secrets"),
        ("create", "imagestreamtags"),
        ("delete", "routes"),
    ],
)
def test_a_missing_right(site: Cluster, verb: str, resource: str) -> None:
    without(site, verb, resource)
    job = rehearse(site)
    assert job.code == 1
    assert job.lines[-1].startswith("ERROR: The token lacks rights. It needs, ")
    assert f"{verb} {resource}" in job.lines[-1]
    assert job.lines[-1].endswith(
        "Nothing was changed. Give the service account the Role of docs/service-account.yaml."
    )


@pytest.mark.slow
def test_the_right_to_a_host_of_one_s_own(site: Cluster) -> None:
    """Without REHEARSAL_HOST the rehearsal itself does not need it; the swap of a Route does."""
    without(site, "create", "routes/custom-host")
    job = rehearse(site, {"REHEARSAL_HOST": "rehearsal.apps.example.test"})
    assert "create routes/custom-host" in job.lines[-1]
    assert "Nothing was changed." in job.lines[-1]
    job = rehearse(site)
    assert job.code == 1
    assert "   refused: deploy-route (swap)" in job.log
    assert "create routes/custom-host" in job.lines[-1]
    assert NOTHING_LEFT in job.lines[-1]


@pytest.mark.slow
def test_a_quota(site: Cluster) -> None:
    """There is room for the Pods that run and stay, and for no other."""
    # The build's Pod has ended, and takes nothing any more.
    pods = [
        pod["metadata"]["name"]
        for pod in site.call(site.store.list, "pods", WEB)
        if "deletionTimestamp" not in pod["metadata"] and pod["status"]["phase"] in ("Pending", "Running")
    ]
    assert not [name for name in pods if name.startswith(REHEARSAL)]
    quota = {"metadata": {"name": "objects", "namespace": WEB}, "spec": {"hard": {"pods": str(len(pods))}}}
    site.call(site.store.create, "resourcequotas", quota, manager="test")
    job = rehearse(site, {"ROLLOUT_TIMEOUT": "90"})
    assert job.code == 1, job.log
    assert "Not proven: an application can be made, and runs." in job.lines[-1]
    assert "The rehearsal's application cannot run: " in job.lines[-1]
    assert "exceeded quota: objects, requested: pods=1" in job.lines[-1]
    assert "End what else uses the quota objects" in job.lines[-1]
    assert NOTHING_LEFT in job.lines[-1]


def test_a_name_that_does_not_resolve(site: Cluster) -> None:
    job = rehearse(site, {"PUBLIC_ADDRESS": None, "ADMISSION_TIMEOUT": "1"})
    assert job.code == 1
    assert "Not proven: requests from here reach the application." in job.lines[-1]
    assert "(its name does not resolve)" in job.lines[-1]
    assert NOTHING_LEFT in job.lines[-1]
    assert "PUBLIC_ADDRESS, PUBLIC_CA or REHEARSAL_HOST may help" in job.lines[-1]


def test_a_certificate_that_the_runner_does_not_trust(site: Cluster) -> None:
    job = rehearse(site, {"PUBLIC_CA": None, "ADMISSION_TIMEOUT": "1"})
    assert "certificate verify failed" in job.lines[-1]
    assert NOTHING_LEFT in job.lines[-1]


@pytest.mark.slow
def test_without_probes_that_is_not_proven(site: Cluster) -> None:
    job = ok(rehearse(site, {"PUBLIC_ADDRESS": None, "PROBES": "false"}))
    assert "   not proven: what users meet, and the router's reload interval: PROBES=false" in job.lines
    assert "0 requests" in job.lines[-1]


@pytest.mark.slow
@pytest.mark.parametrize(("given", "code"), [("0.5", 1), ("3", 0)])
def test_a_reload_interval_that_is_longer_than_the_variable_says(given: str, code: int) -> None:
    with running(Options(reload_interval=3.0, busy=False)) as cluster:
        job = rehearse(cluster, {"ROUTER_RELOAD_INTERVAL": given})
        assert job.code == code, job.log
        assert left_behind(cluster) == []
    if code:
        assert f"and ROUTER_RELOAD_INTERVAL is {given}" in job.lines[-1]
        assert "Set ROUTER_RELOAD_INTERVAL to 3 at the least." in job.lines[-1] or "to 4 at" in job.lines[-1]
        assert NOTHING_LEFT in job.lines[-1]


def test_a_template_project_that_does_not_let_us_in(site: Cluster) -> None:
    job = rehearse(site, {"CI_JOB_TOKEN": "wrong-token"})
    assert job.code == 1
    assert "GitLab refuses the token (401)." in job.lines[-1]
    assert "Nothing was changed." in job.lines[-1]


@pytest.mark.slow
def test_without_a_template_project_that_is_not_proven_and_a_host_of_one_s_own(site: Cluster) -> None:
    job = ok(rehearse(site, {"ROUTE_TEMPLATES_PROJECT": None, "REHEARSAL_HOST": "rehearsal.apps.example.test"}))
    assert "   users of https://rehearsal.apps.example.test/ meet 127.0.0.1, port " in job.log
    assert "   not proven: the template project: no ROUTE_TEMPLATES_PROJECT is given" in job.lines


def test_another_job_that_is_at_work(site: Cluster) -> None:
    lease = {
        "metadata": {"name": "maintenance-ci", "namespace": WEB},
        "spec": {"holderIdentity": "pipeline-7/delete/x", "leaseDurationSeconds": 30},
    }
    site.call(site.store.create, "leases", lease, manager="test")
    job = rehearse(site, {"LEASE_TIMEOUT": "2"})
    site.call(site.store.delete, "leases", WEB, "maintenance-ci")
    assert job.code == 75
    assert "is held by pipeline-7/delete/x" in job.lines[-1]
    assert "Nothing was changed." in job.lines[-1]


@pytest.mark.slow
def test_users_who_are_not_well_served(site: Cluster) -> None:
    """The application goes away while its users meet the page, and for a moment they find nobody when they are back."""

    def stop_application(_child: asyncio.subprocess.Process) -> None:
        for pod in site.store.list("pods", WEB):
            if pod["metadata"]["name"].startswith(REHEARSAL):
                site.store.delete("pods", WEB, pod["metadata"]["name"], grace=0)

    job = rehearse(site, at="Remove the snapshot", do=stop_application)
    assert job.code == 1
    assert "Users were not well served: " in job.lines[-1]
    assert "got a 503 from the router itself" in job.lines[-1]
    assert NOTHING_LEFT in job.lines[-1]


@pytest.mark.slow
def test_what_cannot_be_removed_is_named_and_removed_by_the_next_one(site: Cluster) -> None:
    site.call(site.inside.troubles.add, parse_trouble(f"DELETE deployments/{REHEARSAL}: 403 always"))
    job = rehearse(site, {"PROBES": "false"})
    assert job.code == 1
    assert "Of the rehearsal there is still: deployments/maintenance-rehearsal-" in job.lines[-1]
    assert "Rehearse again: it removes that." in job.lines[-1]
    assert [name.partition("-")[0] for name in left_behind(site) if REHEARSAL in name]
    site.call(site.inside.troubles.clear)
    job = ok(rehearse(site, {"PROBES": "false"}))
    assert any("was cut short: what it left is removed now" in line for line in job.lines)
