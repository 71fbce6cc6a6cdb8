"""The FastAGI server: real sockets, and everybody who means it ill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from connector.agi import server as agi
from connector.agi.server import FastAgiServer
from connector.billing import numbers, profiles
from connector.billing.profiles import Credentials
from connector.config import FastAgiSettings
from connector.core.dialplan import GoOn
from connector.errors import AriRefused, StoreUnavailable
from connector.routing import routes
from tests.conftest import NOW

HEADER = b"agi_network: yes\nagi_network_script: %s\nagi_channel: PJSIP/p-1\nagi_uniqueid: lab-1.1\n\n"
SECRET = SecretStr("agi + secret")
P = ParamSpec("P")
R = TypeVar("R")


def with_secret(script: str) -> str:
    """A question as a dialplan asks it that knows the secret."""
    name, _, query = script.partition("?")
    return f"{name}?secret={quote(SECRET.get_secret_value(), safe='+')}&{query}"


class FixedClock:
    """It is always NOW."""

    def now_ms(self) -> int:
        """NOW."""
        return NOW

    def running_ms(self) -> int:
        """NOW."""
        return NOW


@dataclass
class Listening:
    """A server, and where it is."""

    server: FastAgiServer
    port: int

    @property
    def gate(self) -> Gate:
        """Who decides."""
        found = self.server._gate
        assert isinstance(found, Gate)
        return found

    async def ask(self, script: str, answers: bytes = b"200 result=1\n", header: bytes = b"") -> dict[str, str]:
        """The variables that are set when a dialplan asks for something."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        found = {}
        try:
            writer.write(HEADER.replace(b"\n\n", b"\n" + header + b"\n") % with_secret(script).encode())
            while said := await asyncio.wait_for(reader.readline(), 5):
                name, _, value = said.decode().removeprefix("SET VARIABLE ").strip().partition(" ")
                found[name] = value.strip('"')
                writer.write(answers)
        finally:
            writer.close()
        return found

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


class Gate:
    """Decides whatever it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.looks = 0
        self.withdrawn: list[str] = []
        self.taken_back = asyncio.Event()
        self.answer: GoOn | Exception = GoOn("connector-dial", "+442079460001", (("CONNECTOR_CALL", "abc"),))

    def is_ready(self) -> bool:
        """Always."""
        return True

    async def ask(self, leg: str, direction: str, source: str, presentation: str) -> GoOn:
        """The answer."""
        self.asked.append((leg, direction, source, presentation))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def look(self) -> None:
        """Counted."""
        self.looks += 1

    async def withdraw(self, leg: str) -> None:
        """Remembered."""
        self.withdrawn.append(leg)
        self.taken_back.set()


async def at_once(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """A store's door that has no thread behind it."""
    return function(*args, **kwargs)


@pytest.fixture
async def listening(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listening]:
    """A server that is ready, on a port of its own."""
    monkeypatch.setattr(agi, "HEADER_LIMIT_S", 0.3)
    server = FastAgiServer(FastAgiSettings(port=1, secret=SECRET), Gate(), at_once, FixedClock())
    listener = await asyncio.start_server(server._serve, "127.0.0.1", 0, limit=agi.MOST_LINE_BYTES)
    yield Listening(server, listener.sockets[0].getsockname()[1])
    listener.close()


async def test_a_dialplan_is_told_whether_calls_are_decided(listening: Listening) -> None:
    """`agi://HOST/status` sets CONNECTOR_STATUS."""
    assert await listening.say(HEADER % with_secret("status").encode()) == b'SET VARIABLE CONNECTOR_STATUS "ready"\n'


async def test_an_unknown_route_is_told_so(listening: Listening) -> None:
    """In Asterisk's own log, and the connection ends."""
    assert b"no such AGI route" in await listening.say(HEADER % with_secret("admit/../../etc").encode())


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
    assert b"ready" in await listening.say(HEADER % with_secret("status").encode())
    assert listening.server._at_once == 0


async def test_connecting_and_closing_does_not_freeze_the_loop(listening: Listening) -> None:
    """panoramisk's own listener reads for ever then; ours does not."""
    for _ in range(50):
        _, writer = await asyncio.open_connection("127.0.0.1", listening.port)
        writer.close()
    assert b"ready" in await listening.say(HEADER % with_secret("status").encode())


async def test_strangers_are_not_answered(listening: Listening) -> None:
    """Only addresses on the list are."""
    listening.server.settings = FastAgiSettings(port=1, secret=SECRET, allowed=("192.0.2.1",))
    assert await listening.say(HEADER % with_secret("status").encode()) == b""


async def test_too_many_at_once_are_turned_away(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    """And served again when there is room."""
    monkeypatch.setattr(agi, "MOST_AT_ONCE", 0)
    assert await listening.say(HEADER % with_secret("status").encode()) == b""
    monkeypatch.setattr(agi, "MOST_AT_ONCE", 5)
    assert b"ready" in await listening.say(HEADER % with_secret("status").encode())


async def test_the_gate_is_asked_by_the_address_alone(listening: Listening) -> None:
    """The leg is Asterisk's own word; whatever a caller smuggles into the header changes nothing."""
    smuggled = b"agi_extension: 1\nagi_uniqueid: lab-9.9\nagi_network_script: admit?out=victim\nagi_arg_1: victim\n"
    got = await listening.ask("admit?out=poffice&pres=prohib", header=smuggled)
    assert listening.gate.asked == [("lab-1.1", "out", "poffice", "prohib")]
    assert got == {
        "CONNECTOR_CALL": "abc",
        "CONNECTOR_STATUS": "admitted",
        "CONNECTOR_GOTO": "connector-dial,+442079460001,1",
    }
    assert list(got)[-1] == "CONNECTOR_GOTO"


@pytest.mark.parametrize("script", ["admit", "admit?out=", "admit?out=a&in=b", "admit?profile=a"])
async def test_a_question_without_a_source_is_none(listening: Listening, script: str) -> None:
    """Nothing is set, so the dialplan refuses."""
    assert await listening.ask(script) == {}
    assert listening.gate.asked == []


@pytest.mark.parametrize("error", [AriRefused(404, "no such leg"), StoreUnavailable("gone"), ZeroDivisionError("ours")])
async def test_what_cannot_be_decided_sets_nothing(listening: Listening, error: Exception) -> None:
    """Asterisk, the store, or a defect of ours: the dialplan is told nothing, and refuses; the next one is served."""
    listening.gate.answer = error
    assert await listening.ask("admit?out=p") == {}
    listening.gate.answer = GoOn("connector-refuse", "34")
    refused = await listening.ask("admit?in=t")
    assert refused == {"CONNECTOR_STATUS": "refused", "CONNECTOR_GOTO": "connector-refuse,34,1"}
    listening.gate.answer = GoOn("connector-emergency", "112")
    assert (await listening.ask("admit?out=p"))["CONNECTOR_STATUS"] == "emergency"


async def test_who_does_not_take_a_variable_gets_no_more(listening: Listening) -> None:
    """A leg that hung up meanwhile, or garbage for an answer: the last word, by which it would go on, is not said."""
    for answer in (b"511 Command Not Permitted on a dead channel\n", b"HANGUP\n", b"\xff\n"):
        got = await asyncio.wait_for(listening.ask("admit?out=p", answer + b"\n"), 8)
        assert "CONNECTOR_GOTO" not in got
    assert listening.gate.withdrawn == ["lab-1.1"] * 3


async def test_what_is_too_long_for_agi_is_refused_and_taken_back(listening: Listening) -> None:
    """Asterisk would take the end of the line for a command."""
    listening.gate.answer = GoOn("connector-ring", "s", (("CONNECTOR_HOPS", "x" * 2_000),))
    assert await listening.ask("admit?in=t") == {}
    assert listening.gate.withdrawn == ["lab-1.1"]


async def test_who_goes_away_meanwhile_has_no_call(listening: Listening) -> None:
    """It is decided all the same, and taken back then."""
    decided = asyncio.Event()
    real = listening.gate.ask

    async def slowly(*asked: str) -> GoOn:
        """The answer, when it is time."""
        await decided.wait()
        return await real(*asked)

    listening.gate.ask = slowly  # type: ignore[method-assign,assignment]
    _, writer = await asyncio.open_connection("127.0.0.1", listening.port)
    writer.write(HEADER % with_secret("admit?out=p").encode())
    await writer.drain()
    writer.close()
    decided.set()
    await asyncio.wait_for(listening.gate.taken_back.wait(), 2)
    assert listening.gate.withdrawn == ["lab-1.1"]


async def test_names_with_quotes_stay_one_value(listening: Listening) -> None:
    """What stands in quotes for Asterisk is escaped."""
    listening.gate.answer = GoOn("c", "e", (("X", 'a"b\\c'),))
    assert (await listening.ask("admit?out=p"))["X"] == 'a\\"b\\\\c'


async def test_a_hang_up_is_looked_after(listening: Listening) -> None:
    """Asterisk is asked which legs are alive."""
    assert await listening.ask("hangup") == {"CONNECTOR_STATUS": "ready"}
    assert listening.gate.looks == 1


async def test_a_dialplan_may_look_things_up(listening: Listening, office: Credentials) -> None:
    """Where a call would ring now, and what a profile has; of what is unknown it is told so."""
    routes.set_route("+442079460100", "group 101 102 for 10, extension 103")
    asked = await listening.ask("route?called=%2B442079460100")
    assert asked == {"CONNECTOR_STATUS": "found", "CONNECTOR_PATH": "ring 101+102 10, ring 103 25"}
    assert await listening.ask("route?called=+442079460100") == asked
    assert await listening.ask("route?called=+442079460999") == {"CONNECTOR_STATUS": "none"}
    assert await listening.ask("route") == {"CONNECTOR_STATUS": "none"}
    assert await listening.ask("balance?profile=office") == {
        "CONNECTOR_BALANCE": "10.00",
        "CONNECTOR_HELD": "0.00",
        "CONNECTOR_CURRENCY": "GBP",
        "CONNECTOR_STATUS": "found",
    }
    assert await listening.ask("balance?profile=nobody") == {"CONNECTOR_STATUS": "none"}
    profiles.set_state("office", "suspended")
    assert (await listening.ask("route?called=+442079460100"))["CONNECTOR_STATUS"] == "none"
    numbers.release("+442079460100", NOW)


@pytest.mark.parametrize("query", ["", "secret=", "secret=wrong", "secret=agi", "x=agi+secret", "secret=%ff"])
@pytest.mark.parametrize("script", ["status", "balance?profile=office", "admit?out=poffice", "hangup", "nothing"])
async def test_without_the_secret_nobody_learns_anything(listening: Listening, script: str, query: str) -> None:
    """Others on this machine have the same address: no balance, no channel, not even whether it is ready."""
    separator = "&" if "?" in script else "?"
    assert await listening.say(HEADER % f"{script}{separator}{query}".encode()) == b""
    assert (listening.gate.asked, listening.gate.looks) == ([], 0)


async def test_without_a_secret_in_the_settings_nobody_is_answered(listening: Listening) -> None:
    """Not with an empty one either."""
    listening.server.settings = FastAgiSettings(port=1)
    for query in ("", "secret=", "secret=None"):
        assert await listening.say(HEADER % f"status?{query}".encode()) == b""
