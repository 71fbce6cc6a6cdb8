"""An Asterisk played by the tests: its answers, timers and journal; and its events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from connector.ari_app import app as app_module
from connector.ari_app import recovery
from connector.ari_app.app import ConnectorApp
from connector.ari_app.journal import LegStory
from connector.billing import calls, history
from connector.billing.profiles import Credentials
from connector.core.holds import Slicing
from connector.errors import AmiUnavailable, AriRefused
from connector.storage.writer import Writer
from tests.conftest import FixedClock

# 10 ms after the offer, by Asterisk's clock.
ANSWERED = 1_795_000_000_010
AT = "2026-11-18T11:06:40.%03d+0000"


class PlayedAsterisk:
    """The client's resources, answering what the test says; `asked` is what was asked."""

    def __init__(self) -> None:
        self.channels = self.applications = self.asterisk = self.endpoints = self
        self.there: list[str] = []
        self.subscribed: list[str] = []
        self.gone: set[str] = set()
        self.started = 0
        self.version = "22.10.1~dfsg"
        self.at_the_gate: list[str] = []
        self.settings = self
        self.app = "connector"
        self.alive: dict[str, str] = {}
        self.variables: dict[tuple[str, str], str] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, operation: str) -> Any:
        def call(**parameters: Any) -> asyncio.Future[Any]:
            self.asked.append((operation, parameters))
            answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            if operation == "getChannelVar":
                name = (parameters["channelId"], parameters["variable"])
                if name in self.variables:
                    answer.set_result({"value": self.variables[name]})
                else:
                    answer.set_exception(AriRefused(404, "no such variable"))
                return answer
            if operation == "getInfo":
                answer.set_result({"status": {"startup_time": AT % self.started}, "system": {"version": self.version}})
                return answer
            if operation == "get":
                prefix = "endpoint:"
                names = [name.removeprefix(prefix) for name in self.subscribed if name.startswith(prefix)]
                answer.set_result({"channel_ids": [], "endpoint_ids": names})
                return answer
            if operation == "subscribe" and self.gone & set(parameters["body"]["eventSource"]):
                answer.set_exception(AriRefused(422, "Event source does not exist"))
                return answer
            if operation == "subscribe":
                self.subscribed += parameters["body"]["eventSource"]
                answer.set_result(None)
                return answer
            if operation == "listByTech":
                answer.set_result([{"resource": name} for name in self.there])
                return answer
            if operation == "listModules":
                answer.set_result([{"name": "codec_alaw.so", "status": "Running"}])
                return answer
            found = [channel(leg, state) for leg, state in self.alive.items()]
            for each in found:
                if each["id"] in self.at_the_gate:
                    each["dialplan"] |= {"app_name": "Stasis", "app_data": "connector,out,p"}
            answer.set_result(found)
            return answer

        return call


class PlayedTimers:
    """Asterisk's absolute timeouts, as they were set: leg -> milliseconds."""

    def __init__(self) -> None:
        self.set: dict[str, int] = {}
        self.gone: set[str] = set()
        self.away = False
        self.refused = 0

    async def end_leg_in(self, leg: str, ms: int) -> bool:
        """Set one."""
        if self.away:
            self.refused += 1
            raise AmiUnavailable("AMI is not connected")
        if leg in self.gone:
            return False
        self.set[leg] = ms
        return True


class PlayedJournal:
    """Asterisk's journal: `written` is what it knows."""

    def __init__(self) -> None:
        self.written: dict[str, LegStory] = {}

    async def stories(self, legs: set[str], call_ids: set[str], since: int, epoch: int) -> dict[str, LegStory]:
        """What is written of them."""
        return {leg: story for leg, story in self.written.items() if leg in legs or story.call_id in call_ids}


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> PlayedJournal:
    """Asterisk's journal, played by the test."""
    monkeypatch.setattr(recovery, "JOURNAL_LATE_S", 0.01)
    return PlayedJournal()


@pytest.fixture
def timers() -> PlayedTimers:
    """Asterisk's timers, played by the test."""
    return PlayedTimers()


@pytest.fixture
async def asterisk() -> PlayedAsterisk:
    """An Asterisk played by the test."""
    return PlayedAsterisk()


@pytest.fixture
async def app(
    asterisk: PlayedAsterisk,
    writer: Writer,
    timers: PlayedTimers,
    journal: PlayedJournal,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[ConnectorApp]:
    """The application, ready."""
    monkeypatch.setattr(app_module, "STORE_RETRY_S", 0.01)
    monkeypatch.setattr(app_module, "PAY_EVERY_S", 0.01)
    made = ConnectorApp(asterisk, writer, clock, "node", Slicing(), timers, journal)  # type: ignore[arg-type]
    made.ready.set()
    yield made
    await made.close()


async def restarted(app: ConnectorApp) -> ConnectorApp:
    """Another application in the place of one that was closed, and it has found out what is up."""
    journal = app.recovery.journal
    made = ConnectorApp(app.client, app.store, app.clock, app.node, app.slicing, app.timer, journal)
    await made._reconcile()
    return made


def channel(leg: str, state: str, context: str = "connector-dial") -> dict[str, Any]:
    """A channel, as Asterisk shows it."""
    return {
        "id": leg, "name": f"PJSIP/p-{leg}", "state": state, "caller": {"number": "1", "name": ""}, "protocol_id": "",
        "dialplan": {"exten": "+442079460001", "context": context}, "creationtime": AT % 0,
    }  # fmt: skip


def offer(username: str, leg: str = "A", at: int = 0, state: str = "Ring") -> dict[str, Any]:
    """A call at the gate."""
    return {
        "type": "StasisStart", "timestamp": AT % at, "args": ["out", username],
        "channel": channel(leg, state),
    }  # fmt: skip


def about(kind: str, leg: str, at: int, **more: Any) -> dict[str, Any]:
    """An event about one leg."""
    state = more.pop("state", "Up" if kind == "ChannelStateChange" else "Ring")
    return {"type": kind, "timestamp": AT % at, "channel": channel(leg, state), **more}


def dial(
    caller: str, peer: str, at: int, context: str = "connector-dial", endpoint: str = "connector-carrier"
) -> dict[str, Any]:
    """One leg dials another."""
    return {
        "type": "Dial",
        "timestamp": AT % at,
        "caller": channel(caller, "Ring", context),
        "peer": {"id": peer, "name": f"PJSIP/{endpoint}-{peer}"},
    }


async def until(condition: Any, limit_s: int = 2) -> None:
    """Wait for a condition, two seconds at most, or as long as it is said."""
    for _ in range(limit_s * 200):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come")


async def booked(count: int) -> list[history.CdrView]:
    """The CDRs, when there are so many."""
    await until(lambda: len(history.cdrs(100)) == count)
    return history.cdrs(100)


async def talking(app: ConnectorApp, office: Credentials) -> None:
    """A call that was answered 10 ms after its offer."""
    app.event(offer(office.username))
    app.event(dial("A", "B", 5))
    app.event(about("ChannelStateChange", "A", 10))
    await until(lambda: any(call.answered_at for call in calls.live()))
