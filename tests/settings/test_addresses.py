"""What an allow-list may hold: one reading, for TESTER_ADDRESSES and for the lists that Routes have."""

from __future__ import annotations

import pytest

from maintenance_ci.plan.mirrored_metadata import ALLOW_LISTS, unreadable_allow_lists
from maintenance_ci.settings.addresses import read_network

GOOD = ["192.0.2.7", "192.0.2.0/24", "192.0.2.7/24", "2001:db8::1", "2001:db8::/32", "::/0", "0.0.0.0/0"]
# The last: more digits than Python makes a number of.
BAD = ["", "x", "300.1.1.1", "10.9.9.0/33", "10.9.9.0/", "10.9.9.0/255.255.255.0", "10.9.9.0/٨", "fe80::1%eth0",
       "10.0.0.1,10.0.0.2", "10.0.0.1 ", "010.0.0.1", f"10.0.0.0/{'9' * 5000}"]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_what_the_router_can_read(text: str) -> None:
    assert str(read_network(text))
    assert unreadable_allow_lists({ALLOW_LISTS[0]: text}) == []


@pytest.mark.parametrize("text", BAD)
def test_what_the_router_cannot_read(text: str) -> None:
    with pytest.raises(ValueError):
        read_network(text)
    if text.strip() == text != "":
        assert unreadable_allow_lists({ALLOW_LISTS[0]: text}) == [ALLOW_LISTS[0]]
