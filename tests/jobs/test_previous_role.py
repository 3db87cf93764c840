"""The jobs with the Role of the version before: what it lacks is left out of the page, and named."""

from __future__ import annotations

import pytest

from maintenance_ci.names import PAGE
from maintenance_ci.plan.rights import BUDGETS, CHART_KINDS
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.rights import User
from tests.page.test_chart_release import PREVIOUS_ROLE, ROLE, rules_of
from tests.tools.clusters import QUICK, Cluster, Job, running
from tests.tools.outcomes import ok

TOKEN = "previous"
WARNING = "WARNING: The page gets no PodDisruptionBudget"
GROUP, BUDGET = BUDGETS


def run(cluster: Cluster, job: str) -> Job:
    return ok(cluster.run(job, {"OKD_TOKEN": TOKEN, "PROBES": "false"}))


def give(cluster: Cluster, *, previous: bool) -> None:
    users = cluster.inside.server.users
    assert isinstance(users, dict)
    rules = rules_of(PREVIOUS_ROLE if previous else ROLE)
    users[TOKEN] = User("pipeline", roles={manifests.NAMESPACE: rules})


def test_the_previous_role_lacks_the_rule_for_budgets_alone() -> None:
    """So that this file stays what it says: whoever adds a rule adds what is to be done without it."""
    named = [
        {(group, resource) for rule in rules_of(role) for group in rule["apiGroups"] for resource in rule["resources"]}
        for role in (ROLE, PREVIOUS_ROLE)
    ]
    assert named[0] - named[1] == {BUDGETS}
    assert named[1] <= named[0]


@pytest.mark.slow
def test_a_page_comes_and_goes_with_the_previous_role() -> None:
    with running(QUICK) as cluster:
        give(cluster, previous=True)
        job = run(cluster, "build-and-deploy")
        assert WARNING in job.log
        assert f"create, get, patch, delete {BUDGET}" in job.log
        assert "Apply docs/service-account.yaml again" in job.log
        assert cluster.find(BUDGET, PAGE) is None
        run(cluster, "deploy-route")
        run(cluster, "delete")
        assert [plural for _, plural in CHART_KINDS if cluster.find(plural, PAGE)] == []

        # With the Role of today the next job brings it.
        give(cluster, previous=False)
        job = run(cluster, "build-and-deploy")
        assert WARNING not in job.log
        budget = cluster.find(BUDGET, PAGE)
        assert budget is not None
        assert budget["spec"]["maxUnavailable"] == 1

        # A Helm that may not delete it, since somebody took the rule away again, says what is missing.
        give(cluster, previous=True)
        refused = cluster.run("delete", {"OKD_TOKEN": TOKEN, "PROBES": "false", "FORCE": "trace"})
        assert refused.code == 1, refused.log
        assert "apply docs/service-account.yaml again" in refused.log
