"""Whose token it is, and what he may do, as the namespaces' own objects say: ServiceAccounts, Roles, RoleBindings.

A token stands in a Secret of the type ``kubernetes.io/service-account-token``, into which ``fill_tokens`` writes it, as
the token controller of Kubernetes does. ClusterRoles, and bindings to groups, are not modelled.
"""

from __future__ import annotations

import base64
import secrets
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.apiserver.rights import Rule, User

if TYPE_CHECKING:
    from maintenance_ci.rehearsal.apiserver.store import Store

Object = dict[str, Any]

TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105 - its type
ACCOUNT, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
CONTROLLER = "kube-controller-manager"


def find_user(store: Store, token: str) -> User | None:
    """Return the ServiceAccount that a token belongs to, with the rights that it has now; None for no such token."""
    data = base64.b64encode(token.encode()).decode()
    for secret in store.list("secrets"):
        metadata = secret["metadata"]
        if secret.get("type") == TOKEN_TYPE and token and secret.get("data", {}).get("token") == data:
            account = _account(store, secret)
            if account is not None and metadata.get("annotations", {}).get(UID) == account["metadata"]["uid"]:
                name, namespace = account["metadata"]["name"], metadata["namespace"]
                return User(f"system:serviceaccount:{namespace}:{name}", roles=_roles(store, namespace, name))
    return None


def fill_tokens(store: Store, ca: str) -> None:
    """Give every Secret for a ServiceAccount's token its token, the CA's certificate and the namespace."""
    for secret in store.list("secrets"):
        account = _account(store, secret) if secret.get("type") == TOKEN_TYPE else None
        if account is not None and not secret.get("data", {}).get("token"):
            metadata = secret["metadata"]
            values = {"token": secrets.token_urlsafe(32), "ca.crt": ca, "namespace": metadata["namespace"]}
            data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
            annotations = metadata.get("annotations", {}) | {UID: account["metadata"]["uid"]}
            filled = {**secret, "metadata": {**metadata, "annotations": annotations}, "data": data}
            store.update("secrets", filled, manager=CONTROLLER)


def _account(store: Store, secret: Object) -> Object | None:
    metadata = secret["metadata"]
    name = metadata.get("annotations", {}).get(ACCOUNT, "")
    return store.find("serviceaccounts", metadata["namespace"], name) if name else None


def _roles(store: Store, namespace: str, name: str) -> dict[str, list[Rule]]:
    """Return the rules that RoleBindings give to a ServiceAccount, by the namespaces in which they hold."""
    rules: defaultdict[str, list[Rule]] = defaultdict(list)
    for binding in store.list("rolebindings"):
        where, reference = binding["metadata"]["namespace"], binding["roleRef"]
        named = [one for one in binding.get("subjects") or () if one["kind"] == "ServiceAccount"]
        if any((one["name"], one.get("namespace")) == (name, namespace) for one in named):
            role = store.find("roles", where, reference["name"]) if reference["kind"] == "Role" else None
            rules[where] += (role or {}).get("rules") or []
    return dict(rules)
