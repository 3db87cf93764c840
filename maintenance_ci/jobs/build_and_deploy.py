"""Job ``build-and-deploy``: the maintenance page is up, and not exposed. No Route is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from maintenance_ci.cluster import command
from maintenance_ci.errors import ForbiddenError, MaintenanceError
from maintenance_ci.log.outcome import listed
from maintenance_ci.names import PAGE, ROUTE_ANNOTATION
from maintenance_ci.page.build_status import pushed_digest
from maintenance_ci.page.builds import build_page
from maintenance_ci.page.context import pack_build_context
from maintenance_ci.page.image import (
    image_digest,
    import_result,
    imported_tag,
    pinned_tag,
    require_base_image,
    why_not_built,
)
from maintenance_ci.page.rendering import render_page
from maintenance_ci.page.rollout import Rollout
from maintenance_ci.plan.checks import require_secret
from maintenance_ci.plan.marks import annotations_of
from maintenance_ci.plan.page_route import routes_to
from maintenance_ci.plan.rights import (
    IMAGE_RIGHT,
    ROLE,
    budget_rights,
    building_rights,
    deploying_rights,
    describe_rights,
    require_rights,
)
from maintenance_ci.run.observe import page_users
from maintenance_ci.run.shared_reads import SharedReads
from maintenance_ci.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.page.helm import Helm
    from maintenance_ci.settings.variables import BuildAndDeploySettings

# Seconds for an image to be imported from the registry.
IMPORT_TIMEOUT = 120.0
# The Secret of the namespace that the chart names for a registry (chart/values.yaml, pushSecret).
PUSH_SECRET = "docker-registry-secret"  # noqa: S105 - its name


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
    page = render_page(tools.docker, name=PAGE, tag=settings.image_tag, signature=settings.maintenance_signature)
    context = pack_build_context(tools.docker, page)
    registry_image = f"{settings.docker_registry}/{PAGE}:{settings.image_tag}" if settings.docker_registry else None

    with log.phase("Look at the page as it is"):
        stream, budget = _require_rights(settings, cluster, tools.environment, log)
        log.say(f"{PAGE} is {'there' if stream else 'not there yet'} in {settings.project}")
        if registry_image:
            with log.check("the Secret for DOCKER_REGISTRY is there"):
                require_secret(cluster.get("secrets", PUSH_SECRET), PUSH_SECRET, settings.project, "DOCKER_REGISTRY")
        if _is_built(settings, stream):
            _require_base(settings, cluster, log)
        routes = cluster.select("routes")
        stays = _stays(settings, cluster, routes, log)
    if stays:
        return

    with log.phase("Install the page's chart", collapsed=True):
        log.outcome.set("The page's chart may be half installed; no Route was touched.")
        cluster.guard()
        values = _chart_values(settings, budget=budget)
        tools.helm.upgrade(PAGE, tools.chart, values, in_use=bool(routes_to(PAGE, routes)))
        log.outcome.set("The page's chart is installed; no Route was touched.")
        Rollout(cluster, log.say).require_pods_allowed()

    digest = None
    if not settings.build_maintenance_page:
        with log.phase(f"Make {settings.image_tag} the latest image, where it exists"):
            digest, _ = _tag_latest(cluster, settings.image_tag, registry_image, log)

    if digest is None:
        before = image_digest(stream, "latest" if registry_image else settings.image_tag)
        with log.phase("Build the page's image", collapsed=True):
            build = build_page(
                cluster,
                PAGE,
                context,
                kubeconfig=tools.kubeconfig,
                environment=tools.environment,
                timeout=settings.build_timeout,
                log=log,
            )
        with log.phase(f"Make {settings.image_tag} the latest image"):
            pushed = pushed_digest(build)
            digest, why = _tag_latest(cluster, settings.image_tag, registry_image, log, before=before, pushed=pushed)
        if digest is None:
            name = build["metadata"]["name"]
            raise MaintenanceError(
                f"The build {name} left no image in {registry_image or f'{PAGE}:{settings.image_tag}'}: {why}.",
                f"Look at where it pushes to: oc describe build/{name} -n {settings.project}",
            )

    with log.phase("Wait until the page runs that image"):
        Rollout(cluster, log.say).wait(digest, settings.rollout_timeout)

    shown = ", ".join(routes_to(PAGE, page_users(cluster, routes)))
    hidden = ("It is not exposed: users still reach every application.", "Next: the job deploy-route.")
    log.end(
        f"The maintenance page {PAGE}:{settings.image_tag} is ready in {settings.project}.",
        *([f"It is shown by {shown} now."] if shown else hidden),
    )


def _stays(settings: BuildAndDeploySettings, cluster: OpenShift, routes: list[Object], log: JobLog) -> bool:
    """Tell whether the page stays as it is, since users meet it: new texts, or a new end, need nothing of it."""
    if settings.build_maintenance_page:
        return False
    shown = routes_to(PAGE, (route for route in routes if ROUTE_ANNOTATION in annotations_of(route)))
    deployment = cluster.get("deployments", PAGE) if shown else None
    if not ((deployment or {}).get("status") or {}).get("availableReplicas"):
        return False
    log.end(
        f"The maintenance page is shown by {listed(shown)}: it stays as it is, whatever IMAGE_TAG is.",
        "To change it in front of users: BUILD_MAINTENANCE_PAGE=true. Next: the job deploy-route.",
    )
    return True


def _is_built(settings: BuildAndDeploySettings, stream: Object | None) -> bool:
    """Tell whether a build is certain: with DOCKER_REGISTRY the registry may have the image, and is asked later."""
    if settings.build_maintenance_page:
        return True
    return not settings.docker_registry and not image_digest(stream, settings.image_tag)


def _require_base(settings: BuildAndDeploySettings, cluster: OpenShift, log: JobLog) -> None:
    """Refuse a build whose base image is known to be missing, or that would wait for a Secret for ever."""
    secret, base = settings.page_base_pull_secret, settings.page_base_image
    if secret:
        with log.check("the Secret of PAGE_BASE_PULL_SECRET is there"):
            require_secret(cluster.get("secrets", secret), secret, settings.project, "PAGE_BASE_PULL_SECRET")
    if base and base.kind == "ImageStreamTag":
        where = base.namespace or settings.project
        with log.check("the image of PAGE_BASE_IMAGE is there"):
            try:
                stream = cluster.get("imagestreams", base.name.partition(":")[0], namespace=base.namespace)
            except ForbiddenError:  # another namespace's: the server looks for it when it builds
                log.say(f"the token may not see whether there is an image {base.name} in {where}")
            else:
                require_base_image(stream, base.name, where)


def _chart_values(settings: BuildAndDeploySettings, *, budget: bool) -> dict[str, str | int]:
    values: dict[str, str | int] = {"imageTag": settings.image_tag, "dockerRegistry": settings.docker_registry or ""}
    if settings.page_replicas:
        values["replicas"] = settings.page_replicas
    if not budget:
        values["podDisruptionBudget.enabled"] = False
    base = settings.page_base_image
    if base:
        values |= {"base.kind": base.kind, "base.name": base.name, "base.namespace": base.namespace}
    if settings.page_base_pull_secret:
        values["base.pullSecret"] = settings.page_base_pull_secret
    values |= {f"resources.{name}": amount for name, amount in settings.page_resources.items()}
    return values | {f"buildResources.{name}": amount for name, amount in settings.build_resources.items()}


def _require_rights(
    settings: BuildAndDeploySettings, cluster: OpenShift, environment: Mapping[str, str], log: JobLog
) -> tuple[Object | None, bool]:
    """Refuse a token that lacks what the job needs, before anything is changed.

    What a build needs is not asked of a job that has its image already. Without the rights for a PodDisruptionBudget,
    which the Role of an earlier version lacks, the page does without one.

    Returns:
        the page's ImageStream, and whether the page gets a PodDisruptionBudget.
    """
    with log.check("the token has the rights that the job needs"):
        building = building_rights(with_oc=command.on_path("oc", environment) is not None)
        budget = budget_rights()
        lacking = SharedReads(cluster).missing_rights((*deploying_rights(), *budget, *building))
        no_budget = [right for right in lacking if right in budget]
        lacking = [right for right in lacking if right not in budget]
        stream = None if IMAGE_RIGHT in lacking else cluster.get("imagestreams", PAGE)
        if not settings.docker_registry and not _is_built(settings, stream):
            lacking = [right for right in lacking if right not in building]
        require_rights(lacking)
    if no_budget:
        log.warn(
            f"The page gets no PodDisruptionBudget: the token lacks rights, {describe_rights(no_budget)}. A drain of "
            f"nodes may take all of its Pods at once. Apply {ROLE} again, then run this job again."
        )
    return stream, not no_budget


def _tag_latest(
    cluster: OpenShift,
    tag: str,
    registry_image: str | None,
    log: JobLog,
    *,
    before: str | None = None,
    pushed: str | None = None,
) -> tuple[str | None, str]:
    """Make ``latest`` the image of ``tag``; return its digest, or None and why there is none.

    After a build it must be the build's: see `why_not_built` for ``before`` and ``pushed``.
    """
    if registry_image:
        digest, why = _import_latest(cluster, registry_image, log)
    else:
        digest, why = image_digest(cluster.get("imagestreams", PAGE), tag), ""
    why = why or why_not_built(digest, before, pushed) or ""
    image = registry_image or f"{PAGE}:{tag}"
    if digest is None or why:
        log.say(f"{image} has no image {'of the build' if digest else 'yet'}: {why}")
        return None, why
    if not registry_image:
        cluster.replace("imagestreamtags", pinned_tag(PAGE, cluster.namespace, "latest", digest))
    log.say(f"{PAGE}:latest is {image}, {digest}")
    return digest, ""


def _import_latest(cluster: OpenShift, image: str, log: JobLog) -> tuple[str | None, str]:
    """Import ``latest`` from the registry; returns its digest, or None and why there is none."""
    cluster.replace("imagestreamtags", imported_tag(PAGE, cluster.namespace, "latest", image))

    def imported() -> tuple[str | None, str | None] | None:
        result = import_result(cluster.get("imagestreams", PAGE), "latest")
        return result if any(result) else None

    result = wait_for(imported, timeout=IMPORT_TIMEOUT, say=log.say, subject=f"the import of {image}")
    digest, why = result or (None, f"it was not imported within {IMPORT_TIMEOUT:.0f} s")
    return digest, why or ""
