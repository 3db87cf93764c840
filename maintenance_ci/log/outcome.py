"""What a failure's message says besides the failure, should the job fail now: what users see, what a person does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

NOTHING_CHANGED = "Nothing was changed."
# Names that a sentence lists at the most: the report has them all.
MAX_NAMES = 12


@dataclass
class Outcome:
    """What users see now, and what a person is to do.

    Attributes:
        users: a sentence that says what is changed and what users see now.
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
        """Note what was just changed. Where ``manual_steps`` is None the commands stay as they are."""
        self.users, self.next_step, self.needs_person = users, next_step, needs_person
        self.manual_steps = self.manual_steps if manual_steps is None else list(manual_steps)

    def __str__(self) -> str:
        return f"{self.users} {self.next_step}".strip()


def combined(outcomes: Mapping[str, Outcome]) -> Outcome:
    """Return the outcome of a job that is about several Routes; what holds for several of them is said once.

    Args:
        outcomes: of each Route, or path of one, by what the log calls it.
    """
    names_by_sentence: dict[str, list[str]] = {}
    for name, outcome in outcomes.items():
        names_by_sentence.setdefault(outcome.users, []).append(name)
    alike = len(names_by_sentence) == 1
    steps = [step for one in outcomes.values() for step in one.manual_steps]
    users = [text if alike else f"{listed(names)}: {text}" for text, names in names_by_sentence.items()]
    return Outcome(
        users=" ".join(users),
        next_step=" ".join(dict.fromkeys(one.next_step for one in outcomes.values() if one.next_step)),
        needs_person=any(one.needs_person for one in outcomes.values()),
        # What several need, such as to remove the page, comes after what each of them needs.
        manual_steps=list(dict.fromkeys(reversed(steps)))[::-1],
    )


def listed(names: Sequence[str]) -> str:
    """Return names as a list for a sentence, `MAX_NAMES` of them at the most."""
    left_out = len(names) - MAX_NAMES
    return ", ".join(names) if left_out <= 0 else f"{', '.join(names[:MAX_NAMES])} and {left_out} more"
