"""The writer: what shares a commit is as if each had its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import peewee
import pytest

from connector.billing import calls, credit, history
from connector.billing.profiles import Credentials
from connector.core import refusals
from connector.core.calls import Admitted, Attempt, Direction, Progress
from connector.core.refusals import Refusal
from connector.database import store as store_module
from connector.database.sqlite import FileStore
from connector.database.store import run
from connector.errors import InsufficientFunds, StoreUnavailable, StoreUnreachable
from connector.storage.writer import Writer
from tests.conftest import NOW


def attempt(office: Credentials, name: str) -> Attempt:
    """A call out that asks to be admitted."""
    return Attempt(name, Direction.OUT, f"leg-{name}", office.username, "+442079460001", "1", NOW, NOW)


async def asked_together(writer: Writer, *jobs: Callable[[], object]) -> list[object]:
    """The answers to jobs that all waited for the same commit."""
    began, gate = threading.Event(), threading.Event()

    def waits() -> None:
        began.set()
        gate.wait(10)

    first = asyncio.create_task(writer(waits))
    await asyncio.to_thread(began.wait, 10)
    waiting = [asyncio.create_task(writer(job)) for job in jobs]
    await asyncio.sleep(0)
    gate.set()
    await first
    return list(await asyncio.gather(*waiting, return_exceptions=True))


async def test_what_waits_shares_a_commit_and_each_gets_its_own_answer(
    writer: Writer, office: Credentials, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three channels, four calls at once: one transaction, three admitted, one refused; a bad request harms nobody."""
    begun = []
    real = store.db.atomic

    def counted(*kind: str) -> object:
        begun.append(store.db.transaction_depth())
        return real(*kind)

    monkeypatch.setattr(store.db, "atomic", counted)
    answers = await asked_together(
        writer,
        *[lambda n=n: calls.admit(attempt(office, n), "node") for n in "abc"],
        lambda: credit.take_back("office", 10**15, "more than there is", NOW),
        lambda: calls.admit(attempt(office, "d"), "node"),
    )
    assert [type(answer) for answer in answers] == [Admitted, Admitted, Admitted, InsufficientFunds, Refusal]
    assert begun.count(0) == 1
    assert len(calls.live()) == 3


async def test_what_no_caller_waits_for_is_run_with_the_next_decision(writer: Writer, office: Credentials) -> None:
    """It is written without a decision too. Together they keep their order: a channel that a call gives back is free
    for the call that is offered after it.
    """
    for name in "abc":
        assert isinstance(await writer(calls.admit, attempt(office, name), "node"), Admitted)
    over = Progress("leg-a")
    over.leg_ended("leg-a", NOW, 16)
    ending = asyncio.create_task(writer(calls.ended, "a", over, NOW))
    await asyncio.sleep(0)
    assert isinstance(await writer(calls.admit, attempt(office, "d"), "node"), Admitted)
    assert ending.done()
    await asyncio.wait_for(writer(calls.ended, "b", over, NOW), 5)
    assert {call.id for call in calls.live()} == {"c", "d"}


async def test_what_fails_half_way_leaves_nothing_and_harms_nobody(
    writer: Writer, office: Credentials, store: FileStore
) -> None:
    """A function writes, in a part of its own too, and then refuses: nothing of it stands, and the others are done."""
    before = credit.balance().available_micros

    def refuses() -> None:
        with store_module.writing():
            credit.top_up(5_000_000, "half-way", NOW)
            calls.admit(attempt(office, "never"), "node")
            raise InsufficientFunds("it is not to be")

    answers = await asked_together(
        writer,
        lambda: calls.admit(attempt(office, "a"), "node"),
        refuses,
        lambda: credit.top_up(1_000_000, "whole", NOW),
        lambda: calls.admit(attempt(office, "b"), "node"),
        lambda: calls.admit(attempt(office, "c"), "node"),
    )
    assert [type(answer).__name__ for answer in answers] == [
        "Admitted", "InsufficientFunds", "Balance", "Admitted", "Admitted",
    ]  # fmt: skip
    assert {call.id for call in calls.live()} == {"a", "b", "c"}
    assert credit.balance().available_micros == before + 1_000_000


async def test_a_broken_store_is_told_to_whom_it_broke_for(
    writer: Writer, office: Credentials, store: FileStore
) -> None:
    """One function finds the store broken: the others are done all the same, each in its own transaction."""

    def broken() -> None:
        with store_module.writing():
            run("INSERT INTO no_such_table VALUES (1)")

    answers = await asked_together(
        writer,
        lambda: calls.admit(attempt(office, "a"), "node"),
        broken,
        lambda: calls.admit(attempt(office, "b"), "node"),
    )
    assert [type(answer) for answer in answers] == [Admitted, StoreUnavailable, Admitted]
    assert {call.id for call in calls.live()} == {"a", "b"}
    answers = await asked_together(writer, broken, lambda: calls.admit(attempt(office, "c"), "node"))
    assert [type(answer) for answer in answers] == [StoreUnavailable, Admitted]  # whichever of them comes first


async def test_a_locked_store_is_waited_for_once(writer: Writer, office: Credentials, store: FileStore) -> None:
    """While another holds the lock, all who wait are told together, not one after the other."""
    other = peewee.SqliteDatabase(str(store.path))
    other.execute_sql("BEGIN IMMEDIATE")  # type: ignore[no-untyped-call]
    began = asyncio.get_running_loop().time()
    answers = await asked_together(writer, *[lambda n=n: calls.admit(attempt(office, n), "node") for n in "abc"])
    other.close()
    assert [type(answer) for answer in answers] == [StoreUnreachable] * 3
    assert asyncio.get_running_loop().time() - began < 5  # one after the other would be six
    assert calls.live() == []


async def test_a_defect_of_ours_ends_no_thread(
    writer: Writer, office: Credentials, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is raised where nobody expects it is told to who waits; the next are served."""
    commit, failed = store.db.commit, list[int]()

    def failing() -> None:
        if not failed:
            failed.append(1)
            raise ZeroDivisionError
        commit()

    monkeypatch.setattr(store.db, "commit", failing)
    answers = await asked_together(writer, *[lambda n=n: calls.admit(attempt(office, n), "node") for n in "ab"])
    assert [type(answer) for answer in answers] == [ZeroDivisionError] * 2
    assert isinstance(await writer(calls.admit, attempt(office, "c"), "node"), Admitted)


async def test_commit_done_answer_lost(
    writer: Writer, office: Credentials, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit stands and its answer is lost: asked again the store says the same, and nothing is done twice."""
    commit = store.db.commit
    lost: list[int] = []

    def losing() -> None:
        commit()
        if not lost:
            lost.append(1)
            raise StoreUnavailable("the answer is lost")

    monkeypatch.setattr(store.db, "commit", losing)
    answers = await asked_together(writer, *[lambda n=n: calls.admit(attempt(office, n), "node") for n in "abcd"])
    assert [type(answer) for answer in answers] == [Admitted, Admitted, Admitted, Refusal]
    assert len(lost) == 1
    assert len(calls.live()) == 3
    assert [cdr.refusal for cdr in history.cdrs(10)] == ["channels_full"]


def test_who_was_told_no_while_the_store_said_yes_has_no_channel(office: Credentials) -> None:
    """The answer `admitted` was lost and the caller was refused: the channel is free, the hold void, one CDR."""
    free = credit.credit("office", NOW).available_micros
    asked = attempt(office, "a")
    assert isinstance(calls.admit(asked, "node"), Admitted)
    for _ in range(2):
        calls.refuse(asked, "node", refusals.STORE_UNAVAILABLE)
    assert calls.live() == []
    assert [(cdr.ending, cdr.refusal, cdr.price_micros) for cdr in history.cdrs(10)] == [
        ("refused", "store_unavailable", 0)
    ]
    assert credit.credit("office", NOW).available_micros == free
    assert calls.admit(asked, "node") == refusals.STORE_UNAVAILABLE
