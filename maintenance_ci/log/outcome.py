"""What stands now, should the job fail in this moment: what users see, and what a person is to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

NOTHING_CHANGED = "Nothing was changed."


@dataclass
class Outcome:
    """What a failure's message says besides the failure.

    Attributes:
        users: one sentence that says what is changed and what users see now.
        next_step: what to do then, as a sentence; empty where the failure's own advice says it.
        needs_person: whether users may have been switched already.
        manual_steps: the commands by which a person puts things right.
    """

    users: str = NOTHING_CHANGED
    next_step: str = ""
    needs_person: bool = False
    manual_steps: list[str] = field(default_factory=list)

    def set(
        self, users: str, *, needs_person: bool = False, manual_steps: Sequence[str] | None = None, next_step: str = ""
    ) -> None:
        """Note what was just changed. Where ``manual_steps`` is not given the commands stay as they are."""
        self.users, self.next_step, self.needs_person = users, next_step, needs_person
        self.manual_steps = self.manual_steps if manual_steps is None else list(manual_steps)

    def __str__(self) -> str:
        return f"{self.users} {self.next_step}".strip()
