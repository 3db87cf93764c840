"""A build that does not begin, a page that does not run: what is in the way is told in seconds, with exit code 1."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maintenance_ci.names import LEASE, PAGE
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.rehearsal.builds import image_streams
from maintenance_ci.rehearsal.controllers import replicasets
from maintenance_ci.rehearsal.trouble import Trouble
from tests.tools import oc_stand_in
from tests.tools.clusters import DEFAULT_REPLICAS, QUICK, Cluster, Job, running
from tests.tools.outcomes import ok
from tests.tools.small_cluster import until

Variables = dict[str, str | None]
BUILD_AGAIN: Variables = {"BUILD_MAINTENANCE_PAGE": "true"}
LIMITED = "toomanyrequests: You have reached your pull rate limit."
CHART = Path(__file__).parents[2] / "chart"
WEB = manifests.NAMESPACE


@pytest.fixture
def site(built: Cluster) -> Iterator[Cluster]:
    """That cluster, from which is taken again what a test put in the way."""
    yield built
    for plural in ("limitranges", "resourcequotas", "nodes"):
        for found in built.call(built.store.list, plural):
            metadata = found["metadata"]
            built.call(built.store.delete, plural, metadata.get("namespace", ""), metadata["name"])
    built.inside.images.refusals.clear()


@pytest.fixture(params=[pytest.param("oc", marks=pytest.mark.slow), "without oc"])
def oc(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Path]:
    return {"oc": oc_stand_in.install(tmp_path)} if request.param == "oc" else {}


def create(cluster: Cluster, plural: str, name: str, namespace: str = WEB, **content: Any) -> Object:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    made: Object = cluster.call(cluster.store.create, plural, {"metadata": metadata, **content}, manager="test")
    return made


def failed(job: Job) -> str:
    """Return the job's last line; it must have failed for good, without a hint to try again."""
    assert job.code == 1, job.log
    assert job.lines[-1].startswith("ERROR: "), job.log
    assert "no Route was touched" in job.lines[-1] or "Nothing was changed" in job.lines[-1]
    return job.lines[-1]


def end_at_once(cluster: Cluster) -> None:
    """Let the Pods that are about to go be gone: they hold their share of a quota while they drain."""
    for pod in cluster.call(cluster.store.list, "pods", WEB):
        if "deletionTimestamp" in pod["metadata"]:
            cluster.call(cluster.store.delete, "pods", WEB, pod["metadata"]["name"], grace=0)


def builds(cluster: Cluster) -> list[Object]:
    found = cluster.call(cluster.store.list, "builds", WEB)
    return sorted(found, key=lambda build: int(build["metadata"]["annotations"]["openshift.io/build.number"]))


@pytest.mark.slow
def test_a_quota_without_room_for_one_pod_more(site: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The build is through, and the page's Pod stays the old one: it has its 24Mi of the quota."""
    # As on a real cluster some minutes later: the controller's next try is far away.
    monkeypatch.setattr(replicasets, "FIRST_DELAY", 1000.0)
    end_at_once(site)
    quota = create(site, "resourcequotas", "compute", spec={"hard": {"limits.memory": "40Mi"}})
    again: Variables = {**BUILD_AGAIN, "BUILD_RESOURCES": "limits.memory=16Mi"}
    job = site.run("build-and-deploy", again)
    line = failed(job)
    assert "is forbidden: exceeded quota: compute, requested: limits.memory=24Mi, used: limits.memory=24Mi, " in line
    assert "limited: limits.memory=40Mi." in line
    assert "End what else uses the quota compute, set PAGE_REPLICAS=1 or less in PAGE_RESOURCES" in line
    assert any(line.startswith("   ") and "exceeded quota" in line for line in job.lines), "told before it ended"
    # Its condition stays until then, although there is room now: it is asked to try again.
    site.call(site.store.update, "resourcequotas", {**quota, "spec": {"hard": {"limits.memory": "48Mi"}}}, manager="t")
    ok(site.run("build-and-deploy", {"BUILD_RESOURCES": "limits.memory=16Mi"}))


@pytest.mark.slow
def test_a_quota_for_a_single_pod_of_the_page() -> None:
    """Two are the default: the job says what is in the way before it builds, and with which variable one is enough."""
    with running(QUICK) as cluster:
        quota = create(cluster, "resourcequotas", "small", spec={"hard": {"limits.memory": "24Mi"}})
        line = failed(cluster.run("build-and-deploy", {**DEFAULT_REPLICAS, "BUILD_RESOURCES": "limits.memory=16Mi"}))
        assert "The page cannot run: the cluster refuses a Pod of it: " in line
        assert "exceeded quota: small, requested: limits.memory=24Mi, used: limits.memory=24Mi" in line
        assert "set PAGE_REPLICAS=1 or less in PAGE_RESOURCES" in line
        assert builds(cluster) == []
        # One Pod, and one more while it is replaced.
        cluster.call(
            cluster.store.update, "resourcequotas", {**quota, "spec": {"hard": {"limits.memory": "48Mi"}}}, manager="t"
        )
        one: Variables = {"PAGE_REPLICAS": "1", "BUILD_RESOURCES": "limits.memory=16Mi"}
        ok(cluster.run("build-and-deploy", one))
        deployment = cluster.find("deployments", PAGE)
        assert deployment is not None
        assert deployment["spec"]["replicas"] == deployment["status"]["availableReplicas"] == 1


def test_a_page_that_is_not_ready_says_why_before_a_switch(site: Cluster) -> None:
    ok(site.run("build-and-deploy"))
    create(site, "resourcequotas", "objects", spec={"hard": {"pods": "0"}})
    for pod in site.call(site.store.list, "pods", WEB):
        if pod["metadata"]["name"].startswith(f"{PAGE}-") and not pod["metadata"]["name"].endswith("-build"):
            site.call(site.store.delete, "pods", WEB, pod["metadata"]["name"], grace=0)
    site.do(until(lambda: "ReplicaFailure" in str(site.store.get("deployments", WEB, PAGE)["status"])))
    job = site.run("deploy-route")
    assert job.code == 1, job.log
    assert f"The maintenance page is not ready: Service {PAGE} has no ready endpoint (the cluster re" in job.lines[-1]
    assert "exceeded quota: objects, requested: pods=1" in job.lines[-1]
    assert "Run the job build-and-deploy first." in job.lines[-1]


@pytest.mark.slow
def test_a_page_s_pod_that_a_limit_range_refuses(site: Cluster) -> None:
    before = len(builds(site))
    create(site, "limitranges", "small", spec={"limits": [{"type": "Container", "max": {"memory": "16Mi"}}]})
    # An image that is not there yet: it is not even built.
    new: Variables = {"IMAGE_TAG": "v2", "PAGE_RESOURCES": "requests.memory=20Mi"}
    line = failed(site.run("build-and-deploy", new))
    assert 'The page cannot run: the cluster refuses a Pod of it: pods "maintenance-page-' in line
    assert "is forbidden: [maximum memory" not in line
    assert "is forbidden: maximum memory usage per Container is 16Mi, but limit is 24Mi." in line
    assert "Set PAGE_RESOURCES=requests.memory=16Mi,limits.memory=16Mi; then run the job again." in line
    assert len(builds(site)) == before
    ok(site.run("build-and-deploy", {**new, "PAGE_RESOURCES": "requests.memory=16Mi,limits.memory=16Mi"}))


@pytest.mark.slow
def test_a_build_s_pod_that_a_quota_refuses(site: Cluster, oc: dict[str, Path]) -> None:
    create(site, "resourcequotas", "compute", spec={"hard": {"limits.cpu": "2"}})
    page: Variables = {**BUILD_AGAIN, "PAGE_RESOURCES": "limits.cpu=100m"}
    job = site.run("build-and-deploy", page, **oc)
    line = failed(job)
    name = builds(site)[-1]["metadata"]["name"]
    assert (
        f'The build {name} cannot begin: CannotCreateBuildPod: Failed creating build pod: pods "{name}-build"' in line
    )
    assert "failed quota: compute: must specify limits.cpu for: docker-build" in line
    assert "Set BUILD_RESOURCES with limits.cpu: the quota compute asks for it; then run the job again." in line
    assert f"   build {name} cannot begin: CannotCreateBuildPod" in job.log, "told while the job waited"
    assert "It was cancelled" not in line, "the job waited until the server gave up, which takes five minutes"
    ok(site.run("build-and-deploy", {**page, "BUILD_RESOURCES": "limits.cpu=500m"}, **oc))
    assert builds(site)[-2]["status"]["phase"] == "Cancelled", "the one that was given up holds up no other"


@pytest.mark.slow
def test_a_build_behind_a_stuck_one_names_it(site: Cluster, oc: dict[str, Path]) -> None:
    last = builds(site)[-1]
    number = int(last["metadata"]["annotations"]["openshift.io/build.number"]) + 1
    stuck = f"{PAGE}-{number}"
    annotations = {**last["metadata"]["annotations"], "openshift.io/build.number": str(number)}
    metadata = {key: last["metadata"][key] for key in ("namespace", "labels", "ownerReferences")}
    status = {"phase": "New", "reason": "InvalidImageReference", "conditions": last["status"]["conditions"]}
    body = {"metadata": {**metadata, "name": stuck, "annotations": annotations}, "spec": last["spec"], "status": status}
    config = site.find("buildconfigs", PAGE)
    assert config is not None
    site.call(site.store.update, "buildconfigs", {**config, "status": {"lastVersion": number}}, manager="test")
    site.call(site.store.create, "builds", body, manager="test")
    try:
        line = failed(site.run("build-and-deploy", {**BUILD_AGAIN, "BUILD_TIMEOUT": "4"}, **oc))
    finally:
        site.call(site.store.delete, "builds", WEB, stuck)
    assert f"The build {PAGE}-{number + 1} waits: build {stuck} runs before it (New, InvalidImageReference)." in line
    assert f"oc cancel-build {stuck} -n web" in line


@pytest.mark.parametrize("ends", [pytest.param("BUILD_TIMEOUT", marks=pytest.mark.slow), "the server's answer 504"])
def test_a_build_s_pod_that_no_node_takes(site: Cluster, monkeypatch: pytest.MonkeyPatch, ends: str) -> None:
    cordon(site)
    seconds = "4"
    if ends != "BUILD_TIMEOUT":
        monkeypatch.setattr(site.inside.server.builds, "_start_timeout", 4.0)
        seconds = "100"
    job = site.run("build-and-deploy", {**BUILD_AGAIN, "BUILD_TIMEOUT": seconds})
    line = failed(job)
    name = builds(site)[-1]["metadata"]["name"]
    assert f"The build {name} waits for its Pod: Unschedulable: 0/1 nodes are available: 1 node(s) were unsched" in line
    assert f"   build {name} waits for its Pod: Unschedulable" in job.log
    assert ("It was cancelled: by somebody, or by the server" in line) == (ends != "BUILD_TIMEOUT")


def test_a_build_whose_answer_is_lost_goes_on(site: Cluster) -> None:
    """A load balancer in front of the API may not wait as long as the server does, and yet the upload has arrived."""
    lost = Trouble("504", method="POST", path="instantiatebinary", client="ours", after=True)
    site.inside.troubles.add(lost)
    job = ok(site.run("build-and-deploy", BUILD_AGAIN))
    assert site.inside.troubles.met[-1][0] == lost
    assert f"The build {builds(site)[-1]['metadata']['name']} goes on." in job.log


def cordon(cluster: Cluster) -> None:
    create(cluster, "nodes", "node-1", namespace="", spec={"unschedulable": True})


@pytest.mark.slow
def test_a_page_s_pod_that_no_node_takes_is_waited_for(site: Cluster) -> None:
    ok(site.run("build-and-deploy"))
    cordon(site)
    job = site.run("build-and-deploy", {"PAGE_RESOURCES": "limits.memory=25Mi", "ROLLOUT_TIMEOUT": "3"})
    line = failed(job)
    assert "The page is not ready within 3 s: " in line
    assert "(Unschedulable: 0/1 nodes are available: 1 node(s) were unschedulable." in line
    assert "(Unschedulable: 0/1 nodes" in "\n".join(job.lines[:-1]), "told before it ended"


@pytest.mark.slow
def test_a_rollout_that_kubernetes_gives_up(site: Cluster, tmp_path: Path) -> None:
    ok(site.run("build-and-deploy"))
    cordon(site)
    chart = Path(shutil.copytree(CHART, tmp_path / "chart"))
    deployment = chart / "templates/deployment.yaml"
    deployment.write_text(deployment.read_text().replace("spec:\n", "spec:\n  progressDeadlineSeconds: 1\n", 1))
    given: Variables = {"PAGE_RESOURCES": "limits.memory=26Mi", "ROLLOUT_TIMEOUT": "100"}
    line = failed(site.run("build-and-deploy", given, chart=chart))
    assert 'The page cannot run: ReplicaSet "maintenance-page-' in line
    assert '" has timed out progressing.' in line
    # What was said before this job began may pass: a node may be free by now.
    line = failed(site.run("build-and-deploy", {**given, "ROLLOUT_TIMEOUT": "2"}, chart=chart))
    assert "The page is not ready within 2 s" in line


def test_a_job_that_is_cancelled_while_its_build_waits(site: Cluster) -> None:
    cordon(site)
    done, processes = Job(code=-1), list[int]()

    def say(line: str) -> None:
        done.lines.append(line)
        if "waits for its Pod" in line:
            os.kill(processes[0], signal.SIGTERM)

    done.code = site.do(site.workplace(BUILD_AGAIN).run("build-and-deploy", say=say, started=processes.append))
    assert (done.code, "The job was interrupted." in done.lines[-1]) == (1, True), done.log
    assert site.find("leases", LEASE) is None
    [last] = builds(site)[-1:]
    assert last["status"]["phase"] == "Cancelled"


@pytest.mark.slow
def test_a_base_image_that_cannot_be_pulled(site: Cluster, oc: dict[str, Path]) -> None:
    site.inside.images.refusals["nginxinc/"] = LIMITED
    line = failed(site.run("build-and-deploy", BUILD_AGAIN, **oc))
    assert "ended as Failed: PullBuilderImageFailed: Failed pulling builder image. Its last lines: " in line
    assert LIMITED.rstrip(".") in line
    assert "in PAGE_BASE_IMAGE" in line
    mirror = "quay.example.test:5000/mirror/nginx-unprivileged:1.30"
    job = ok(site.run("build-and-deploy", {**BUILD_AGAIN, "PAGE_BASE_IMAGE": mirror}, **oc))
    assert re.search(rf"STEP 1/\d+: FROM {re.escape(mirror)}", job.log)


@pytest.mark.slow
def test_a_base_image_of_an_image_stream(site: Cluster) -> None:
    create(site, "imagestreams", "nginx", spec={})
    base = site.inside.images.find_base("nginx")
    reference = site.call(image_streams.push, site.store, WEB, "nginx", "1.30", base)
    job = ok(site.run("build-and-deploy", {**BUILD_AGAIN, "PAGE_BASE_IMAGE": "imagestreamtag:nginx:1.30"}))
    assert re.search(rf"STEP 1/\d+: FROM {re.escape(reference)}", job.log)
    line = failed(site.run("build-and-deploy", {**BUILD_AGAIN, "PAGE_BASE_IMAGE": "imagestreamtag:nginx:1.31"}))
    assert "PAGE_BASE_IMAGE: the ImageStream nginx in web has no image 1.31. Nothing was changed." in line
    assert "Name one that it has: 1.30." in line
    # What is not built asks for no base image.
    ok(site.run("build-and-deploy", {"PAGE_BASE_IMAGE": "imagestreamtag:nginx:1.31"}))


def test_a_base_image_of_a_namespace_that_is_not_ours_to_see(site: Cluster, oc: dict[str, Path]) -> None:
    line = failed(
        site.run("build-and-deploy", {**BUILD_AGAIN, "PAGE_BASE_IMAGE": "imagestreamtag:shared/nginx:1"}, **oc)
    )
    assert "Error resolving ImageStreamTag nginx:1 in namespace shared" in line


@pytest.mark.slow
def test_a_secret_to_pull_with_that_is_not_there(site: Cluster) -> None:
    line = failed(site.run("build-and-deploy", {**BUILD_AGAIN, "PAGE_BASE_PULL_SECRET": "mirror"}))
    assert "PAGE_BASE_PULL_SECRET needs the Secret mirror, which is not there. Nothing was changed." in line
    create(site, "secrets", "mirror", type="kubernetes.io/dockerconfigjson")
    ok(site.run("build-and-deploy", {**BUILD_AGAIN, "PAGE_BASE_PULL_SECRET": "mirror"}))
    build = builds(site)[-1]
    assert build["spec"]["strategy"]["dockerStrategy"] == {"pullSecret": {"name": "mirror"}}
