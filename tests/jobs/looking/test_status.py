"""``maintenance-ci status``, as a process of its own, whatever is in the namespace; it changes nothing."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from maintenance_ci.errors import TryAgainError
from maintenance_ci.jobs.status import watch
from maintenance_ci.log.log import JobLog
from maintenance_ci.names import LEASE, PAGE
from maintenance_ci.rehearsal.apiserver.rights import User
from maintenance_ci.rehearsal.cluster import PIPELINE
from maintenance_ci.rehearsal.trouble import parse_trouble
from tests.jobs.looking.scene import (
    HOST,
    KEEPER,
    NAMESPACE,
    PATH,
    REPOINT,
    SNAPSHOT,
    SUBPATH,
    WHOLE,
    Variables,
    command,
    hold_lease,
    nothing_changes,
    remove,
    writes,
)
from tests.tools.clusters import Cluster
from tests.tools.outcomes import ok
from tests.tools.small_cluster import until


def table(cluster: Cluster) -> list[list[str]]:
    """What status says, each line in words; read-only."""
    with nothing_changes(cluster):
        done = ok(command(cluster, "status"))
    return [line.split("  ") for line in done.lines]


def document(cluster: Cluster) -> dict[str, Any]:
    """What status says for programs; read-only."""
    with nothing_changes(cluster):
        done = ok(command(cluster, "status", "--json"))
    found: dict[str, Any] = json.loads(done.log)
    return found


def cells(line: list[str]) -> list[str]:
    return [cell.strip() for cell in line if cell.strip()]


def test_nothing_is_in_maintenance(cluster: Cluster) -> None:
    assert table(cluster) == [
        ["Nothing is in maintenance in web."],
        ["The page is ready; shown by: keeper."],
    ]
    assert document(cluster) == {
        "namespace": "web",
        "page": {"ready": True, "shown_by": [KEEPER]},
        "at_work": None,
        "maintenance": [],
    }


@pytest.mark.parametrize(
    ("strategy", "begun", "shown_by"),
    [
        ("swap", ("routes", WHOLE), [KEEPER, WHOLE]),
        pytest.param("repoint", ("secrets", SNAPSHOT), [KEEPER, "shop"], marks=pytest.mark.slow),
    ],
)
def test_a_route_in_maintenance(cluster: Cluster, strategy: str, begun: tuple[str, str], shown_by: list[str]) -> None:
    ok(cluster.run("deploy-route", {"ROUTE_STRATEGY": strategy, "CI_PIPELINE_ID": "42"}))
    origin = cluster.find(*begun)
    assert origin is not None
    since = origin["metadata"]["creationTimestamp"]
    head, row, page = table(cluster)
    assert cells(head) == ["ROUTE", "HOST", "PATH", "STRATEGY", "SINCE", "END", "PIPELINE", "STATE"]
    assert cells(row) == ["shop", HOST, "/", strategy, since, "-", "42", "shown"]
    assert page == [f"The page is ready; shown by: {', '.join(shown_by)}."]
    found = document(cluster)
    assert found["page"] == {"ready": True, "shown_by": shown_by}
    assert found["maintenance"] == [
        {
            "route": "shop",
            "host": HOST,
            "path": "/",
            "strategy": strategy,
            "since": since,
            "end": "",
            "overdue": False,
            "pipeline": "42",
            "pipeline_url": cluster.inside.job_variables()["CI_PIPELINE_URL"],
            "state": "shown",
        }
    ]


@pytest.mark.slow
def test_paths_beside_and_under_a_whole_route(cluster: Cluster) -> None:
    ok(cluster.run("deploy-route", SUBPATH))
    assert [(row["path"], row["strategy"], row["state"]) for row in document(cluster)["maintenance"]] == [
        ("/cart", "subpath", "shown")
    ]
    ok(cluster.run("deploy-route"))
    assert [(row["path"], row["strategy"], row["state"]) for row in document(cluster)["maintenance"]] == [
        ("/", "swap", "shown"),
        ("/cart", "subpath", "shown"),
    ]
    assert [cells(line)[2] for line in table(cluster)[1:-1]] == ["/", "/cart"]


HALF = "begun, and cut short before the switch; run the job deploy-route or delete"


@pytest.mark.parametrize(
    ("trouble", "strategy", "state"),
    [
        (
            "ours PATCH routes/shop-maintenance-page: kill",
            "swap",
            "ended, but its snapshot is left; run the job delete",
        ),
        ("ours DELETE routes/shop$: kill", "swap", HALF),
        ("ours DELETE routes/shop$: kill after", "swap", "shown"),
        ("ours PATCH routes/shop$: kill after", "repoint", "shown"),
    ],
)
@pytest.mark.slow
def test_a_job_that_was_killed_is_told_with_its_lease(
    cluster: Cluster, trouble: str, strategy: str, state: str
) -> None:
    cluster.call(cluster.inside.troubles.add, parse_trouble(trouble))
    assert cluster.run("deploy-route", {"ROUTE_STRATEGY": strategy}).code == -9
    [row] = document(cluster)["maintenance"]
    assert (row["route"], row["strategy"], row["state"]) == ("shop", strategy, state)
    # A Route that waits for its host sends nobody anywhere.
    assert document(cluster)["page"]["shown_by"] == [KEEPER, *([row_of(strategy)] if state == "shown" else [])]
    assert table(cluster)[-1][0].startswith("At work now: job deploy-route of pipeline 1 (https://")


def row_of(strategy: str) -> str:
    """The Route that shows the page."""
    return "shop" if strategy == "repoint" else WHOLE


@pytest.mark.slow
def test_the_route_is_gone_and_its_snapshot_is_there(cluster: Cluster) -> None:
    ok(cluster.run("deploy-route"))
    remove(cluster, "routes", WHOLE)
    [row] = document(cluster)["maintenance"]
    assert row["state"] == "the Route is gone; its snapshot is left; run the job delete"


@pytest.mark.slow
def test_a_repointed_route_that_somebody_sent_elsewhere(cluster: Cluster) -> None:
    ok(cluster.run("deploy-route", REPOINT))
    live = cluster.find("routes", "shop")
    assert live is not None
    changed = {**live, "spec": {**live["spec"], "to": {"kind": "Service", "name": "shop", "weight": 100}}}
    cluster.call(cluster.store.update, "routes", changed, manager="somebody")
    [row] = document(cluster)["maintenance"]
    assert row["state"] == "somebody sent it elsewhere"


def scale(cluster: Cluster, replicas: int) -> None:
    live = cluster.find("deployments", PAGE)
    assert live is not None
    changed = {**live, "spec": {**live["spec"], "replicas": replicas}}
    cluster.call(cluster.store.update, "deployments", changed, manager="somebody")

    def ready() -> bool:
        return any(
            endpoint["conditions"].get("ready")
            for one in cluster.store.list("endpointslices", NAMESPACE)
            if one["metadata"]["labels"]["kubernetes.io/service-name"] == PAGE
            for endpoint in one["endpoints"]
        )

    cluster.do(until(lambda: ready() == bool(replicas), 20))


@pytest.mark.slow
def test_a_page_that_is_not_ready(cluster: Cluster) -> None:
    ok(cluster.run("deploy-route"))
    scale(cluster, 0)
    try:
        *_, row, page = table(cluster)
        found = document(cluster)
    finally:
        scale(cluster, 1)
    assert cells(row)[-1] == "the page is not ready"
    assert page == [f"The page has no ready endpoint; shown by: keeper, {WHOLE}."]
    assert (found["page"]["ready"], found["maintenance"][0]["state"]) == (False, "the page is not ready")
    assert document(cluster)["maintenance"][0]["state"] == "shown"


def test_who_is_at_work(cluster: Cluster) -> None:
    hold_lease(cluster)
    at_work = (
        "job build-and-deploy of pipeline 99 (https://gitlab.example.test/p/99), since 2026-11-23T06:00:00.000000Z; "
        "last renewed 2026-11-23T06:00:00.000000Z"
    )
    assert table(cluster)[-1] == [f"At work now: {at_work} (dead if that is over 30 s ago)."]
    assert document(cluster)["at_work"] == at_work


@pytest.mark.slow
def test_whatever_stands_in_the_notes_the_table_is_lines_and_the_document_is_json(cluster: Cluster) -> None:
    ok(cluster.run("deploy-route"))
    live = cluster.find("routes", WHOLE)
    assert live is not None
    hostile = 'x\nshop  evil\x1b[31m"\u2028'
    annotations = live["metadata"]["annotations"] | {"maintenance-ci/pipeline": hostile}
    changed = {**live, "metadata": {**live["metadata"], "annotations": annotations}}
    cluster.call(cluster.store.update, "routes", changed, manager="somebody")
    assert len(table(cluster)) == 3
    assert not any("\x1b" in word for line in table(cluster) for word in line)
    assert document(cluster)["maintenance"][0]["pipeline"] == hostile


def test_it_needs_neither_a_route_nor_a_template(cluster: Cluster) -> None:
    given: Variables = dict.fromkeys(
        ("ROUTE_NAME", "IMAGE_TAG", "ROUTE_TEMPLATES_PROJECT", "CI_SERVER_URL", "CI_JOB_TOKEN", "CI_PIPELINE_ID")
    )
    with nothing_changes(cluster):
        assert command(cluster, "status", variables=given).code == 0
        assert command(cluster, "status", variables=given | {"PROJECT": None}).code == 2


@pytest.mark.parametrize(("status", "code"), [("503", 75), ("403", 1)])
def test_a_server_that_does_not_tell(cluster: Cluster, status: str, code: int) -> None:
    cluster.call(cluster.inside.troubles.add, parse_trouble(f"GET secrets: {status} always"))
    with nothing_changes(cluster):
        done = command(cluster, "status")
    assert done.code == code
    assert done.lines[-1].startswith("ERROR: ")
    assert "Nothing is in maintenance" not in done.log


def test_a_job_that_changes_something_is_seen_to(cluster: Cluster) -> None:
    """Else what holds that nothing is changed would hold for every command."""
    with pytest.raises(AssertionError), nothing_changes(cluster):
        ok(cluster.run("deploy-route", SUBPATH))
    cluster.inside.server.requests.clear()
    ok(cluster.run("delete", SUBPATH))
    assert [line.split("?")[0].rsplit("/", 1)[-1] for line in writes(cluster)] == ["leases", PATH, LEASE]


def may_look_everywhere(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    users = cluster.inside.server.users
    assert isinstance(users, dict)
    mine, token = users[cluster.inside.token], cluster.inside.token
    kinds = [("route.openshift.io", "routes"), ("", "secrets"), ("discovery.k8s.io", "endpointslices")]
    kinds += [("coordination.k8s.io", "leases")]
    rules = [{"apiGroups": [group], "resources": [plural], "verbs": ["list"]} for group, plural in kinds]
    monkeypatch.setitem(users, token, User(PIPELINE, roles={**mine.roles, "": rules}))


def test_every_namespace_in_which_something_is_in_maintenance(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = command(cluster, "status", "--all-namespaces")
    assert refused.code == 1
    assert "cannot list resource" in refused.lines[-1] or "may not" in refused.lines[-1]
    may_look_everywhere(cluster, monkeypatch)
    assert ok(command(cluster, "status", "--all-namespaces")).lines == ["Nothing is in maintenance in any namespace."]
    ok(cluster.run("deploy-route", SUBPATH | {"MAINTENANCE_END": "2026-01-01T06:00+01:00"}))
    other = cluster.find("routes", PATH)
    assert other is not None
    spec = {**other["spec"], "host": "theirs.apps.example.test"}
    metadata = {**{key: other["metadata"][key] for key in ("name", "labels", "annotations")}, "namespace": "other-team"}
    cluster.call(cluster.store.create, "routes", {"metadata": metadata, "spec": spec}, manager="test")
    try:
        lines = ok(command(cluster, "status", "--all-namespaces")).lines
        assert [line for line in lines if line.startswith("── ")] == ["── other-team", "── web"]
        assert sum("2026-01-01T06:00:00+01:00 (overdue)" in line for line in lines) == 2
        documents = json.loads(ok(command(cluster, "status", "--all-namespaces", "--json")).log)
        assert [(one["namespace"], len(one["maintenance"])) for one in documents] == [("other-team", 1), ("web", 1)]
    finally:
        cluster.call(cluster.store.delete, "routes", "other-team", PATH)


def test_it_is_looked_at_again_until_somebody_stops_it(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is away for a moment does not end it."""
    looks: list[str] = []

    def look() -> None:
        looks.append("")
        if len(looks) == 2:
            raise TryAgainError("The cluster is away.")
        if len(looks) == 3:
            raise KeyboardInterrupt

    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    for stream, clears in ((io.StringIO(), 0), (terminal, 3)):
        looks.clear()
        watch(look, JobLog(stream), every=0.0)
        assert len(looks) == 3
        assert stream.getvalue().count(" UTC\n") == 3
        assert "The cluster is away. Asking again.\n" in stream.getvalue()
        assert stream.getvalue().count("\x1b[2J") == clears
