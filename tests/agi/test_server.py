"""The FastAGI server: real sockets, and everybody who means it ill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from connector.agi import server as agi
from connector.agi.server import FastAgiServer
from connector.config import FastAgiSettings

HEADER = b"agi_network: yes\nagi_network_script: %s\nagi_channel: PJSIP/p-1\n\n"


@dataclass
class Listening:
    """A server, and where it is."""

    server: FastAgiServer
    port: int

    async def say(self, data: bytes, *, then_close: bool = False, answer: bytes = b"200 result=1\n") -> bytes:
        """Send `data`, answer its first command, and return all that it said."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            await writer.drain()
            if then_close:
                writer.write_eof()
            said = await asyncio.wait_for(reader.readline(), 10)
            if said and not then_close:
                writer.write(answer)
                said += await asyncio.wait_for(reader.read(), 10)
        except ConnectionError:
            return b""
        finally:
            writer.close()
        return said


@pytest.fixture
async def listening(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listening]:
    """A server that is ready, on a port of its own."""
    monkeypatch.setattr(agi, "HEADER_LIMIT_S", 0.3)
    server = FastAgiServer(FastAgiSettings(port=1), lambda: True)
    listener = await asyncio.start_server(server._serve, "127.0.0.1", 0, limit=agi.MOST_LINE_BYTES)
    yield Listening(server, listener.sockets[0].getsockname()[1])
    listener.close()


async def test_a_dialplan_is_told_whether_calls_are_decided(listening: Listening) -> None:
    """`agi://HOST/status` sets CONNECTOR_STATUS."""
    assert await listening.say(HEADER % b"status") == b"SET VARIABLE CONNECTOR_STATUS ready\n"


async def test_an_unknown_route_is_told_so(listening: Listening) -> None:
    """In Asterisk's own log, and the connection ends."""
    assert b"no such AGI route" in await listening.say(HEADER % b"admit/../../etc")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"\x00\xff" * 50 + b"\n",
        b"x" * 10_000_000,
        b"a: b\n" * 5000,
        b"agi_x: y\n",
    ],
    ids=["nothing", "empty", "http", "garbage", "10 MB line", "5000 lines", "half a header"],
)
async def test_probes_and_garbage_end_and_harm_nobody(listening: Listening, data: bytes) -> None:
    """Whoever does not speak AGI is let go within the limit, and the next one is served."""
    for close in (True, False):
        await asyncio.wait_for(listening.say(data, then_close=close), 5)
    assert b"ready" in await listening.say(HEADER % b"status")
    assert listening.server._at_once == 0


async def test_connecting_and_closing_does_not_freeze_the_loop(listening: Listening) -> None:
    """panoramisk's own listener reads for ever then; ours does not."""
    for _ in range(50):
        _, writer = await asyncio.open_connection("127.0.0.1", listening.port)
        writer.close()
    assert b"ready" in await listening.say(HEADER % b"status")


async def test_strangers_are_not_answered(listening: Listening) -> None:
    """Only addresses on the list are."""
    listening.server.settings = FastAgiSettings(port=1, allowed=("192.0.2.1",))
    assert await listening.say(HEADER % b"status") == b""


async def test_too_many_at_once_are_turned_away(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    """And served again when there is room."""
    monkeypatch.setattr(agi, "MOST_AT_ONCE", 0)
    assert await listening.say(HEADER % b"status") == b""
    monkeypatch.setattr(agi, "MOST_AT_ONCE", 5)
    assert b"ready" in await listening.say(HEADER % b"status")
