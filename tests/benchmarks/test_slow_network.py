"""The network that takes its time, between a client and a server of the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from benchmarks.slow_network import SlowNetwork

ROUND_TRIP = 0.3
Ask = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
    writer.write(b"end\n")
    writer.close()


def through(round_trip: float, story: Callable[[SlowNetwork], Coroutine[Any, Any, float]]) -> float:
    async def main() -> float:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server, SlowNetwork(server.sockets[0].getsockname()[1], round_trip=round_trip) as network:
            return await story(network)

    return asyncio.run(main())


async def one_request(network: SlowNetwork) -> float:
    clock = asyncio.get_running_loop().time
    began = clock()
    reader, writer = await asyncio.open_connection("127.0.0.1", network.port)
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    took = clock() - began
    writer.close()
    return took


async def quickest_request(network: SlowNetwork) -> float:
    return min([await one_request(network) for _ in range(10)])


def test_a_connection_and_a_request_take_a_round_trip_each() -> None:
    assert through(ROUND_TRIP, one_request) >= 2 * ROUND_TRIP


def test_without_a_round_trip_they_do_not() -> None:
    assert through(0.0, quickest_request) < 2 * ROUND_TRIP


async def two_requests(network: SlowNetwork, *, at_once: bool) -> float:
    clock = asyncio.get_running_loop().time
    reader, writer = await asyncio.open_connection("127.0.0.1", network.port)
    writer.write(b"first\n")
    await reader.readline()
    began = clock()
    if at_once:
        writer.write(b"one\ntwo\n")
    else:
        writer.write(b"one\n")
        await reader.readline()
        writer.write(b"two\n")
    while await reader.readline() != b"two\n":
        pass
    took = clock() - began
    writer.close()
    return took


@pytest.mark.slow
def test_what_is_sent_together_arrives_together() -> None:
    together = min(through(ROUND_TRIP, lambda network: two_requests(network, at_once=True)) for _ in range(3))
    apart = through(ROUND_TRIP, lambda network: two_requests(network, at_once=False))
    assert ROUND_TRIP <= together < 2 * ROUND_TRIP <= apart


@pytest.mark.parametrize("size", [1, 5_000_000])
def test_what_is_sent_arrives_whole_and_so_does_the_end(size: int) -> None:
    async def story(network: SlowNetwork) -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", network.port)
        sent = (b"x" * 999 + b"\n") * (size // 1000) + b"last\n"

        async def send() -> None:
            writer.write(sent)
            await writer.drain()
            writer.write_eof()

        sending = asyncio.create_task(send())
        assert await reader.read() == sent + b"end\n"
        await sending
        writer.close()
        return 0.0

    through(0.01, story)


def test_a_server_that_is_away_is_away_behind_it_too() -> None:
    async def main() -> bytes:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        async with SlowNetwork(port) as network:
            reader, writer = await asyncio.open_connection("127.0.0.1", network.port)
            try:
                return await reader.read()
            finally:
                writer.close()

    assert asyncio.run(main()) == b""


def test_an_address_is_the_network_s() -> None:
    network = SlowNetwork(1)
    network.port = 4321
    assert network.before("https://127.0.0.1:1/gitlab") == "https://127.0.0.1:4321/gitlab"
