"""PAGE_RESOURCES, BUILD_RESOURCES and PAGE_BASE_IMAGE: what they may be, and the message about anything else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from maintenance_ci.errors import VariableError
from maintenance_ci.settings.page import PAGE_DEFAULTS, UNITS, BaseImage, quantity
from maintenance_ci.settings.variables import BuildAndDeploySettings, read_settings

CHART = Path(__file__).parents[2] / "chart"
GIVEN = {"PROJECT": "web", "OKD_URL": "https://api.example.test", "OKD_TOKEN": "sha256~token", "IMAGE_TAG": "v1"}
DIGEST = "sha256:" + "0" * 64


def settings(**variables: str) -> BuildAndDeploySettings:
    return read_settings(BuildAndDeploySettings, GIVEN | variables)


def fault(**variables: str) -> str:
    with pytest.raises(VariableError) as refused:
        settings(**variables)
    [one] = refused.value.faults
    return one


def test_no_message_holds_the_value() -> None:
    for name in ("PAGE_RESOURCES", "BUILD_RESOURCES", "PAGE_BASE_IMAGE", "PAGE_BASE_PULL_SECRET"):
        assert "s3cret" not in fault(**{name: "s3cret!"})


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("5m", 0.005),
        ("1.5", 1.5),
        ("100k", 100_000),
        ("12Mi", 12 * 1024**2),
        ("1Gi", 1024**3),
        ("24M", 24_000_000),
    ],
)
def test_a_quantity_is_a_number(text: str, number: float) -> None:
    assert float(quantity(text) or 0) == pytest.approx(number)


@pytest.mark.parametrize("text", ["", "24MB", "24mi", "24 Mi", "-1", "1e3", "Mi", ".5", "1.", "0x10", "٣", "1K"])
def test_what_is_no_quantity(text: str) -> None:
    assert quantity(text) is None


@pytest.mark.parametrize(
    ("value", "resources"),
    [
        ("limits.cpu=100m", {"limits.cpu": "100m"}),
        (
            "requests.memory=64Mi, limits.memory=64Mi\nlimits.ephemeral-storage=1Gi",
            {"requests.memory": "64Mi", "limits.memory": "64Mi", "limits.ephemeral-storage": "1Gi"},
        ),
        ("requests.cpu=0", {"requests.cpu": "0"}),
        ("", {}),
        ("  ", {}),
    ],
)
def test_resources_are_written_as_a_quota_names_them(value: str, resources: dict[str, str]) -> None:
    assert settings(PAGE_RESOURCES=value).page_resources == resources
    assert settings(BUILD_RESOURCES=value).build_resources == resources


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("memory=64Mi", "must be such as"),
        ("limits.memory", "must be such as"),
        ("limits.memory=", "must be such as"),
        ("limits.memory=64MB", "must be such as"),
        ("limits.gpu=1", "must be such as"),
        ('{"limits": {"memory": "64Mi"}}', "must be such as"),
        ("limits.memory=64Mi,limits.memory=32Mi", "has limits.memory twice"),
        ("limits.memory=64", "less than 1Mi for limits.memory: it needs a unit such as Mi"),
        ("limits.memory=64m", "less than 1Mi"),
        ("limits.memory=8Mi", "has requests.memory above limits.memory; requests.memory is 12Mi unless it is given"),
        ("requests.memory=64Mi", "has requests.memory above limits.memory; limits.memory is 24Mi unless it is given"),
        ("requests.cpu=2,limits.cpu=1500m", "has requests.cpu above limits.cpu"),
    ],
)
def test_other_resources_are_refused_by_name(value: str, why: str) -> None:
    assert fault(PAGE_RESOURCES=value).startswith("PAGE_RESOURCES: ")
    assert why in fault(PAGE_RESOURCES=value)


@pytest.mark.parametrize(("value", "replicas"), [("1", 1), (" 2 ", 2), ("10", 10), ("", None)])
def test_how_many_pods_show_the_page(value: str, replicas: int | None) -> None:
    assert settings(PAGE_REPLICAS=value).page_replicas == replicas


@pytest.mark.parametrize("value", ["0", "11", "-1", "1.5", "two", "01", "٣"])
def test_other_numbers_of_pods_are_refused(value: str) -> None:
    assert fault(PAGE_REPLICAS=value) == "PAGE_REPLICAS: must be a number from 1 to 10"


def test_a_build_s_pod_has_no_resources_of_its_own() -> None:
    assert settings(BUILD_RESOURCES="requests.memory=64Mi").build_resources == {"requests.memory": "64Mi"}
    assert "above" in fault(BUILD_RESOURCES="requests.memory=64Mi,limits.memory=32Mi")


@pytest.mark.parametrize("unit", UNITS)
def test_the_chart_takes_the_same_units(unit: str) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["definitions"]["quantity"]["pattern"]
    assert re.search(schema, f"1.5{unit}")


def test_the_defaults_are_the_chart_s() -> None:
    values: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    resources = values["resources"].items()
    assert {f"{kind}.{name}": amount for kind, some in resources for name, amount in some.items()} == PAGE_DEFAULTS


@pytest.mark.parametrize(
    ("value", "base"),
    [
        (
            "registry.example.test/mirror/nginx:1.30",
            BaseImage("DockerImage", "registry.example.test/mirror/nginx:1.30"),
        ),
        ("registry.example.test:5000/nginx:1", BaseImage("DockerImage", "registry.example.test:5000/nginx:1")),
        (f"quay.io/a/b@{DIGEST}", BaseImage("DockerImage", f"quay.io/a/b@{DIGEST}")),
        # The builder takes no image with both.
        (f"quay.io:5000/a/b:v1@{DIGEST}", BaseImage("DockerImage", f"quay.io:5000/a/b@{DIGEST}")),
        ("nginxinc/nginx-unprivileged:1.30", BaseImage("DockerImage", "nginxinc/nginx-unprivileged:1.30")),
        ("nginx:1.30", BaseImage("DockerImage", "nginx:1.30")),
        ("imagestreamtag:nginx:1.30", BaseImage("ImageStreamTag", "nginx:1.30")),
        ("imagestreamtag:shared/nginx:1.30", BaseImage("ImageStreamTag", "nginx:1.30", "shared")),
        ("ImageStreamTag:openshift/nginx:1.24-ubi9", BaseImage("ImageStreamTag", "nginx:1.24-ubi9", "openshift")),
    ],
)
def test_a_base_image(value: str, base: BaseImage) -> None:
    assert settings(PAGE_BASE_IMAGE=value).page_base_image == base


@pytest.mark.parametrize(
    "value",
    [
        "nginx",
        "registry.example.test:5000/nginx",
        "https://registry.example.test/nginx:1",
        "docker://nginx:1",
        "quay.io/a/b@sha256:12",
        "quay.io/A/b:1",
        "a b:1",
        "a:1 b:2",
        "a,b=c:1",
        "imagestreamtag:nginx",
        f"imagestreamimage:nginx@sha256:{'a' * 64}",
        f"ImageStreamTag:nginx@sha256:{'a' * 64}",
        "imagestreamtag:a/b/c:1",
        "imagestreamtag:Shared/nginx:1",
        "imagestream:nginx:1",
        "registry.example.test/../nginx:1",
    ],
)
def test_what_is_no_base_image(value: str) -> None:
    assert "with its tag or digest" in fault(PAGE_BASE_IMAGE=value)


def test_its_secret_has_a_name() -> None:
    assert settings(PAGE_BASE_PULL_SECRET="mirror").page_base_pull_secret == "mirror"
    assert "name of a Secret" in fault(PAGE_BASE_PULL_SECRET="Not a name")
