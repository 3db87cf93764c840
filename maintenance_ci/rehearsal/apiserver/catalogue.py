"""What kinds the API server serves: one table, read by discovery, the rights check, the store and the URLs."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
STATUS = ("get", "patch", "update")


@dataclass(frozen=True)
class Resource:
    """One kind: its names, where it lives, what can be done with it."""

    group: str
    version: str
    plural: str
    kind: str
    short_names: tuple[str, ...] = ()
    namespaced: bool = True
    verbs: tuple[str, ...] = ALL_VERBS
    # name -> (kind of the body, verbs)
    subresources: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    categories: tuple[str, ...] = ()
    # What bumps metadata.generation: "spec", "object" (anything outside of metadata), or "" (the kind has none).
    generation: str = ""

    @property
    def singular(self) -> str:
        """The singular name."""
        return f"{self.plural[:-3]}y" if self.plural.endswith("ies") else self.plural.removesuffix("s")

    @property
    def group_version(self) -> str:
        """The ``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def prefix(self) -> str:
        """Where its group version is served, without a slash in front: ``apis/apps/v1``, ``api/v1``."""
        return f"apis/{self.group_version}" if self.group else f"api/{self.version}"

    @property
    def qualified(self) -> str:
        """``routes.route.openshift.io``, as messages name a resource."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """``Route.route.openshift.io``, as messages name a kind."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def storage_version_hash(self) -> str:
        """Discovery's hash of how its objects are stored; equal to the recorded ones."""
        identity = f"{self.group_version if self.group else f'/{self.version}'}/{self.kind}"
        return base64.b64encode(hashlib.sha256(identity.encode()).digest()[:8]).decode()

    @property
    def has_status(self) -> bool:
        """True where the status is written through its own subresource."""
        return any(name == "status" for name, _, _ in self.subresources)


def _status(kind: str) -> tuple[str, str, tuple[str, ...]]:
    return ("status", kind, STATUS)


def _resources() -> Iterable[Resource]:
    core, apps = ("", "v1"), ("apps", "v1")
    route, template = ("route.openshift.io", "v1"), ("template.openshift.io", "v1")
    build, image = ("build.openshift.io", "v1"), ("image.openshift.io", "v1")
    yield Resource(*core, "configmaps", "ConfigMap", ("cm",))
    yield Resource(*core, "events", "Event", ("ev",))
    yield Resource(*core, "limitranges", "LimitRange", ("limits",))
    yield Resource(*core, "namespaces", "Namespace", ("ns",), namespaced=False, subresources=(_status("Namespace"),))
    yield Resource(*core, "nodes", "Node", ("no",), namespaced=False, subresources=(_status("Node"),))
    yield Resource(
        *core,
        "pods",
        "Pod",
        ("po",),
        subresources=(("eviction", "Eviction", ("create",)), ("log", "Pod", ("get",)), _status("Pod")),
        categories=("all",),
        generation="spec",
    )
    yield Resource(*core, "resourcequotas", "ResourceQuota", ("quota",))
    yield Resource(*core, "secrets", "Secret")
    yield Resource(*core, "serviceaccounts", "ServiceAccount", ("sa",))
    yield Resource(*core, "services", "Service", ("svc",), subresources=(_status("Service"),), categories=("all",))
    yield Resource(
        *apps,
        "deployments",
        "Deployment",
        ("deploy",),
        subresources=(("scale", "Scale", STATUS), _status("Deployment")),
        categories=("all",),
        generation="spec",
    )
    yield Resource(
        *apps,
        "replicasets",
        "ReplicaSet",
        ("rs",),
        subresources=(_status("ReplicaSet"),),
        categories=("all",),
        generation="spec",
    )
    yield Resource(
        "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", (), False, ("create",)
    )
    yield Resource(
        "authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", (), False, ("create",)
    )
    yield Resource("coordination.k8s.io", "v1", "leases", "Lease")
    yield Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", generation="object")
    yield Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", ("netpol",), generation="spec")
    yield Resource(
        "policy",
        "v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        ("pdb",),
        subresources=(_status("PodDisruptionBudget"),),
        generation="spec",
    )
    yield Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
    yield Resource("rbac.authorization.k8s.io", "v1", "roles", "Role")
    yield Resource(*route, "routes", "Route", subresources=(_status("Route"),), categories=("all",), generation="spec")
    yield Resource(*template, "processedtemplates", "Template", verbs=("create",))
    yield Resource(*template, "templates", "Template")
    yield Resource(
        *build,
        "buildconfigs",
        "BuildConfig",
        ("bc",),
        subresources=(("instantiatebinary", "BinaryBuildRequestOptions", ("create",)),),
        categories=("all",),
        generation="object",
    )
    yield Resource(
        *build,
        "builds",
        "Build",
        subresources=(("log", "BuildLog", ("get",)),),
        categories=("all",),
        generation="spec",
    )
    yield Resource(*image, "images", "Image", namespaced=False)
    yield Resource(*image, "imagestreamimages", "ImageStreamImage", ("isimage",), verbs=("get",))
    yield Resource(
        *image,
        "imagestreams",
        "ImageStream",
        ("is",),
        subresources=(_status("ImageStream"),),
        categories=("all",),
        generation="spec",
    )
    yield Resource(
        *image,
        "imagestreamtags",
        "ImageStreamTag",
        ("istag",),
        verbs=("create", "delete", "get", "list", "patch", "update"),
    )
    yield Resource("project.openshift.io", "v1", "projects", "Project", namespaced=False, verbs=("get", "list"))


RESOURCES: dict[str, Resource] = {resource.plural: resource for resource in _resources()}


def by_path(prefix: str, plural: str) -> Resource | None:
    """The resource served as ``/PREFIX/…/PLURAL``, if any."""
    resource = RESOURCES.get(plural)
    return resource if resource and resource.prefix == prefix else None
