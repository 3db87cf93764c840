"""One request, taken apart: what it is about, who asks, what it carries."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from maintenance_ci.rehearsal.apiserver import apply, errors, protobuf
from maintenance_ci.rehearsal.apiserver.catalogue import Resource, by_path
from maintenance_ci.rehearsal.apiserver.rights import Action, User

if TYPE_CHECKING:
    from collections.abc import Mapping

Object = dict[str, Any]

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True)
class Target:
    """What a URL names: a resource, maybe in a namespace, maybe one object of it, maybe a part of that."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def resource(self) -> Resource | None:
        """The resource from the catalogue, if it is served."""
        prefix = f"apis/{self.group}/{self.version}" if self.group else f"api/{self.version}"
        return by_path(prefix, self.plural)

    def action(self, method: str, query: Mapping[str, str]) -> Action:
        """What a request with this method wants to do, in the words of the rights."""
        resource = f"{self.plural}/{self.subresource}" if self.subresource else self.plural
        return Action(self._verb(method, query), self.group, resource, self.namespace, self.name)

    def _verb(self, method: str, query: Mapping[str, str]) -> str:
        if method == "DELETE":
            return "delete" if self.name else "deletecollection"
        if method in _VERBS:
            return _VERBS[method]
        if self.name:
            return "get"
        return "watch" if is_true(query.get("watch")) else "list"


@dataclass(frozen=True)
class Request:
    """A request on a resource."""

    user: User
    method: str
    target: Target
    resource: Resource
    query: Mapping[str, str]
    content_type: str
    body: bytes
    user_agent: str
    warnings: list[str] = field(default_factory=list)  # the answer has a header for each

    @property
    def manager(self) -> str:
        """Under which name the fields that it sets are owned."""
        return self.query.get("fieldManager") or self.user_agent.partition("/")[0][:128] or "unknown"

    @property
    def dry_run(self) -> bool:
        """True when nothing is to be stored."""
        return "All" in self.query.get("dryRun", "")

    def parsed(self) -> Any:
        """The body as JSON values; raises ``ApiError`` 400 or 415."""
        return parse_body(self.content_type, self.body)

    def object(self) -> Object:
        """The object in the body, completed by what the URL says; raises ``ApiError`` 400 where the two disagree."""
        content = self.parsed()
        if not isinstance(content, dict):
            raise errors.bad_request("the body of the request is no object")
        kind = content.get("kind", self.resource.kind)
        if (content.get("apiVersion", self.resource.group_version), kind) != (
            self.resource.group_version,
            self.resource.kind,
        ):
            raise errors.bad_request(
                f"{kind} in version {json.dumps(content.get('apiVersion', ''))} cannot be handled as a "
                f"{self.resource.kind}: no kind {json.dumps(kind)} is registered here"
            )
        self._check_types(content)
        metadata = dict(content.get("metadata") or {})
        self._complete(metadata)
        return {**content, "metadata": metadata}

    def _check_types(self, content: Object) -> None:
        """Refuse what cannot be such an object: YAML and templates make numbers where strings are meant."""
        for name in ("metadata", "spec", "data"):
            if not isinstance(content.get(name), dict | None):
                raise self._undecodable(
                    f"json: cannot unmarshal {_json_type(content[name])} into Go struct field .{name}"
                )
        for name in ("labels", "annotations"):
            for key, value in ((content.get("metadata") or {}).get(name) or {}).items():
                if isinstance(value, str):
                    continue
                if self.content_type == apply.CONTENT_TYPE:
                    raise errors.ApiError(
                        500,
                        "InternalError",
                        f"failed to create typed patch object ({self.target.namespace}/{self.target.name}; "
                        f"{self.resource.group_version}, Kind={self.resource.kind}): .metadata.{name}.{key}: "
                        f"expected string, got &value.valueUnstructured{{Value:{json.dumps(value)}}}",
                    )
                raise self._undecodable(
                    f"json: cannot unmarshal {_json_type(value)} into Go struct field ObjectMeta.metadata.{name} "
                    "of type string"
                )

    def _undecodable(self, why: str) -> errors.ApiError:
        kind = self.resource.kind
        return errors.bad_request(f'{kind} in version "{self.resource.version}" cannot be handled as a {kind}: {why}')

    def _complete(self, metadata: Object) -> None:
        target = self.target
        if self.resource.namespaced and metadata.setdefault("namespace", target.namespace) != target.namespace:
            raise errors.bad_request(
                f"the namespace of the provided object does not match the namespace sent on the request "
                f"({metadata['namespace']} != {target.namespace})"
            )
        if not self.resource.namespaced:
            metadata.pop("namespace", None)
        if target.name and metadata.setdefault("name", target.name) != target.name:
            raise errors.bad_request(
                f"the name of the object ({metadata['name']}) does not match the name on the URL ({target.name})"
            )


def parse_path(path: str) -> Target | None:
    """The target of a path; None for paths that are about no resource."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3:
        return None
    plural, name, subresource = [*rest, "", ""][:3]
    return Target(group, version, plural, namespace, name, subresource)


def parse_body(content_type: str, body: bytes) -> Any:
    """A body as JSON values; raises ``ApiError`` 400 or 415. A body without a type is JSON."""
    if content_type == protobuf.CONTENT_TYPE:
        return protobuf.decode(body)
    try:
        if content_type in ("application/yaml", apply.CONTENT_TYPE):
            return _load_yaml(body)
        if content_type == "application/octet-stream" or content_type.endswith("json"):
            return json.loads(body)
    except (ValueError, yaml.YAMLError) as error:
        raise errors.bad_request(f"the body of the request could not be decoded: {error}") from error
    raise errors.unsupported_media_type(
        "the body of the request was in an unknown format - accepted media types include: "
        f"application/json, application/yaml, {protobuf.CONTENT_TYPE}"
    )


def _load_yaml(body: bytes) -> Any:
    """Read YAML; most of it is JSON, which Python reads a hundred times faster."""
    try:
        return json.loads(body)
    except ValueError:
        return yaml.load(body, Loader=_YamlAsJson)  # noqa: S506 - a child of the safe loader


class _YamlAsJson(yaml.SafeLoader):
    """YAML without timestamps: the API knows them as strings."""


_YamlAsJson.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def is_true(text: str | None) -> bool:
    """A boolean query parameter."""
    return text in ("true", "1")


def number(query: Mapping[str, str], name: str, default: int) -> int:
    """A query parameter that is a whole number; raises ``ApiError`` 400."""
    text = query.get(name) or str(default)
    if not text.isdecimal():
        raise errors.bad_request(f'invalid {name}: strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)


def _json_type(value: Any) -> str:
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")
