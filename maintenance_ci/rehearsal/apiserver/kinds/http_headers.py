"""A Route's ``spec.httpHeaders``: what the API takes.

Recorded on OpenShift 4.21: the limits, and what is refused. The wording is openshift/library-go's (pkg/route), which
was not recorded.
"""

from __future__ import annotations

import re
from typing import Any

from maintenance_ci.rehearsal.apiserver.errors import (
    Cause,
    forbidden_value,
    invalid_value,
    required_value,
    unsupported_value,
)

Object = dict[str, Any]

_ACTIONS = [{"name": None, "action": {"type": None, "set": {"value": None}}}]
FIELDS: dict[str, Any] = {"actions": {"request": _ACTIONS, "response": _ACTIONS}}
# Of each list, and of a name and a value in bytes.
MAX_ACTIONS, MAX_NAME, MAX_VALUE = 20, 255, 16384
RESERVED = ("strict-transport-security", "proxy", "cookie", "set-cookie")
NAME = re.compile(r"[-!#$%&'*+.0-9A-Z^_`a-z|~]+")
# A format of HAProxy's: a percent sign is doubled, or begins one of the expressions that are allowed.
FETCHED = r"\[(?:{}\.hdr\([0-9A-Za-z-]+\)|ssl_c_der)(?:,(?:lower|base64))*\]"
VALUE = rf"(?:%(?:%|(?:\{{{{[-+]?[QXE](?:,[-+]?[QXE])*\}}}})?{FETCHED})|[^%\x00-\x1f\x7f])+"
VALUES = {"request": re.compile(VALUE.format("req")), "response": re.compile(VALUE.format("res"))}


def validate(spec: Object) -> list[Cause]:
    """Return what is wrong with the headers of a Route."""
    actions = (spec.get("httpHeaders") or {}).get("actions") or {}
    if not any(actions.values()):
        return []
    causes = []
    if (spec.get("tls") or {}).get("termination") == "passthrough":
        detail = "only edge and re-encrypt routes are supported for providing customized headers."
        causes.append(invalid_value("spec.tls.termination", "passthrough", detail))
    for direction, pattern in VALUES.items():
        field, listed = f"spec.httpHeaders.actions.{direction}", actions.get(direction) or []
        if len(listed) > MAX_ACTIONS:
            causes.append(invalid_value(field, str(len(listed)), f"{direction} headers list can't exceed 20 items"))
        names = [str(one.get("name", "")) for one in listed]
        for index, name in enumerate(names):
            causes += _name_faults(f"{field}[{index}].name", name, twice=name in names[:index])
            causes += _action_faults(f"{field}[{index}].action", listed[index].get("action") or {}, pattern)
    return causes


def _name_faults(field: str, name: str, *, twice: bool) -> list[Cause]:
    if not name:
        return [required_value(field)]
    if twice:  # names that differ in case alone are two (recorded)
        return [Cause("FieldValueDuplicate", f'Duplicate value: "{name}"', field)]
    if name.lower() in RESERVED:
        listed = ", ".join(RESERVED)
        return [forbidden_value(field, f"the following headers may not be modified using this API: {listed}")]
    if len(name) > MAX_NAME or not NAME.fullmatch(name):
        return [invalid_value(field, name, "name must be a valid HTTP header name as defined in RFC 2616 section 4.2")]
    return []


def _action_faults(field: str, action: Object, pattern: re.Pattern[str]) -> list[Cause]:
    kind, value = action.get("type"), (action.get("set") or {}).get("value")
    if kind not in ("Set", "Delete"):
        return [unsupported_value(f"{field}.type", str(kind or ""), ["Delete", "Set"])]
    if kind == "Delete":
        return [forbidden_value(f"{field}.set", "set is forbidden when type is not Set")] if action.get("set") else []
    if not value:
        return [required_value(f"{field}.set.value")]
    if len(value.encode()) > MAX_VALUE:
        return [invalid_value(f"{field}.set.value", value, f"value exceeds the maximum length, which is {MAX_VALUE}")]
    if not pattern.fullmatch(value):
        detail = (
            "Either header value provided is not in correct format or the sample fetcher/converter specified is not "
            "allowed."
        )
        return [invalid_value(f"{field}.set.value", value, detail)]
    return []
