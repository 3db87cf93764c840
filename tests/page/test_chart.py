"""The chart, rendered by the real Helm."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from maintenance_ci.rehearsal.tools import helm_path
from maintenance_ci.settings.types import IMAGE_TAG, REGISTRY

CHART = Path(__file__).parents[2] / "chart"
REGISTRY_SET = "dockerRegistry=registry.example.test/team"
KINDS = {"BuildConfig", "ImageStream", "Deployment", "Service", "NetworkPolicy", "PodDisruptionBudget"}

Objects = dict[str, dict[str, Any]]


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([helm_path(), *arguments], capture_output=True, text=True, check=False)


def template(
    *values: str, release: str = "maintenance-page", chart: Path = CHART, kubernetes: str = "1.36.0", **typed: Any
) -> Objects:
    flags = ["--kube-version", kubernetes]
    flags += [flag for value in ("imageTag=v1", *values) for flag in ("--set-string", value)]
    flags += [flag for name, value in typed.items() for flag in ("--set-json", f"{name}={json.dumps(value)}")]
    done = helm("template", release, chart, "--namespace", "web", *flags)
    assert done.returncode == 0, done.stderr
    documents = [document for document in yaml.safe_load_all(done.stdout) if document]
    objects = {document["kind"]: document for document in documents}
    assert len(objects) == len(documents)
    return objects


@pytest.fixture(scope="module")
def objects() -> Objects:
    return template()


@pytest.fixture(scope="module")
def with_registry() -> Objects:
    return template(REGISTRY_SET, "pushSecret=team-secret")


def container(objects: Objects) -> dict[str, Any]:
    (only,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    return dict(only)


def test_lint_finds_nothing(tmp_path: Path) -> None:
    done = helm("lint", "--strict", CHART, "--set-string", "imageTag=v1")
    assert (done.returncode, "[WARNING]" in done.stdout, "[ERROR]" in done.stdout) == (0, False, False)
    wrong = Path(shutil.copytree(CHART, tmp_path / "chart"))
    (wrong / "Chart.yaml").write_text((CHART / "Chart.yaml").read_text().replace("0.1.0", "v0.0.1x"))
    assert helm("lint", "--strict", wrong, "--set-string", "imageTag=v1").returncode != 0


def test_it_holds_the_page_and_nothing_of_the_cluster(objects: Objects) -> None:
    assert set(objects) == KINDS
    for manifest in objects.values():
        assert manifest["metadata"]["name"] == "maintenance-page"
        assert "namespace" not in manifest["metadata"]


def test_labels(objects: Objects) -> None:
    for manifest in objects.values():
        assert manifest["metadata"]["labels"] == {
            "app.kubernetes.io/name": "maintenance-page",
            "app.kubernetes.io/instance": "maintenance-page",
            "app.kubernetes.io/version": "v1",
            "app.kubernetes.io/component": "page",
            "app.kubernetes.io/part-of": "maintenance",
            "app.kubernetes.io/managed-by": "Helm",
            "helm.sh/chart": "maintenance-page-0.1.0",
        }


def test_what_selects_the_pods_does_select_them(objects: Objects) -> None:
    pod_labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    for selector in (
        objects["Deployment"]["spec"]["selector"]["matchLabels"],
        objects["Service"]["spec"]["selector"],
        objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        spread(objects)[0]["labelSelector"]["matchLabels"],
    ):
        assert selector == {
            "app.kubernetes.io/name": "maintenance-page",
            "app.kubernetes.io/instance": "maintenance-page",
        }
        assert selector.items() <= pod_labels


def test_a_new_tag_or_chart_rolls_no_pods(objects: Objects, tmp_path: Path) -> None:
    newer = Path(shutil.copytree(CHART, tmp_path / "chart"))
    (newer / "Chart.yaml").write_text((CHART / "Chart.yaml").read_text().replace("0.1.0", "0.2.0"))
    other = template("imageTag=v2", chart=newer)
    assert other["Deployment"]["metadata"] != objects["Deployment"]["metadata"]
    assert other["Deployment"]["spec"] == objects["Deployment"]["spec"]
    other_limit = template("resources.limits.memory=32Mi")
    assert other_limit["Deployment"]["spec"] != objects["Deployment"]["spec"]


def test_two_releases_share_nothing(objects: Objects) -> None:
    other = template(release="page-two")
    for kind in KINDS:
        assert other[kind]["metadata"]["name"] == "page-two"
    assert other["Service"]["spec"]["selector"] != objects["Service"]["spec"]["selector"]
    assert other["BuildConfig"]["spec"]["output"]["to"]["name"] == "page-two:v1"
    assert trigger(other)["from"]["name"] == "page-two:latest"


@pytest.mark.parametrize("release", ["123", "1e3", "true"])
def test_names_that_yaml_would_take_for_something_else(release: str) -> None:
    for manifest in template("imageTag=1e3", "pushSecret=12", REGISTRY_SET, release=release).values():
        assert manifest["metadata"]["name"] == release
        assert manifest["metadata"]["labels"]["app.kubernetes.io/version"] == "1e3"


def test_a_build_goes_into_the_image_stream(objects: Objects) -> None:
    spec = objects["BuildConfig"]["spec"]
    assert spec["output"] == {"to": {"kind": "ImageStreamTag", "name": "maintenance-page:v1"}}
    assert spec["source"] == {"type": "Binary", "binary": {}}
    assert spec["strategy"] == {"type": "Docker", "dockerStrategy": {}}
    assert (spec["triggers"], spec["runPolicy"]) == ([], "Serial")
    assert (spec["failedBuildsHistoryLimit"], spec["successfulBuildsHistoryLimit"]) == (5, 5)
    assert "imagePullSecrets" not in objects["Deployment"]["spec"]["template"]["spec"]


def test_a_build_may_push_to_a_registry_with_its_secret(with_registry: Objects) -> None:
    assert with_registry["BuildConfig"]["spec"]["output"] == {
        "to": {"kind": "DockerImage", "name": "registry.example.test/team/maintenance-page:v1"},
        "pushSecret": {"name": "team-secret"},
    }
    pod = with_registry["Deployment"]["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "team-secret"}]
    assert template(REGISTRY_SET)["BuildConfig"]["spec"]["output"]["pushSecret"] == {"name": "docker-registry-secret"}


def trigger(objects: Objects) -> dict[str, Any]:
    annotations = objects["Deployment"]["metadata"]["annotations"]
    (only,) = json.loads(annotations["image.openshift.io/triggers"])
    return dict(only)


def test_the_deployment_follows_the_tag_latest(objects: Objects) -> None:
    assert trigger(objects) == {
        "from": {"kind": "ImageStreamTag", "name": "maintenance-page:latest"},
        "fieldPath": "spec.template.spec.containers[0].image",
    }
    assert container(objects)["image"] == "maintenance-page:latest"
    assert container(objects)["imagePullPolicy"] == "IfNotPresent"


def spread(objects: Objects) -> list[dict[str, Any]]:
    return list(objects["Deployment"]["spec"]["template"]["spec"].get("topologySpreadConstraints", []))


def test_a_rollout_never_leaves_the_page_without_a_pod(objects: Objects) -> None:
    spec = objects["Deployment"]["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    for probe in ("readinessProbe", "livenessProbe"):
        assert container(objects)[probe]["httpGet"] == {"path": "/healthz", "port": "http"}


def test_the_pod_meets_the_restricted_standard(objects: Objects) -> None:
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    assert container(objects)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container(objects)["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert [set(volume) for volume in pod["volumes"]] == [{"name", "emptyDir"}]


def test_resources_are_those_of_the_values(objects: Objects) -> None:
    assert container(objects)["resources"] == {
        "requests": {"cpu": "5m", "memory": "12Mi"},
        "limits": {"memory": "24Mi"},
    }
    other = template(
        "resources.limits.cpu=100m", "resources.limits.memory=32Mi", "resources.requests.ephemeral-storage=1Mi"
    )
    assert container(other)["resources"] == {
        "requests": {"cpu": "5m", "memory": "12Mi", "ephemeral-storage": "1Mi"},
        "limits": {"cpu": "100m", "memory": "32Mi"},
    }
    assert "resources" not in other["BuildConfig"]["spec"]
    for_builds = template("buildResources.limits.cpu=1", "buildResources.requests.memory=64Mi")
    assert for_builds["BuildConfig"]["spec"]["resources"] == {"limits": {"cpu": "1"}, "requests": {"memory": "64Mi"}}
    assert for_builds["Deployment"]["spec"] == objects["Deployment"]["spec"]


@pytest.mark.parametrize(
    ("values", "strategy"),
    [
        (["base.name=quay.io/a/nginx:1"], {"from": {"kind": "DockerImage", "name": "quay.io/a/nginx:1"}}),
        (
            [f"base.name=registry.example.test:5000/a/nginx@sha256:{'0' * 64}", "base.pullSecret=mirror"],
            {
                "from": {"kind": "DockerImage", "name": f"registry.example.test:5000/a/nginx@sha256:{'0' * 64}"},
                "pullSecret": {"name": "mirror"},
            },
        ),
        (
            ["base.kind=ImageStreamTag", "base.name=nginx:1.30"],
            {"from": {"kind": "ImageStreamTag", "name": "nginx:1.30"}},
        ),
        (
            ["base.kind=ImageStreamTag", "base.name=nginx:1.30", "base.namespace=shared"],
            {"from": {"kind": "ImageStreamTag", "name": "nginx:1.30", "namespace": "shared"}},
        ),
        (["base.pullSecret=12"], {"pullSecret": {"name": "12"}}),
        (["base.name="], {}),
    ],
)
def test_a_page_is_built_upon_the_base_image_that_is_named(values: list[str], strategy: dict[str, Any]) -> None:
    assert template(*values)["BuildConfig"]["spec"]["strategy"] == {"type": "Docker", "dockerStrategy": strategy}


def test_every_source_reaches_the_page_and_only_the_page(objects: Objects) -> None:
    (port,) = objects["Service"]["spec"]["ports"]
    assert port == {"name": "http", "port": 8080, "targetPort": "http", "protocol": "TCP"}
    assert container(objects)["ports"] == [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]
    policy = objects["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    assert policy["ingress"] == [{"ports": [{"port": 8080, "protocol": "TCP"}]}]


def test_each_value_is_explained_and_in_the_schema() -> None:
    text = (CHART / "values.yaml").read_text()
    properties = json.loads((CHART / "values.schema.json").read_text())["properties"]
    # Helm's own, and the one that has no default.
    assert yaml.safe_load(text).keys() == properties.keys() - {"global", "imageTag"}
    assert [name for name, one in properties.items() if not one.get("description")] == []
    blocks = [block for block in text.split("\n\n") if block.strip()]
    assert [block for block in blocks if not block.lstrip().startswith("#")] == []


def refusal(*arguments: str) -> str:
    done = helm("template", "maintenance-page", CHART, *arguments)
    assert done.returncode != 0
    return done.stderr


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ([], "imageTag"),
        (["--set-string", "imageTag="], "imageTag"),
        (["--set-string", "imageTag=latest"], "imageTag"),
        (["--set", "imageTag=20261123"], "imageTag"),
        (["--set-string", f"imageTag={'a' * 64}"], "imageTag"),
        (["--set-string", "imageTag=v1-"], "imageTag"),
        (["--set-string", "imageTag=-v1"], "imageTag"),
        (["--set-string", "imageTag=a/b"], "imageTag"),
        (["--set-string", "imageTag=a:b"], "imageTag"),
        (
            ["--set-string", "imageTag=v1", "--set-string", "dockerRegistry=https://registry.example.test"],
            "dockerRegistry",
        ),
        (["--set-string", "imageTag=v1", "--set-string", "dockerRegistry=registry.example.test/"], "dockerRegistry"),
        (["--set-string", "imageTag=v1", "--set", "pushSecret="], "pushSecret"),
        (["--set-string", "imageTag=v1", "--set", "replicas=0"], "replicas"),
        (["--set-string", "imageTag=v1", "--set", "replicas=two"], "replicas"),
        (["--set-string", "imageTag=v1", "--set", "replicas=11"], "replicas"),
        (["--set-string", "imageTag=v1", "--set", "spreadOver=nodes"], "/spreadOver"),
        (["--set-string", "imageTag=v1", "--set", "spreadOver={a b}"], "/spreadOver/0"),
        (["--set-string", "imageTag=v1", "--set", "podDisruptionBudget.maxUnavailable=0"], "maxUnavailable"),
        (["--set-string", "imageTag=v1", "--set", "podDisruptionBudget.maxUnavailable=0%"], "maxUnavailable"),
        (["--set-string", "imageTag=v1", "--set", "podDisruptionBudget.minAvailable=1"], "minAvailable"),
        (["--set-string", "imageTag=v1", "--set-string", "podDisruptionBudget.enabled=false"], "/enabled"),
        (["--set-string", "imageTag=v1", "--set", "ipFamilyPolicy=DualStack"], "/ipFamilyPolicy"),
        (["--set-string", "imageTag=v1", "--set", "resources.limits.memory=24MB"], "/resources/limits/memory"),
        (["--set-string", "imageTag=v1", "--set", "resources.memory=24Mi"], "memory"),
        (["--set-string", "imageTag=v1", "--set", "buildResources.limits.gpu=1"], "gpu"),
        (["--set-string", "imageTag=v1", "--set", "base.kind=ImageStream"], "/base/kind"),
        (["--set-string", "imageTag=v1", "--set", "base.name=a b"], "/base/name"),
        (["--set-string", "imageTag=v1", "--set", "imagetag=v2"], "imagetag"),
    ],
)
def test_the_schema_refuses(arguments: list[str], field: str) -> None:
    message = refusal(*arguments)
    assert "specifications of the schema" in message
    assert field in message


@pytest.mark.parametrize("tag", ["1", "a" * 63, "v1.2.3_rc-1", "20261123", "Latest"])
def test_the_schema_accepts(tag: str) -> None:
    assert template(f"imageTag={tag}")["Service"]["metadata"]["labels"]["app.kubernetes.io/version"] == tag


def test_the_schema_and_the_jobs_agree_on_what_is_a_tag_and_a_registry() -> None:
    properties = json.loads((CHART / "values.schema.json").read_text())["properties"]
    samples = [
        "v1",
        "1",
        "a.b",
        "a_b",
        "-a",
        "a-",
        ".a",
        "a b",
        "a/b",
        "a:5000",
        "a:5000/b",
        "a/b/c-d",
        "A.b",
        "a/",
        "",
    ]
    for sample in samples:
        assert bool(re.search(properties["imageTag"]["pattern"], sample)) == bool(IMAGE_TAG.fullmatch(sample))
        registry = bool(REGISTRY.fullmatch(sample)) or sample == ""
        assert bool(re.search(properties["dockerRegistry"]["pattern"], sample)) == registry


def test_whatever_nginx_is_built_upon_reads_the_page_s_configuration() -> None:
    """Bitnami's, for one, looks for it elsewhere; the start scripts of all of them want to write."""
    instructions = dict(
        re.findall(r"^(ENTRYPOINT|CMD|STOPSIGNAL) (.*)$", (CHART.parent / "docker/Dockerfile").read_text(), re.M)
    )
    command = json.loads(instructions["ENTRYPOINT"])
    copied = re.findall(r"^COPY nginx\.conf (.*)$", (CHART.parent / "docker/Dockerfile").read_text(), re.M)
    assert instructions["STOPSIGNAL"] == "SIGQUIT"
    assert (command[0], command[command.index("-c") + 1], instructions["CMD"]) == ("nginx", *copied, "[]")
    assert (CHART.parent / "docker/nginx.conf").read_text().count("include ") == 1
    assert "include /etc/nginx/conf.d/*.conf;" in (CHART.parent / "docker/nginx.conf").read_text()


def test_its_version_of_nginx_is_the_one_that_is_built() -> None:
    dockerfile = (CHART.parent / "docker/Dockerfile").read_text()
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert re.search(rf"^FROM nginxinc/nginx-unprivileged:{re.escape(version)}-", dockerfile, re.MULTILINE)
