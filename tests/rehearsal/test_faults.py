"""What a user gets wrong is answered in one line that says what is untouched and what to do; nothing is changed."""

from __future__ import annotations

import socket

import pytest
import trustme

from maintenance_ci.rehearsal import application_manifests as manifests
from tests.rehearsal.conftest import QUICK, Cluster, Job, running

JOBS = ("build-and-deploy", "deploy-route", "delete")


@pytest.fixture(scope="module")
def cluster():  # type: ignore[no-untyped-def]
    with running(QUICK) as cluster:
        assert cluster.run("build-and-deploy").code == 0
        yield cluster


def versions(cluster: Cluster) -> dict[tuple[str, str], str]:
    """The resourceVersion of everything that a job might touch."""
    kinds = (
        "routes",
        "services",
        "deployments",
        "buildconfigs",
        "builds",
        "imagestreams",
        "secrets",
        "networkpolicies",
    )
    return {
        (plural, found["metadata"]["name"]): found["metadata"]["resourceVersion"]
        for plural in kinds
        for found in cluster.call(cluster.store.list, plural, manifests.NAMESPACE)
    }


def refused(cluster: Cluster, job: str, variables: dict[str, str | None], code: int) -> str:
    """Run the job; hold that it ended with one line of error and changed nothing; return that line."""
    before = versions(cluster)
    done: Job = cluster.run(job, variables)
    assert done.code == code, done.log
    assert versions(cluster) == before
    assert "Traceback" not in done.log
    assert [line.startswith("ERROR: ") for line in done.lines].count(True) == 1
    assert done.lines[-1].startswith("ERROR: ")
    assert cluster.inside.token not in done.log
    return done.lines[-1]


@pytest.mark.parametrize("job", JOBS)
def test_a_wrong_token(cluster: Cluster, job: str) -> None:
    line = refused(cluster, job, {"OKD_TOKEN": "wrong-token"}, 1)
    assert "wrong-token" not in line
    assert "The cluster refuses the token (401). Nothing was changed. Check OKD_TOKEN" in line


@pytest.mark.parametrize("job", JOBS)
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
    assert "cannot be verified. Nothing was changed. Give its CA in OKD_CA." in line


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
        "Check ROUTE_NAME and PROJECT: oc get routes -n web"
    )


@pytest.mark.parametrize("job", ["deploy-route", "delete"])
def test_a_template_that_is_not_there(cluster: Cluster, job: str) -> None:
    line = refused(cluster, job, {"ROUTE_TEMPLATE_PATH": "other/{{ route_name }}.yaml"}, 1)
    assert "The template other/shop.yaml in ops/route-templates is not there" in line
    assert "Nothing was changed. Check ROUTE_TEMPLATES_PROJECT" in line


@pytest.mark.parametrize("job", ["deploy-route", "delete"])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "HTML page"),
        (b"kind: Secret\nmetadata: {name: shop}\n", "must hold one Route or one Template"),
        (b"kind: Route\nmetadata: {name: other}\nspec: {host: h.example.test}\n", "another Route than shop"),
        (b"kind: Route\nmetadata: {name: shop}\nspec: {to: {name: shop}}\n", "gives the Route no host"),
        (b"\xff\xfe", "is not text"),
        (b"kind: Template\nparameters: [{name: HOST, required: true}]\nobjects: []\n", "HOST"),
    ],
)
def test_a_template_that_is_none(cluster: Cluster, job: str, content: bytes, says: str) -> None:
    files = cluster.inside.gitlab.projects[0].branches["main"]
    good = files["shop.yaml"]
    files["shop.yaml"] = content
    try:
        line = refused(cluster, job, {}, 1)
    finally:
        files["shop.yaml"] = good
    assert says in line
    assert "Nothing was changed." in line


@pytest.mark.parametrize("job", ["deploy-route", "delete"])
def test_a_gitlab_that_refuses_or_is_away(cluster: Cluster, job: str) -> None:
    assert "GitLab refuses the token (401)" in refused(cluster, job, {"CI_JOB_TOKEN": "wrong"}, 1)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{closed.getsockname()[1]}"
        assert "GitLab cannot be reached" in refused(cluster, job, {"CI_SERVER_URL": url}, 75)


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


@pytest.mark.parametrize("job", ["build-and-deploy", "delete"])
def test_no_helm_is_found_out_before_anything_is_touched(cluster: Cluster, job: str) -> None:
    line = refused(cluster, job, {"PATH": "/nowhere"}, 1)
    assert line == "ERROR: There is no helm on PATH. Nothing was changed. Install it where the job runs."


def test_a_failure_after_the_switch_is_exit_code_3(cluster: Cluster) -> None:
    """The host is lost: a Route of another namespace, older than ours, waits for it."""
    theirs = manifests.route("thief", manifests.HOST, namespace=manifests.OTHER_NAMESPACE)
    cluster.call(cluster.store.create, "routes", theirs, manager="thief")
    done = cluster.run("deploy-route", {"ADMISSION_TIMEOUT": "2"})
    assert done.code == 3, done.log
    assert "is not admitted by default within 2 s" in done.lines[-1]
    assert "The original Route is deleted" in done.lines[-1]
    assert "To put it back: run the job delete." in done.lines[-1]
