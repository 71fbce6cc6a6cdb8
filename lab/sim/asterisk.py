"""An Asterisk as far as the connector can see it: legs, our dialplan, absolute timeouts, events, ARI, AMI, its journal.

It does what asterisk-conf/extensions.conf does, with the clock on the wall for its timers, as the real one
(main/channel.c: whentohangup is a time of day).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connector.ari_app.journal import LegStory, read_stories
from connector.core.calls import TIMER_CAUSE
from connector.core.trunks import endpoint_of
from connector.errors import AmiUnavailable, AriRefused, AriUnavailable
from lab.sim.plan import AT_EVENT, AT_REQUEST, Chance, PlannedCall

GATE_MS = 8_000
RING_MS = 60_000
REQUEST_LIMIT_S = 5.0


@dataclass
class SimLeg:
    """One channel of Asterisk. `ends_at`: its absolute timeout, by the clock on the wall."""

    id: str
    linked_to: str
    made_at: int
    endpoint: str
    up: bool = False
    answered_at: int | None = None
    ends_at: int | None = None
    variables: dict[str, str] = field(default_factory=dict)
    userfield: str = ""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    cause: int = 0
    on: asyncio.Future[tuple[str, str]] | None = None

    @property
    def name(self) -> str:
        """As Asterisk names a channel."""
        return f"PJSIP/{self.endpoint}-{self.id.replace('-', '')}"

    @property
    def at_the_gate(self) -> bool:
        """Whether the application has it."""
        return self.on is not None and not self.on.done()


@dataclass
class Truth:
    """What really became of a call, by a clock that nobody steps: what the books are held against."""

    plan: PlannedCall
    gate_leg: str
    call_id: str = ""
    answered_s: float | None = None
    ended_s: float | None = None
    wall_ms: int | None = None
    crashed: bool = False

    @property
    def talked_ms(self) -> float:
        """How long it was talked."""
        if self.answered_s is None or self.ended_s is None:
            return 0.0
        return (self.ended_s - self.answered_s) * 1000


class SimAsterisk:
    """The machine's Asterisk. `hears` is where its events go while a websocket is open."""

    def __init__(self, chance: Chance, wall_ms: Callable[[], int], endpoints: Iterable[str]) -> None:
        self.chance = chance
        self.endpoints = list(endpoints)
        self.wall_ms = wall_ms
        self.hears: Callable[[dict[str, Any]], None] | None = None
        self.silent = False
        self.ami_gone = False
        self.up = False
        self.started_at = 0
        self.legs: dict[str, SimLeg] = {}
        self.journal: list[str] = []
        self.calls: list[Truth] = []
        self.carried: dict[str, int] = {}
        self.most_carried: dict[str, int] = {}
        self.dropped: Callable[[], None] = lambda: None
        self._numbers = itertools.count()
        self._running: set[asyncio.Task[None]] = set()
        self._last_event_s = 0.0
        self.subscribed: set[str] = set()

    def start(self) -> None:
        """Begin, with no leg."""
        self.up = True
        self.started_at = self.wall_ms()
        self._numbers = itertools.count()
        self.subscribed.clear()

    def kill(self) -> None:
        """kill -9: everything is gone, and the journal says no word of it."""
        self.up = False
        for task in self._running:
            task.cancel()
        for truth in self.calls:
            if truth.ended_s is None:
                truth.ended_s, truth.crashed = _now(), True
        self.carried.clear()
        self.legs.clear()
        self.hears = None
        self.dropped()

    def place(self, planned: PlannedCall, source: str, profile: str) -> None:
        """Somebody calls."""
        if self.up:
            task = asyncio.ensure_future(self._call(planned, source, profile))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def stepped(self) -> None:
        """The clock on the wall was stepped: every timer looks at it anew."""
        for leg in list(self.legs.values()):
            self._arm(leg)

    async def stories(self, legs: set[str], call_ids: set[str], since: int, epoch: int) -> dict[str, LegStory]:
        """The journal, as the connector reads it."""
        await asyncio.sleep(self.chance.delay_s(0.05))
        return read_stories(iter(self.journal), legs, call_ids, epoch)

    async def end_leg_in(self, leg: str, ms: int) -> bool:
        """AMI's AbsoluteTimeout."""
        await asyncio.sleep(self.chance.delay_s(0.02))
        if not self.up or self.ami_gone:
            raise AmiUnavailable("AMI is not connected")
        if leg not in self.legs:
            return False
        self._end_in(self.legs[leg], ms)
        return True

    async def _call(self, planned: PlannedCall, source: str, profile: str) -> None:
        gate = self._leg(None, source if planned.direction == "out" else endpoint_of(source))
        truth = Truth(planned, gate.id)
        self.calls.append(truth)
        self._end_in(gate, GATE_MS)
        cause = await self._gate(planned, source, gate)
        if cause is not None:
            self._hang_up(gate, cause)
            return
        truth.call_id = gate.variables["CONNECTOR_CALL"]
        self.carried[profile] = self.carried.get(profile, 0) + 1
        self.most_carried[profile] = max(self.most_carried.get(profile, 0), self.carried[profile])
        try:
            await self._dial(planned, gate, truth)
        finally:
            if self.up:
                self.carried[profile] -= 1
                truth.ended_s = _now()

    async def _gate(self, planned: PlannedCall, source: str, gate: SimLeg) -> int | None:
        """Stasis, and what the application says: the cause to refuse with, or None."""
        if self.hears is None:
            return 42
        gate.on = asyncio.get_running_loop().create_future()
        self._tell(
            "StasisStart", gate, args=[planned.direction, source],
            dialplan={"context": "connector-from-profile", "exten": planned.number}, caller={"number": "100"},
        )  # fmt: skip
        ended: asyncio.Future[Any] = asyncio.ensure_future(gate.gone.wait())
        patience_s = planned.talk_ms / 1000 if planned.outcome == "silent" else None
        decided: asyncio.Future[Any] = gate.on
        await asyncio.wait([decided, ended], timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not gate.on.done():
            gate.on.cancel()
            gate.cause = 0
            return 42 if gate.gone.is_set() else 127
        context, extension = gate.on.result()
        gate.on = None
        if context == "connector-refuse":
            return int(extension)
        has = set(gate.variables)
        complete = {"CONNECTOR_CALL", "CONNECTOR_GUARD_S"} <= has and has & {"CONNECTOR_TRIES", "CONNECTOR_KINDS"}
        return None if complete else 42

    async def _dial(self, planned: PlannedCall, gate: SimLeg, truth: Truth) -> None:
        guard_ms = int(gate.variables["CONNECTOR_GUARD_S"]) * 1000
        self._end_in(gate, guard_ms + (RING_MS if planned.direction == "out" else 0))
        tries, hops = (gate.variables.get(name, "") for name in ("CONNECTOR_TRIES", "CONNECTOR_HOPS"))
        dialled = (tries or hops.removeprefix("PJSIP/")).split(":")[0].rpartition("@")[2]
        other = self._leg(gate, dialled)
        other.variables["CONNECTOR_CALL"] = truth.call_id
        if planned.direction == "in":
            other.userfield = truth.call_id
            self._end_in(other, guard_ms + RING_MS + 2_000)
        caller = {"id": gate.id, "dialplan": {"context": "connector-dial" if tries else "connector-ring"}}
        self._tell("Dial", gate, caller=caller, peer={"id": other.id, "name": other.name})
        gives_up = planned.outcome == "silent"
        if await self._one_gone(gate, other, planned.talk_ms if gives_up else planned.ring_ms):
            self._timed_out(gate)
        elif planned.outcome == "busy":
            self._hang_up(other, 17)
            self._hang_up(gate, 17)
        elif gives_up:
            self._hang_up(gate, 0)
        else:
            await self._talk(planned, gate, other, guard_ms, truth)
        self._hang_up(other, 16)
        self._hang_up(gate, other.cause)

    async def _talk(self, planned: PlannedCall, gate: SimLeg, other: SimLeg, guard_ms: int, truth: Truth) -> None:
        if planned.direction == "out":
            self._end_in(other, guard_ms + 500)
        self._answer(other)
        other.userfield = truth.call_id
        truth.answered_s, truth.wall_ms = _now(), self.wall_ms()
        self._answer(gate)
        if await self._one_gone(gate, other, planned.talk_ms):
            self._timed_out(gate)
        elif planned.caller_first:
            self._hang_up(gate, 16)
        else:
            self._hang_up(other, 16)

    def _timed_out(self, gate: SimLeg) -> None:
        """The dialplan's T, if it was the gate leg's time that ran out."""
        if gate.cause == TIMER_CAUSE:
            self._hang_up(gate, TIMER_CAUSE)

    async def _one_gone(self, gate: SimLeg, other: SimLeg, within_ms: int) -> bool:
        """Wait so long, or until a leg is gone; whether one is."""
        waits = [asyncio.ensure_future(leg.gone.wait()) for leg in (gate, other)]
        done, pending = await asyncio.wait(waits, timeout=within_ms / 1000, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        return bool(done)

    def _leg(self, caller: SimLeg | None, endpoint: str) -> SimLeg:
        name = f"sim-{self.started_at // 1000}.{next(self._numbers)}"
        leg = SimLeg(name, caller.linked_to if caller else name, self.wall_ms(), endpoint)
        self.legs[name] = leg
        self._write("CHAN_START", leg)
        return leg

    def _answer(self, leg: SimLeg) -> None:
        leg.up, leg.answered_at = True, self.wall_ms()
        self._write("ANSWER", leg)
        self._tell("ChannelStateChange", leg)

    def _hang_up(self, leg: SimLeg, cause: int) -> None:
        if leg.id in self.legs:
            del self.legs[leg.id]
            leg.cause = leg.cause or cause
            leg.ends_at = None
            self._write("HANGUP", leg)
            if leg.cause != TIMER_CAUSE:
                self._tell("ChannelHangupRequest", leg, cause=leg.cause)
            self._tell("ChannelDestroyed", leg, cause=leg.cause)
            leg.gone.set()

    def _end_in(self, leg: SimLeg, ms: int) -> None:
        leg.ends_at = self.wall_ms() + ms
        self._arm(leg)

    def _arm(self, leg: SimLeg) -> None:
        ends_at = leg.ends_at
        if ends_at is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(max(0, ends_at - self.wall_ms()) / 1000, self._ring, leg, ends_at)

    def _ring(self, leg: SimLeg, ends_at: int) -> None:
        """A leg's time is up, if it was not moved meanwhile. The gate leg goes on to T, the dialplan then ends it."""
        if leg.ends_at != ends_at or leg.id not in self.legs:
            return
        if self.wall_ms() < ends_at:
            self._arm(leg)
        elif leg.linked_to == leg.id:
            leg.ends_at, leg.cause = None, TIMER_CAUSE
            leg.gone.set()
        else:
            self._hang_up(leg, 16)

    def _write(self, kind: str, leg: SimLeg) -> None:
        at = self.wall_ms()
        extra = f'{{""hangupcause"":{leg.cause}}}' if kind == "HANGUP" else ""
        written = f"{at // 1000}.{at % 1000:03d}000"
        told = f'"{leg.id}","{leg.linked_to}","{leg.userfield}","PJSIP/sim","{extra}"'
        self.journal.append(f'"{kind}","{written}",{told}\n')

    def _tell(self, kind: str, leg: SimLeg, **more: Any) -> None:
        """An event of a leg, to the websocket, if it is subscribed to. Late ones come after those that follow them."""
        sources = {f"endpoint:PJSIP/{leg.endpoint}", f"channel:{leg.id}"}
        if not leg.at_the_gate and not sources & self.subscribed:
            return
        message: dict[str, Any] = {"type": kind, "timestamp": _iso(self.wall_ms())}
        if kind != "Dial":
            message["channel"] = {
                "id": leg.id,
                "state": "Up" if leg.up else "Ring",
                "creationtime": _iso(leg.made_at),
                "name": leg.name,
                "dialplan": {"context": "connector-dial", "exten": ""},
                **{name: more.pop(name) for name in ("dialplan", "caller") if name in more},
            }
        message.update(more)
        what = self.chance.at("event", AT_EVENT)
        if what == "lost" or self.hears is None:
            return
        loop, hears = asyncio.get_running_loop(), self.hears
        at = max(self._last_event_s + 1e-5, loop.time() + self.chance.delay_s(0.01))
        if what == "late":
            at += 0.2
        else:
            self._last_event_s = at
        for _ in range(2 if what == "twice" else 1):
            loop.call_at(at, self._deliver, hears, message)

    def _deliver(self, hears: Callable[[dict[str, Any]], None], message: dict[str, Any]) -> None:
        if self.hears is hears and not self.silent:
            hears(message)


class SimClient:
    """ARI as AriClient has it: requests leave at once and are done in their order."""

    def __init__(self, asterisk: SimAsterisk, killed: Callable[[], None]) -> None:
        self.asterisk = self.applications = self.channels = self.endpoints = self
        self.played = asterisk
        self.killed = killed
        self.open = False
        self.settings = self
        self.app = "connector"
        self.left: Callable[[float], None] = lambda pause_s: None
        self._last_s = 0.0

    def leave(self, pause_s: float) -> None:
        """Close the websocket and stay away."""
        self.left(pause_s)

    def __getattr__(self, operation: str) -> Any:
        if operation.startswith("_"):
            raise AttributeError(operation)

        def call(**parameters: Any) -> asyncio.Future[Any]:
            return self._request(operation, parameters)

        return call

    def _request(self, operation: str, parameters: dict[str, Any]) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        if not self.open:
            answer.set_exception(AriUnavailable("Asterisk is not connected"))
            return answer
        what = self.played.chance.at("request", AT_REQUEST)
        if what == "killed":
            loop.call_soon(self.killed)
            return answer
        if what == "no answer" or self.played.silent:
            loop.call_later(REQUEST_LIMIT_S, self._fail, answer)
            return answer
        # Later than the one before it: the loop keeps no order among timers of the very same time.
        self._last_s = max(self._last_s + 1e-5, loop.time() + self.played.chance.delay_s(0.01))
        loop.call_at(self._last_s, self._do, operation, parameters, answer, what)
        return answer

    def _do(self, operation: str, parameters: dict[str, Any], answer: asyncio.Future[Any], what: str) -> None:
        if not self.open or not self.played.up:
            self._fail(answer)
            return
        try:
            result = getattr(self, f"_do_{operation}")(**parameters)
        except AriRefused as error:
            _set(answer, error)
            return
        if what == "answer lost":
            asyncio.get_running_loop().call_later(REQUEST_LIMIT_S, self._fail, answer)
        else:
            asyncio.get_running_loop().call_later(self.played.chance.delay_s(0.01), _set, answer, result)

    @staticmethod
    def _fail(answer: asyncio.Future[Any]) -> None:
        _set(answer, AriUnavailable("no answer from Asterisk"))

    def _do_filter(self, **_: Any) -> None:
        return None

    def _do_get(self, **_: Any) -> dict[str, Any]:
        prefix = "endpoint:"
        endpoints = [name.removeprefix(prefix) for name in self.played.subscribed if name.startswith(prefix)]
        return {"channel_ids": [], "endpoint_ids": endpoints}

    def _do_subscribe(self, applicationName: str, body: dict[str, list[str]]) -> None:
        self.played.subscribed.update(body["eventSource"])

    def _do_listByTech(self, tech: str) -> list[dict[str, str]]:
        return [{"resource": name} for name in self.played.endpoints]

    def _do_getInfo(self) -> dict[str, Any]:
        return {"status": {"startup_time": _iso(self.played.started_at)}, "system": {"version": "22.10.1"}}

    def _do_list(self) -> list[dict[str, Any]]:
        return [
            {
                "id": leg.id,
                "name": leg.name,
                "state": "Up" if leg.up else "Ring",
                "dialplan": {"app_name": "Stasis", "app_data": self.app} if leg.at_the_gate else {},
            }
            for leg in self.played.legs.values()
        ]

    def _do_listModules(self) -> list[dict[str, str]]:
        return [{"name": "codec_alaw.so", "status": "Running"}]

    def _do_getChannelVar(self, channelId: str, variable: str) -> dict[str, str]:
        leg = self._leg(channelId)
        if variable == "CDR(answer,u)":
            at = leg.answered_at
            return {"value": "0.000000" if at is None else f"{at // 1000}.{at % 1000:03d}000"}
        if variable not in leg.variables:
            raise AriRefused(404, variable)
        return {"value": leg.variables[variable]}

    def _do_setChannelVars(self, channelId: str, body: dict[str, dict[str, str]]) -> None:
        leg = self._leg(channelId)
        if not leg.at_the_gate:
            raise AriRefused(409, "variables")
        leg.variables.update({name.lstrip("_"): value for name, value in body["variables"].items()})

    def _do_continueInDialplan(self, channelId: str, context: str, extension: str, priority: int) -> None:
        leg = self._leg(channelId)
        if leg.on is None or leg.on.done():
            raise AriRefused(409, "continue")
        leg.on.set_result((context, extension))

    def _do_hangup(self, channelId: str) -> None:
        self.played._hang_up(self._leg(channelId), 16)

    def _leg(self, name: str) -> SimLeg:
        if name not in self.played.legs:
            raise AriRefused(404, name)
        return self.played.legs[name]


def _set(answer: asyncio.Future[Any], result: Any) -> None:
    if answer.done():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _iso(at: int) -> str:
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}+0000"
