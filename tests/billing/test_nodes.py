"""Nodes that share a store: together they sell what was bought, and of one that is gone nothing is freed too early."""

from __future__ import annotations

import asyncio
import threading

import psycopg
import pytest

from connector.billing import calls, credit, history, ledger, nodes, plans, profiles
from connector.billing.profiles import Credentials
from connector.core import refusals
from connector.core.calls import ASTRAY_MS, LONGEST_RINGING_MS, Admitted, Direction
from connector.core.money import MICROS
from connector.core.plans import DAY_MS, MOST_CHANNELS
from connector.database.store import Store, nobody_writes_as, writing
from connector.errors import BadInput, NotFound, StoreUnreachable
from connector.storage.writer import Writer
from lab import nodes as rounds
from lab import process
from tests.billing.conftest import ON_POSTGRESQL
from tests.billing.test_calls import attempt, finish
from tests.conftest import NOW
from tests.databases import at_once, company_kept, place_of

ROUNDS = 2


def out(office: Credentials, node: str) -> Admitted:
    """A call out, admitted by a node."""
    got = calls.admit(attempt(office.username), node)
    assert isinstance(got, Admitted)
    return got


def test_a_nodes_channels_are_freed_when_its_calls_are_proven_dead(office: Credentials) -> None:
    """By the timer that Asterisk itself has, an hour of silence is no proof; and what was held stays held."""
    nodes.here("a", 1, NOW)
    answered, ringing, unheard = out(office, "a"), out(office, "a"), out(office, "a")
    calls.answered(answered.call_id, NOW + 5_000, "B")
    held = ledger.accounts()["profile:1:credit_held"]
    talked_ms, rung_ms = 5_000 + 60_000 + ASTRAY_MS, LONGEST_RINGING_MS + 60_000 + ASTRAY_MS
    assert nodes.free_dead("b", NOW + talked_ms) == 0
    assert calls.admit(attempt(office.username), "b") == refusals.CHANNELS_FULL
    assert nodes.free_dead("b", NOW + talked_ms + 1) == 1
    assert profiles.show_profile("office").channels_in_use == 2
    assert ledger.accounts()["profile:1:credit_held"] == held
    assert calls.extend(answered.call_id, 60, NOW + talked_ms) == 60  # it is over: no more money goes into it
    another = out(office, "b")
    assert calls.admit(attempt(office.username), "b") == refusals.CHANNELS_FULL
    nodes.here("b", 1, NOW + rung_ms)
    assert nodes.free_dead("b", NOW + rung_ms) == 0
    assert nodes.free_dead("b", NOW + rung_ms + 1) == 2
    assert nodes.free_dead("b", NOW + rung_ms + 1) == 0
    for call in (answered, ringing, unheard):  # the node is back, and says from its journal what they were
        finish(call.call_id, answered_at=NOW + 5_000, ended_at=NOW + 35_000)
    assert {cdr.duration_ms for cdr in history.cdrs(10) if cdr.refusal is None} == {30_000}
    assert [call.id for call in calls.live()] == [another.call_id]


def test_a_node_that_is_there_frees_its_channels_itself(office: Credentials) -> None:
    """However late its word on a call is; and its own, if its Asterisk has been away for so long that they are over."""
    out(office, "a")
    late = NOW + 10 * DAY_MS
    nodes.here("a", 1, late)
    assert nodes.free_dead("b", late) == 0
    assert nodes.free_dead("a", late) == 0
    assert nodes.free_dead("a", late + DAY_MS) == 1
    assert nodes.free_dead("b", late + DAY_MS) == 0


def test_a_free_call_lives_as_long_as_its_timer(office: Credentials) -> None:
    """It holds nothing, and Asterisk ends it all the same: after four hours, as it was told."""
    inbound = attempt("carrier", "+442079460100", Direction.IN)
    assert isinstance(calls.admit(inbound, "a"), Admitted)
    calls.answered(inbound.call_id, NOW, "B")
    over = NOW + 14_400_000 + ASTRAY_MS
    assert nodes.free_dead("b", over) == 0
    assert nodes.free_dead("b", over + 1) == 1


def test_a_node_that_is_gone_for_good_is_retired(office: Credentials) -> None:
    """Its calls are charged to when they were last known alive (BRIEF, rule 12), and it is forgotten."""
    nodes.here("a", 1, NOW)
    call = out(office, "a")
    calls.answered(call.call_id, NOW, "B")
    calls.seen([call.call_id], NOW + 40_000)
    with pytest.raises(BadInput, match="is running"):
        nodes.retire("a", NOW + 10_000)
    with pytest.raises(NotFound):
        nodes.retire("c", NOW)
    assert nodes.retire("a", NOW + 60_000) == 1
    (cdr,) = history.cdrs(10)
    assert (cdr.ending, cdr.duration_ms, cdr.price_micros) == ("estimated", 40_000, 16_100)
    assert nodes.list_nodes(NOW + 60_000) == []


def test_the_list_tells_who_is_here_and_what_they_hold(office: Credentials) -> None:
    """A node is here for 15 seconds after its last word; one that never said a word is away."""
    nodes.here("a", 7, NOW)
    nodes.here("a", 7, NOW + 1)
    out(office, "a")
    out(office, "b")
    a, b = nodes.list_nodes(NOW + nodes.AWAY_AFTER_MS)
    assert (a.name, a.is_here, a.joined_at, a.seen_at, a.epoch, a.calls) == ("a", True, NOW, NOW + 1, 7, 1)
    assert (b.name, b.is_here, b.seen_at, b.calls, b.dead_calls, b.held_micros) == ("b", False, None, 1, 0, 23_000)
    assert not nodes.list_nodes(NOW + nodes.AWAY_AFTER_MS + 2)[0].is_here


def is_free(node: str) -> bool:
    """Whether no session has the node's name."""
    with writing():
        return nobody_writes_as(node)


@ON_POSTGRESQL
async def test_a_nodes_name_has_one_writer(office: Credentials, store: Store) -> None:
    """A second connector by the same name writes nothing; when the first is gone the name is free again."""
    first, second = Writer(lambda: store.write_as("a")), Writer(lambda: store.write_as("a"))
    await first(nodes.here, "a", 1, NOW)
    with pytest.raises(StoreUnreachable, match="already runs as node 'a'"):
        await second(nodes.here, "a", 2, NOW)
    out(office, "a")
    assert nodes.free_dead("b", NOW + 40 * DAY_MS) == 0  # it is silent, and it is there
    await first(store.close)
    assert process.waited(lambda: is_free("a"), 5)  # PostgreSQL notices that a session is over a moment later
    await second(nodes.here, "a", 2, NOW)
    await second(store.close)
    assert process.waited(lambda: is_free("a"), 5)
    assert nodes.free_dead("b", NOW + 40 * DAY_MS) == 1
    first.close()
    second.close()


@ON_POSTGRESQL
async def test_a_session_that_was_ended_is_begun_anew_with_its_name(office: Credentials, store: Store) -> None:
    """The server throws everybody out between two transactions: the next one is done, in the node's name still."""
    writer = Writer(lambda: store.write_as("a"))
    await writer(nodes.here, "a", 1, NOW)
    thrown_out(store)
    await writer(nodes.here, "a", 2, NOW)
    with pytest.raises(StoreUnreachable):
        await asyncio.to_thread(as_node, store, "a")
    await writer(store.close)
    writer.close()


def as_node(opened: Store, name: str) -> None:
    """Write in a node's name, on a thread of its own."""
    opened.write_as(name)
    try:
        nodes.here(name, 1, NOW)
    finally:
        opened.close()


def thrown_out(opened: Store) -> None:
    """End every other session with the store."""
    with psycopg.connect(place_of(opened).url or "", autocommit=True) as raw:
        raw.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@ON_POSTGRESQL
async def test_who_waits_for_a_company_keeps_no_other_waiting(office: Credentials, store: Store) -> None:
    """One node has a company; the other's transaction has another one already, and does not wait with it in hand."""
    profiles.create_company("Other", "GBP", "Europe/London", NOW)
    credit.top_up(MICROS, "other", NOW, "Other")
    async with company_kept(store, "Acme") as let_go:
        writer, queued = Writer(), threading.Event()
        first = asyncio.create_task(writer(queued.wait, 10))
        second = asyncio.create_task(writer(credit.top_up, MICROS, "a", NOW, "Other"))
        third = asyncio.create_task(writer(credit.top_up, MICROS, "b", NOW, "Acme"))
        fourth = asyncio.create_task(writer(credit.top_up, MICROS, "c", NOW, "Other"))
        await asyncio.sleep(0)
        queued.set()
        await asyncio.wait_for(asyncio.gather(first, second, fourth), 5)
        assert not third.done()
        let_go.set()
        assert (await third).company == "Acme"
    await writer(store.close)
    writer.close()


@ON_POSTGRESQL
def test_two_nodes_together_get_exactly_the_channels_bought(store: Store, company: str) -> None:
    """A thousand attempts at once on two nodes, 300 channels: 300 admitted, round after round, and never one more.

    `make nodes` does it a hundred times.
    """
    made = profiles.create_profile("office", MOST_CHANNELS, "asterisk", NOW)
    credit.add("office", 100 * MICROS, "first", NOW)
    rounds.rounds(place_of(store), made.username, ROUNDS)
    assert len(history.cdrs(1_000_000)) == rounds.ATTEMPTS * ROUNDS


@ON_POSTGRESQL
def test_two_nodes_renew_a_term_once(office: Credentials, store: Store) -> None:
    """At the same moment, after three days in which neither was there: three terms paid, each once."""
    late = NOW + 92 * DAY_MS
    before = credit.balance().available_micros
    done: list[int] = []

    def renews() -> None:
        done.append(plans.renew_due(late))
        store.close()

    at_once(renews, 2)
    assert sum(done) == 3
    assert before - credit.balance().available_micros == 3 * 3 * 6_950_000
