"""One run: a plan played against the connector, and afterwards the books held against what really happened."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ParamSpec, TypeVar

from connector.ari_app.app import ConnectorApp
from connector.ari_app.client import FIRST_RETRY_S
from connector.billing import calls, credit, decks, history, ledger, limits, numbers, profiles
from connector.core.holds import Slicing
from connector.core.money import MICROS
from connector.database import reference, vault
from connector.database.sqlite import IN_MEMORY, FileStore
from connector.database.store import reading, rows, writing
from connector.errors import ConnectorError, StoreBusy, StoreUnavailable
from connector.routing import reachability, trunks
from connector.storage.writer import Job, run_batch
from lab.sim import loop as virtual
from lab.sim import plan as plans
from lab.sim.asterisk import SimAsterisk, SimClient, Truth
from lab.sim.plan import AT_BATCH, AT_STORE, Chance, Plan, PlannedFault

P = ParamSpec("P")
R = TypeVar("R")

START_MS = 1_795_000_000_000
CHANNELS = 3
NUMBER = "+442079460100"
SLICING = Slicing(20, 3_600)
DECK = """\
prefix,name,price_per_minute,connection_fee,increments,valid_from,kind
44,United Kingdom,0.023,0,30/6,2026-01-01,standard
447,United Kingdom mobile,0.06,0.05,60/60,2026-01-01,standard
1,United States and Canada,0.02,0,1/1,2026-01-01,standard
"""
STEP_MS = 3_600_000
HEAL_LIMIT_S = 900
SILENCE_NOTICED_S = 8.0


@dataclass
class Found:
    """What a run showed. `problems` is empty if all that must hold did hold."""

    plan: Plan
    problems: list[str] = field(default_factory=list)
    carried: int = 0
    faults: int = 0
    virtual_s: float = 0


class Books:
    """A store in memory, and copies of it as it was at the beginning: one a run."""

    def __init__(self) -> None:
        self.store = FileStore(IN_MEMORY)
        self.store.migrate()
        vault.use_new_key()
        profiles.create_company("Acme", "GBP", "Europe/London", START_MS)
        trunks.create_trunk("carrier", "127.0.0.1", 5070, START_MS)
        credit.top_up(1_000 * MICROS, "first", START_MS)
        decks.load(DECK, "sim", START_MS - 60_000)
        self.rich = profiles.create_profile("rich", CHANNELS, "sim", START_MS)
        self.poor = profiles.create_profile("poor", CHANNELS, "sim", START_MS)
        credit.add("rich", 50 * MICROS, "first", START_MS)
        credit.add("poor", 150_000, "second", START_MS)
        numbers.add(NUMBER, "rich", START_MS)
        decks.preload(START_MS)
        self.endpoints = reachability.endpoints()
        self.changes = 0

    def change_reference_data(self) -> None:
        """Somebody changes what calls are decided by: the rates, the limits of a profile, who may call."""
        self.changes += 1
        change: tuple[Callable[[], object], ...] = (
            lambda: profiles.set_state("rich", "suspended"),
            lambda: profiles.set_state("rich", "open"),
            lambda: limits.change("poor", {"calls_per_second": self.changes % 9}, [], []),
            lambda: profiles.set_country("rich", "GB"),
        )
        change[self.changes % len(change)]()

    @contextmanager
    def opened(self) -> Any:
        """The books of one run; at its end they are as before it."""
        self.changes = 0
        reference.forget(self.store.db)  # the version counts from the beginning again
        with self.store.db.atomic() as transaction:
            yield
            transaction.rollback()


class World:
    """Asterisk, the connector that comes and goes, the clock on the wall, and what breaks."""

    def __init__(self, plan: Plan, books: Books) -> None:
        self.plan = plan
        self.books = books
        self.chance = Chance(plan)
        self.stepped_ms = 0
        self.asterisk = SimAsterisk(self.chance, self.now_ms, books.endpoints)
        self.store_gone = False
        self.store_slow = False
        self.reachable = True
        self.life: Life | None = None
        self.down: set[str] = set()
        self.interruptions = 0

    def now_ms(self) -> int:
        """The clock on the wall: of Asterisk and of the connector, which share a machine."""
        return START_MS + self.stepped_ms + round(asyncio.get_running_loop().time() * 1000)

    def running_ms(self) -> int:
        """The clock that nobody sets."""
        return round(asyncio.get_running_loop().time() * 1000)

    async def play(self) -> None:
        """Everything that is planned; then all is mended, and everything has to come to rest."""
        loop = asyncio.get_running_loop()
        self.asterisk.start()
        self.begin()
        await asyncio.sleep(1)
        for number, planned in enumerate(self.plan.calls):
            who = self.books.poor if number % 3 == 0 else self.books.rich
            source, profile = (who.username, who.username)
            if planned.direction == "in":
                planned = replace(planned, number=NUMBER)
                source, profile = "carrier", self.books.rich.username
            loop.call_at(1 + planned.at / 1000, self.asterisk.place, planned, source, profile)
        breaking = [asyncio.ensure_future(self.break_(fault)) for fault in self.plan.faults]
        last = max((planned.at for planned in self.plan.calls), default=0) / 1000
        await asyncio.sleep(last + 1)
        await asyncio.gather(*breaking)
        self.chance.healed = True
        for _ in range(HEAL_LIMIT_S):
            await asyncio.sleep(1)
            if self.at_rest():
                return

    def at_rest(self) -> bool:
        """No leg, no call in memory, none in the store."""
        life = self.life
        idle = life is not None and life.app.ready.is_set() and len(life.app.ongoing) == 0
        if not idle or self.asterisk.legs or self.asterisk._running:
            return False
        with reading():
            return not rows("SELECT 1 FROM call")

    def begin(self) -> None:
        """The connector starts, unless something keeps it down."""
        if not self.down and self.life is None:
            self.life = Life(self)
            self.interruptions += 1

    def kill(self) -> None:
        """kill -9 of the connector, which its supervisor starts again a second later."""
        if self.life is not None:
            self.life.kill()
            self.life = None
            asyncio.get_running_loop().call_later(1, self.begin)

    async def break_(self, fault: PlannedFault) -> None:
        """One thing breaks, and is whole again after a while."""
        await asyncio.sleep(1 + fault.at / 1000)
        for_s, asterisk = fault.for_ms / 1000, self.asterisk
        token = f"{fault.kind} {fault.at}"
        if fault.kind in ("connector killed", "both killed"):
            self.down.add(token)
            self.kill()
        if fault.kind in ("Asterisk killed", "both killed") and asterisk.up:
            asterisk.kill()
        if fault.kind in ("websocket cut", "application taken"):
            self.reachable = False
            asterisk.dropped()
            self.interruptions += 1
        if fault.kind == "websocket silent":
            self.interruptions += 1
            asterisk.silent = True
            asyncio.get_running_loop().call_later(SILENCE_NOTICED_S, asterisk.dropped)
        self.store_gone |= fault.kind == "store gone"
        self.store_slow |= fault.kind == "store slow"
        asterisk.ami_gone |= fault.kind == "AMI gone"
        self.interruptions += fault.kind == "AMI gone"
        if fault.kind.startswith("clock"):
            self.stepped_ms += STEP_MS if fault.kind.endswith("forward") else -STEP_MS
            asterisk.stepped()
        await asyncio.sleep(for_s)
        if fault.kind in ("Asterisk killed", "both killed") and not asterisk.up:
            asterisk.start()
        self.reachable = True
        self.store_gone &= fault.kind != "store gone"
        self.store_slow &= fault.kind != "store slow"
        asterisk.ami_gone &= fault.kind != "AMI gone"
        asterisk.silent &= fault.kind != "websocket silent"
        self.down.discard(token)
        self.begin()


class Faulty:
    """A store function with a fault that happens once: when the writer runs it again, it is as usual."""

    def __init__(self, function: Callable[[], Any], change: Callable[[], None]) -> None:
        self.function = function
        self.change = change
        self.fault = ""

    def __call__(self) -> Any:
        """Run it."""
        fault, self.fault = self.fault, ""
        if fault == "changed":
            self.change()
        if fault not in _AFTERWARDS:
            return self.function()
        with writing():
            self.function()
            kind, words = _AFTERWARDS[fault]
            raise kind(words)


# What a function finds when it has done all, and what takes it back.
_AFTERWARDS: dict[str, tuple[type[StoreUnavailable], str]] = {
    "half-way": (StoreUnavailable, "the store is broken"),
    "busy": (StoreBusy, "another node is in the way"),
    "commit fails": (StoreUnavailable, "disk I/O error"),
}


class Life:
    """The connector from one start to its death."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.dead = False
        self.waiting: list[tuple[Job, str]] = []
        self.committing: asyncio.Future[None] | None = None
        self.client = SimClient(world.asterisk, self.end)
        self.app = ConnectorApp(
            self.client,  # type: ignore[arg-type]
            self.store,
            world,
            "sim",
            SLICING,
            world.asterisk,
            world.asterisk,
        )
        self.client.left = lambda pause_s: self.cut()
        self.closed = asyncio.Event()
        self.tasks = [asyncio.ensure_future(self.link()), asyncio.ensure_future(self.app.keep_paid())]

    def cut(self) -> None:
        """The websocket is gone."""
        self.closed.set()

    async def link(self) -> None:
        """What AriClient.run does."""
        asterisk = self.world.asterisk
        while True:
            if asterisk.up and self.world.reachable:
                self.closed.clear()
                self.client.open = True
                asterisk.dropped = self.cut
                asterisk.hears = functools.partial(self.hear)
                greeting = asyncio.ensure_future(self.app.connected())
                await self.closed.wait()
                self.client.open = False
                asterisk.hears = None
                greeting.cancel()
                await asyncio.gather(greeting, return_exceptions=True)
            self.app.disconnected("the websocket is gone")
            await asyncio.sleep(FIRST_RETRY_S)

    def hear(self, message: dict[str, Any]) -> None:
        """An event comes."""
        if not self.dead:
            self.app.event(message)

    async def store(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The writer, with what may go wrong with a store: what waits together is one batch of storage/writer.py."""
        world = self.world
        what = world.chance.at("store", AT_STORE)
        if what == "slow":
            await asyncio.sleep(2)
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        faulty = Faulty(functools.partial(function, *args, **kwargs), world.books.change_reference_data)
        self.waiting.append((Job(faulty, answer), what))
        if self.committing is None:
            self.committing = asyncio.ensure_future(self.commit())
        return await answer

    async def commit(self) -> None:
        """What has come until a commit begins is in it."""
        world = self.world
        await asyncio.sleep(2 if world.store_slow else world.chance.delay_s(0.02))
        self.committing, waiting = None, self.waiting
        self.waiting = []
        wrong = world.chance.at("batch", AT_BATCH)
        each = {what for _, what in waiting}
        if "killed before" in (wrong, *each):
            self.end()
        if self.dead:
            return  # nobody is there any more
        refused = StoreUnavailable("the disk is full")
        for job, what in waiting:
            if world.store_gone or what == "refused":
                job.error = refused
                job.tell()
        taken = [(job, what) for job, what in waiting if job.error is not refused]
        self.run([job for job, _ in taken], wrong)
        if taken and "killed after" in (wrong, *each):
            self.end()
            return
        for job, what in taken:
            if "answer lost" in (wrong, what):
                job.error = StoreUnavailable("the answer is lost")
            job.tell()

    def run(self, jobs: list[Job], wrong: str) -> None:
        """Run them as the writer does, until none is to be tried again."""
        if jobs and wrong:
            faulty = jobs[-1 if wrong == "commit fails" else len(jobs) // 2].function
            assert isinstance(faulty, Faulty)
            faulty.fault = wrong
        while jobs:
            jobs = run_batch(jobs)

    def end(self) -> None:
        """Somebody kills it now."""
        if not self.dead:
            self.world.kill()

    def kill(self) -> None:
        """At once: no line of it runs any more."""
        self.dead = True
        self.client.open = False
        self.world.asterisk.hears = None
        for task in [*self.tasks, *self.app._tasks]:
            task.cancel()


def run(plan: Plan, books: Books) -> Found:
    """Play a plan, and compare."""
    logging.disable(logging.CRITICAL)
    found = Found(plan)
    try:
        with books.opened():
            world = World(plan, books)
            try:
                virtual.run(_whole(world, found))
            except virtual.Deadlock:
                found.problems.append("everything waits for ever")
            found.plan = replace(plan, awaits=dict(world.chance.happened))
            found.faults = len(world.chance.happened) + len(plan.faults)
    finally:
        logging.disable(logging.NOTSET)
    return found


async def _whole(world: World, found: Found) -> None:
    await world.play()
    found.virtual_s = asyncio.get_running_loop().time()
    if not world.at_rest():
        live = [call.id[:8] for call in calls.live()]
        found.problems.append(f"no rest: calls {live}, legs {list(world.asterisk.legs)}")
    found.problems += _compare(world)
    found.carried = sum(1 for truth in world.asterisk.calls if truth.call_id)


def _compare(world: World) -> list[str]:
    """The books against the truth."""
    problems: list[str] = []
    try:
        problems += ledger.verify().problems
    except ConnectorError as error:
        problems.append(f"the ledger cannot be verified: {error}")
    with reading():
        for what in ("hold", "call"):
            left = rows(f"SELECT COUNT(*) FROM {what}")[0][0]
            if left:
                problems.append(f"{left} rows are left in {what}")
        held = {row[0]: row[1] for row in rows("SELECT cdr_id, held_bundle_s + held_paid_s FROM charge")}
    for profile, most in world.asterisk.most_carried.items():
        if most > CHANNELS:
            problems.append(f"{most} calls of {profile} at once, on {CHANNELS} channels")
    booked = {cdr.id: cdr for cdr in history.cdrs(10_000)}
    carried = [truth for truth in world.asterisk.calls if truth.call_id]
    stepped = any(fault.kind.startswith("clock") for fault in world.plan.faults)
    # Timers of Asterisk go by the clock: set back while nobody can set them again, they are late, whatever we do.
    unguarded = any(fault.kind == "clock stepped back" for fault in world.plan.faults) and world.interruptions > 1
    for truth in carried:
        cdr = booked.get(truth.call_id)
        if cdr is None or cdr.ending == "refused":
            problems.append(f"{_name(truth)}: carried, and its CDR is {cdr and cdr.refusal}")
            continue
        problems += [
            f"{_name(truth)}: {text}" for text in _wrong(truth, cdr, held.get(truth.call_id), stepped, unguarded)
        ]
    known = {truth.call_id for truth in carried}
    for cdr in booked.values():
        if cdr.id not in known and cdr.price_micros:
            problems.append(f"CDR {cdr.id[:8]} costs {cdr.price_micros}, and nobody carried such a call")
    if len({truth.call_id for truth in carried}) != len(carried):
        problems.append("two calls of Asterisk have one id")
    return problems


def _wrong(truth: Truth, cdr: history.CdrView, held_s: int | None, stepped: bool, unguarded: bool) -> list[str]:
    """What a CDR says that is not so."""
    wrong = []
    talked = truth.talked_ms
    if held_s is not None and talked > held_s * 1000 + 1_500 and not unguarded:
        wrong.append(f"talked {talked:.0f} ms, and {held_s} s were paid")
    if stepped:
        return wrong
    if cdr.ending == "estimated":
        if cdr.duration_ms > talked + 3:
            wrong.append(f"estimated at {cdr.duration_ms} ms, talked {talked:.0f}")
        if not truth.crashed and abs(cdr.duration_ms - talked) > 3:
            wrong.append(f"estimated at {cdr.duration_ms} ms without need, talked {talked:.0f}")
    elif abs(cdr.duration_ms - talked) > 3:
        wrong.append(f"{cdr.ending}, {cdr.duration_ms} ms, talked {talked:.0f}")
    elif (truth.answered_s is None) != (cdr.answered_at is None):
        wrong.append(f"answered at {truth.answered_s}, and {cdr.ending} in the books")
    elif truth.answered_s is not None and cdr.ending not in ("ok", "cut_off"):
        wrong.append(f"answered, and {cdr.ending} in the books")
    return wrong


def _name(truth: Truth) -> str:
    return f"call {truth.call_id[:8]} ({truth.gate_leg}, {truth.plan.outcome}, planned at {truth.plan.at} ms)"


def simulate(seed: int, count: int, books: Books, faults: bool = True) -> Found:
    """One seed."""
    return run(plans.draw(seed, count, faults), books)


def explain(found: Found, books: Books) -> str:
    """The shortest list of events that still shows what went wrong."""
    least = plans.shortest(found.plan, lambda plan: bool(run(plan, books).problems))
    again = run(least, books)
    problems = "\n".join(f"  {problem}" for problem in again.problems)
    return f"seed {found.plan.seed} fails:\n{problems}\nthe shortest list of events that shows it:\n{least.story()}"
