"""Who may do what: RBAC PolicyRules, and the words of a refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Rule = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class User:
    """Whom a token belongs to. ``roles``: the rules that hold in a namespace; those under ``""`` hold everywhere."""

    name: str
    cluster_admin: bool = False
    roles: Mapping[str, Sequence[Rule]] = field(default_factory=dict)


@dataclass(frozen=True)
class Action:
    """What somebody wants to do. ``resource`` carries the subresource: ``routes/custom-host``."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


def is_allowed(user: User, action: Action) -> bool:
    """True when one of the user's rules covers the action."""
    if user.cluster_admin:
        return True
    # A namespace is an object inside of itself to the rule check.
    plural = action.resource.partition("/")[0]
    namespace = action.name if plural in ("namespaces", "projects") and action.name else action.namespace
    rules = [*user.roles.get("", ()), *(user.roles.get(namespace, ()) if namespace else ())]
    return any(_covers(rule, action) for rule in rules)


def _covers(rule: Rule, action: Action) -> bool:
    _, slash, subresource = action.resource.partition("/")
    resources = {"*", action.resource} | ({f"*/{subresource}"} if slash else set())
    names = rule.get("resourceNames", ())
    return (
        not {"*", action.verb}.isdisjoint(rule.get("verbs", ()))
        and not {"*", action.group}.isdisjoint(rule.get("apiGroups", ()))
        and not resources.isdisjoint(rule.get("resources", ()))
        and (not names or action.name in names)
    )


def rules_in(user: User, namespace: str) -> list[dict[str, list[str]]]:
    """The rules that hold for the user in a namespace, as a SelfSubjectRulesReview lists them."""
    everything: Rule = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    rules = [everything] if user.cluster_admin else [*user.roles.get("", ()), *user.roles.get(namespace, ())]
    parts = ("verbs", "apiGroups", "resources", "resourceNames")
    return [{part: list(rule[part]) for part in parts if rule.get(part)} for rule in rules]


def refusal(user: User, action: Action) -> str:
    """The message of the 403, as the real server words it."""
    plural = action.resource.partition("/")[0]
    qualified = f"{plural}.{action.group}" if action.group else plural
    name = f' "{action.name}"' if action.name else ""
    where = f'in the namespace "{action.namespace}"' if action.namespace else "at the cluster scope"
    return (
        f'{qualified}{name} is forbidden: User "{user.name}" cannot {action.verb} resource "{action.resource}" '
        f'in API group "{action.group}" {where}'
    )


def review_action(spec: Mapping[str, Any]) -> Action | None:
    """The action that a SelfSubjectAccessReview asks about; None when it is about no resource."""
    asked = spec.get("resourceAttributes")
    if asked is None:
        return None
    resource = asked.get("resource", "") + (f"/{asked['subresource']}" if asked.get("subresource") else "")
    return Action(
        asked.get("verb", ""), asked.get("group", ""), resource, asked.get("namespace", ""), asked.get("name", "")
    )
