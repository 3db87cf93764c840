"""What the server says about itself: its version, its groups and kinds, and as much OpenAPI as real clients need.

Helm and kubectl only look up, in the OpenAPI document of a group version, whether the PATCH operation of a kind takes
``fieldValidation`` (tried with Helm 3, Helm 4 and kubectl): there are no schemas.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from maintenance_ci.rehearsal.apiserver.catalogue import RESOURCES, Resource

Object = dict[str, Any]

VERSION: Object = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v0.0.0-master+$Format:%H$",
    "gitCommit": "$Format:%H$",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.27.3",
    "compiler": "gc",
    "platform": "linux/amd64",
}

# Of subresources whose kind is of another group.
OTHER_GROUPS = {"Eviction": "policy", "Scale": "autoscaling"}
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def aggregated(path: str) -> Object | None:
    """All groups with their kinds in one document, for who accepts `AGGREGATED`; None where there is no such one."""
    groups = {"api": [""], "apis": _groups()}.get(path)
    if groups is None:
        return None
    items = [{"metadata": {"name": name} if name else {}, "versions": _discovered_versions(name)} for name in groups]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _discovered_versions(group: str) -> list[Object]:
    served = sorted((one for one in RESOURCES.values() if one.group == group), key=lambda one: one.plural)
    return [
        {
            "version": version,
            "resources": [_discovered(resource) for resource in served if resource.version == version],
            "freshness": "Current",
        }
        for version in sorted({resource.version for resource in served})
    ]


def _discovered(resource: Resource) -> Object:
    entry: Object = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    lists = {"shortNames": resource.short_names, "categories": resource.categories}
    entry |= {name: list(values) for name, values in lists.items() if values}
    parts = [
        {"subresource": name, "responseKind": _kind_of_part(resource, kind), "verbs": list(verbs)}
        for name, kind, verbs in resource.subresources
    ]
    return entry | ({"subresources": parts} if parts else {})


def _kind_of_part(resource: Resource, kind: str) -> Object:
    return {"group": OTHER_GROUPS.get(kind, resource.group), "version": resource.version, "kind": kind}


def document(path: str) -> Object | None:
    """What a GET of this path (without query, without slashes around it) answers; None where there is nothing."""
    if path == "version":
        return VERSION
    if path == "api":
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if path == "apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in _groups()]}
    if path == "openapi/v3":
        return {"paths": {prefix: {"serverRelativeURL": _openapi_url(prefix)} for prefix in _prefixes()}}
    if path.startswith("openapi/v3/") and path.removeprefix("openapi/v3/") in _prefixes():
        return _openapi(path.removeprefix("openapi/v3/"))
    if path in _prefixes():
        return _resource_list(path)
    name = path.removeprefix("apis/")
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(name) if name in _groups() else None


def _prefixes() -> list[str]:
    return sorted({resource.prefix for resource in RESOURCES.values()})


def _groups() -> list[str]:
    return sorted({resource.group for resource in RESOURCES.values() if resource.group})


def _group(name: str) -> Object:
    versions = sorted({resource.version for resource in RESOURCES.values() if resource.group == name})
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resource_list(prefix: str) -> Object:
    served = sorted((one for one in RESOURCES.values() if one.prefix == prefix), key=lambda one: one.plural)
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": served[0].group_version,
        "resources": [entry for resource in served for entry in _entries(resource)],
    }


def _entries(resource: Resource) -> list[Object]:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if "watch" in resource.verbs and resource.plural != "projects":  # views are not stored
        entry["storageVersionHash"] = resource.storage_version_hash
    return [entry] + [
        {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "verbs": list(verbs),
            # kubectl drain looks for the Eviction's group, and deletes the Pods where it finds none.
            **(_kind_of_part(resource, kind) if kind in OTHER_GROUPS else {"kind": kind}),
        }
        for name, kind, verbs in resource.subresources
    ]


def _openapi(prefix: str) -> Object:
    served = [resource for resource in RESOURCES.values() if resource.prefix == prefix and "patch" in resource.verbs]
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": {_object_path(resource): {"patch": _patch_operation(resource)} for resource in served},
    }


def _object_path(resource: Resource) -> str:
    namespace = "namespaces/{namespace}/" if resource.namespaced else ""
    return f"/{resource.prefix}/{namespace}{resource.plural}/{{name}}"


def _patch_operation(resource: Resource) -> Object:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    names = ("dryRun", "fieldManager", "fieldValidation", "force")
    return {
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": kind,
        "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names],
        "responses": {"200": {"description": "OK"}},
    }


def _openapi_url(prefix: str) -> str:
    digest = hashlib.sha256(json.dumps(_openapi(prefix), sort_keys=True).encode()).hexdigest()
    return f"/openapi/v3/{prefix}?hash={digest[:32].upper()}"
