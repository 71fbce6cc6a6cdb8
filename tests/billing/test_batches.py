"""A batch of store functions is as each of them by itself: the same answers, the same ledger, the same sums."""

from __future__ import annotations

import asyncio
import functools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from connector.ari_app.app import ConnectorApp
from connector.billing import batches, calls, credit, decks, history, ledger, limits, numbers, profiles
from connector.billing.batches import look_ahead
from connector.billing.profiles import Credentials
from connector.core import refusals
from connector.core.calls import Admitted, Attempt, Direction, Progress
from connector.core.holds import Slicing
from connector.core.ledger import moved
from connector.core.money import MICROS
from connector.database import store as store_module
from connector.database.postgresql import SharedStore
from connector.database.sqlite import FileStore
from connector.database.store import Store, reading, rows, writing
from connector.errors import StoreBusy
from connector.routing import trunks
from connector.storage import writer as writer_module
from connector.storage.writer import Writer
from tests.billing.conftest import ON_POSTGRESQL
from tests.billing.test_calls import attempt
from tests.conftest import DECK, NOW, TAMPERED, copied
from tests.databases import Databases, company_kept

SLICING = Slicing(60)
TABLES = ("account", "call", "hold", "cdr", "charge", "call_day", "destination_month", "channel_hour", "refusal_month")


def prepared() -> tuple[str, ...]:
    """Three profiles of two companies, one with little money and one with limits; their usernames."""
    found: list[str] = []
    for port, company in ((5070, "Acme"), (5071, "Bolt")):
        profiles.create_company(company, "GBP", "Europe/London", NOW)
        trunks.create_trunk(f"carrier-{company.lower()}", "127.0.0.1", port, NOW, company)
        credit.top_up(10_000 * MICROS, f"first {company}", NOW, company)
        decks.load(DECK, "rates", NOW, company)
    owned = (("rich", "Acme", 10 * MICROS), ("poor", "Acme", 100_000), ("other", "Bolt", 5 * MICROS))
    for name, company, money in owned:
        found.append(profiles.create_profile(name, 3, "asterisk", NOW, company).username)
        credit.add(name, money, f"first {name}", NOW)
    limits.change("other", {"day_micros": 3 * MICROS, "calls_per_second": 50}, [("+449", False)], [])
    numbers.add("+442079460100", "rich", NOW)
    return tuple(found)


def happening(seed: int, usernames: tuple[str, ...]) -> Iterator[Callable[[], Any]]:
    """Calls as they come, each asked for, answered, extended and ended in its order, mixed with each other."""
    chance = random.Random(seed)
    up: dict[str, list[Callable[[], Any]]] = {}
    for number in range(chance.randrange(10, 40)):
        call_id, at = f"{seed:04}{number:028}", NOW + number * 700
        source = chance.choice((*usernames, "nobody", "carrier-acme"))
        inward = source.startswith("carrier")
        called = "+442079460100" if inward else chance.choice(("+442079460001", "+447700900123", "+449000000", "12"))
        asked = Attempt(call_id, Direction.IN if inward else Direction.OUT, f"leg{number}", source, called, "1", at, at)
        progress = Progress(f"leg{number}")
        progress.leg_dialled("B")
        progress.leg_answered("B", at + 500)
        for leg in ("B", f"leg{number}"):
            progress.leg_ended(leg, at + chance.randrange(1_000, 90_000), 16)
        steps: list[Callable[[], Any]] = [
            functools.partial(calls.admit, asked, "n", SLICING),
            functools.partial(calls.dialled, call_id, "B", None),
            functools.partial(calls.answered, call_id, at + 500, "B", SLICING),
            functools.partial(calls.extend, call_id, 60, at + 50_000, SLICING),
            functools.partial(calls.ended, call_id, progress, at + 100_000),
        ]
        up[call_id] = [step for step in steps if chance.random() < 0.9 or step is steps[0] or step is steps[-1]]
        while chance.random() < 0.6 and up:
            some = chance.choice(sorted(up))
            yield up[some].pop(0)
            up = {name: left for name, left in up.items() if left}
    for left in up.values():
        yield from left


def books() -> list[Any]:
    """All that calls write, and the head of each ledger; in an order of its own."""
    with reading():
        found: list[Any] = [sorted(rows(f'SELECT * FROM "{table}"'), key=repr) for table in TABLES]
        found.append(rows("SELECT company_id, number, key, at, about, hash FROM entry ORDER BY company_id, number"))
        return found


@contextmanager
def new_store(kind: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store, migrated."""
    folder.mkdir()
    if kind == "sqlite":
        store: Store = FileStore(copied(request.getfixturevalue("migrated"), folder))
        yield store
        store.close()
        return
    databases: Databases = request.getfixturevalue("databases")
    with databases.one() as url:
        shared = SharedStore(url)
        yield shared
        shared.close()


def answer(step: Callable[[], Any]) -> Any:
    """What a function says, as far as it is the same in another store: profiles have other usernames there."""
    found = step()
    return (found.called, found.guard_s, found.shown) if isinstance(found, Admitted) else found


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_batch_is_as_each_by_itself(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded calls of three profiles in two companies, up to 30 functions to a batch: all is the same."""
    names = iter(f"user{number}" for number in range(10_000))
    monkeypatch.setattr(profiles, "_new_username", lambda: next(names))
    for seed in range(12 if kind == "sqlite" else 4):
        names = iter(f"user{number}" for number in range(10_000))
        with new_store(kind, tmp_path / f"alone{seed}", request):
            alone = [answer(step) for step in happening(seed, prepared())]
            wanted = books()
        names = iter(f"user{number}" for number in range(10_000))
        with new_store(kind, tmp_path / f"batch{seed}", request):
            waiting = list(happening(seed, prepared()))
            chance, together = random.Random(seed), []
            while waiting:
                some = [waiting.pop(0) for _ in range(min(len(waiting), chance.randrange(1, 30)))]
                with writing():
                    look_ahead(some)
                    together += [answer(step) for step in some]
            assert together == alone, f"seed {seed}"
            assert books() == wanted, f"seed {seed}"
            assert ledger.verify().problems == []


@ON_POSTGRESQL
async def test_a_part_that_fails_after_it_was_done_takes_the_batch_with_it(
    office: Credentials, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a function wrote goes to PostgreSQL with the next one's question. If it fails there, none of them was told
    yes: each is done by itself, and the one that failed is told.
    """
    monkeypatch.setattr(writer_module, "PATIENCE_S", 0.2)
    bad, good = attempt(office.username), attempt(office.username)
    with writing():  # somebody entered what the call would enter
        (company,) = rows("SELECT company_id FROM profile WHERE username = ?", office.username)[0]
        store_module.lock_company(company)
        lines = moved(1, f"company:{company}:balance", f"company:{company}:usage")
        ledger.post(company, f"call:{bad.call_id}:hold:60", "hold", NOW, lines, "not the call's")
    writer = Writer(lambda: store.write_as("n"))
    answers = await asyncio.gather(
        *(writer(calls.admit, each, "n", SLICING) for each in (good, bad, attempt(office.username))),
        return_exceptions=True,
    )
    assert [type(found) for found in answers] == [Admitted, StoreBusy, Admitted]
    assert {call.id for call in calls.live()} >= {good.call_id}
    assert bad.call_id not in {call.id for call in calls.live()}
    await ended_all(store, writer)
    assert len(history.cdrs(10)) == 2
    TAMPERED.add(store.name)


@ON_POSTGRESQL
async def test_calls_of_a_company_that_another_node_has_wait_and_others_do_not(store: Store) -> None:
    """A batch of two companies, one of them locked elsewhere: its calls wait, the other's are admitted meanwhile."""
    rich, _, other = prepared()
    async with company_kept(store, "Acme") as let_go:
        writer, queued = Writer(), threading.Event()
        first = asyncio.create_task(writer(queued.wait, 10))
        waits = [asyncio.create_task(writer(calls.admit, attempt(rich), "n", SLICING)) for _ in range(3)]
        goes = [asyncio.create_task(writer(calls.admit, attempt(other), "n", SLICING)) for _ in range(3)]
        await asyncio.sleep(0)  # they are asked for
        queued.set()
        found = await asyncio.wait_for(asyncio.gather(first, *goes), 5)
        assert [type(each) for each in found[1:]] == [Admitted] * 3
        assert not any(task.done() for task in waits)
        let_go.set()
        assert [type(each) for each in await asyncio.gather(*waits)] == [Admitted] * 3
    await ended_all(store, writer)


@ON_POSTGRESQL
async def test_a_company_that_is_kept_for_long_keeps_only_its_own_calls(store: Store) -> None:
    """Another node has a company and does not let go: calls of others, which come later, are admitted all the same."""
    rich, _, other = prepared()
    async with company_kept(store, "Acme") as let_go:
        writer = Writer()
        waits = [asyncio.create_task(writer(calls.admit, attempt(rich), "n", SLICING)) for _ in range(3)]
        async with asyncio.timeout(10):
            while not await asyncio.to_thread(waiting_sessions, store):
                continue
        for _ in range(3):
            assert isinstance(await writer(calls.admit, attempt(other), "n", SLICING), Admitted)
        assert not any(task.done() for task in waits)
        let_go.set()
        assert [type(each) for each in await asyncio.gather(*waits)] == [Admitted] * 3
    await ended_all(store, writer)


async def ended_all(store: Store, writer: Writer) -> None:
    """No call is left, and the writer has ended."""
    for call in calls.live():
        calls.ended_unseen(call, None, NOW)
    await writer(store.close)
    writer.close()


def waiting_sessions(store: Store) -> int:
    """How many sessions of PostgreSQL wait for a lock of ours."""
    with reading():
        found = rows("SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    store.close()
    return int(found[0][0])


class Refused(Exception):
    """A part of a transaction gives up."""


@pytest.mark.parametrize("whole", [store_module.batch, writing], ids=["batch", "transaction"])
def test_what_a_part_wrote_is_gone_with_it_and_nothing_else(whole: Callable[[], Any], store: Store) -> None:
    """Parts within parts write, ask and give up, to a depth of four: exactly what the others wrote is there."""
    with writing():
        store_module.run("CREATE TABLE part (id INTEGER PRIMARY KEY, seed INTEGER)")
    for seed in range(300):
        chance, ids = random.Random(seed), iter(range(seed * 1_000, (seed + 1) * 1_000))

        def part(depth: int, chance: random.Random = chance, ids: Iterator[int] = ids, seed: int = seed) -> list[int]:
            """What it and its parts wrote."""
            wrote = []
            with writing():
                for _ in range(chance.randrange(1, 5)):
                    what = chance.random()
                    if what < 0.45:
                        wrote.append(next(ids))
                        store_module.run("INSERT INTO part (id, seed) VALUES (?, ?)", wrote[-1], seed)
                    elif what < 0.6:
                        rows("SELECT 1")
                    elif what < 0.7:
                        raise Refused
                    elif depth < 4:
                        with suppress(Refused):
                            wrote += part(depth + 1)
            return wrote

        wanted: list[int] = []
        spoiled = False
        with suppress(Refused), whole():
            for _ in range(chance.randrange(1, 5)):
                with suppress(Refused):
                    wanted += part(1)
                spoiled |= whole is store_module.batch and store_module.is_spoiled()
            if spoiled:
                raise Refused
        with reading():
            found = [number for (number,) in rows("SELECT id FROM part WHERE seed = ? ORDER BY id", seed)]
        assert found == ([] if spoiled else sorted(wanted)), f"seed {seed}"
    with writing():
        store_module.run("DROP TABLE part")


@ON_POSTGRESQL
def test_ends_of_calls_in_and_out_share_a_commit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call in has no hold: its row goes before another's hold, and the store takes all of it in one trip."""
    rich, _, other = prepared()
    up = [calls.admit(attempt(rich), "n", SLICING), calls.admit(attempt(other), "n", SLICING)]
    inward = calls.admit(attempt("carrier-acme", "+442079460100", Direction.IN), "n", SLICING)
    ended = []
    for each in (inward, *up):
        assert isinstance(each, Admitted)
        progress = Progress("leg")
        progress.leg_ended("leg", NOW + 1_000, 16)
        ended.append(functools.partial(calls.ended, each.call_id, progress, NOW + 2_000))
    with store_module.batch():
        look_ahead(ended)
        for end in ended:
            end()
        assert not store_module.is_spoiled()
    assert calls.live() == []


def test_who_waits_at_the_gate_is_looked_ahead_for(office: Credentials, store: Store) -> None:
    """The gate asks by a function of its own, which admits: it is known by the attempt that it is given."""
    app = ConnectorApp.__new__(ConnectorApp)
    attempts = [attempt(office.username) for _ in range(3)]
    found, live = batches._calls_of([functools.partial(app._admit, each) for each in attempts])
    assert (list(found), live) == ([each.call_id for each in attempts], set())


def test_a_call_that_was_refused_in_the_batch_is_not_admitted_in_it(office: Credentials, store: Store) -> None:
    """Its caller waited too long and was refused; the question that comes again gets the same answer."""
    late = attempt(office.username)
    jobs: list[Callable[[], Any]] = [
        functools.partial(calls.refuse, late, "n", refusals.NOT_READY),
        functools.partial(calls.admit, late, "n", SLICING),
        functools.partial(calls.admit, attempt(office.username), "n", SLICING),
    ]
    with store_module.batch():
        look_ahead(jobs)
        answers = [job() for job in jobs]
    assert answers[1] == refusals.NOT_READY
    assert isinstance(answers[2], Admitted)
    assert len(calls.live()) == 1
