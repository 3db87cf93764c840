"""What the variable ``FORCE`` may name: refusals that a person may know better than. Pure."""

from __future__ import annotations

from enum import Enum


class Force(Enum):
    """A refusal to go on against; the value is the word that stands in ``FORCE``, and in the refusal's advice.

    By name, since a pipeline's variables hold for all its jobs: who goes on against an owner of the Route when the
    maintenance begins must not bring back, hours later, an application that does not run.
    """

    OWNER = "owner"  # deploy-route: somebody may undo the switch
    ENDPOINTS = "endpoints"  # delete: the application is not ready
    HOST = "host"  # delete: another namespace waits for the host
    PIPELINE = "pipeline"  # delete: the maintenance belongs to a newer pipeline
    EARLY = "early"  # delete, with ACTION=end: the announced end lies ahead
    TRACE = "trace"  # delete: nothing says that there was a maintenance

    def __str__(self) -> str:
        return f"FORCE={self.value}"
