"""Measures the database part of a call: admission, answer and end, each durable before it returns.

No Asterisk is involved. A worker process runs the connector's own writer, like a node does.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import psycopg

from connector.billing import calls, credit, decks, profiles
from connector.clock import SystemClock
from connector.config import StoreSettings
from connector.core.calls import Admitted, Attempt, Direction, Progress
from connector.core.money import MICROS
from connector.core.plans import MOST_CHANNELS
from connector.errors import ConnectorError
from connector.routing import trunks
from connector.storage import stores
from connector.storage.writer import Writer
from lab import postgresql
from lab.errors import LabError
from lab.far_end import NUMBERS
from lab.nodes import insisted
from lab.ports import HOST
from lab.postgresql import Server
from lab.run import ASTERISK_HOME
from lab.speed.figures import Figure, percentile

TOGETHER = 32
# Calls a second of the paced run: as far apart as on the wire, so that the processor does something else between them.
PACED = 20.0
_ANSWER_AFTER_S, _END_AFTER_S = 0.01, 0.3
START_LIMIT_S = 60.0
COMPANIES = 10
_TALKED_MS = 1_000
_DISK = "each batch of calls is one commit, which waits for the disk"


@dataclass(frozen=True)
class Done:
    """The result of a worker: the number of calls, the duration in s, its CPU time in ms, and the duration of each
    admission in ms.
    """

    calls: int
    took_s: float
    cpu_ms: float
    admit_ms: tuple[float, ...]


def measure(folder: Path, seconds: float) -> Iterator[Figure]:
    """All figures of the database."""
    syncs = syncs_per_second(folder)
    raw, raw_cpu = raw_calls_per_second(folder)
    with _file(folder) as (place, usernames):
        done = _run_workers(place, [usernames], TOGETHER, seconds)
        yield _rate(
            "calls_sqlite", "SQLite, 32 at a time", done, 1_000, raw, "the rows of a call, written by themselves"
        )
        cpu = _cpu_ms(done)
        what = "CPU per call, admitted, answered and ended: SQLite"
        yield Figure("cpu_store", what, cpu, "ms", floor=raw_cpu, floor_is="the rows alone", steady=True)
        paced = _run_workers(place, [usernames], 0, seconds)
        yield Figure(
            "cpu_store_paced", f"{what}, {PACED:.0f} a second", _cpu_ms(paced), "ms", floor=cpu,
            floor_is="32 at a time", limit="the same functions, in processor caches that were used for something else",
        )  # fmt: skip
    with _file(folder) as (place, usernames):
        alone = _run_workers(place, [usernames], 1, seconds)
        yield _admit("admit_sqlite", "SQLite", alone, 1.5, 1000 / syncs)
    with postgresql.running(ASTERISK_HOME / "postgresql", *_AS_INSTALLED) as server:
        with _database(server, 1) as (place, usernames):
            done = _run_workers(place, [usernames], TOGETHER, seconds)
            yield _rate("calls_postgresql", "PostgreSQL, 32 at a time", done, 600, raw, "the same by SQLite")
            alone = _run_workers(place, [usernames], 1, seconds)
            yield _admit("admit_postgresql", "PostgreSQL", alone, 3, 1000 / syncs)
        with _database(server, COMPANIES) as (place, usernames):
            before = server.cpu_ms()
            done = _run_workers(place, [usernames, usernames], TOGETHER, seconds)
            used = (server.cpu_ms() - before) / max(1, sum(each.calls for each in done))
            what = f"PostgreSQL, two nodes, {COMPANIES} companies"
            limit = (
                f"{os.cpu_count()} processors: {_cpu_ms(done):.1f} ms in a node and {used:.1f} ms in PostgreSQL a call"
            )
            yield _rate("calls_two_nodes", what, done, 900, raw, "the same by SQLite", limit)


# A server of the lab has little memory and no checks of a commit; this one has what Debian's has.
_AS_INSTALLED = ("shared_buffers=128MB", "fsync=on", "synchronous_commit=on")


def _cpu_ms(done: Sequence[Done]) -> float:
    """The CPU time of the workers for each call, in ms."""
    return sum(each.cpu_ms for each in done) / max(1, sum(each.calls for each in done))


def _rate(
    name: str, what: str, done: Sequence[Done], goal: float, raw: float, raw_is: str, limit: str = _DISK
) -> Figure:
    value = sum(each.calls / each.took_s for each in done)
    what = f"calls a second, admitted, answered and ended: {what}"
    return Figure(name, what, value, "/s", goal, at_most=False, floor=raw, floor_is=raw_is, limit=limit)


def _admit(name: str, what: str, done: Sequence[Done], goal: float, sync_ms: float) -> Figure:
    value = percentile([took for each in done for took in each.admit_ms])
    what = f"one admission after the other, half within: {what}"
    return Figure(name, what, value, "ms", goal, floor=sync_ms, floor_is="one fsync", limit="one commit each")


def syncs_per_second(folder: Path, seconds: float = 1.0) -> float:
    """How many times per second 4 kB can be appended to a file and synchronised to the disk."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        began, count = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
            count += 1
        return count / (time.monotonic() - began)


def raw_calls_per_second(folder: Path, seconds: float = 2.0) -> tuple[float, float]:
    """The floor: calls per second, and CPU per call in ms, if the same number of rows is written without any logic: a
    call row inserted, updated and deleted, a CDR, and four ledger rows, in SQLite, 32 calls per commit.
    """
    path = folder / f"raw-{uuid.uuid4().hex}.db"
    raw = sqlite3.connect(path, isolation_level=None)
    raw.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "CREATE TABLE call (id TEXT PRIMARY KEY, at INTEGER, text TEXT);"
        "CREATE TABLE cdr (id TEXT PRIMARY KEY, at INTEGER, text TEXT);"
        "CREATE TABLE entry (id INTEGER PRIMARY KEY, call TEXT, micros INTEGER)"
    )
    began, cpu, count = time.monotonic(), time.process_time(), 0
    while time.monotonic() - began < seconds:
        ids = [uuid.uuid4().hex for _ in range(TOGETHER)]
        for statement in ("INSERT INTO call VALUES (?, 1, '')", "UPDATE call SET at = 2 WHERE id = ?"):
            raw.execute("BEGIN")
            for call in ids:
                raw.execute(statement, (call,))
            raw.execute("COMMIT")
        raw.execute("BEGIN")
        for call in ids:
            raw.execute("DELETE FROM call WHERE id = ?", (call,))
            raw.execute("INSERT INTO cdr VALUES (?, 3, '')", (call,))
            for micros in range(4):
                raw.execute("INSERT INTO entry (call, micros) VALUES (?, ?)", (call, micros))
        raw.execute("COMMIT")
        count += TOGETHER
    took, used = time.monotonic() - began, time.process_time() - cpu
    raw.close()
    return count / took, used * 1000 / count


@contextmanager
def _file(folder: Path) -> Iterator[tuple[StoreSettings, list[str]]]:
    """A new SQLite file with a company; the usernames of its profiles."""
    place = StoreSettings(path=folder / f"{uuid.uuid4().hex}.db")
    yield place, prepare_store(place, 1)


@contextmanager
def _database(server: Server, companies: int) -> Iterator[tuple[StoreSettings, list[str]]]:
    """A new PostgreSQL database with companies; the usernames of their profiles."""
    name = f"bench_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    place = StoreSettings(url=server.url(name), key=Path(server.folder) / f"{name}.key")
    yield place, prepare_store(place, companies)


def prepare_store(place: StoreSettings, companies: int) -> list[str]:
    """Create companies with one profile of 300 channels each, rates and enough money; returns the usernames."""
    store = stores.opened(place)
    try:
        store.migrate()
        now = SystemClock().now_ms()
        found = []
        for number in range(companies):
            company, profile = f"Company {number}", f"office {number}"
            profiles.create_company(company, "GBP", "Europe/London", now)
            credit.top_up(100_000 * MICROS, f"company {number}", now, company)
            decks.load(decks.SAMPLE.read_text(), "sample", now - 60_000, company)
            made = profiles.create_profile(profile, MOST_CHANNELS, "asterisk", now, company)
            credit.add(profile, 10_000 * MICROS, f"profile {number}", now)
            trunks.create_trunk(f"carrier-{number}", HOST, 5070 + number, now, company)
            found.append(made.username)
    except ConnectorError as error:
        raise LabError(str(error)) from error
    else:
        return found
    finally:
        store.close()


def _run_workers(place: StoreSettings, nodes: Sequence[Sequence[str]], together: int, seconds: float) -> list[Done]:
    """Run one worker process per node at the same time; the result of each."""
    context = multiprocessing.get_context("spawn")
    begin = context.Barrier(len(nodes))
    found: Queue[Done] = context.Queue()
    workers = [
        context.Process(target=_work, args=(place, f"n{number}", names, together, seconds, begin, found), daemon=True)
        for number, names in enumerate(nodes)
    ]
    for worker in workers:
        worker.start()
    try:
        return [found.get(timeout=START_LIMIT_S + seconds * 4) for _ in workers]
    finally:
        for worker in workers:
            worker.join(5)
            worker.kill()


def _work(
    place: StoreSettings,
    node: str,
    usernames: Sequence[str],
    together: int,
    seconds: float,
    begin: Barrier,
    found: Queue[Done],
) -> None:
    """A worker process: `together` callers, each with one call after another, or for 0 calls at the rate PACED."""
    store = stores.opened(place)

    async def work() -> Done:
        writer = Writer(lambda: store.write_as(node))
        await _call(writer, usernames[0], node, [])  # what is read once is read
        await asyncio.to_thread(begin.wait, START_LIMIT_S)
        began, cpu = time.monotonic(), time.process_time()
        took: list[float] = []
        until = began + seconds
        callers = [_calls(writer, usernames[n % len(usernames)], node, until, took) for n in range(together)]
        if not together:
            callers = [_paced(writer, usernames[0], node, until, took)]
        counts = await asyncio.gather(*callers)
        lasted, used = time.monotonic() - began, time.process_time() - cpu
        await writer(store.close)
        writer.close()
        return Done(sum(counts), lasted, used * 1000, tuple(took))

    found.put(asyncio.run(work()))


async def _calls(writer: Writer, username: str, node: str, until: float, took: list[float]) -> int:
    count = 0
    while time.monotonic() < until:
        await _call(writer, username, node, took)
        count += 1
    return count


async def _paced(writer: Writer, username: str, node: str, until: float, took: list[float]) -> int:
    """Calls at the rate PACED, whose answers and ends come as long after them as on the wire."""
    tasks = []
    while time.monotonic() < until:
        tasks.append(asyncio.create_task(_call(writer, username, node, took, paced=True)))
        await asyncio.sleep(1 / PACED)
    await asyncio.gather(*tasks)
    return len(tasks)


async def _call(writer: Writer, username: str, node: str, took: list[float], *, paced: bool = False) -> None:
    """One call from admission to CDR."""
    now = SystemClock().now_ms()
    leg = uuid.uuid4().hex
    attempt = Attempt(uuid.uuid4().hex, Direction.OUT, leg, username, NUMBERS["answered"], "1", now, now)
    began = time.monotonic()
    admitted = await insisted(writer, calls.admit, attempt, node)  # two nodes may want one company at the same moment
    took.append((time.monotonic() - began) * 1000)
    if not isinstance(admitted, Admitted):
        raise LabError(f"the bench was refused: {admitted}")
    progress = Progress(leg)
    progress.leg_dialled("B")
    if paced:
        await asyncio.sleep(_ANSWER_AFTER_S)
    answered_at = SystemClock().now_ms()
    progress.leg_answered("B", answered_at)
    await insisted(writer, calls.answered, attempt.call_id, answered_at, "B")
    if paced:
        await asyncio.sleep(_END_AFTER_S)
    ended_at = answered_at + _TALKED_MS
    for each in ("B", leg):
        progress.leg_ended(each, ended_at, 16)
    await insisted(writer, calls.ended, attempt.call_id, progress, ended_at)
