"""The three jobs, each as a process with a pipeline's variables, on the embedded OpenShift."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import trustme

from maintenance_ci.names import page_route_name
from maintenance_ci.plan.rights import BUDGETS, CHART_KINDS
from maintenance_ci.rehearsal import application_manifests as manifests
from tests.tools.clusters import DEFAULT_REPLICAS, Cluster
from tests.tools.outcomes import essence, ok

ROOT = Path(__file__).parents[2]
WHOLE, PAGE = "shop-maintenance-page", "maintenance-page:v1"


def served_by(answers: list[Any], path: str | None = None) -> set[str]:
    return {answer.served_by for answer in answers if path in (None, answer.path)}


def test_a_route_goes_into_maintenance_and_comes_back(cluster: Cluster) -> None:
    before = essence(cluster.find("routes", "shop"))
    with cluster.users("/", "/cart") as answers:
        log = ok(cluster.run("build-and-deploy", DEFAULT_REPLICAS)).log
        assert "has no image yet" in log
        assert "STEP 1/" in log
        assert cluster.routes() == {"shop"}

        log = ok(cluster.run("deploy-route")).log
        assert cluster.routes() == {WHOLE}
        with cluster.users("/", "/cart") as during:
            cluster.do(_pause(0.5))
        assert "now meet the maintenance page" in log
        assert "oc port-forward --namespace web service/shop 8080:http" in log

        log = ok(cluster.run("delete")).log
        assert cluster.routes() == {"shop"}
    assert served_by(during, "/") == served_by(during, "/cart") == {PAGE}
    assert len(during) > 20
    assert {answer.status for answer in answers} == {200}
    assert served_by(answers) == {"application", PAGE}
    assert essence(cluster.find("routes", "shop")) == before
    assert "The page is removed." in log
    for _, plural in (*CHART_KINDS, BUDGETS):
        assert cluster.find(plural, "maintenance-page") is None
    secrets = cluster.call(cluster.store.list, "secrets", manifests.NAMESPACE)
    assert [secret["metadata"]["name"] for secret in secrets] == ["docker-registry-secret"]


def test_a_subpath_goes_into_maintenance_beside_the_application(cluster: Cluster) -> None:
    ok(cluster.run("build-and-deploy"))
    part: dict[str, str | None] = {"SUBPATH": "/cart", "ROUTE_TEMPLATES_PROJECT": None, "CI_JOB_TOKEN": None}
    with cluster.users("/", "/cart", "/cart/2", "/cartoon") as answers:
        ok(cluster.run("deploy-route", part))
        assert cluster.routes() == {"shop", page_route_name("shop", "/cart")}
        with cluster.users("/", "/cart", "/cart/2", "/cartoon", rate=200) as during:
            cluster.do(_pause(0.5))
        ok(cluster.run("delete", part))
    assert {answer.status for answer in answers} == {200}
    assert served_by(during, "/") == served_by(during, "/cartoon") == {"application"}
    assert served_by(during, "/cart") == served_by(during, "/cart/2") == {PAGE}
    assert cluster.routes() == {"shop"}
    assert cluster.inside.gitlab.requests == []
    assert cluster.find("deployments", "maintenance-page") is None


async def _pause(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


@pytest.mark.slow
def test_two_routes_in_and_one_out_keeps_the_page(cluster: Cluster) -> None:
    portal = manifests.route("portal", "portal.apps.example.test", service="shop")
    cluster.call(cluster.store.create, "routes", portal, manager="test")
    files = cluster.inside.gitlab.projects[0].branches["main"]
    files["portal.yaml"] = manifests.template(portal)
    ok(cluster.run("build-and-deploy"))
    ok(cluster.run("deploy-route"))
    ok(cluster.run("deploy-route", {"ROUTE_NAME": "portal"}))

    log = ok(cluster.run("delete")).log
    assert "it stays: portal-maintenance-page shows it" in log
    assert cluster.find("deployments", "maintenance-page") is not None
    assert cluster.routes() == {"shop", "portal-maintenance-page"}

    ok(cluster.run("delete", {"ROUTE_NAME": "portal"}))
    assert cluster.routes() == {"shop", "portal"}
    assert cluster.find("deployments", "maintenance-page") is None


@pytest.mark.slow
def test_a_route_that_somebody_else_pointed_to_the_page_keeps_it(cluster: Cluster) -> None:
    ok(cluster.run("build-and-deploy"))
    theirs = manifests.route("by-hand", "by-hand.apps.example.test")
    theirs["spec"]["alternateBackends"] = [{"kind": "Service", "name": "maintenance-page", "weight": 1}]
    cluster.call(cluster.store.create, "routes", theirs, manager="somebody")
    ok(cluster.run("deploy-route"))
    assert "it stays: by-hand shows it" in ok(cluster.run("delete")).log
    assert cluster.find("deployments", "maintenance-page") is not None


TEMPLATE = """
apiVersion: template.openshift.io/v1
kind: Template
metadata: {name: shop}
parameters:
- {name: HOSTNAME, required: true}
- {name: SERVICE_NAME, value: shop}
objects:
- kind: Route
  apiVersion: route.openshift.io/v1
  metadata: {name: shop, labels: {app: shop}, annotations: {kubernetes.io/tls-acme: "true"}}
  spec:
    host: ${HOSTNAME}
    to: {kind: Service, name: "${SERVICE_NAME}", weight: 100}
    port: {targetPort: http}
    tls: {termination: Edge, insecureEdgeTerminationPolicy: Redirect}
    wildcardPolicy: None
"""


@pytest.mark.parametrize("form", ["shop.yaml", "shop.yaml.j2"])
@pytest.mark.slow
def test_the_other_forms_of_a_template(cluster: Cluster, form: str) -> None:
    before = essence(cluster.find("routes", "shop"))
    if form.endswith(".j2"):
        plain = manifests.TEMPLATES["shop.yaml"].decode()
        content = plain.replace(manifests.HOST, "{{ HOSTNAME }}").replace("name: shop", "name: {{ route_name }}")
    else:
        content = TEMPLATE
    files = cluster.inside.gitlab.projects[0].branches["main"]
    files.clear()
    files[f"routes/{form}"] = content.encode()
    variables: dict[str, str | None] = {
        "ROUTE_TEMPLATE_PATH": form.replace("shop", "routes/{{ route_name }}"),
        "ROUTE_TEMPLATE_PARAMETERS": json.dumps({"HOSTNAME": manifests.HOST}),
    }
    ok(cluster.run("build-and-deploy"))
    ok(cluster.run("deploy-route", variables))
    ok(cluster.run("delete", variables))
    assert essence(cluster.find("routes", "shop")) == before


@pytest.mark.slow
def test_a_certificate_that_an_acme_controller_wrote_comes_back(cluster: Cluster) -> None:
    live = cluster.find("routes", "shop")
    assert live is not None
    certified = json.loads(json.dumps(live))
    ca = trustme.CA()
    first, second = (_own_certificate(ca) for _ in range(2))
    certified["spec"]["tls"] |= first
    cluster.call(cluster.store.update, "routes", certified, manager="acme")
    ok(cluster.run("build-and-deploy"))
    done = ok(cluster.run("deploy-route"))
    page_route = cluster.find("routes", WHOLE)
    assert page_route is not None
    assert page_route["spec"]["tls"]["certificate"] == first["certificate"]
    renewed = json.loads(json.dumps(page_route))
    renewed["spec"]["tls"] |= second
    cluster.call(cluster.store.update, "routes", renewed, manager="acme")
    back = ok(cluster.run("delete"))
    restored = cluster.find("routes", "shop")
    assert restored is not None
    assert restored["spec"]["tls"] == certified["spec"]["tls"] | second
    assert "PRIVATE KEY" not in done.log + back.log


def _own_certificate(ca: trustme.CA) -> dict[str, str]:
    issued = ca.issue_cert(manifests.HOST)
    certificate, key = issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()
    return {"certificate": certificate.decode(), "key": key.decode()}


@pytest.mark.slow
def test_the_page_is_built_only_when_asked_or_needed(cluster: Cluster, tmp_path: Path) -> None:
    assert "STEP 1/" in ok(cluster.run("build-and-deploy")).log
    deployed = cluster.find("deployments", "maintenance-page")
    assert deployed is not None
    image = deployed["spec"]["template"]["spec"]["containers"][0]["image"]

    again = ok(cluster.run("build-and-deploy"))
    assert "maintenance-page:latest is maintenance-page:v1" in again.log
    assert "STEP 1/" not in again.log
    same = cluster.find("deployments", "maintenance-page")
    assert same is not None
    assert same["metadata"]["generation"] == deployed["metadata"]["generation"]

    docker = shutil.copytree(ROOT / "docker", tmp_path / "docker")
    (docker / "index.html").write_text("<!doctype html><title>New</title>")
    ok(cluster.run("build-and-deploy", {"BUILD_MAINTENANCE_PAGE": "yes"}, docker=docker))
    new = cluster.find("deployments", "maintenance-page")
    assert new is not None
    assert new["spec"]["template"]["spec"]["containers"][0]["image"] != image
    assert new["status"]["availableReplicas"] == new["status"]["replicas"] == 1


@pytest.mark.slow
def test_the_job_waits_for_a_slow_image_trigger() -> None:
    from tests.tools.clusters import Options, running

    with running(Options(reload_interval=0.3, busy=False, image_trigger_delay=3.0)) as cluster:
        ok(cluster.run("build-and-deploy"))
        deployed = cluster.find("deployments", "maintenance-page")
        assert deployed is not None
        assert "@sha256:" in deployed["spec"]["template"]["spec"]["containers"][0]["image"]
        assert deployed["status"]["availableReplicas"] == 1


@pytest.mark.slow
def test_a_build_that_fails_fails_the_job_and_leaves_the_old_page(cluster: Cluster, tmp_path: Path) -> None:
    ok(cluster.run("build-and-deploy"))
    before = cluster.find("deployments", "maintenance-page")
    docker = shutil.copytree(ROOT / "docker", tmp_path / "docker")
    (docker / "Dockerfile").write_text("FROM nginxinc/nginx-unprivileged:1.28\nCOPY missing.html /x\n")
    job = cluster.run("build-and-deploy", {"BUILD_MAINTENANCE_PAGE": "1", "IMAGE_TAG": "v2"}, docker=docker)
    assert job.code == 1
    assert "ERROR: The build maintenance-page-2 ended as Failed" in job.lines[-1]
    assert "no Route was touched" in job.lines[-1]
    after = cluster.find("deployments", "maintenance-page")
    assert before is not None and after is not None
    assert after["spec"]["template"] == before["spec"]["template"]
    assert cluster.routes() == {"shop"}


@pytest.mark.slow
def test_a_page_that_does_not_get_ready_fails_the_job(cluster: Cluster, tmp_path: Path) -> None:
    docker = shutil.copytree(ROOT / "docker", tmp_path / "docker")
    (docker / "default.conf").write_text("server { listen 8080; this is no directive; }\n")
    job = cluster.run("build-and-deploy", {"ROLLOUT_TIMEOUT": "3"}, docker=docker)
    assert job.code == 1
    assert "The page is not ready within 3 s: the new Pods have not taken over" in job.lines[-1]
    assert "CrashLoopBackOff: Error, exit code 1" in job.lines[-1]
    job = cluster.run("build-and-deploy", {"ROLLOUT_TIMEOUT": "100"}, docker=docker)
    assert job.code == 1, "nobody waits for what crashes again and again"
    assert "The page cannot run: CrashLoopBackOff: Error, exit code 1: " in job.lines[-1]
    assert 'unknown directive "this"' in job.lines[-1]

    job = cluster.run("deploy-route")
    assert job.code == 1
    assert job.lines[-1].startswith("ERROR: The maintenance page is not ready")
    assert "Nothing was changed." in job.lines[-1]
    assert cluster.routes() == {"shop"}


@pytest.mark.slow
def test_with_a_registry_the_build_goes_there_and_latest_is_imported(cluster: Cluster) -> None:
    registry: dict[str, str | None] = {"DOCKER_REGISTRY": "registry.example.test/team"}
    ok(cluster.run("build-and-deploy", registry))
    config = cluster.find("buildconfigs", "maintenance-page")
    assert config is not None
    assert config["spec"]["output"] == {
        "to": {"kind": "DockerImage", "name": "registry.example.test/team/maintenance-page:v1"},
        "pushSecret": {"name": "docker-registry-secret"},
    }
    deployed = cluster.find("deployments", "maintenance-page")
    assert deployed is not None
    image = deployed["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image.startswith("registry.example.test/team/maintenance-page@sha256:")
    assert "STEP 1/" not in ok(cluster.run("build-and-deploy", registry)).log


@pytest.mark.slow
def test_jobs_may_be_run_again(cluster: Cluster) -> None:
    ok(cluster.run("delete"))
    assert cluster.routes() == {"shop"}
    ok(cluster.run("build-and-deploy"))
    ok(cluster.run("deploy-route"))
    assert "in maintenance already" in ok(cluster.run("deploy-route")).log
    assert cluster.routes() == {WHOLE}
    ok(cluster.run("delete"))
    ok(cluster.run("delete"))
    assert cluster.routes() == {"shop"}


def test_deploy_route_makes_few_requests(cluster: Cluster) -> None:
    ok(cluster.run("build-and-deploy"))
    cluster.inside.gitlab.projects[0].branches["main"]["shop.yaml"] = TEMPLATE.encode()
    first = len(cluster.inside.server.requests)
    ok(cluster.run("deploy-route", {"ROUTE_TEMPLATE_PARAMETERS": json.dumps({"HOSTNAME": manifests.HOST})}))
    requests = [request for request in cluster.inside.server.requests[first:] if request.user_agent == "maintenance-ci"]
    assert len(requests) >= 6
    polls = [request for request in requests if request.method == "GET" and request.path.endswith(f"/routes/{WHOLE}")]
    assert len(requests) - len(polls) <= 12, [(request.method, request.path) for request in requests]


@pytest.mark.slow
def test_three_upgrades_after_an_image_trigger_roll_nothing(cluster: Cluster) -> None:
    ok(cluster.run("build-and-deploy"))
    before = cluster.find("deployments", "maintenance-page")
    pods = {pod["metadata"]["name"] for pod in cluster.call(cluster.store.list, "pods", manifests.NAMESPACE)}
    for _ in range(3):
        log = ok(cluster.run("build-and-deploy")).log
        assert 'Release "maintenance-page" has been upgraded' in log
    after = cluster.find("deployments", "maintenance-page")
    assert before is not None and after is not None
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert {pod["metadata"]["name"] for pod in cluster.call(cluster.store.list, "pods", manifests.NAMESPACE)} == pods
