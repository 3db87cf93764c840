"""What clients send in protobuf: Helm its release Secrets, kubectl small objects and questions about rights, both the
options of a delete. Answers are always JSON.

Layout: the magic ``k8s\\0``, then a ``runtime.Unknown`` around the message of the kind. The field numbers are those of
Kubernetes' ``generated.proto`` files. Fields that are not declared here are dropped, as by any protobuf reader.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message, message_factory

from maintenance_ci.rehearsal.apiserver import errors

Object = dict[str, Any]

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\0"

_PACKAGE = "rehearsal"
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "int64": _Field.TYPE_INT64,
    "bool": _Field.TYPE_BOOL,
}

# message -> field -> (number, type); the type may be "repeated T" or "map T" (from strings to T).
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "TypeMeta": {"apiVersion": (1, "string"), "kind": (2, "string")},
    "Unknown": {
        "typeMeta": (1, "TypeMeta"),
        "raw": (2, "bytes"),
        "contentEncoding": (3, "string"),
        "contentType": (4, "string"),
    },
    "OwnerReference": {
        "kind": (1, "string"),
        "name": (3, "string"),
        "uid": (4, "string"),
        "apiVersion": (5, "string"),
        "controller": (6, "bool"),
        "blockOwnerDeletion": (7, "bool"),
    },
    "ObjectMeta": {
        "name": (1, "string"),
        "generateName": (2, "string"),
        "namespace": (3, "string"),
        "uid": (5, "string"),
        "resourceVersion": (6, "string"),
        "labels": (11, "map string"),
        "annotations": (12, "map string"),
        "ownerReferences": (13, "repeated OwnerReference"),
        "finalizers": (14, "repeated string"),
    },
    "Secret": {
        "metadata": (1, "ObjectMeta"),
        "data": (2, "map bytes"),
        "type": (3, "string"),
        "stringData": (4, "map string"),
        "immutable": (5, "bool"),
    },
    "ConfigMap": {
        "metadata": (1, "ObjectMeta"),
        "data": (2, "map string"),
        "binaryData": (3, "map bytes"),
        "immutable": (4, "bool"),
    },
    "Namespace": {"metadata": (1, "ObjectMeta")},
    "ServiceAccount": {"metadata": (1, "ObjectMeta"), "automountServiceAccountToken": (4, "bool")},
    "ResourceAttributes": {
        "namespace": (1, "string"),
        "verb": (2, "string"),
        "group": (3, "string"),
        "version": (4, "string"),
        "resource": (5, "string"),
        "subresource": (6, "string"),
        "name": (7, "string"),
    },
    "NonResourceAttributes": {"path": (1, "string"), "verb": (2, "string")},
    "ReviewSpec": {
        "resourceAttributes": (1, "ResourceAttributes"),
        "nonResourceAttributes": (2, "NonResourceAttributes"),
    },
    "SelfSubjectAccessReview": {"metadata": (1, "ObjectMeta"), "spec": (2, "ReviewSpec")},
    "Preconditions": {"uid": (1, "string"), "resourceVersion": (2, "string")},
    "DeleteOptions": {
        "gracePeriodSeconds": (1, "int64"),
        "preconditions": (2, "Preconditions"),
        "orphanDependents": (3, "bool"),
        "propagationPolicy": (4, "string"),
        "dryRun": (5, "repeated string"),
    },
}
_KINDS = ("ConfigMap", "DeleteOptions", "Namespace", "Secret", "SelfSubjectAccessReview", "ServiceAccount")


def _build_classes() -> dict[str, type[message.Message]]:
    file = descriptor_pb2.FileDescriptorProto(name="rehearsal.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _MESSAGES.items():
        described = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _add_field(described, name, field, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


def _add_field(described: descriptor_pb2.DescriptorProto, owner: str, name: str, number: int, kind: str) -> None:
    rule, _, element = kind.rpartition(" ")
    field = described.field.add(name=name, number=number, json_name=name)
    field.label = _Field.LABEL_REPEATED if rule else _Field.LABEL_OPTIONAL
    if rule == "map":
        entry = described.nested_type.add(name=f"{name[0].upper()}{name[1:]}Entry")
        entry.options.map_entry = True
        _add_field(entry, entry.name, "key", 1, "string")
        _add_field(entry, entry.name, "value", 2, element)
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{owner}.{entry.name}"
    elif element in _SCALARS:
        field.type = _SCALARS[element]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{element}"


_CLASSES = _build_classes()


def decode(body: bytes) -> Object:
    """The object in a protobuf body, as it would stand in JSON; raises ``ApiError`` 400 or 415 (an unread kind)."""
    if not body.startswith(MAGIC):
        raise errors.bad_request("provided data does not appear to be a protobuf message, expected prefix 'k8s\\0'")
    try:
        unknown: Any = _CLASSES["Unknown"].FromString(body.removeprefix(MAGIC))
        kind = unknown.typeMeta.kind
        if kind not in _KINDS:
            raise errors.unsupported_media_type(f"no protobuf reader for the kind {kind!r}")
        content: Object = json_format.MessageToDict(_CLASSES[kind].FromString(unknown.raw))
    except message.DecodeError as error:
        raise errors.bad_request(f"the protobuf body cannot be read: {error}") from error
    # Go's clients write every string field, set or not.
    head = {"apiVersion": unknown.typeMeta.apiVersion, "kind": kind}
    return head | {name: _without_empty(value) for name, value in content.items()}


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: one for name, one in value.items() if one not in ("", {}, [])}
    return value
