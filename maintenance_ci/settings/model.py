"""What the models of a job's environment have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

# Each takes the variables that are given (one that is blank is absent), and returns the faults.
Rules = tuple[Callable[[Mapping[str, str]], Iterable[str]], ...]


class Variables(BaseModel):
    """Variables of a job's environment, each field named like its variable.

    One whose type is pydantic's SecretStr is a secret (`secret_variables`), whoever reads it.

    Attributes:
        rules: what must be right with several variables together.
        own_action: the ACTION with which no other command may change something; empty for none.
    """

    # Built when it is first used, which is when a command reads its variables, before it has threads: pydantic must not
    # build one in several threads at once. A command uses one or two of all; building all took much of its start.
    model_config = ConfigDict(alias_generator=str.upper, extra="ignore", frozen=True, defer_build=True)
    rules: ClassVar[Rules] = ()
    own_action: ClassVar[str] = ""
