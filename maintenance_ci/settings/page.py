"""What the variables of the page's build and Pod may be: resources in Kubernetes' quantities, and the base image.

As in `types` a message never holds the value.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import partial
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator

from maintenance_ci.settings.types import DNS_LABEL, OBJECT_NAME

# Kubernetes' quantities (apimachinery, resource/quantity.go), without exponents and what is finer than a thousandth.
QUANTITY = re.compile(r"(?P<number>[0-9]{1,15}(\.[0-9]{1,6})?)(?P<unit>m|k|[MGTPE]|[KMGTPE]i)?")
UNITS = {"m": Decimal("0.001"), "": Decimal(1)}
UNITS |= {letter: Decimal(1000**power) for power, letter in enumerate("kMGTPE", start=1)}
UNITS |= {f"{letter}i": Decimal(1024**power) for power, letter in enumerate("KMGTPE", start=1)}
# As a ResourceQuota names them, and with it the message of a Pod that it refuses.
RESOURCE = re.compile(r"(?P<kind>requests|limits)\.(?P<name>cpu|memory|ephemeral-storage)")
# As in chart/values.schema.json.
REPLICAS = re.compile(r"[1-9]|10")
# Bytes: a smaller memory lacks its unit. No container starts with less (CRI-O refuses it).
LEAST_BYTES = 1024**2
# What the chart has (chart/values.yaml), so that a limit below an unchanged request is refused here.
PAGE_DEFAULTS = {"requests.cpu": "5m", "requests.memory": "12Mi", "limits.memory": "24Mi"}

# The parts of an image's reference (distribution/reference): registry and repository, then a tag, or a digest, or both.
TAG = r"[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}"
REPOSITORY = r"([A-Za-z0-9][-A-Za-z0-9.]*(:[0-9]{1,5})?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
IMAGE = re.compile(rf"(?P<repository>{REPOSITORY})(:{TAG})?(?P<digest>@sha256:[0-9a-f]{{64}})|{REPOSITORY}:{TAG}")
# No image of a registry has such a name, though it reads as one.
IMAGE_STREAM = "(?i:imagestream(tag|image)):"
IMAGE_STREAM_TAG = re.compile(
    rf"(?i:imagestreamtag):((?P<namespace>{DNS_LABEL.pattern})/)?(?P<stream>{OBJECT_NAME.pattern}):(?P<tag>{TAG})"
)


class BaseImage(NamedTuple):
    """What the page is built upon, as ``dockerStrategy.from`` of a BuildConfig.

    Attributes:
        kind: ``DockerImage`` or ``ImageStreamTag``.
        name: the image's reference, or ``STREAM:TAG``.
        namespace: of the ImageStream; empty for the build's own.
    """

    kind: str
    name: str
    namespace: str = ""


def quantity(text: str) -> Decimal | None:
    """Return a Kubernetes quantity as a number (cores, bytes); None where it is none."""
    parts = QUANTITY.fullmatch(text)
    return Decimal(parts["number"]) * UNITS[parts["unit"] or ""] if parts else None


def _resources(defaults: dict[str, str], value: str) -> dict[str, str]:
    """Take ``requests.cpu=10m,limits.memory=64Mi``, and return it by name: ``{"requests.cpu": "10m", …}``."""
    given: dict[str, str] = {}
    for part in value.replace(",", " ").split():
        name, _, amount = part.partition("=")
        number = quantity(amount)
        if not RESOURCE.fullmatch(name) or number is None:
            raise ValueError(
                "must be such as requests.memory=32Mi,limits.memory=64Mi: requests. or limits. of cpu, memory or "
                "ephemeral-storage, each with a quantity of Kubernetes"
            )
        if name in given:
            raise ValueError(f"has {name} twice")
        if not name.endswith(".cpu") and number < LEAST_BYTES:
            raise ValueError(f"has less than 1Mi for {name}: it needs a unit such as Mi")
        given[name] = amount
    _require_room(given, defaults)
    return given


def _require_room(given: dict[str, str], defaults: dict[str, str]) -> None:
    """Refuse a request above its limit, as Kubernetes does."""
    numbers = {name: quantity(amount) or Decimal(0) for name, amount in {**defaults, **given}.items()}
    for name, number in numbers.items():
        limit = name.replace("requests.", "limits.")
        if number > numbers.get(limit, number):
            unchanged = next((one for one in (name, limit) if one not in given), None)
            hint = f"; {unchanged} is {defaults[unchanged]} unless it is given" if unchanged else ""
            raise ValueError(f"has {name} above {limit}{hint}")


def _base_image(value: str) -> BaseImage:
    text = value.strip()
    if stream := IMAGE_STREAM_TAG.fullmatch(text):
        return BaseImage("ImageStreamTag", f"{stream['stream']}:{stream['tag']}", stream["namespace"] or "")
    image = IMAGE.fullmatch(text)
    if len(text) > 500 or not image or re.match(IMAGE_STREAM, text):
        raise ValueError(
            "must be an image with its tag or digest, such as registry.example.test/mirror/nginx-unprivileged:1.30, "
            "or imagestreamtag:[NAMESPACE/]NAME:TAG"
        )
    # The builder takes no image with both (containers/image, docker/docker_transport.go); the digest decides anyway.
    return BaseImage("DockerImage", f"{image['repository']}{image['digest']}" if image["digest"] else text)


def _replicas(value: str) -> int:
    if not REPLICAS.fullmatch(value.strip()):
        raise ValueError("must be a number from 1 to 10")
    return int(value)


PageReplicas = Annotated[int, BeforeValidator(_replicas)]
PageResources = Annotated[dict[str, str], BeforeValidator(partial(_resources, PAGE_DEFAULTS))]
BuildResources = Annotated[dict[str, str], BeforeValidator(partial(_resources, {}))]
BaseImageReference = Annotated[BaseImage, BeforeValidator(_base_image)]
