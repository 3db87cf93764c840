"""The throw-away application of a rehearsal on a real cluster: what it is made of, and how its objects are known. Pure.

The application is the page's own image with another configuration: the cluster has that image, the namespace may pull
and run it, and no other one is needed. The configuration is an annotation of the Pod, which Kubernetes writes into a
file (a downward API volume): so it takes no ConfigMap, for which the Role has no right, and no shell, which an image of
nginx may lack.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from maintenance_ci.names import PAGE, REHEARSAL, REHEARSAL_LABEL
from maintenance_ci.plan import marks
from maintenance_ci.plan.rights import ROUTES, rights_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from maintenance_ci.plan.marks import Object
    from maintenance_ci.plan.rights import Right

# The header by which the application makes itself known, as "RUN PORT": its page is nobody else's.
MARK = "X-Maintenance-Rehearsal"
# Two ports of one application: a Route that is sent from one to the other shows when the router follows.
PORTS = {"http": 8080, "other": 8081}
# What the rehearsal makes, in the order in which it is removed again: nobody is sent to what is gone.
KINDS = ("routes", "deployments", "services", "networkpolicies")
# The path that one of the rehearsal's rounds puts into maintenance.
SUBPATH = "/rehearsal"
# The files of the configuration: each is an annotation by its name.
CONFIG_PREFIX, CONFIG_FOLDER, CONFIG_FILE = "nginx.maintenance-rehearsal", "/etc/rehearsal", "nginx.conf"
RUN = re.compile(r"[0-9a-f]{6}")
NAME = re.compile(rf"{REHEARSAL}-({RUN.pattern})")

SERVER = """\
    server {{
        listen {port};
        # Only where the kernel has IPv6: elsewhere there is no such folder, and nginx would not start.
        include /proc/sys/net/ipv6/../../../..{folder}/ipv6-{port}*.conf;
        add_header {mark} "{run} {port}" always;
        add_header Cache-Control no-store always;
        location / {{ return 200 "the application of the rehearsal {run}\\n"; }}
    }}
"""
CONFIG = """\
worker_processes 1;
pid /tmp/nginx.pid;
error_log /dev/stderr warn;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path /tmp/client_temp;
    proxy_temp_path /tmp/proxy_temp;
    fastcgi_temp_path /tmp/fastcgi_temp;
    uwsgi_temp_path /tmp/uwsgi_temp;
    scgi_temp_path /tmp/scgi_temp;
    access_log off;
    server_tokens off;
    default_type text/plain;
{servers}}}
"""


def name_of(run: str) -> str:
    """Return how all objects of a rehearsal's run are called."""
    return f"{REHEARSAL}-{run}"


def labels_of(run: str) -> dict[str, str]:
    """Return the label that all of them have."""
    return {REHEARSAL_LABEL: run}


def objects(run: str, namespace: str, page: Mapping[str, Any], host: str | None) -> list[tuple[str, Object]]:
    """Return what the application is made of, as plurals and manifests: its Route is the last one.

    Args:
        run: the id of the rehearsal's run.
        namespace: where it is made.
        page: the page's Deployment: it has the image, the Secret to pull it with, and the resources that quotas want.
        host: of the Route; None: the cluster makes one.
    """
    ports = [{"port": port, "protocol": "TCP"} for port in PORTS.values()]
    named = [{"name": name, "port": port, "protocol": "TCP", "targetPort": name} for name, port in PORTS.items()]
    metadata = _pod_metadata(run)
    template = {"metadata": metadata, "spec": _pod_spec(page["spec"]["template"]["spec"], metadata["annotations"])}
    policy = {"podSelector": {"matchLabels": labels_of(run)}, "policyTypes": ["Ingress"], "ingress": [{"ports": ports}]}
    deployment = {"replicas": 1, "selector": {"matchLabels": labels_of(run)}, "template": template}
    return [
        ("networkpolicies", _object("networking.k8s.io/v1", "NetworkPolicy", run, namespace, policy)),
        ("services", _object("v1", "Service", run, namespace, {"selector": labels_of(run), "ports": named})),
        ("deployments", _object("apps/v1", "Deployment", run, namespace, deployment)),
        ("routes", _object("route.openshift.io/v1", "Route", run, namespace, _route_spec(run, host))),
    ]


def _object(version: str, kind: str, run: str, namespace: str, spec: Object) -> Object:
    metadata = {"name": name_of(run), "namespace": namespace, "labels": labels_of(run)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _route_spec(run: str, host: str | None) -> Object:
    spec: Object = {
        "to": {"kind": "Service", "name": name_of(run), "weight": 100},
        "port": {"targetPort": "http"},
        "tls": {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"},
    }
    return spec | ({"host": host} if host else {})


def _pod_metadata(run: str) -> Object:
    servers = (SERVER.format(port=port, mark=MARK, run=run, folder=CONFIG_FOLDER) for port in PORTS.values())
    files = {CONFIG_FILE: CONFIG.format(servers="".join(servers))}
    files |= {f"ipv6-{port}.conf": f"listen [::]:{port};\n" for port in PORTS.values()}
    return {"labels": labels_of(run), "annotations": {f"{CONFIG_PREFIX}/{name}": text for name, text in files.items()}}


def _pod_spec(page: Mapping[str, Any], annotations: Mapping[str, str]) -> Object:
    """Return the Pod: the page's in all that the namespace may want of a Pod, with another configuration."""
    container = page["containers"][0]
    files = [
        {"fieldRef": {"fieldPath": f"metadata.annotations['{name}']"}, "path": name.partition("/")[2]}
        for name in annotations
    ]
    own = {
        "name": "application",
        "image": container["image"],
        "command": ["nginx", "-c", f"{CONFIG_FOLDER}/{CONFIG_FILE}", "-g", "daemon off;"],
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in PORTS.items()],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 2, "timeoutSeconds": 2},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "config", "mountPath": CONFIG_FOLDER}],  # noqa: S108
    }
    own |= {field: container[field] for field in ("resources", "securityContext") if container.get(field)}
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "containers": [own],
        "volumes": [
            {"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}},
            {"name": "config", "downwardAPI": {"items": files}},
        ],
    }
    return spec | {field: page[field] for field in ("imagePullSecrets", "securityContext") if page.get(field)}


def needed_rights(run: str, *, host: bool) -> list[Right]:
    """Return what it takes to make the application, and to remove it with all that the jobs make of its Route."""
    why, name = "make, and remove, the rehearsal's application", name_of(run)
    groups = {"deployments": "apps", "services": "", "networkpolicies": "networking.k8s.io", "routes": ROUTES}
    rights = [
        right
        for plural, group in groups.items()
        for right in rights_on(group, plural, why, "create", "list", "get", "patch", "delete", on=[name])
    ]
    rights += rights_on(ROUTES, "routes/custom-host", why, "create") if host else []
    return rights + rights_on("", "secrets", why, "list", "create", "delete")


def run_of(one: Mapping[str, Any]) -> str | None:
    """Return the id of the run that made an object; None for what no rehearsal made.

    What it made has its label and its name, both with the same id: also the maintenance Routes, which mirror the label.
    A snapshot is labelled as ours, and notes the name of its Route.
    """
    run = marks.labels_of(one).get(REHEARSAL_LABEL)
    if run and RUN.fullmatch(run) and is_named_by(run, one):
        return run
    match = NAME.fullmatch(marks.stands_for(one) or "")
    return match[1] if match and one["metadata"]["name"].startswith(f"{match[0]}-") else None


def is_named_by(run: str, one: Mapping[str, Any]) -> bool:
    """Tell whether an object is called as those of a run are, whatever its labels."""
    return f"{one['metadata']['name']}-".startswith(f"{name_of(run)}-")


def run_of_page(there: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the id of the run that installed the page; None where somebody else did, or has upgraded it since.

    An upgrade by ``build-and-deploy`` takes the label away.

    Args:
        there: objects of the namespace, the page's among them.
    """
    runs = {marks.labels_of(one).get(REHEARSAL_LABEL) for one in there if one["metadata"]["name"] == PAGE}
    run = runs.pop() if len(runs) == 1 else None
    return run if run and RUN.fullmatch(run) else None
