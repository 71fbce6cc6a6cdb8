"""Many processes, one store, random kill -9: nothing oversold, nothing lost, everything adds up.

`make soak SECONDS=600` runs it for long, `make test` for a minute. The workers do what a busy company does, each with
its own random numbers from one printed seed; the parent kills them in the midst of it, ends the calls they leave, and
audits the books meanwhile.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.context import SpawnProcess
from pathlib import Path

from connector.billing import calls, credit, decks, ledger, plans, profiles
from connector.clock import SystemClock
from connector.core.calls import Admitted, Attempt, Direction, Progress
from connector.core.holds import Slicing
from connector.core.money import MICROS
from connector.database import vault
from connector.database.sqlite import FileStore
from connector.database.store import reading, rows
from connector.errors import BadInput, NotFound, StoreUnavailable
from connector.routing import trunks

WORKERS = 3
CHANNELS = 40
NUMBERS = ("+442079460001", "+447700900123", "+12125550100", "+331234567890")
KILL_EVERY_S = 0.4
AUDIT_EVERY_S = 3.0
# What a soak has to do often enough. On a slow or busy machine it goes on for up to so many times as long.
KINDS = ("hold", "settle", "ok", "no_credit", "recharge")
MOST_TIMES = 4
# A worker is killed when so many entries were written since the last one was.
WRITTEN_BETWEEN = 5


@dataclass
class Soaked:
    """What a soak did and found; `problems` is empty if all that must hold did hold."""

    seed: int
    seconds: int
    kills: int = 0
    audits: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def soak(seconds: int, seed: int | None = None, workers: int = WORKERS, at_least: int = 0) -> Soaked:
    """Run for `seconds`, and longer until each of KINDS has happened `at_least` times. The seed repeats the workers'
    choices; when they are killed is the machine's own chance.
    """
    found = Soaked(random.SystemRandom().randrange(1 << 32) if seed is None else seed, seconds)
    chance = random.Random(found.seed)
    with tempfile.TemporaryDirectory(prefix="connector-soak-") as folder:
        path = Path(folder) / "connector.db"
        store = FileStore(path)
        store.migrate()
        vault.use_new_key()
        _prepare()
        store.close()  # the workers open it themselves; a connection does not cross a fork
        context = multiprocessing.get_context("spawn")
        running: list[SpawnProcess] = []

        def start() -> None:
            name = f"worker-{found.kills + len(running)}"
            worker = context.Process(target=work, args=(path, name, chance.randrange(1 << 32)), name=name, daemon=True)
            worker.start()
            running.append(worker)

        print(f"soak: seed {found.seed}, {seconds} s, {workers} workers", flush=True)

        try:
            for _ in range(workers):
                start()
            _disturb(found, running, start, seconds, chance, at_least)
        finally:
            for worker in running:
                worker.kill()
                worker.join()
        _settle(found)
        store.close()
    return found


def work(path: Path, node: str, seed: int) -> None:
    """One worker, until it is killed: calls, money, subscriptions, in any order."""
    chance = random.Random(seed)
    store = FileStore(path)
    clock = SystemClock()
    mine: list[tuple[str, int]] = []
    names = [view.name for view in profiles.list_profiles()]
    usernames = {view.name: view.username for view in profiles.list_profiles()}
    while True:
        try:
            _step(chance, clock.now_ms(), mine, chance.choice(names), usernames, node)
        except (BadInput, NotFound, StoreUnavailable):
            continue  # refused, or the store was busy: nothing happened
        except KeyboardInterrupt:
            break
    store.close()


def _step(
    chance: random.Random, now: int, mine: list[tuple[str, int]], name: str, usernames: dict[str, str], node: str
) -> None:
    what = chance.random()
    if what < 0.35 or not mine:
        attempt = Attempt(uuid.uuid4().hex, Direction.OUT, "A", usernames[name], chance.choice(NUMBERS), "1", now, now)
        got = calls.admit(attempt, node, Slicing(chance.choice([5, 60, 600])))
        if isinstance(got, Admitted):
            mine.append((got.call_id, got.guard_s))
    elif what < 0.50:
        number = chance.randrange(len(mine))
        call, held_s = mine[number]
        mine[number] = (call, calls.extend(call, held_s, now) or held_s)
    elif what < 0.60:
        calls.answered(chance.choice(mine)[0], now, "B")
    elif what < 0.90:
        call, held_s = mine.pop(chance.randrange(len(mine)))
        progress = Progress("A")
        progress.answered_at = now if chance.random() < 0.7 else None
        progress.leg_ended("A", now + chance.randrange(held_s * 1_100), 16)
        for _ in range(chance.choice([1, 1, 2])):
            calls.ended(call, progress, now)
    elif what < 0.94:
        move = credit.add if chance.random() < 0.5 else credit.take_back
        move(name, chance.randrange(1, MICROS), uuid.uuid4().hex, now)
    elif what < 0.96:
        credit.top_up(chance.randrange(1, MICROS), f"soak-{chance.randrange(50)}-{chance.randrange(2)}", now)
    elif what < 0.98:
        channels, bundles = chance.randrange(CHANNELS // 2, CHANNELS), chance.randrange(3)
        plans.change(name, channels, bundles, now + chance.randrange(10**10))
    else:
        plans.renew_due(now + chance.randrange(10**9))


def _prepare() -> None:
    now = SystemClock().now_ms()
    profiles.create_company("Soak", "GBP", "Europe/London", now)
    trunks.create_trunk("carrier", "127.0.0.1", 5070, now)
    decks.load(decks.SAMPLE.read_text(), "sample", now)
    credit.top_up(1_000_000 * MICROS, "first", now)
    for name in ("office", "warehouse"):
        profiles.create_profile(name, CHANNELS, "asterisk", now)
        credit.add(name, 2 * MICROS, name, now)  # little enough to run out again and again
    credit.set_recharge("office", MICROS, MICROS // 2, None, now)


def _disturb(
    found: Soaked,
    running: list[SpawnProcess],
    start: Callable[[], None],
    seconds: int,
    chance: random.Random,
    at_least: int,
) -> None:
    """Kill a worker now and then, start another, and look into the books."""
    began = time.monotonic()
    audit_at = began + AUDIT_EVERY_S
    written = _written()
    while not found.problems and _goes_on(time.monotonic() - began, seconds, at_least):
        time.sleep(chance.uniform(0.5, 1.5) * KILL_EVERY_S)  # the span itself: work goes on meanwhile
        found.problems += [
            f"a worker ended by itself ({each.exitcode})" for each in running if each.exitcode is not None
        ]
        if chance.random() < 0.5 and (now_written := _written()) >= written + WRITTEN_BETWEEN:
            written = now_written  # on a slow machine a worker that was killed at once would have done nothing
            victim = running.pop(chance.randrange(len(running)))
            os.kill(victim.pid or 0, signal.SIGKILL)
            victim.join()
            found.kills += 1
            _end_calls(victim.name)
            start()
        if time.monotonic() >= audit_at:
            _audit(found)
            audit_at = time.monotonic() + AUDIT_EVERY_S


def _written() -> int:
    with reading():
        return int(rows("SELECT MAX(id) FROM entry")[0][0] or 0)


def _goes_on(for_s: float, seconds: int, at_least: int) -> bool:
    if for_s < seconds:
        return True
    counts = _counts()
    return for_s < seconds * MOST_TIMES and min(counts.get(kind, 0) for kind in KINDS) < at_least


def _end_calls(node: str | None) -> None:
    """What a connector does with rows whose legs are gone."""
    now = SystemClock().now_ms()
    for call in calls.live(node):
        progress = Progress("A")
        progress.answered_at = call.answered_at
        progress.leg_ended("A", now, 16, seen=False)
        while True:  # the workers are at it all the time, and SQLite has no queue: as the connector does, insist
            try:
                calls.ended(call.id, progress, now)
                break
            except StoreUnavailable:
                continue


def _audit(found: Soaked) -> None:
    found.audits += 1
    found.problems += ledger.verify().problems
    over = "SELECT profile_id, slot FROM call JOIN profile ON profile.id = profile_id GROUP BY 1, 2 HAVING COUNT(*) > 1"
    with reading():
        found.problems += [f"profile {profile}: slot {slot} is taken twice" for profile, slot in rows(over)]


def _settle(found: Soaked) -> None:
    """End what was up, and look into the books for the last time."""
    _end_calls(None)
    _audit(found)
    held = {name: balance for name, balance in ledger.accounts().items() if name.endswith("held") and balance}
    if held:
        found.problems.append(f"no call is up, and still held: {held}")
    with reading():
        if rows("SELECT COUNT(*) FROM hold") != [(0,)]:
            found.problems.append("a hold without a call is left")
    found.counts = _counts()


def _counts() -> dict[str, int]:
    """How many entries of each kind there are, and how many calls of each ending or refusal."""
    with reading():
        kinds = rows("SELECT kind, COUNT(*) FROM entry GROUP BY kind")
        endings = rows("SELECT COALESCE(refusal, ending), COUNT(*) FROM cdr GROUP BY 1")
    return dict(sorted([*kinds, *endings]))
