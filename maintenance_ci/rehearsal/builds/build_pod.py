"""The Pod that a build has on a real OpenShift: named after it, owned by it, as far as it is.

Nothing runs in it here: the kubelet leaves it alone, and the build itself goes on in ``builds.py``. Its name, labels,
owner and containers were recorded on a real OpenShift 4.21; what its kubelet writes is cut down to the phase.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.rehearsal.apiserver.store import now
from maintenance_ci.rehearsal.pods.scheduling import schedule

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.store import Object, Store

MANAGER, KUBELET = "openshift-controller-manager", "kubelet"
LABEL = "openshift.io/build.name"
# The phase of the Build -> that of its Pod.
PHASES = {"Running": "Running", "Complete": "Succeeded", "Failed": "Failed", "Error": "Failed"}


def is_build_pod(pod: Object) -> bool:
    """True for a Pod that a build has."""
    return LABEL in pod["metadata"].get("labels", {})


def follow(store: Store, build: Object, phase: str) -> None:
    """Bring the Pod of ``build`` to where the Build will be in a moment: on a real OpenShift the Pod goes first."""
    namespace, name = build["metadata"]["namespace"], f"{build['metadata']['name']}-build"
    pod = store.find("pods", namespace, name)
    if pod is not None and pod["metadata"]["ownerReferences"][0]["uid"] != build["metadata"]["uid"]:
        store.delete("pods", namespace, name)  # of a build whose BuildConfig was deleted and made anew
        pod = None
    if phase == "Pending" and pod is None:
        store.create("pods", _new_pod(build, name), manager=MANAGER)
    elif phase == "Cancelled" and pod is not None:
        store.delete("pods", namespace, name)
    elif phase in PHASES and pod is not None:
        store.update("pods", {**pod, "status": _status(pod, PHASES[phase])}, manager=KUBELET, subresource="status")


def is_scheduled(store: Store, build: Object) -> bool:
    """Let a node take the Pod of ``build``, and say whether one did; the Pod says why not."""
    pod = store.find("pods", build["metadata"]["namespace"], f"{build['metadata']['name']}-build")
    return pod is None or schedule(store, pod)


def _new_pod(build: Object, name: str) -> Object:
    metadata, resources = build["metadata"], build["spec"].get("resources") or {}
    owner = {"apiVersion": build["apiVersion"], "kind": build["kind"], "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": {LABEL: metadata["name"]},
            "annotations": {LABEL: metadata["name"]},
            "ownerReferences": [{**owner, "controller": True}],
        },
        "spec": {
            "initContainers": [{"name": name, "resources": resources} for name in ("git-clone", "manage-dockerfile")],
            "containers": [{"name": "docker-build", "resources": resources}],
            "restartPolicy": "Never",
        },
    }


def _status(pod: Object, phase: str) -> Object:
    before = pod["status"]
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now()}
    started = {"conditions": [scheduled], "startTime": now()} if "startTime" not in before else {}
    return {**before, **started, "phase": phase}
