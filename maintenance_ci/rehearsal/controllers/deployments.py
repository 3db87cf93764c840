"""Deployments: one ReplicaSet for each template, sized so that a new template takes over without a gap."""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING

from maintenance_ci.rehearsal.apiserver.errors import ApiError
from maintenance_ci.rehearsal.apiserver.store import now
from maintenance_ci.rehearsal.controllers import rollout
from maintenance_ci.rehearsal.controllers.level import AtRest, by_owner, controlled_by, keep_level

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.store import Object, Store

log = logging.getLogger(__name__)

MANAGER = "kube-controller-manager"
# Annotations of a Deployment that its ReplicaSets do not get.
NOT_COPIED = frozenset(("kubectl.kubernetes.io/last-applied-configuration", rollout.REVISION))


class Deployments:
    """Keeps the ReplicaSets of every Deployment as they should be, and its status."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._at_rest = AtRest()

    async def run(self) -> None:
        """Run until cancelled."""
        await keep_level(self._store, ("deployments", "replicasets"), self.reconcile)

    def reconcile(self) -> float | None:
        """Look at every Deployment once; returns the seconds until one may have missed its deadline."""
        waits = []
        deployments, replica_sets = self._store.list("deployments"), by_owner(self._store.list("replicasets"))
        self._at_rest.forget_others(deployments)
        for deployment in deployments:
            known = replica_sets.get(deployment["metadata"]["uid"], [])
            if self._at_rest.needs_nothing(deployment, known):
                continue
            try:
                waits.append(self._reconcile(deployment, known))
            except ApiError as error:  # what the API refuses for one Deployment must not hold up the others
                log.warning("deployment %s: %s", deployment["metadata"]["name"], error)
        return min((wait for wait in waits if wait is not None), default=None)

    def _reconcile(self, deployment: Object, owned: list[Object]) -> float | None:
        looked_at = deployment
        known = sorted(owned, key=lambda one: int(one["metadata"]["annotations"][rollout.REVISION]))
        new = _find(deployment, known)
        if new is None:
            new = self._create(deployment, known)
            if new is None:
                return None
            deployment = self._announce(deployment, new)
        revision = self._number(new, known)
        old = [one for one in known if one is not new]
        sizes = rollout.plan(deployment["spec"], _counts(new), [_counts(one) for one in old])
        known = [self._resize(deployment, one, sizes, revision if one is new else None) for one in [*old, new]]
        self._forget(deployment, known[:-1])
        wait = self._report(deployment, known, revision)
        if wait is None:
            self._at_rest.note(looked_at, owned)
        return wait

    def _create(self, deployment: Object, known: list[Object]) -> Object | None:
        """Make the ReplicaSet of the template; None while one of the same name is still there that is not ours."""
        metadata, spec = deployment["metadata"], deployment["spec"]
        template = copy.deepcopy(spec["template"])
        label = {rollout.HASH_LABEL: rollout.template_hash(spec["template"])}
        template["metadata"]["labels"] |= label
        name = f"{metadata['name']}-{label[rollout.HASH_LABEL]}"
        if self._store.find("replicasets", metadata["namespace"], name):
            return None
        sizes = rollout.plan(spec, rollout.Counts(name, wanted=0), [_counts(one) for one in known])
        body = {
            "metadata": {
                "name": name,
                "namespace": metadata["namespace"],
                "labels": template["metadata"]["labels"],
                "annotations": _annotations(deployment) | {rollout.REVISION: str(_last_revision(known) + 1)},
                "ownerReferences": controlled_by(deployment),
            },
            "spec": {
                "replicas": sizes.get(name, 0),
                "selector": {"matchLabels": spec["selector"]["matchLabels"] | label},
                "template": template,
            },
        }
        return self._store.create("replicasets", body, manager=MANAGER)

    def _announce(self, deployment: Object, new: Object) -> Object:
        """Say that there is a new ReplicaSet, with its revision."""
        changed = copy.deepcopy(deployment)
        changed["status"] = rollout.announced(deployment, new, now())
        revision = new["metadata"]["annotations"][rollout.REVISION]
        changed["metadata"].setdefault("annotations", {})[rollout.REVISION] = revision
        return self._store.update("deployments", changed, manager=MANAGER, subresource="status")

    def _number(self, new: Object, known: list[Object]) -> str:
        """The revision of the ReplicaSet in use: the highest one, also for one that comes back."""
        others = _last_revision([one for one in known if one is not new])
        own = int(new["metadata"]["annotations"][rollout.REVISION])
        return str(own if own > others else others + 1)

    def _resize(self, deployment: Object, one: Object, sizes: dict[str, int], revision: str | None) -> Object:
        changed = copy.deepcopy(one)
        changed["spec"]["replicas"] = sizes.get(one["metadata"]["name"], one["spec"]["replicas"])
        if revision is not None:
            changed["metadata"]["annotations"] |= _annotations(deployment) | {rollout.REVISION: revision}
        return self._store.update("replicasets", changed, manager=MANAGER)

    def _forget(self, deployment: Object, old: list[Object]) -> None:
        """Delete the oldest empty ReplicaSets beyond the history that the Deployment keeps."""
        empty = [one for one in old if not one["spec"]["replicas"] and not (one.get("status") or {}).get("replicas")]
        for one in empty[: max(0, len(empty) - deployment["spec"]["revisionHistoryLimit"])]:
            self._store.delete("replicasets", one["metadata"]["namespace"], one["metadata"]["name"])

    def _report(self, deployment: Object, known: list[Object], revision: str) -> float | None:
        changed = copy.deepcopy(deployment)
        changed["status"] = rollout.status_of(deployment, known[-1], known, now())
        annotations = changed["metadata"].setdefault("annotations", {})
        annotations[rollout.REVISION] = revision
        written = self._store.update("deployments", changed, manager=MANAGER, subresource="status")
        return rollout.seconds_left(written, now())


def _find(deployment: Object, known: list[Object]) -> Object | None:
    """The ReplicaSet whose template is the Deployment's, but for the hash."""
    for one in known:
        template = copy.deepcopy(one["spec"]["template"])
        template["metadata"]["labels"].pop(rollout.HASH_LABEL, None)
        if template == deployment["spec"]["template"]:
            return one
    return None


def _annotations(deployment: Object) -> dict[str, str]:
    copied = {
        key: value for key, value in deployment["metadata"].get("annotations", {}).items() if key not in NOT_COPIED
    }
    desired = deployment["spec"]["replicas"]
    return copied | {
        "deployment.kubernetes.io/desired-replicas": str(desired),
        "deployment.kubernetes.io/max-replicas": str(desired + rollout.limits(deployment["spec"])[0]),
    }


def _last_revision(known: list[Object]) -> int:
    return max((int(one["metadata"]["annotations"][rollout.REVISION]) for one in known), default=0)


def _counts(one: Object) -> rollout.Counts:
    status = one.get("status") or {}
    return rollout.Counts(
        one["metadata"]["name"],
        one["spec"]["replicas"],
        existing=status.get("replicas", 0),
        available=status.get("availableReplicas", 0),
    )
