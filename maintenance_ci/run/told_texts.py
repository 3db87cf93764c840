"""Tells a person what users of the Routes are going to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.log.outcome import listed
from maintenance_ci.plan.page_texts import headers_of, lines_of_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maintenance_ci.log.log import JobLog
    from maintenance_ci.run.targets import Planned


def tell_texts(planned: Sequence[Planned], log: JobLog) -> None:
    """Say it once for all Routes whose users read the same; nothing where it is the page's own words alone."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for one in planned:
        shown = next((step.change.route for step in one.plan.steps if step.change.shows_page), None)
        alike.setdefault(tuple(lines_of_texts(headers_of(shown))), []).append(one.log.name)
    for lines, names in alike.items():
        of = f" of {listed(names)}" if len(alike) > 1 else ""
        for number, line in enumerate(lines):
            log.say(f"on the page{of}: {line}" if number == 0 else line)
