"""Which texts the page's variables take."""

from __future__ import annotations

import pytest

from maintenance_ci.errors import VariableError
from maintenance_ci.settings.variables import BuildAndDeploySettings, read_settings
from tests.tools.job_variables import GOOD
from tests.tools.page_texts import PASTED

SIGNATURE = "MAINTENANCE_SIGNATURE"


@pytest.mark.parametrize("text", PASTED.values(), ids=PASTED.keys())
def test_pasted_texts_are_taken(text: str) -> None:
    assert read_settings(BuildAndDeploySettings, GOOD | {SIGNATURE: text}).maintenance_signature == text


@pytest.mark.parametrize("code", [0x00, 0x07, 0x1B, 0x7F, 0x85, 0x9B, 0x202A, 0x202E, 0xD800, 0xDFFF, 0xFFFE, 0x1FFFF])
def test_what_no_person_means_is_refused(code: int) -> None:
    """Controls, what turns the order of letters, halves of characters, and what no XML may hold."""
    with pytest.raises(VariableError, match=f"^{SIGNATURE}: "):
        read_settings(BuildAndDeploySettings, GOOD | {SIGNATURE: f"a{chr(code)}b"})
