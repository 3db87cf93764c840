"""What is in the cluster when the rehearsal begins: an application, its Route, and the Route's template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from maintenance_ci.rehearsal.builds.images import APPLICATION_IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Object = dict[str, Any]

NAMESPACE, OTHER_NAMESPACE = "web", "other-team"
APPLICATION = "shop"
HOST = "shop.apps.example.test"

PORT = 8080  # of every container here


def objects() -> Iterator[tuple[str, Object]]:
    """Yield ``(plural, manifest)`` of everything that is there from the start."""
    for namespace in (NAMESPACE, OTHER_NAMESPACE):
        yield "namespaces", {"metadata": {"name": namespace}}
    push_secret = {"name": "docker-registry-secret", "namespace": NAMESPACE}
    yield (
        "secrets",
        {"metadata": push_secret, "type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}},
    )
    yield from application(APPLICATION)
    yield "routes", route(APPLICATION, HOST)


def application(name: str, namespace: str = NAMESPACE) -> Iterator[tuple[str, Object]]:
    """Yield the Service and the Deployment of an application."""
    labels = {"app": name}
    container = {
        "name": "application",
        "image": APPLICATION_IMAGE,
        "ports": [{"name": "http", "containerPort": PORT}],
        # Patient: on a machine that is busy, it is not the application that is to be tested.
        "readinessProbe": {
            "httpGet": {"path": "/healthz", "port": "http"},
            "timeoutSeconds": 10,
            "failureThreshold": 10,
        },
    }
    yield (
        "services",
        {
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        },
    )
    yield (
        "deployments",
        {
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        },
    )


def route(name: str, host: str, *, namespace: str = NAMESPACE, service: str | None = None) -> Object:
    """Return an edge Route of an application."""
    return {
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app": name},
            "annotations": {"kubernetes.io/tls-acme": "true"},
        },
        "spec": {
            "host": host,
            "to": {"kind": "Service", "name": service or name, "weight": 100},
            "port": {"targetPort": "http"},
            "tls": {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"},
            "wildcardPolicy": "None",
        },
    }


def template(manifest: Mapping[str, Any]) -> bytes:
    """Return a plain template of a Route, as its team keeps it in the template project."""
    return yaml.safe_dump(dict(manifest), sort_keys=False).encode()


TEMPLATES = {f"{APPLICATION}.yaml": template(route(APPLICATION, HOST))}
