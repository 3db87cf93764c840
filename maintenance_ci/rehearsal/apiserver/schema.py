"""How lists and maps of each kind are merged: what patches and field ownership have to know of a kind's shape.

Only what differs from the rule is written down. The rule: maps are merged by key, lists are replaced whole.
The keys are those of the Kubernetes API's ``listType``, ``listMapKeys`` and ``patchMergeKey`` markers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Shape:
    """The merge rule of one value, and of those inside of it."""

    fields: Mapping[str, Shape] = field(default_factory=dict)
    atomic: bool = False  # a map that has one owner as a whole
    keys: tuple[str, ...] = ()  # a list whose items are told apart by these fields
    defaults: Mapping[str, Any] = field(default_factory=dict)  # of the keys
    merge_key: str = ""  # what a strategic merge patch tells the items apart by: the first of the keys unless given
    is_set: bool = False  # a list of distinct scalars

    def inside(self, name: str) -> Shape:
        """The rule of the field ``name``."""
        return self.fields.get(name, ANY)

    @property
    def item(self) -> Shape:
        """The rule of the items of a keyed list."""
        return Shape(fields=self.fields)

    @property
    def patch_key(self) -> str:
        """The field that a strategic merge patch tells items apart by, or ``""``."""
        return self.merge_key or (self.keys[0] if self.keys else "")


ANY = Shape()
ATOMIC = Shape(atomic=True)
BY_NAME = Shape(keys=("name",))
CONDITIONS = Shape(keys=("type",))

METADATA = Shape({"ownerReferences": Shape(keys=("uid",)), "finalizers": Shape(is_set=True)})
SOURCE = Shape({"secretKeyRef": ATOMIC, "configMapKeyRef": ATOMIC, "fieldRef": ATOMIC, "resourceFieldRef": ATOMIC})
CONTAINERS = Shape(
    {
        "env": Shape({"valueFrom": SOURCE}, keys=("name",)),
        "ports": Shape(keys=("containerPort", "protocol"), defaults={"protocol": "TCP"}),
        "volumeMounts": Shape(keys=("mountPath",)),
        "volumeDevices": Shape(keys=("devicePath",)),
    },
    keys=("name",),
)
POD_SPEC = Shape(
    {
        "containers": CONTAINERS,
        "initContainers": CONTAINERS,
        "volumes": BY_NAME,
        "imagePullSecrets": BY_NAME,
        "nodeSelector": ATOMIC,
        "hostAliases": Shape(keys=("ip",)),
        "topologySpreadConstraints": Shape(
            {"labelSelector": ATOMIC}, keys=("topologyKey", "whenUnsatisfiable"), merge_key="topologyKey"
        ),
    }
)
TEMPLATE = Shape({"metadata": METADATA, "spec": POD_SPEC})
WORKLOAD = Shape(
    {
        "metadata": METADATA,
        "spec": Shape({"selector": ATOMIC, "template": TEMPLATE}),
        "status": Shape({"conditions": CONDITIONS}),
    }
)
BUILD = Shape(
    {
        "metadata": METADATA,
        "spec": Shape({"output": Shape({"to": ATOMIC, "pushSecret": ATOMIC}), "nodeSelector": ATOMIC}),
        "status": Shape({"conditions": CONDITIONS, "config": ATOMIC}),
    }
)
# openshift/api, route/v1: lists of their names.
ACTIONS = Shape({"request": BY_NAME, "response": BY_NAME})
_SHAPES: dict[str, Shape] = {
    "deployments": WORKLOAD,
    "replicasets": WORKLOAD,
    "pods": Shape({"metadata": METADATA, "spec": POD_SPEC, "status": Shape({"conditions": CONDITIONS})}),
    "services": Shape(
        {
            "metadata": METADATA,
            "spec": Shape(
                {
                    "ports": Shape(keys=("port", "protocol"), defaults={"protocol": "TCP"}),
                    "selector": ATOMIC,
                }
            ),
            "status": Shape({"conditions": CONDITIONS}),
        }
    ),
    "routes": Shape({"metadata": METADATA, "spec": Shape({"httpHeaders": Shape({"actions": ACTIONS})})}),
    "serviceaccounts": Shape({"metadata": METADATA, "secrets": BY_NAME, "imagePullSecrets": Shape()}),
    "networkpolicies": Shape({"metadata": METADATA, "spec": Shape({"podSelector": ATOMIC})}),
    "poddisruptionbudgets": Shape(
        {
            "metadata": METADATA,
            "spec": Shape({"selector": ATOMIC}),
            "status": Shape({"conditions": CONDITIONS}),
        }
    ),
    "buildconfigs": BUILD,
    "builds": BUILD,
}

# What an object of the kind holds before anything is set: fields that are there anyway are not owned by who creates it.
_EMPTY: dict[str, dict[str, Any]] = {
    "buildconfigs": {
        "spec": {
            "source": {},
            "strategy": {},
            "output": {},
            "resources": {},
            "postCommit": {},
            "nodeSelector": None,
            "triggers": None,
        },
        "status": {},
    },
    "builds": {
        "spec": {"source": {}, "strategy": {}, "output": {}, "resources": {}, "postCommit": {}, "nodeSelector": None},
        "status": {"output": {}},
    },
    "deployments": {
        "spec": {"strategy": {}, "template": {"metadata": {}, "spec": {"containers": []}}},
        "status": {},
    },
    "imagestreams": {"spec": {"lookupPolicy": {}}, "status": {}},
    "pods": {"spec": {"containers": []}, "status": {}},
    "replicasets": {"spec": {"template": {"metadata": {}, "spec": {"containers": []}}}, "status": {}},
    "routes": {"spec": {"to": {}}, "status": {}},
}


def of(plural: str) -> Shape:
    """The shape of a kind."""
    return _SHAPES.get(plural, Shape({"metadata": METADATA}))


def empty(plural: str) -> dict[str, Any]:
    """An object of the kind with nothing set."""
    return {"metadata": {}, "spec": {}, "status": {}} | _EMPTY.get(plural, {})


def item_key(shape: Shape, item: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells this item of a keyed list apart from the others."""
    return tuple(item.get(key, shape.defaults.get(key)) for key in shape.keys)
