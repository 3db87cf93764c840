"""A template that is not in GitLab: the one of a rehearsal's Route, as ``export-route`` wrote it a moment ago."""

from __future__ import annotations

from maintenance_ci.templates.project import TemplateProject


class TemplateInHand(TemplateProject):
    """Stands for the template project of one Route, whose template it has, and asks no server."""

    def __init__(self, text: str) -> None:
        self.name, self._text = "the rehearsal's own template", text

    def read(self, path: str) -> str:  # noqa: ARG002 - there is only one
        """Return the template."""
        return self._text
