from __future__ import annotations

import pytest

from maintenance_ci.errors import VariableError
from maintenance_ci.settings.testers import MAX_ADDRESSES
from maintenance_ci.settings.variables import RoutesSettings, read_settings
from tests.tools.job_variables import GOOD

ACCESS = {**GOOD, "TESTER_ACCESS": "true"}


def addresses(given: str) -> tuple[str, ...]:
    return read_settings(RoutesSettings, {**ACCESS, "TESTER_ADDRESSES": given}).tester_addresses


def faults(given: dict[str, str]) -> list[str]:
    with pytest.raises(VariableError) as error:
        read_settings(RoutesSettings, given)
    return error.value.faults


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("192.0.2.7", ("192.0.2.7",)),
        ("192.0.2.7,198.51.100.0/24", ("192.0.2.7", "198.51.100.0/24")),
        (" 192.0.2.7 ,\n198.51.100.9;2001:db8::/32\t", ("192.0.2.7", "198.51.100.9", "2001:db8::/32")),
        ("192.0.2.9/24", ("192.0.2.0/24",)),
        ("192.0.2.7/32 192.0.2.7", ("192.0.2.7",)),
        ("2001:DB8:0:0::1", ("2001:db8::1",)),
        ("0.0.0.0/1", ("0.0.0.0/1",)),
    ],
)
def test_addresses_are_written_as_the_router_reads_them(given: str, meant: tuple[str, ...]) -> None:
    assert addresses(given) == meant


@pytest.mark.parametrize(
    "given",
    ["not-an-ip", "300.1.1.1", "10.9.9.0/33", "10.9.9.9/255.255.255.0", "fe80::1%eth0", "10.9.9.9|10.8.8.8", "10.9"],
)
def test_what_the_router_cannot_read_is_refused(given: str) -> None:
    assert faults({**ACCESS, "TESTER_ADDRESSES": f"192.0.2.7 {given}"})[0].startswith(
        "TESTER_ADDRESSES: must be IP addresses or networks"
    )


@pytest.mark.parametrize("given", ["0.0.0.0/0", "::/0", "192.0.2.7 ::/0", "0.0.0.0/1 128.0.0.0/1", "8000::/1 ::/1"])
def test_a_list_of_everybody_is_refused(given: str) -> None:
    assert "must not let everybody in" in faults({**ACCESS, "TESTER_ADDRESSES": given})[0]


def test_too_many_addresses_are_refused() -> None:
    many = [f"192.0.2.{number}" for number in range(MAX_ADDRESSES + 1)]
    assert len(addresses(" ".join(many[:-1]))) == MAX_ADDRESSES
    assert f"{MAX_ADDRESSES} addresses" in faults({**ACCESS, "TESTER_ADDRESSES": " ".join(many)})[0]


def test_access_needs_addresses() -> None:
    assert faults(ACCESS) == [
        "TESTER_ADDRESSES: is missing; TESTER_ACCESS needs the addresses that may come in",
    ]
    assert not read_settings(RoutesSettings, {**GOOD, "TESTER_ACCESS": "no"}).tester_access


def test_a_host_is_for_one_route_alone() -> None:
    given = {**ACCESS, "TESTER_ADDRESSES": "192.0.2.7", "TESTER_HOST": "preview.apps.example.test"}
    assert read_settings(RoutesSettings, given).tester_host == "preview.apps.example.test"
    assert faults({**given, "ROUTE_NAME": "pay shop"})[0].startswith("TESTER_HOST: is for one Route alone")
    selected = {name: value for name, value in given.items() if name != "ROUTE_NAME"}
    selected |= {"ROUTE_SELECTOR": "app=shop", "MAINTENANCE": "x"}
    assert faults(selected)[0].startswith("TESTER_HOST: is for one Route alone")
    assert faults({**given, "TESTER_HOST": "Not a host"})[0].startswith("TESTER_HOST: must be a host")
