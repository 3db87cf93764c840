from __future__ import annotations

import pytest

from maintenance_ci.rehearsal.apiserver.rights import Action, Rule, User, is_allowed, refusal, review_action

ROUTES: Rule = {"apiGroups": ["route.openshift.io"], "resources": ["routes"], "verbs": ["get", "list"]}


def user(*rules: Rule, namespace: str = "shop") -> User:
    return User("system:serviceaccount:shop:ci", roles={namespace: rules})


def action(verb: str = "get", resource: str = "routes", namespace: str = "shop", name: str = "") -> Action:
    return Action(verb, "route.openshift.io", resource, namespace, name)


@pytest.mark.parametrize(
    ("rule", "asked", "allowed"),
    [
        (ROUTES, action("get"), True),
        (ROUTES, action("delete"), False),
        (ROUTES, action("get", "routes/status"), False),
        (ROUTES, action("get", "routes/custom-host"), False),
        (ROUTES, action("get", namespace="other"), False),
        (ROUTES, action("list", namespace=""), False),
        (ROUTES, Action("get", "", "secrets", "shop"), False),
        ({**ROUTES, "resources": ["routes/custom-host"]}, action("get", "routes/custom-host"), True),
        ({**ROUTES, "resources": ["*/custom-host"]}, action("get", "routes/custom-host"), True),
        ({**ROUTES, "resources": ["*"]}, action("get", "routes/custom-host"), True),
        ({**ROUTES, "apiGroups": ["*"], "verbs": ["*"]}, action("delete"), True),
        ({**ROUTES, "resourceNames": ["app"]}, action("get", name="app"), True),
        ({**ROUTES, "resourceNames": ["app"]}, action("get", name="other"), False),
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["namespaces"]},
            Action("get", "", "namespaces", "", "shop"),
            True,
        ),
        (
            {"verbs": ["get"], "apiGroups": [""], "resources": ["namespaces"]},
            Action("get", "", "namespaces", "", "x"),
            False,
        ),
    ],
)
def test_rules(rule: Rule, asked: Action, allowed: bool) -> None:
    assert is_allowed(user(rule), asked) is allowed


def test_rules_of_the_whole_cluster() -> None:
    assert is_allowed(user(ROUTES, namespace=""), action("list", namespace=""))
    assert is_allowed(User("admin", cluster_admin=True), Action("delete", "any", "thing"))


def test_the_words_of_a_refusal() -> None:
    assert refusal(user(), action("list", namespace="x")) == (
        'routes.route.openshift.io is forbidden: User "system:serviceaccount:shop:ci" cannot list resource "routes" '
        'in API group "route.openshift.io" in the namespace "x"'
    )
    assert refusal(user(), Action("get", "", "namespaces", "", "x")) == (
        'namespaces "x" is forbidden: User "system:serviceaccount:shop:ci" cannot get resource "namespaces" '
        'in API group "" at the cluster scope'
    )


def test_what_a_review_asks() -> None:
    attributes = {
        "namespace": "shop",
        "verb": "create",
        "group": "g",
        "resource": "routes",
        "subresource": "custom-host",
    }
    assert review_action({"resourceAttributes": attributes}) == Action("create", "g", "routes/custom-host", "shop")
    assert review_action({"nonResourceAttributes": {"path": "/"}}) is None
