"""Job ``build-and-deploy``: the maintenance page is up, and not exposed. No Route is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maintenance_ci.builds import build_page
from maintenance_ci.errors import MaintenanceError
from maintenance_ci.maintenance_route import PAGE
from maintenance_ci.page import pack_build_context, render_page_conf
from maintenance_ci.page_image import (
    image_digest,
    import_result,
    imported_tag,
    needs_build,
    pinned_tag,
    pod_troubles,
    rollout_lacks,
)
from maintenance_ci.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from maintenance_ci.helm import Helm
    from maintenance_ci.openshift import OpenShift
    from maintenance_ci.report import JobLog
    from maintenance_ci.settings import BuildAndDeploySettings

# Seconds for an image to be imported from the registry.
IMPORT_TIMEOUT = 120.0


@dataclass(frozen=True)
class Tools:
    """What the job works with, besides the cluster."""

    helm: Helm
    chart: Path
    docker: Path
    kubeconfig: str
    environment: Mapping[str, str]


def build_and_deploy(settings: BuildAndDeploySettings, cluster: OpenShift, tools: Tools, log: JobLog) -> None:
    """Install the page's chart, build its image where asked or needed, and wait until the page runs that image."""
    context = pack_build_context(tools.docker, _page_conf(settings))
    registry_image = f"{settings.docker_registry}/{PAGE}:{settings.image_tag}" if settings.docker_registry else None

    with log.phase("Look at the page as it is"):
        build = _must_build(settings, cluster, registry_image, log)

    with log.phase("Install the page's chart"):
        log.now("The page's chart may be half installed; no Route was touched.", switched=False)
        values = {"imageTag": settings.image_tag, "dockerRegistry": settings.docker_registry or ""}
        tools.helm.upgrade(PAGE, tools.chart, values)
        log.now("The page's chart is installed; no Route was touched.", switched=False)

    if build:
        with log.phase("Build the page's image"):
            build_page(
                cluster,
                PAGE,
                context,
                kubeconfig=tools.kubeconfig,
                environment=tools.environment,
                timeout=settings.build_timeout,
                log=log,
            )

    with log.phase(f"Make {settings.image_tag} the latest image"):
        digest = _tag_latest(cluster, settings.image_tag, registry_image, log)
        log.say(f"{PAGE}:latest is {digest}")

    with log.phase("Wait until the page runs that image"):
        _wait_for_rollout(cluster, digest, settings.rollout_timeout, log)

    log.end(
        f"The maintenance page {PAGE}:{settings.image_tag} is ready in {settings.project}, and not exposed.",
        "Users still reach every application. Next: the job deploy-route.",
    )


def _page_conf(settings: BuildAndDeploySettings) -> str:
    return render_page_conf(
        name=PAGE,
        tag=settings.image_tag,
        title=settings.maintenance_title,
        message=settings.maintenance_message,
        signature=settings.maintenance_signature,
    )


def _must_build(settings: BuildAndDeploySettings, cluster: OpenShift, registry_image: str | None, log: JobLog) -> bool:
    """Tell whether to build, and say why."""
    image = f"{PAGE}:{settings.image_tag}"
    missing = needs_build(cluster.get("imagestreams", PAGE), settings.image_tag, registry_image)
    if settings.build_maintenance_page:
        log.say(f"{image} will be built: BUILD_MAINTENANCE_PAGE is true")
    elif missing:
        log.say(f"{image} has no image yet: it will be built, although BUILD_MAINTENANCE_PAGE is not true")
    else:
        log.say(f"{image} is there: it is not built anew, since BUILD_MAINTENANCE_PAGE is not true")
    return settings.build_maintenance_page or missing


def _tag_latest(cluster: OpenShift, tag: str, registry_image: str | None, log: JobLog) -> str:
    """Make ``latest`` the image of ``tag``, and return that image's digest."""
    if registry_image:
        return _import_latest(cluster, registry_image, log)
    digest = image_digest(cluster.get("imagestreams", PAGE), tag)
    if digest is None:
        raise MaintenanceError(
            f"The build left no image in {PAGE}:{tag}.", f"Look at it: oc describe istag {PAGE}:{tag}"
        )
    cluster.replace("imagestreamtags", pinned_tag(PAGE, cluster.namespace, "latest", digest))
    return digest


def _import_latest(cluster: OpenShift, image: str, log: JobLog) -> str:
    cluster.replace("imagestreamtags", imported_tag(PAGE, cluster.namespace, "latest", image))

    def imported() -> tuple[str | None, str | None] | None:
        result = import_result(cluster.get("imagestreams", PAGE), "latest")
        return result if any(result) else None

    digest, reason = wait_for(imported, timeout=IMPORT_TIMEOUT, say=log.say, subject=f"the import of {image}") or (
        None,
        f"not within {IMPORT_TIMEOUT:.0f} s",
    )
    if digest is None:
        raise MaintenanceError(
            f"The image {image} cannot be imported: {reason}.",
            "Check DOCKER_REGISTRY and its pull secret, or build it with BUILD_MAINTENANCE_PAGE=true.",
        )
    return digest


def _wait_for_rollout(cluster: OpenShift, digest: str, timeout: float, log: JobLog) -> None:
    lacking = "nothing was seen yet"

    def rolled_out() -> bool | None:
        nonlocal lacking
        lacking = rollout_lacks(cluster.get("deployments", PAGE), digest) or ""
        return None if lacking else True

    if not wait_for(rolled_out, timeout=timeout, say=log.say, subject="the rollout of the page"):
        pods = cluster.select("pods", {"app.kubernetes.io/instance": PAGE})
        troubles = "; ".join(pod_troubles(pods)) or "its Pods say nothing"
        raise MaintenanceError(
            f"The page is not ready within {timeout:.0f} s: {lacking} ({troubles}).",
            f"Look at it: oc describe deployment/{PAGE}, then run the job again.",
        )
