from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests

from maintenance_ci.cluster import api
from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.cluster.openshift import OpenShift
from maintenance_ci.errors import ConflictError, MaintenanceError, TryAgainError
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.cluster import TEMPLATE_PROJECT
from maintenance_ci.rehearsal.trouble import FOR_GOOD, Trouble, parse_trouble
from maintenance_ci.templates import project as template_project
from maintenance_ci.templates.project import TemplateProject
from tests.tools.clusters import QUICK, Cluster, running


@pytest.mark.parametrize(
    ("line", "trouble"),
    [
        ("PATCH routes/shop: 503", Trouble("503", method="PATCH", path="routes/shop")),
        ("#7: reset after", Trouble("reset", first=7, after=True)),
        ("GET #2: delay 2.5 x3", Trouble("delay", "2.5", method="GET", first=2, times=3)),
        ("gitlab: 429 x2", Trouble("429", gitlab=True, times=2)),
        ("gitlab files/shop: sign-in always", Trouble("sign-in", gitlab=True, path="files/shop", times=FOR_GOOD)),
        ("DELETE routes/shop: rewrite", Trouble("rewrite", method="DELETE", path="routes/shop")),
        ("GET x: delete pods/page after", Trouble("delete", "pods/page", method="GET", path="x", after=True)),
        (": silence", Trouble("silence")),
        ("ours DELETE routes/shop$: kill", Trouble("kill", method="DELETE", path="routes/shop$", client="ours")),
        ("helm PATCH #2: kill after", Trouble("kill", method="PATCH", first=2, after=True, client="helm")),
        ("helm: 503", Trouble("503", client="helm")),
        ("GET continue=: forget always", Trouble("forget", method="GET", path="continue=", times=FOR_GOOD)),
        ("GET ours: 500", Trouble("500", method="GET", path="ours")),
    ],
)  # fmt: skip
def test_a_trouble_is_one_line(line: str, trouble: Trouble) -> None:
    assert parse_trouble(line) == trouble
    assert str(trouble) == line


@pytest.mark.parametrize(
    "line",
    ["", "503", "GET: explode", "GET: delay", "GET: delay soon", "GET: delete pods", "GET: 503 often", "GET: kill 9"],
)
def test_what_is_no_trouble(line: str) -> None:
    with pytest.raises(ValueError, match=r"gitlab\|ours\|helm|delay needs|delete needs"):
        parse_trouble(line)


@pytest.fixture
def cluster(shared: Cluster) -> Iterator[Cluster]:
    yield shared
    shared.call(shared.inside.troubles.clear)


@pytest.fixture
def client(cluster: Cluster, tmp_path) -> Iterator[OpenShift]:  # type: ignore[no-untyped-def]
    inside = cluster.inside
    config = write_kubeconfig(
        tmp_path, url=inside.server.url, token=inside.token, namespace="web", ca=inside.ca_file.read_text()
    )
    client = OpenShift(str(config), "web")
    yield client
    client.close()


def expect(cluster: Cluster, line: str) -> None:
    cluster.call(cluster.inside.troubles.add, parse_trouble(line))


def new_route(name: str) -> dict[str, object]:
    return manifests.route(name, f"{name}.apps.example.test")


@pytest.mark.parametrize(
    ("status", "error"), [("500", TryAgainError), ("503", TryAgainError), ("418", MaintenanceError)]
)
def test_a_status(cluster: Cluster, client: OpenShift, status: str, error: type[Exception]) -> None:
    expect(cluster, f"POST /routes: {status}")
    with pytest.raises(error, match=status):
        client.create("routes", new_route("refused"))
    assert cluster.find("routes", "refused") is None
    assert client.get("routes", "shop") is not None  # another method is not concerned
    client.create("routes", new_route(f"after-{status}"))  # and only one request was


def test_a_request_that_is_refused_has_no_effect_to_come_after(cluster: Cluster, client: OpenShift) -> None:
    expect(cluster, "POST /routes: reset after")
    met = cluster.inside.troubles.met
    before = list(met)
    with pytest.raises(ConflictError):
        client.create("routes", new_route("shop"))
    assert met == before
    with pytest.raises(TryAgainError):
        client.create("routes", new_route("effective"))
    assert client.get("routes", "effective")


def test_an_answer_that_is_lost_after_the_request_took_effect(cluster: Cluster, client: OpenShift) -> None:
    expect(cluster, "POST /routes: reset after")
    with pytest.raises(TryAgainError):
        client.create("routes", new_route("lost"))
    assert cluster.find("routes", "lost") is not None


def test_a_connection_cut_before(cluster: Cluster, client: OpenShift) -> None:
    expect(cluster, "POST /routes: reset")
    with pytest.raises(TryAgainError):
        client.create("routes", new_route("cut"))
    assert cluster.find("routes", "cut") is None


def test_a_chosen_number_and_a_count(cluster: Cluster, client: OpenShift) -> None:
    expect(cluster, "GET services #2: 500 x2")
    for refused in (False, True, True, False):
        if refused:
            with pytest.raises(TryAgainError):
                client.get("services", "shop")
        else:
            assert client.get("services", "shop")


def test_a_delay(cluster: Cluster, client: OpenShift) -> None:
    expect(cluster, "GET routes/shop: delay 0.5")
    began = time.monotonic()
    assert client.get("routes", "shop")
    assert time.monotonic() - began >= 0.5


def test_html(cluster: Cluster, client: OpenShift) -> None:
    expect(cluster, "GET routes/shop: html")
    with pytest.raises(MaintenanceError, match="not as a Kubernetes API"):
        client.get("routes", "shop")


def test_another_writer_between_our_read_and_our_deletion(cluster: Cluster, client: OpenShift) -> None:
    client.create("routes", new_route("contested"))
    read = client.get("routes", "contested")
    assert read is not None
    expect(cluster, "DELETE routes/contested: rewrite")
    with pytest.raises(ConflictError):
        client.delete("routes", read)
    found = cluster.find("routes", "contested")
    assert found is not None
    assert "rehearsal/written-by" in found["metadata"]["annotations"]


def test_another_writer_writes_that_very_object(cluster: Cluster, client: OpenShift) -> None:
    for name in ("twin", "twin-maintenance-page"):
        client.create("routes", new_route(name))
    expect(cluster, "GET routes/twin$: rewrite")
    client.get("routes", "twin")
    for name, written in (("twin", True), ("twin-maintenance-page", False)):
        found = cluster.find("routes", name)
        assert found is not None
        assert ("rehearsal/written-by" in found["metadata"]["annotations"]) is written


def test_what_never_came_true(cluster: Cluster, client: OpenShift) -> None:
    """Also where the request came, but there was nothing to change, or it took no effect to come after."""
    troubles = cluster.inside.troubles
    lines = {
        "GET services/shop: delay 0": None,
        "GET services/shop #2: 500": 1,
        "DELETE services/shop: 503": 0,
        "GET routes/nowhere: rewrite": 1,
        "GET routes/shop: delete pods/nowhere": 1,
        "GET routes/other: rewrite routes/shop": None,
        "POST routes: reset after": 0,
    }
    for line in lines:
        expect(cluster, line)
    client.get("services", "shop")
    for name in ("nowhere", "shop", "other"):
        client.get("routes", name)
    with pytest.raises(ConflictError):
        client.create("routes", new_route("shop"))
    never = {str(trouble): seen for trouble, seen in cluster.call(lambda: troubles.never).items()}
    assert never == {line: seen for line, seen in lines.items() if seen is not None}


def test_a_dollar_ends_the_path(cluster: Cluster, client: OpenShift) -> None:
    expect(cluster, "GET routes/sho$: 500")
    assert client.get("routes", "shop")
    expect(cluster, "GET routes/shop$: 500")
    with pytest.raises(TryAgainError):
        client.get("routes", "shop")


def test_ours_and_helms_are_told_apart(cluster: Cluster, client: OpenShift) -> None:
    expect(cluster, "helm GET services/shop: 500")
    assert client.get("services", "shop")
    expect(cluster, "ours GET services/shop: 500")
    with pytest.raises(TryAgainError):
        client.get("services", "shop")


@pytest.mark.parametrize(("when", "there"), [("kill", False), ("kill after", True)])
def test_a_job_is_killed_before_or_after_its_request_took_effect(when: str, there: bool) -> None:
    with running(QUICK) as cluster:
        expect(cluster, f"helm PATCH services/maintenance-page: {when}")
        job = cluster.run("build-and-deploy")
        assert job.code == -9
        assert "ERROR" not in job.log
        assert (cluster.find("services", "maintenance-page") is not None) is there
        [(trouble, request)] = cluster.inside.troubles.met
    assert trouble.effect == "kill"
    assert request.startswith("PATCH /api/v1/namespaces/web/services/maintenance-page?")


def test_nobody_is_killed_where_no_job_runs(cluster: Cluster, client: OpenShift) -> None:
    expect(cluster, "GET routes/shop: kill")
    with pytest.raises(TryAgainError):
        client.get("routes", "shop")


def test_a_pod_is_stopped_and_comes_back(cluster: Cluster, client: OpenShift) -> None:
    def pods() -> set[str]:
        return {pod["metadata"]["name"] for pod in client.select("pods")}

    before = pods()
    expect(cluster, "GET routes/shop: delete pods/shop")
    client.get("routes", "shop")
    deadline = time.monotonic() + 60
    while (pods() & before or not pods()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert pods()
    assert not pods() & before


@pytest.mark.slow
def test_a_build_fails(cluster: Cluster) -> None:
    expect(cluster, "POST instantiatebinary: fail-build")
    job = cluster.run("build-and-deploy")
    assert job.code == 1
    assert "the rehearsal fails this build" in job.log
    assert cluster.run("build-and-deploy").code == 0


@pytest.mark.parametrize(
    ("line", "error", "says"),
    [
        ("gitlab: 401 x9", MaintenanceError, "401"),
        ("gitlab: 403 x9", MaintenanceError, "403"),
        ("gitlab: 404 x9", MaintenanceError, "404"),
        ("gitlab: 500 x9", TryAgainError, "500"),
        ("gitlab: reset x9", TryAgainError, "cannot be reached"),
    ],
)
def test_gitlab(
    cluster: Cluster, line: str, error: type[Exception], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template_project, "PAUSES", (0.05, 0.05, 0.05))
    inside = cluster.inside
    project = TemplateProject(
        inside.gitlab.url, TEMPLATE_PROJECT, job_token=inside.job_token, ca=inside.ca_file.read_text()
    )
    assert "kind: Route" in project.read("shop.yaml")
    expect(cluster, line)
    with pytest.raises(error, match=says):
        project.read("shop.yaml")


def test_gitlab_shows_the_sign_in_page(cluster: Cluster) -> None:
    inside = cluster.inside
    project = TemplateProject(
        inside.gitlab.url, TEMPLATE_PROJECT, job_token=inside.job_token, ca=inside.ca_file.read_text()
    )
    expect(cluster, "gitlab: sign-in")
    with pytest.raises(MaintenanceError, match="HTML page instead of the template shop"):
        project.read("shop.yaml")
    expect(cluster, "gitlab: 429 x2")  # passing: python-gitlab asks again
    assert "kind: Route" in project.read("shop.yaml")


@pytest.mark.parametrize("server", ["cluster", "gitlab"])
def test_silence(cluster: Cluster, server: str) -> None:
    """Whoever asks is not answered; asked by a client with little patience, since ours has half a minute."""
    inside = cluster.inside
    url, line = (
        (inside.gitlab.url, "gitlab: silence") if server == "gitlab" else (inside.server.url, "GET pods: silence")
    )
    path = f"{url}/api/v1/namespaces/web/pods"
    headers = {"Authorization": f"Bearer {inside.token}"}
    expect(cluster, line)
    with pytest.raises(requests.ReadTimeout):
        requests.get(path, headers=headers, verify=str(inside.ca_file), timeout=0.5)
    assert requests.get(path, headers=headers, verify=str(inside.ca_file), timeout=60).status_code in (200, 401, 404)


def test_an_answer_that_drips_has_an_end(cluster: Cluster, client: OpenShift, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of a whole answer, shortened here: each byte comes well within the limit of a read."""
    monkeypatch.setattr(api, "ANSWER_TIMEOUT", 1.0)
    expect(cluster, "GET routes/shop: drip")
    with pytest.raises(TryAgainError, match="did not end within 1 s"):
        client.get("routes", "shop")
