"""What was not heard: every call is settled once, from Asterisk's own journal where it knows."""

from __future__ import annotations

import asyncio

import pytest

from connector.ari_app import recovery
from connector.ari_app.app import ConnectorApp
from connector.ari_app.journal import LegStory
from connector.billing import calls, history
from connector.billing.profiles import Credentials
from connector.database.sqlite import FileStore
from tests.ari_app.conftest import (
    ANSWERED,
    PlayedAsterisk,
    PlayedJournal,
    PlayedTimers,
    about,
    booked,
    offer,
    restarted,
    talking,
    until,
)
from tests.conftest import FixedClock

HOUR_MS = 3_600_000


def written(leg: str, ended: int | None, cause: int = 16, answered: int | None = None, call_id: str = "") -> LegStory:
    """What the journal has of a leg of the call; times in milliseconds after its answer."""
    at = [None if after is None else ANSWERED + after for after in (answered, ended)]
    return LegStory(leg, call_id, ANSWERED - 5, ANSWERED + 900, at[0], at[1], cause)


async def test_an_end_that_nobody_heard_is_in_the_journal(
    app: ConnectorApp, journal: PlayedJournal, clock: FixedClock, office: Credentials
) -> None:
    """Both legs are gone when Asterisk can be asked again: the call ended when Asterisk says, and is no estimate."""
    clock.now = ANSWERED
    await talking(app, office)
    journal.written = {"A": written("A", 7_000), "B": written("B", 7_010)}
    await app._reconcile()
    (cdr,) = await booked(1)
    assert (cdr.ending, cdr.duration_ms) == ("ok", 7_010)


async def test_a_whole_call_that_nobody_heard_is_in_the_journal(
    app: ConnectorApp, journal: PlayedJournal, office: Credentials
) -> None:
    """Only its row was made: the leg it dialled, its answer, that the timer ended it, all are Asterisk's word."""
    app.event(offer(office.username))
    await until(lambda: len(calls.live()) == 1)
    call_id = calls.live()[0].id
    journal.written = {"A": written("A", 9_000, 102, 0), "B": written("B", 8_900, 16, -3, call_id)}
    await app._reconcile()
    (cdr,) = await booked(1)
    assert (cdr.ending, cdr.duration_ms, cdr.other_leg) == ("cut_off", 9_000, "B")


async def test_who_has_no_end_in_the_journal_is_charged_until_it_was_known_alive(
    app: ConnectorApp, journal: PlayedJournal, clock: FixedClock, office: Credentials
) -> None:
    """Asterisk was killed: the journal proves 900 ms more than we had seen, and the CDR says `estimated`."""
    clock.now = ANSWERED
    await talking(app, office)
    journal.written = {"A": written("A", None), "B": written("B", None)}
    await app._reconcile()
    (cdr,) = await booked(1)
    assert (cdr.ending, cdr.duration_ms) == ("estimated", 900)


async def test_a_lost_end_is_found_while_the_stream_is_open(
    app: ConnectorApp, asterisk: PlayedAsterisk, journal: PlayedJournal, clock: FixedClock, office: Credentials
) -> None:
    """An event went missing: what is amiss once may be under way, what is amiss twice is told."""
    clock.now = ANSWERED
    await talking(app, office)
    journal.written = {"A": written("A", 7_000), "B": written("B", 7_010)}
    await app._look()
    assert history.cdrs(10) == []
    await app._look()
    (cdr,) = await booked(1)
    assert (cdr.ending, cdr.duration_ms) == ("ok", 7_010)
    assert {what for what, _ in asterisk.asked[-4:]} == {"list", "get", "listByTech"}


async def test_a_lost_answer_is_found_while_the_stream_is_open(
    app: ConnectorApp, asterisk: PlayedAsterisk, timers: PlayedTimers, clock: FixedClock, office: Credentials
) -> None:
    """The leg is up twice running and nobody told: Asterisk's own CDR says since when."""
    app.event(offer(office.username))
    await until(lambda: len(calls.live()) == 1)
    asterisk.alive = {"A": "Up"}
    asterisk.variables = {("A", "CDR(answer,u)"): "1795000000.500999"}
    clock.now = ANSWERED + 5_000
    await app._look()
    await app._look()
    await until(lambda: calls.live()[0].answered_at == 1_795_000_000_500)
    await until(lambda: timers.set == {"A": 55_490})


async def test_only_what_is_alive_is_noted_alive(
    app: ConnectorApp, asterisk: PlayedAsterisk, clock: FixedClock, office: Credentials
) -> None:
    """A call whose legs Asterisk does not have is not seen, however long it is in memory."""
    clock.now = ANSWERED
    await talking(app, office)
    app.event(offer(office.username, "C", 5))
    await until(lambda: len(calls.live()) == 2)
    asterisk.alive = {"A": "Up", "B": "Up"}
    clock.now = ANSWERED + 3_000
    await app._look()
    assert {call.gate_leg: call.seen_at - ANSWERED for call in calls.live()} == {"A": 3_000, "C": -5}


async def test_a_leg_in_no_book_is_ended(app: ConnectorApp, asterisk: PlayedAsterisk, store: FileStore) -> None:
    """It passed our gate, and its call is over by the books: it is ended. Other people's legs are left alone."""
    asterisk.alive = {"X": "Up", "Y": "Up"}
    asterisk.variables = {("X", "CONNECTOR_CALL"): "feedbeef"}
    await app._reconcile()
    assert [asked for asked in asterisk.asked if asked[0] == "hangup"] == [("hangup", {"channelId": "X"})]


async def test_a_leg_of_a_row_is_not_ended_before_it_is_adopted(
    app: ConnectorApp, asterisk: PlayedAsterisk, office: Credentials
) -> None:
    """Its call is in the books and not in memory, for a defect of ours is being mended: hands off."""
    app.event(offer(office.username))
    await until(lambda: len(calls.live()) == 1)
    asterisk.alive = {"A": "Up"}
    asterisk.variables = {("A", "CONNECTOR_CALL"): calls.live()[0].id}
    for call in app.ongoing:
        app.ongoing.remove(call)
    await app._look()
    assert [asked for asked in asterisk.asked if asked[0] == "hangup"] == []


async def test_a_leg_that_was_dialled_unheard_is_its_calls(
    app: ConnectorApp, asterisk: PlayedAsterisk, timers: PlayedTimers, clock: FixedClock, office: Credentials
) -> None:
    """It knows its call: so it has the call's timer, and its end is heard."""
    clock.now = ANSWERED
    app.event(offer(office.username))
    await until(lambda: len(calls.live()) == 1)
    asterisk.alive = {"A": "Up", "B": "Up"}
    asterisk.variables = {("B", "CONNECTOR_CALL"): calls.live()[0].id, ("A", "CDR(answer,u)"): "1795000000.010000"}
    await app._reconcile()
    await until(lambda: timers.set == {"A": 60_000, "B": 60_500})


async def test_no_leg_outlives_its_asterisk(
    app: ConnectorApp, asterisk: PlayedAsterisk, timers: PlayedTimers, clock: FixedClock, office: Credentials
) -> None:
    """Asterisk was started anew: a leg of the same name is another one, and the row's call is over."""
    await app._reconcile()
    await talking(app, office)
    assert calls.live()[0].epoch == ANSWERED - 10
    await app.close()
    asterisk.alive = {"A": "Up", "B": "Up"}
    asterisk.started = 900
    second = await restarted(app)
    (cdr,) = await booked(1)
    assert cdr.ending == "estimated"
    await second.close()


async def test_an_answer_that_was_lost_is_told_by_the_end(
    app: ConnectorApp, journal: PlayedJournal, clock: FixedClock, office: Credentials
) -> None:
    """The event of the answer is lost and the call is short: it was up at its end, and the journal says since when."""
    clock.now = ANSWERED + 4_000
    app.event(offer(office.username))
    await until(lambda: len(calls.live()) == 1)
    journal.written = {"A": written("A", 3_000, answered=500)}
    app.event(about("ChannelDestroyed", "A", 999, cause=16, state="Up"))
    (cdr,) = await booked(1)
    assert (cdr.ending, cdr.answered_at, cdr.price_micros) == ("ok", ANSWERED + 500, 11_500)


async def test_who_was_left_at_the_gate_is_refused(
    app: ConnectorApp, asterisk: PlayedAsterisk, office: Credentials
) -> None:
    """After a silence nobody answers who still stands there: refused at once. Who is being decided is left alone."""
    asterisk.alive = {"A": "Ring", "X": "Ring"}
    app.ready.clear()
    app.event(offer(office.username))
    asterisk.at_the_gate = ["A", "X"]
    await app._reconcile()
    refused = [how["channelId"] for what, how in asterisk.asked if what == "continueInDialplan"]
    assert refused == ["X"]


async def test_who_came_to_the_gate_unheard_is_refused(
    app: ConnectorApp, asterisk: PlayedAsterisk, office: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody heard of X for a while: refused. At first it may just have come, and A is being decided."""
    monkeypatch.setattr(recovery, "LEFT_LIMIT_S", 1e-6)
    asterisk.alive = {"A": "Ring", "X": "Ring"}
    app.ready.clear()
    app.event(offer(office.username))
    asterisk.at_the_gate = ["A", "X"]
    for refused in ([], ["X"]):
        await app._look()
        assert [how["channelId"] for what, how in asterisk.asked if what == "continueInDialplan"] == refused


async def test_a_caller_who_did_not_get_the_gates_answer_is_refused(
    app: ConnectorApp, asterisk: PlayedAsterisk, office: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request that sends an admitted call on was lost. The gate's own timeout may take an hour then, if the clock
    was set back: the second look refuses it, and its channel is free.
    """
    monkeypatch.setattr(recovery, "LEFT_LIMIT_S", 1e-6)
    asterisk.alive = {"A": "Ring"}
    asterisk.at_the_gate = ["A"]
    app.event(offer(office.username))
    await until(lambda: any(what == "continueInDialplan" for what, _ in asterisk.asked))
    asterisk.asked.clear()
    for refused in ([], [("connector-refuse", "42")]):
        await app._look()
        sent = [how for what, how in asterisk.asked if what == "continueInDialplan"]
        assert [(how["context"], how["extension"]) for how in sent] == refused
    app.event(about("ChannelDestroyed", "A", 999, cause=42))
    (cdr,) = await booked(1)
    assert (cdr.answered_at, calls.live()) == (None, [])


async def test_a_clock_that_is_set_changes_no_calls_length(
    app: ConnectorApp, timers: PlayedTimers, clock: FixedClock, office: Credentials
) -> None:
    """Set back by an hour in mid-call: the timers are set again, the row moves along, the call is as long as it was."""
    clock.now = ANSWERED
    await talking(app, office)
    await until(lambda: timers.set == {"A": 60_000})
    timers.set.clear()
    clock.now += 5_000 - HOUR_MS
    clock.set_by = -HOUR_MS
    paying = asyncio.create_task(app.keep_paid())
    await until(lambda: timers.set == {"A": 55_000, "B": 55_500})
    paying.cancel()
    await until(lambda: calls.live()[0].answered_at == ANSWERED - HOUR_MS)


async def test_a_call_of_the_future_is_ended(
    app: ConnectorApp, asterisk: PlayedAsterisk, timers: PlayedTimers, clock: FixedClock, office: Credentials
) -> None:
    """The clock was set back while we were dead: how long the call has talked nobody knows, and it gets no more."""
    clock.now = ANSWERED
    await talking(app, office)
    await app.close()
    clock.now -= HOUR_MS
    asterisk.alive = {"A": "Up", "B": "Up"}
    second = await restarted(app)
    await until(lambda: ("hangup", {"channelId": "A"}) in asterisk.asked)
    await second.close()


async def test_a_transferred_call_is_settled_from_its_own_legs(
    app: ConnectorApp, journal: PlayedJournal, clock: FixedClock, office: Credentials
) -> None:
    """All legs have one linked id: the second call was answered by the leg that was dialled for it, no other."""
    clock.now = ANSWERED
    await talking(app, office)
    app.event(offer(office.username, "B", 20, "Up"))
    await until(lambda: len(calls.live()) == 2)
    first, second = (call.id for call in calls.live())
    journal.written = {
        "A": written("A", 30, 16, 0),
        "B": written("B", 9_000, 16, -3, first),
        "C": written("C", 9_000, 16, 4_000, second),
    }
    await app._reconcile()
    ended = {cdr.id: cdr for cdr in await booked(2)}
    lengths = [(ended[call].other_leg, ended[call].duration_ms) for call in (first, second)]
    assert lengths == [("B", 9_000), ("C", 5_000)]
    assert {cdr.ending for cdr in ended.values()} == {"ok"}
