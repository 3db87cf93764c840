"""Whose token it is, as ServiceAccounts, Secrets, Roles and RoleBindings say."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from maintenance_ci.rehearsal.apiserver.rights import Action, is_allowed
from maintenance_ci.rehearsal.apiserver.service_accounts import ACCOUNT, TOKEN_TYPE, fill_tokens, find_user
from maintenance_ci.rehearsal.apiserver.store import Store

READ = Action("get", "", "pods", "web", "p")


def metadata(name: str, namespace: str = "web", **annotations: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace, "annotations": annotations}}


def binding(role: str, subject: str, namespace: str = "web") -> dict[str, Any]:
    subjects = [{"kind": "ServiceAccount", "name": subject, "namespace": "web"}]
    return metadata(role, namespace) | {"roleRef": {"kind": "Role", "name": role}, "subjects": subjects}


@pytest.fixture
def store() -> Store:
    """A service account with a token, and a Role that nobody has yet."""
    store = Store()
    for namespace in ("web", "other"):
        store.create("namespaces", {"metadata": {"name": namespace}}, manager="test")
        rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
        store.create("roles", metadata("reader", namespace) | {"rules": rules}, manager="test")
    store.create("serviceaccounts", metadata("ci"), manager="test")
    store.create("secrets", metadata("token", **{ACCOUNT: "ci"}) | {"type": TOKEN_TYPE}, manager="test")
    fill_tokens(store, "the CA")
    return store


def token(store: Store) -> str:
    return base64.b64decode(store.get("secrets", "web", "token")["data"]["token"]).decode()


def test_the_token_is_the_account_s_and_stays(store: Store) -> None:
    before = token(store)
    fill_tokens(store, "the CA")
    assert token(store) == before
    user = find_user(store, before)
    assert user is not None
    assert user.name == "system:serviceaccount:web:ci"
    assert not is_allowed(user, READ)
    assert find_user(store, "another") is find_user(store, "") is None


@pytest.mark.parametrize(
    ("bound", "allowed"),
    [
        (binding("reader", "ci"), True),
        (binding("reader", "another"), False),
        (binding("reader", "ci", "other"), False),
        (binding("no-such-role", "ci"), False),
    ],
)
def test_a_role_binding_gives_its_role_in_its_namespace(store: Store, bound: dict[str, Any], allowed: bool) -> None:
    store.create("rolebindings", bound, manager="test")
    user = find_user(store, token(store))
    assert user is not None
    assert is_allowed(user, READ) is allowed


def test_a_secret_of_another_type_is_no_token(store: Store) -> None:
    data = {"data": {"token": base64.b64encode(b"made up").decode()}}
    store.create("secrets", metadata("made-up", **{ACCOUNT: "ci"}) | data, manager="test")
    assert find_user(store, "made up") is None


def test_an_account_that_is_made_anew_has_not_the_old_one_s_token(store: Store) -> None:
    old = token(store)
    store.delete("serviceaccounts", "web", "ci")
    assert find_user(store, old) is None
    store.create("serviceaccounts", metadata("ci"), manager="test")
    assert find_user(store, old) is None
