"""What a user gets wrong is answered in one line that says what is untouched and what to do; nothing is changed."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import pytest
import trustme

from maintenance_ci.rehearsal import application_manifests as manifests
from tests.tools.clusters import QUICK, Cluster, Job, running

ROOT = Path(__file__).parents[2]
JOBS = ("build-and-deploy", "deploy-route", "delete")


@pytest.fixture(scope="module")
def cluster():  # type: ignore[no-untyped-def]
    with running(QUICK) as cluster:
        assert cluster.run("build-and-deploy").code == 0
        yield cluster


def intentions(cluster: Cluster) -> dict[tuple[str, str], object]:
    """All that a job might touch, but for its status, which controllers may write at any time."""
    kinds = (
        "routes",
        "services",
        "deployments",
        "buildconfigs",
        "builds",
        "imagestreams",
        "secrets",
        "networkpolicies",
        "poddisruptionbudgets",
    )
    return {
        (plural, found["metadata"]["name"]): (
            [found["metadata"].get(key) for key in ("uid", "labels", "annotations")],
            found.get("spec"),
            found.get("data"),
        )
        for plural in kinds
        for found in cluster.call(cluster.store.list, plural, manifests.NAMESPACE)
    }


def refused(cluster: Cluster, job: str, variables: dict[str, str | None], code: int) -> str:
    """Run the job; hold that it ended with one error and changed nothing; return that, in one line."""
    before = intentions(cluster)
    done: Job = cluster.run(job, variables)
    assert done.code == code, done.log
    assert intentions(cluster) == before
    assert "Traceback" not in done.log
    [at] = [number for number, line in enumerate(done.lines) if line.startswith("ERROR: ")]
    assert all(line.startswith("   ") for line in done.lines[at + 1 :])
    assert cluster.inside.token not in done.log
    return " ".join(done.lines[at:])


@pytest.mark.parametrize("job", JOBS)
def test_a_wrong_token(cluster: Cluster, job: str) -> None:
    line = refused(cluster, job, {"OKD_TOKEN": "wrong-token"}, 1)
    assert "wrong-token" not in line
    assert "The cluster refuses the token (401). Nothing was changed. Check OKD_TOKEN" in line


@pytest.mark.parametrize("job", ["deploy-route", *(pytest.param(job, marks=pytest.mark.slow) for job in JOBS[::2])])
def test_an_unreachable_cluster(cluster: Cluster, job: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{closed.getsockname()[1]}"
        line = refused(cluster, job, {"OKD_URL": url}, 75)
    assert f"{url} cannot be reached" in line
    assert "Nothing was changed. Check OKD_URL" in line


@pytest.mark.parametrize("job", JOBS)
def test_a_cluster_whose_certificate_is_not_trusted(cluster: Cluster, job: str) -> None:
    line = refused(cluster, job, {"OKD_CA": trustme.CA().cert_pem.bytes().decode()}, 1)
    assert (
        "cannot be verified: unable to get local issuer certificate. Nothing was changed. Give its CA in OKD_CA" in line
    )


def test_tls_is_not_verified_only_where_one_says_so(cluster: Cluster) -> None:
    done = cluster.run("deploy-route", {"OKD_CA": None, "OKD_INSECURE_SKIP_TLS_VERIFY": "true", "ROUTE_NAME": "nope"})
    assert "Route nope is not in namespace web" in done.lines[-1]


@pytest.mark.parametrize("job", JOBS)
def test_a_namespace_that_is_not_there(cluster: Cluster, job: str) -> None:
    line = refused(cluster, job, {"PROJECT": "nowhere"}, 1)
    assert "Check PROJECT" in line
    assert "Nothing was changed." in line


def test_a_route_that_is_not_there(cluster: Cluster) -> None:
    line = refused(cluster, "deploy-route", {"ROUTE_NAME": "nope"}, 1)
    assert line == (
        "ERROR: Route nope is not in namespace web. Nothing was changed. "
        "Check ROUTE_NAME and PROJECT: oc get routes -n web; if its maintenance was cut short, the job delete puts it "
        "back."
    )


# What asks for a template: a Route that is about to go; one without a trace, that is to be made all the same.
ASKING = [("deploy-route", "shop"), ("delete", "gone")]
FORCED: dict[str, str | None] = {"FORCE": "true"}


@pytest.mark.parametrize(("job", "route"), ASKING)
def test_a_template_that_is_not_there(cluster: Cluster, job: str, route: str) -> None:
    asked: dict[str, str | None] = {"ROUTE_NAME": route, "ROUTE_TEMPLATE_PATH": "other/{{ route_name }}.yaml"}
    line = refused(cluster, job, FORCED | asked, 1)
    assert f"The template other/{route}.yaml in ops/route-templates is not there" in line
    assert "Nothing was changed. Check ROUTE_TEMPLATES_PROJECT" in line


@pytest.mark.parametrize(("job", "route"), ASKING)
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "HTML page"),
        (b"kind: Secret\nmetadata: {name: shop}\n", "must hold one Route or one Template"),
        (
            b"kind: Route\nmetadata: {name: other}\nspec: {host: h.example.test, to: {name: s}}\n",
            "another Route than",
        ),
        (b"kind: Route\nmetadata: {name: shop}\nspec: {host: h}\n", "spec.to: is missing"),
        (b"\xff\xfe", "is not text"),
        (b"kind: Route\nmetadata: [shop]\nspec: 5\n", "metadata: input should be"),
        (b"kind: Route\nmetadata: {name: shop}\nspec: {host: h, to: {name: s}, tls: x}\n", "spec.tls: input should be"),
        (
            b"kind: Route\nmetadata: {name: shop}\nspec: {host: h, to: {name: s}, day: .inf}\n",
            "JSON has no such number",
        ),
        (b"kind: Template\nparameters: 5\nobjects: []\n", "parameters: input should be"),
        (
            b"""{"kind": "Template", "parameters": [{"name": "HOST", "required": true}], "objects": [
                {"kind": "Route", "metadata": {"name": "shop"}, "spec": {"host": "${HOST}", "to": {"name": "s"}}}]}""",
            "parameter HOST is required",
        ),
    ],
)
def test_a_template_that_is_none(
    cluster: Cluster, template: MutableMapping[str, bytes], job: str, route: str, content: bytes, says: str
) -> None:
    template[f"{route}.yaml"] = content
    line = refused(cluster, job, FORCED | {"ROUTE_NAME": route}, 1)
    assert says in line
    assert "Nothing was changed." in line


def test_a_route_of_which_there_is_no_trace_is_not_made(cluster: Cluster, template: MutableMapping[str, bytes]) -> None:
    template["gone.yaml"] = manifests.template(manifests.route("gone", "gone.apps.example.test"))
    line = refused(cluster, "delete", {"ROUTE_NAME": "gone"}, 1)
    assert "Route gone does not exist, and nothing shows that it was in maintenance" in line
    assert "Nothing was changed. Check ROUTE_NAME and PROJECT; FORCE=trace creates it from its template." in line


@pytest.mark.parametrize(("job", "route"), [ASKING[0], pytest.param(*ASKING[1], marks=pytest.mark.slow)])
def test_a_gitlab_that_refuses_or_is_away(cluster: Cluster, job: str, route: str) -> None:
    asked = FORCED | {"ROUTE_NAME": route}
    assert "GitLab refuses the token (401)" in refused(cluster, job, asked | {"CI_JOB_TOKEN": "wrong"}, 1)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{closed.getsockname()[1]}"
        assert "GitLab cannot be reached" in refused(cluster, job, asked | {"CI_SERVER_URL": url}, 75)


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("value", ["a;b", "a\nb", "$(id)", "x" * 300, ""])
def test_a_bad_namespace_or_route_name_touches_nothing(cluster: Cluster, job: str, value: str) -> None:
    asked = len(cluster.inside.server.requests)
    for variable in {"build-and-deploy": ("PROJECT", "IMAGE_TAG")}.get(job, ("PROJECT", "ROUTE_NAME")):
        assert f"ERROR: {variable}: " in refused(cluster, job, {variable: value}, 2)
    assert len(cluster.inside.server.requests) == asked


def test_no_right_to_the_routes(cluster: Cluster) -> None:
    from maintenance_ci.rehearsal.apiserver.rights import User

    users = cluster.inside.server.users
    users["reader"] = User(
        "reader", roles={"web": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]}
    )
    line = refused(cluster, "deploy-route", {"OKD_TOKEN": "reader"}, 1)
    assert "The token lacks a right" in line
    assert "docs/service-account.yaml" in line


def test_a_registry_without_its_secret(cluster: Cluster) -> None:
    secret = cluster.find("secrets", "docker-registry-secret")
    assert secret is not None
    cluster.call(cluster.store.delete, "secrets", "web", "docker-registry-secret")
    try:
        line = refused(cluster, "build-and-deploy", {"DOCKER_REGISTRY": "registry.example.test"}, 1)
    finally:
        restored = {"metadata": {"name": "docker-registry-secret", "namespace": "web"}, "data": secret["data"]}
        cluster.call(cluster.store.create, "secrets", restored, manager="test")
    assert "DOCKER_REGISTRY needs the Secret docker-registry-secret, which is not there. Nothing was changed." in line


@pytest.mark.parametrize("job", ["build-and-deploy", "delete"])
def test_no_helm_is_found_out_before_anything_is_touched(cluster: Cluster, job: str) -> None:
    line = refused(cluster, job, {"PATH": "/nowhere"}, 1)
    assert line == "ERROR: There is no helm on PATH. Nothing was changed. Install it where the job runs."


def changed_template(cluster: Cluster, **change: object) -> bytes:
    """The template of shop with other values in its spec; those that are None are left out."""
    good = manifests.route("shop", manifests.HOST)
    good["spec"] = {key: value for key, value in (good["spec"] | change).items() if value is not None}
    return manifests.template(good)


@pytest.fixture
def template(cluster: Cluster) -> Iterator[MutableMapping[str, bytes]]:
    files = cluster.inside.gitlab.projects[0].branches["main"]
    good = dict(files)
    yield files
    files.clear()
    files.update(good)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"host": "other.example.test"}, "spec.host is 'other.example.test' in the template, 'shop.apps.example.test'"),
        ({"path": "/elsewhere"}, "spec.path is '/elsewhere' in the template, absent in the cluster"),
        ({"tls": None}, "spec.tls.termination is absent in the template, 'edge' in the cluster"),
        ({"tls": {"termination": "passthrough"}}, "spec.tls.termination is 'passthrough'"),
        ({"to": {"kind": "Service", "name": "nope"}}, "spec.backends.0.name is 'nope' in the template, 'shop'"),
        ({"port": None}, "spec.port.targetPort is absent in the template, 'http' in the cluster"),
    ],
)
def test_a_template_that_would_bring_back_another_route(
    cluster: Cluster, template: MutableMapping[str, bytes], change: dict[str, object], says: str
) -> None:
    template["shop.yaml"] = changed_template(cluster, **change)
    line = refused(cluster, "deploy-route", {}, 1)
    assert says in line
    assert "Nothing was changed. Correct the template, or accept its state with ACCEPT_ROUTE_DIFFERENCES=true." in line


def test_a_route_that_no_router_serves_is_not_deleted(cluster: Cluster) -> None:
    lost = manifests.route("lost", manifests.HOST)  # shop is older
    cluster.call(cluster.store.create, "routes", lost, manager="test")
    try:
        line = refused(cluster, "deploy-route", {"ROUTE_NAME": "lost"}, 1)
        assert "No router serves Route lost (default says HostAlreadyClaimed" in line
        # And it might take the host when shop is deleted.
        line = refused(cluster, "deploy-route", {}, 1)
        assert "Route lost is on shop.apps.example.test too, and would be served instead of the page." in line
    finally:
        cluster.call(cluster.store.delete, "routes", "web", "lost")


@pytest.mark.parametrize("subpath", ["/app", "/other", "/application"])
def test_a_subpath_that_the_route_does_not_serve(cluster: Cluster, subpath: str) -> None:
    if cluster.find("routes", "below") is None:
        below = manifests.route("below", "below.apps.example.test")
        below["spec"]["path"] = "/app"
        cluster.call(cluster.store.create, "routes", below, manager="test")
        cluster.do(_pause(0.5))
    line = refused(cluster, "deploy-route", {"ROUTE_NAME": "below", "SUBPATH": subpath}, 1)
    assert "SUBPATH is not below /app" in line


def test_a_subpath_that_another_route_serves(cluster: Cluster) -> None:
    taken = manifests.route("taken", manifests.HOST)
    taken["spec"]["path"] = "/taken"
    cluster.call(cluster.store.create, "routes", taken, manager="test")
    try:
        assert "Route taken is on shop" in refused(cluster, "deploy-route", {"SUBPATH": "/taken"}, 1)
    finally:  # it would hold the host for this namespace
        cluster.call(cluster.store.delete, "routes", "web", "taken")


@pytest.mark.parametrize("job", ["deploy-route", "delete"])
def test_a_route_of_that_name_that_is_not_ours(cluster: Cluster, job: str) -> None:
    theirs = manifests.route("shop-maintenance-page", "theirs.apps.example.test")
    cluster.call(cluster.store.create, "routes", theirs, manager="somebody")
    try:
        assert "exists, but belongs to no maintenance of shop" in refused(cluster, job, {}, 1)
    finally:
        cluster.call(cluster.store.delete, "routes", "web", "shop-maintenance-page")


@pytest.fixture
def page(cluster: Cluster) -> None:
    """The page is there, though a test before this one may have ended the last maintenance."""
    assert cluster.run("build-and-deploy").code == 0


@pytest.mark.usefixtures("page")
def test_a_maintenance_route_that_no_router_would_serve_deletes_nothing(cluster: Cluster, tmp_path: Path) -> None:
    templates = shutil.copytree(ROOT / "route-templates", tmp_path / "templates")
    ours = templates / "maintenance-route.yaml.j2"
    # The API takes a certificate that the router cannot read.
    broken = "tls: {termination: edge, certificate: none, key: none}"
    ours.write_text(ours.read_text().replace("tls: {{ tls | toyaml }}", broken))
    assert broken in ours.read_text()
    done = cluster.run("deploy-route", {}, templates=templates)
    assert done.code == 1, done.log
    assert "Route shop-maintenance-page is not admitted by default after" in done.lines[-1]
    assert "(default says ExtendedValidationFailed" in done.lines[-1]
    assert "It was rolled back" in done.lines[-1]
    assert cluster.routes() >= {"shop"}
    assert "shop-maintenance-page" not in cluster.routes()
    assert cluster.find("secrets", "shop-maintenance-snapshot") is None


@pytest.mark.slow
@pytest.mark.usefixtures("page")
def test_accepted_differences_come_back(cluster: Cluster, template: MutableMapping[str, bytes]) -> None:
    template["shop.yaml"] = changed_template(cluster, port=None)
    accept: dict[str, str | None] = {"ACCEPT_ROUTE_DIFFERENCES": "yes"}
    done = cluster.run("deploy-route", accept)
    assert done.code == 0, done.log
    assert "accepted: spec.port.targetPort is absent in the template" in done.log
    assert cluster.run("delete", accept).code == 0
    restored = cluster.find("routes", "shop")
    assert restored is not None
    assert "port" not in restored["spec"]
    as_before = restored | {"spec": restored["spec"] | {"port": {"targetPort": "http"}}}
    cluster.call(cluster.store.update, "routes", as_before, manager="test")


async def _pause(seconds: float) -> None:
    await asyncio.sleep(seconds)


@pytest.mark.usefixtures("page")
@pytest.mark.slow
def test_a_lost_host_is_exit_code_3_again_and_again(cluster: Cluster) -> None:
    """A Route of another namespace, older than ours, waits for the host, and keeps it."""
    theirs = manifests.route("thief", manifests.HOST, namespace=manifests.OTHER_NAMESPACE)
    cluster.call(cluster.store.create, "routes", theirs, manager="thief")
    cluster.do(_pause(1.1))  # older by the clock, which has seconds; within one the uid decides
    done = cluster.run("deploy-route", {"ADMISSION_TIMEOUT": "2"})
    assert done.code == 3, done.log
    assert "after 2 s (default says HostAlreadyClaimed" in done.lines[-1]
    assert "The rollback failed, too: Route shop is not admitted" in done.lines[-1]
    assert "Another Route holds its host: have that one removed" in done.lines[-1]
    # The original is there, and waits for its host: who holds it is all that is left to find out.
    assert any(f"oc get routes --all-namespaces | grep -F {manifests.HOST}" in line for line in done.lines)
    again = cluster.run("deploy-route", {"ADMISSION_TIMEOUT": "2"})
    assert again.code == 1, again.log
    assert "No router serves Route shop (default says HostAlreadyClaimed" in again.lines[-1]
    for _ in range(2):
        done = cluster.run("delete", {"ADMISSION_TIMEOUT": "2"})
        assert done.code in (1, 3), done.log
        assert "Route shop is not admitted" in done.lines[-1]
        assert cluster.find("deployments", "maintenance-page") is not None
    cluster.call(cluster.store.delete, "routes", manifests.OTHER_NAMESPACE, "thief")
    assert cluster.run("delete").code == 0
    assert cluster.find("secrets", "shop-maintenance-snapshot") is None
