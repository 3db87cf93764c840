"""What in the chart keeps the page up: replicas, their spread, the budget, the drain, the IP families."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from maintenance_ci.rehearsal.apiserver.kinds.budgets import desired_healthy
from tests.page.test_chart import CHART, KINDS, container, spread, template


def test_the_pods_are_spread_over_the_nodes_where_there_are_any() -> None:
    (only,) = spread(template())
    assert (only["topologyKey"], only["maxSkew"]) == ("kubernetes.io/hostname", 1)
    # A wish: on a single node both run.
    assert only["whenUnsatisfiable"] == "ScheduleAnyway"
    assert only["matchLabelKeys"] == ["pod-template-hash"]
    assert "matchLabelKeys" not in spread(template(kubernetes="1.26.9"))[0]
    zones = template(spreadOver=["topology.kubernetes.io/zone", "kubernetes.io/hostname"])
    assert [one["topologyKey"] for one in spread(zones)] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    assert spread(template(spreadOver=[])) == []


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_a_drain_takes_one_pod_at_a_time_and_is_never_kept_waiting_for_ever(replicas: int) -> None:
    """With minAvailable a single replica could not be drained; with a policy for healthy Pods alone a broken page."""
    budget = template(replicas=replicas)["PodDisruptionBudget"]
    selector = {"matchLabels": template()["Deployment"]["spec"]["selector"]["matchLabels"]}
    assert budget["apiVersion"] == "policy/v1"
    assert budget["spec"] == {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": selector}
    assert [desired_healthy(budget, expected) for expected in (1, 2, 3)] == [0, 1, 2]
    assert desired_healthy({"spec": {"minAvailable": 1}}, 1) == 1


def test_a_drain_of_a_cluster_that_does_not_know_the_policy_for_broken_pods() -> None:
    assert set(template(kubernetes="1.26.9")["PodDisruptionBudget"]["spec"]) == {"maxUnavailable", "selector"}


def test_a_page_without_a_budget() -> None:
    assert set(template(podDisruptionBudget={"enabled": False})) == KINDS - {"PodDisruptionBudget"}
    share = template(podDisruptionBudget={"maxUnavailable": "50%"})
    assert share["PodDisruptionBudget"]["spec"]["maxUnavailable"] == "50%"


def test_the_service_has_the_ip_families_that_the_cluster_has() -> None:
    service = template()["Service"]["spec"]
    assert service["ipFamilyPolicy"] == "PreferDualStack"
    assert "ipFamilies" not in service
    assert template("ipFamilyPolicy=SingleStack")["Service"]["spec"]["ipFamilyPolicy"] == "SingleStack"


def test_a_service_of_both_families_has_a_page_that_listens_on_both() -> None:
    """Routers send users to both addresses of a Pod, and a kubelet probes the first alone."""
    if yaml.safe_load((CHART / "values.yaml").read_text())["ipFamilyPolicy"] != "SingleStack":
        listening = "\n".join(file.read_text() for file in (CHART.parent / "docker").glob("*.conf"))
        assert "listen 8080;" in listening
        assert "listen [::]:8080;" in listening


NATIVE, IN_THE_CONTAINER = {"sleep": {"seconds": 10}}, {"exec": {"command": ["sleep", "10"]}}


@pytest.mark.parametrize(
    ("version", "hook"),
    [
        ("1.24.17", IN_THE_CONTAINER),
        ("v1.29.8+f10c92d", IN_THE_CONTAINER),
        ("1.29.99", IN_THE_CONTAINER),
        ("v1.30.0-rc.1", NATIVE),
        ("1.30.0", NATIVE),
        ("v1.30.4+abcdef", NATIVE),
        ("v1.30.4-eks-a737599", NATIVE),
        ("1.36.0", NATIVE),
        ("2.0.0", NATIVE),
        ("v0.0.0-master", IN_THE_CONTAINER),
    ],
)
def test_the_kubelet_itself_sleeps_before_the_pod_ends_where_it_can(version: str, hook: dict[str, Any]) -> None:
    objects = template(kubernetes=version)
    assert container(objects)["lifecycle"]["preStop"] == hook
    assert objects["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 30


def test_a_page_without_a_drain_has_no_hook() -> None:
    assert "lifecycle" not in container(template(drainSeconds=0))
