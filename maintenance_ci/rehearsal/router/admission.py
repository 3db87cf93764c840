"""Which Routes are admitted now: judged anew where one has changed, and only there.

A router may have hundreds of Routes, and each change of one, each status that it writes itself among them, is a reason
to look again.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from maintenance_ci.rehearsal.router.certificates import with_secret
from maintenance_ci.rehearsal.router.claims import judge_claims
from maintenance_ci.rehearsal.router.route_fields import domain_of, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from maintenance_ci.rehearsal.router.claims import Claim

Object = dict[str, Any]


class Admission:
    """What becomes of the Routes.

    Args:
        find: looks up an object by plural, namespace and name.
        allow_wildcards: the router's setting of that name.
    """

    def __init__(self, find: Callable[[str, str, str], Object | None], *, allow_wildcards: bool = False) -> None:
        self._find, self._allow_wildcards = find, allow_wildcards
        self._seen: dict[str, Object] = {}
        self._routes: dict[str, dict[str, Object]] = defaultdict(dict)
        self._claims: dict[str, list[Claim]] = {}

    @property
    def claims(self) -> list[Claim]:
        """What became of each Route at the last look."""
        return [claim for claims in self._claims.values() for claim in claims]

    @property
    def admitted(self) -> list[Object]:
        """The Routes that are served."""
        return [claim.route for claim in self.claims if claim.admitted]

    def look(self, routes: Iterable[Object]) -> tuple[list[Claim], bool]:
        """Judge the Routes that compete with one that has changed since the last look.

        Returns:
            what became of these, and whether other Routes are served than before, or the same otherwise.
        """
        changed = self._note(routes)
        judged = []
        serves_otherwise = False
        for rivals in changed:
            claims = judge_claims(self._routes[rivals].values(), allow_wildcards=self._allow_wildcards)
            serves_otherwise |= _served(claims) != _served(self._claims.get(rivals, []))
            self._claims[rivals] = claims
            judged += claims
            if not claims:
                del self._claims[rivals], self._routes[rivals]
        return judged, serves_otherwise

    def _note(self, routes: Iterable[Object]) -> list[str]:
        """Take over the Routes as they are now, and return which of their rivalries that concerns."""
        now = {key_of(route): route for route in routes}
        changed: dict[str, None] = {}
        for key, route in self._seen.items():
            if now.get(key) is not route:
                changed[self._rivalry(route)] = None
                self._routes[self._rivalry(route)].pop(key, None)
        for key, route in now.items():
            served = with_secret(route, self._find)
            if self._seen.get(key) is not route or served is not route:  # what a Secret holds may be another
                changed[self._rivalry(route)] = None
                self._routes[self._rivalry(route)][key] = served
        self._seen = now
        return list(changed)

    def _rivalry(self, route: Object) -> str:
        """Return what Routes may compete for: a host; with wildcards all hosts of its domain."""
        host = (route["spec"].get("host") or "").lower()
        return domain_of(host) if self._allow_wildcards else host


def _served(claims: Iterable[Claim]) -> dict[str, object]:
    """Return what HAProxy's configuration is made of: not the status, which changes when it is written."""
    admitted = (claim.route for claim in claims if claim.admitted)
    return {key_of(route): (route["spec"], route["metadata"].get("annotations")) for route in admitted}
