"""Measures calls through a real Asterisk: set-up time, highest rate, and CPU per call.

SIPp is both the PBX and the carrier. A call lasts 0.3 s. The same SIPp places calls in four ways through one Asterisk:

ours      through the connector
beside    by a plain dialplan while the connector is connected: the calls of an admin that the connector does not handle
bare      by the same plain dialplan without any ARI application: the floor
empty     through a Stasis application that continues every call at once: the cost of Stasis itself
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from connector.routing import trunks
from lab import process, sipp
from lab.errors import LabError
from lab.far_end import NUMBERS
from lab.instance import write_private
from lab.load import BOTH, Bench, open_bench
from lab.ports import HOST, free_udp_port
from lab.sample import TRUNK
from lab.speed.figures import Figure, percentile

TALK_S = 0.3
CALLER, CARRIER = "speed/caller.xml", "speed/carrier.xml"
# The profile has 300 channels. SIPp delays further calls, and the rate that it reaches is measured.
MOST_AT_ONCE = 290
_PASSWORD = "plain-dialplan"  # of a lab on loopback
_PJSIP = """\
[{name}]
type = endpoint
context = {name}
transport = connector-udp
disallow = all
allow = alaw,ulaw
direct_media = no
auth = {name}
aors = {name}

[{name}]
type = auth
auth_type = digest
username = {name}
password = {password}
realm = asterisk

[{name}]
type = aor
max_contacts = 1

"""
# The carrier endpoint of the plain dialplan.
_WAY_OUT = """\
[plain-carrier]
type = endpoint
context = default
transport = connector-udp
disallow = all
allow = alaw,ulaw
direct_media = no
aors = plain-carrier

[plain-carrier]
type = aor
contact = sip:{host}:{port}
"""
# The plain dialplan counts its calls too: every dialplan that sells channels has to.
_DIALPLAN = """\
[bare]
exten => _+X.,1,Set(GROUP()=bare)
 same => n,GotoIf($[${GROUP_COUNT(bare)} > 300]?full)
 same => n,Dial(PJSIP/${EXTEN}@plain-carrier)
 same => n,Hangup()
 same => n(full),Hangup(34)

[empty]
exten => _+X.,1,Stasis(empty)
 same => n,Hangup(42)
exten => _+X.,10,Dial(PJSIP/${EXTEN}@plain-carrier)
 same => n,Hangup()
"""


@dataclass(frozen=True)
class Ran:
    """The result of a SIPp run.

    rate, reached: calls per second. setup_ms: INVITE to 200; refused_ms: INVITE to 503. asterisk_ms, connector_ms: CPU
    per call.
    """

    rate: float
    reached: float
    offered: int
    answered: int
    refused: int
    setup_ms: list[float]
    refused_ms: list[float]
    asterisk_ms: float
    connector_ms: float

    @property
    def whole(self) -> bool:
        """Whether all calls were answered and SIPp reached the rate."""
        return self.answered == self.offered and self.reached >= self.rate * 0.9


class Wire:
    """A lab with SIPp as its carrier. Places calls in each of the four ways."""

    def __init__(self, bench: Bench, port: int) -> None:
        self.bench = bench
        self._carrier: sipp.Running | None = None
        self._port = port

    def prepare(self) -> None:
        """Start the carrier and point the sample trunk to it. Raises LabError if Asterisk does not apply the change."""
        run = self.bench.sipp(CARRIER, ("", "", ""), 5070, calls=10_000_000, port=self._port, media_port=28_000)
        self._carrier = run.start()
        self.bench.in_store(lambda: trunks.change(TRUNK, host=HOST, port=self._port))
        etc = self.bench.instance.folder / "asterisk" / "etc"
        aor = f"pjsip show aor connector-{TRUNK}"
        if not process.waited(lambda: f":{self._port}" in self.bench.instance.asterisk.told(etc, aor), 15):
            raise LabError("Asterisk did not take the carrier's new port")

    def run(self, way: str, rate: float, seconds: float, hold_s: float = TALK_S, *, most: int = MOST_AT_ONCE) -> Ran:
        """Place calls, at most `most` at the same time, and wait until all have ended."""
        bench, count = self.bench, max(1, int(rate * seconds))
        profile = bench.profiles[0]
        user, word = (profile.username, profile.password) if way == "ours" else (_ENDPOINTS[way], _PASSWORD)
        row = (user, sipp.authentication(user, word), NUMBERS["answered"])
        made = bench.sipp(
            CALLER, row, bench.instance.ports.sip, calls=count, rate=rate, limit=most, hold_s=hold_s,
            media_port=24_000, timed=True,
        )  # fmt: skip
        before, began = self._used(), time.monotonic()
        running = made.start()
        result = running.wait(seconds * 4 + hold_s + 30)
        took = time.monotonic() - began - hold_s
        process.waited(lambda: not bench.legs(), 10)
        after = self._used()
        times = running.times_ms()
        return Ran(
            rate,
            count / took,
            count,
            result.counts.get("answered", 0),
            result.counts.get("refused", 0),
            times.get("1", []),
            times.get("2", []),
            (after[0] - before[0]) / count,
            (after[1] - before[1]) / count,
        )

    def highest(self, way: str, first: float, seconds: float) -> float:
        """The highest rate at which every call is set up, in calls per second, within 6 % or 4 calls: the rate grows by
        half until it fails, then the range is halved.
        """
        low, high = 0.0, first
        while self.run(way, high, seconds).whole and high < 1_000:
            low, high = high, high * 1.5
        while high - low > max(4.0, low * 0.06):
            middle_rate = (low + high) / 2
            if self.run(way, middle_rate, seconds).whole:
                low = middle_rate
            else:
                high = middle_rate
        return low

    def fresh_asterisk(self, *, connected: bool = True) -> None:
        """Start Asterisk again: one that was overloaded keeps its threads and gigabytes of memory, and takes up to
        twice the CPU time for a call. `connected`: wait for the connector too. Raises LabError.
        """
        supervisor, instance = self.bench.supervisor, self.bench.instance
        supervisor.restart("asterisk")
        etc = instance.folder / "asterisk" / "etc"

        def is_ready() -> bool:
            """Whether calls are taken."""
            with suppress(subprocess.SubprocessError):  # it does not listen yet
                booted = "booted" in instance.asterisk.told(etc, "core waitfullybooted")
                return booted and (not connected or supervisor.ready())
            return False

        if not process.waited(is_ready, 60):
            raise LabError("Asterisk is not ready within 60 s of its restart")

    def close(self) -> None:
        """End the carrier."""
        if self._carrier is not None:
            self._carrier.end()

    def _used(self) -> tuple[float, float]:
        """The CPU time of Asterisk and of both of the connector's processes so far, in ms."""
        supervisor = self.bench.supervisor
        return process.cpu_ms(supervisor.pid("asterisk")), sum(process.cpu_ms(supervisor.pid(part)) for part in BOTH)


_ENDPOINTS = {"beside": "bare", "bare": "bare", "empty": "empty"}


@contextmanager
def open_wire(folder: Path, port_base: int) -> Iterator[Wire]:
    """A lab that has the plain dialplan besides the connector's."""
    etc = folder / "asterisk" / "etc"
    etc.mkdir(parents=True, exist_ok=True)
    carrier = free_udp_port()
    endpoints = "".join(_PJSIP.format(name=name, password=_PASSWORD) for name in ("bare", "empty"))
    write_private(etc / "pjsip_custom.conf", endpoints + _WAY_OUT.format(host=HOST, port=carrier))
    write_private(etc / "extensions_custom.conf", _DIALPLAN)
    bench = open_bench(folder, port_base)
    wire = Wire(bench, carrier)
    try:
        wire.prepare()
        yield wire
    finally:
        wire.close()
        bench.close()


@contextmanager
def empty_gate(bench: Bench) -> Iterator[None]:
    """An ARI application that continues every call at once and subscribes to nothing."""
    over = threading.Event()
    ready = threading.Event()

    async def work() -> None:
        word = base64.b64encode(f"connector:{bench.instance.secrets.ari}".encode()).decode()
        url = f"http://{HOST}:{bench.instance.ports.ari}/ari/events?app=empty"
        signed_in = aiohttp.ClientSession(headers={"Authorization": f"Basic {word}"})
        async with signed_in as session, session.ws_connect(url) as socket:
            ready.set()
            while not over.is_set():
                with suppress(TimeoutError):
                    frame = await asyncio.wait_for(socket.receive(), 0.2)
                    if frame.type is not aiohttp.WSMsgType.TEXT:
                        return
                    message = json.loads(frame.data)
                    if message["type"] == "StasisStart":
                        leg = message["channel"]["id"]
                        uri = f"channels/{leg}/continue?priority=10"
                        asked = {"type": "RESTRequest", "request_id": leg, "method": "POST", "uri": uri}
                        await socket.send_str(json.dumps(asked))

    thread = threading.Thread(target=lambda: asyncio.run(work()), daemon=True)
    thread.start()
    try:
        if not ready.wait(10):
            raise LabError("the empty gate could not connect")
        yield
    finally:
        over.set()
        thread.join(5)


def measure(wire: Wire, *, quick: bool = False) -> Iterator[Figure]:
    """All figures of calls through Asterisk."""
    seconds = 5.0 if quick else 12.0
    rates = (20.0, 60.0)
    with wire.bench.without_connector():
        wire.run("bare", 20, 2)  # warm up
        bare = {rate: wire.run("bare", rate, seconds) for rate in rates}
        with empty_gate(wire.bench):
            before = time.process_time()
            empty = wire.run("empty", 20, seconds)
            empty_ms = (time.process_time() - before) * 1000 / empty.offered
    wire.run("ours", 10, 2)
    beside = wire.run("beside", 20, seconds)
    ours = {rate: wire.run("ours", rate, seconds) for rate in rates}
    for rate in rates:
        yield _setup(f"setup_p50_{rate:.0f}", f"half within, {rate:.0f} calls a second", ours[rate], bare[rate], 0.5, 6)
    if not quick:
        yield from _highest(wire, seconds)
    asterisk_ms, connector_ms = _cpu(ours.values())
    plain_ms, _ = _cpu(bare.values())
    yield Figure(
        "cpu_connector", "CPU per call: connector", connector_ms, "ms", 2.5, floor=plain_ms,
        floor_is="a bare dialplan's Asterisk", limit=f"Python; an empty gate in Python: {empty_ms:.1f} ms", steady=True,
    )  # fmt: skip
    yield Figure(
        "cpu_asterisk", "CPU per call: Asterisk", asterisk_ms, "ms", plain_ms + 2.5,
        floor=plain_ms, floor_is="a bare dialplan", steady=True,
        limit=f"an empty gate: {empty.asterisk_ms:.1f} ms",
    )  # fmt: skip
    yield Figure(
        "admin_asterisk", "an admin's own call: Asterisk", beside.asterisk_ms, "ms", plain_ms * 1.03,
        floor=plain_ms, floor_is="no ARI application", limit="events that Asterisk makes for us", steady=True,
    )  # fmt: skip
    yield Figure(
        "admin_connector", "an admin's own call: connector", beside.connector_ms, "ms", 0.05,
        limit="events that Asterisk sends us",
    )  # fmt: skip


def _highest(wire: Wire, seconds: float) -> Iterator[Figure]:
    """The highest rates, and set-up at half of the bare dialplan's. To find them Asterisk is overloaded."""
    with wire.bench.without_connector():
        bare_most = wire.highest("bare", 120, seconds)
        wire.fresh_asterisk(connected=False)
        half = wire.run("bare", bare_most / 2, seconds)
    wire.run("ours", 10, 2)
    at_half = wire.run("ours", bare_most / 2, seconds)
    what = f"99 of 100 within, {bare_most / 2:.0f} calls a second"
    yield _setup("setup_p99_half", what, at_half, half, 0.99, 25)
    wire.fresh_asterisk()
    most = wire.highest("ours", 40, seconds)
    limit = "CPU of Asterisk and of the connector, on two cores beside SIPp"
    yield Figure(
        "rate", "highest rate without loss", most, "/s", bare_most * 0.7, at_most=False,
        floor=bare_most, floor_is="a bare dialplan", limit=limit,
    )  # fmt: skip
    wire.fresh_asterisk()


def _cpu(runs: Iterable[Ran]) -> tuple[float, float]:
    """The CPU per call of Asterisk and of the connector in some runs together, in milliseconds."""
    runs = list(runs)
    count = sum(run.offered for run in runs)
    return (
        sum(run.asterisk_ms * run.offered for run in runs) / count,
        sum(run.connector_ms * run.offered for run in runs) / count,
    )


def _setup(name: str, what: str, ours: Ran, bare: Ran, part: float, more_ms: float) -> Figure:
    """The figure of the time from INVITE to 200, compared with a bare dialplan at the same rate."""
    floor = percentile(bare.setup_ms, part)
    return Figure(
        name,
        f"set-up, {what}",
        percentile(ours.setup_ms, part) if ours.whole else None,
        "ms",
        floor + more_ms,
        floor=floor,
        floor_is="a bare dialplan",
        limit="" if ours.whole else f"{ours.answered} of {ours.offered} set up, at {ours.reached:.0f} a second",
    )
