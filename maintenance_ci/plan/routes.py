"""The Routes of a namespace, as each plan of a job looks at them: pure.

A job may be about hundreds of Routes among thousands: what its plans ask of all of them is looked up, not searched.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

from maintenance_ci.plan.marks import Object, by_name, stands_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Routes(dict[str, Object]):
    """Routes by their names. It stays as it was made."""

    def __init__(self, routes: Iterable[Object] = ()) -> None:
        super().__init__(by_name(routes))

    def on_host(self, host: str | None) -> Sequence[Object]:
        """Return the Routes of a host, as it is written."""
        return self._by_host.get(host, ())

    def standing_for(self, original: str) -> Sequence[str]:
        """Return the names of the maintenance Routes that stand for a Route, or for paths of it, sorted."""
        return self._by_original.get(original, ())

    @cached_property
    def _by_host(self) -> Mapping[str | None, list[Object]]:
        found: dict[str | None, list[Object]] = defaultdict(list)
        for route in self.values():
            found[route["spec"].get("host")].append(route)
        return found

    @cached_property
    def _by_original(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self):
            if original := stands_for(self[name]):
                found[original].append(name)
        return found
