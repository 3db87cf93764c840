"""What was recorded on a real OpenShift 4.21, held against what the embedded one answers.

Two answers are equal when they are the same but for resourceVersions, managedFields and times. Uids and generated
names are numbered in the order in which they turn up, on each side: where the recording says the same one twice, so
must we.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
GENERATED = re.compile(
    r"sha256:[0-9a-f]{64}"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # a uid
    r"|\b(?:10\.200|127\.\d+)\.\d+\.\d+\b"  # the address of a Pod: the recording's, or the rehearsal's
    r"|(?<=maintenance-page-)[a-z0-9]{10}\b"  # a ReplicaSet: the hash of its template
    r"|(?<=maintenance-page-[a-z0-9]{10}-)[a-z0-9]{5}\b"  # one of its Pods
    r"|(?<=maintenance-page-)[bcdfghjklmnpqrstvwxz2456789]{5}\b"  # an EndpointSlice
)
NO_UID = "00000000-0000-0000-0000-000000000000"
LEFT_OUT = frozenset({"resourceVersion", "managedFields", "duration"})


def load(name: str) -> Any:
    """A recording."""
    return json.loads((FOLDER / f"{name}.json").read_text())


class Names:
    """The uids and generated names of one side, numbered as they turn up."""

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}

    def plain(self, value: Any) -> Any:
        """The value without what differs from one run to the next."""
        if isinstance(value, dict):
            # Sorted, so that both sides number in the same order.
            return {key: self._left_out(key, value[key]) for key in sorted(value)}
        if isinstance(value, list):
            return [self.plain(one) for one in value]
        return self._plain_text(value) if isinstance(value, str) else value

    def _left_out(self, key: str, value: Any) -> Any:
        if key in LEFT_OUT:
            return "…"
        if key == "pod-template-hash":
            return self._number(value)
        return self.plain(value if key != "nodeName" else "node")

    def _plain_text(self, text: str) -> str:
        return GENERATED.sub(lambda match: self._number(match[0]), TIME.sub("<time>", text))

    def _number(self, name: str) -> str:
        return name if name == NO_UID else self._numbers.setdefault(name, f"<{len(self._numbers)}>")

    def translated(self, text: str, other: Names) -> str:
        """A text of the other side with our names in it, where we have one for it."""
        ours = {number: name for name, number in self._numbers.items()}
        return GENERATED.sub(lambda match: ours.get(other._numbers.get(match[0], ""), match[0]), text)


def differences(recorded: Any, ours: Any, path: str = "") -> list[str]:
    """Where two plain values differ, as paths."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        found = [f"{path}.{key}: only recorded" for key in recorded.keys() - ours.keys()]
        found += [f"{path}.{key}: only ours" for key in ours.keys() - recorded.keys()]
        both = [key for key in recorded if key in ours]
        return found + [one for key in both for one in differences(recorded[key], ours[key], f"{path}.{key}")]
    if isinstance(recorded, list) and isinstance(ours, list) and len(recorded) == len(ours):
        pairs = enumerate(zip(recorded, ours, strict=True))
        return [one for index, pair in pairs for one in differences(*pair, f"{path}[{index}]")]
    return [] if recorded == ours else [f"{path}: recorded {recorded!r}, ours {ours!r}"]
