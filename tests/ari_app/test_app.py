"""The application with a real store and an Asterisk played by the test: what no real one does on demand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from connector.ari_app.app import ConnectorApp
from connector.billing import calls, credit, history, profiles
from connector.billing.profiles import Credentials
from connector.core.calls import Progress
from connector.core.money import MICROS
from connector.database.sqlite import FileStore
from connector.errors import StoreUnavailable
from connector.routing import buttons, routes
from tests.ari_app.conftest import (
    ANSWERED,
    AT,
    PlayedAsterisk,
    PlayedTimers,
    about,
    booked,
    channel,
    dial,
    offer,
    restarted,
    talking,
    until,
)
from tests.conftest import NOW, FixedClock

# where the leg dials, whose leg it dials -> whether that is ended
DIALLED = """
connector-dial           connector-carrier -> no
connector-ring           connector-carrier -> no
connector-ring           pstranger         -> yes
connector-dial           pstranger         -> yes
from-connector-emergency pstranger         -> no
from-internal            102               -> no
connector-dial           +44@connector-forward -> no
"""


@pytest.mark.parametrize("line", DIALLED.strip().splitlines())
async def test_only_who_was_dialled_by_us_answers(
    app: ConnectorApp, asterisk: PlayedAsterisk, office: Credentials, line: str
) -> None:
    """A leg in the place of one that rings is ended, if nobody dialled its endpoint. What a transferred leg dials in
    another dialplan, in an emergency too, is none of it.
    """
    context, endpoint, _, ended = line.split()
    app.event(offer(office.username))
    await until(lambda: calls.live())
    app.event(dial("A", "B", 5))
    app.event(dial("A", "C", 7, context, endpoint))
    app.event(about("ChannelStateChange", "A", 10))
    await until(lambda: any(call.answered_at for call in calls.live()))
    await until(lambda: app.ongoing.of_leg("C"))
    hung_up = [asked["channelId"] for operation, asked in asterisk.asked if operation == "hangup"]
    assert hung_up == (["C"] if ended == "yes" else [])
    for leg in ("C", "B", "A"):
        app.event(about("ChannelDestroyed", leg, 30, cause=16))
    await booked(1)


@pytest.mark.parametrize("told", ["", "transferee", "transfer_target", "transferee transfer_target"])
async def test_two_profiles_calls_that_are_joined_are_both_ended(
    app: ConnectorApp, asterisk: PlayedAsterisk, office: Credentials, told: str
) -> None:
    """All their legs, whoever Asterisk says is left: right after an answer it names one of them, or none."""
    other = profiles.create_profile("warehouse", 3, "asterisk", NOW)
    credit.add("warehouse", 10 * MICROS, "second", NOW)
    for first, second, whose in (("A", "B", office.username), ("C", "D", other.username)):
        app.event(offer(whose, first))
        app.event(dial(first, second, 5))
        app.event(about("ChannelStateChange", first, 10))
    await until(lambda: len([call for call in calls.live() if call.answered_at]) == 2)
    legs = {"transferee": channel("B", "Up"), "transfer_target": channel("D", "Up")}
    joined = {"transferer_first_leg": channel("A", "Up"), "transferer_second_leg": channel("C", "Up")}
    more = {name: legs[name] for name in told.split()}
    app.event({"type": "BridgeAttendedTransfer", "timestamp": AT % 20, **joined, **more})
    await until(lambda: {"B", "D"} <= {asked["channelId"] for what, asked in asterisk.asked if what == "hangup"})
    for leg in "ABCD":
        app.event(about("ChannelDestroyed", leg, 30, cause=16))
    await booked(2)


async def test_a_leg_that_others_dial_is_none_of_ours(app: ConnectorApp, asterisk: PlayedAsterisk) -> None:
    """An admin's own dialplan dials by one of our trunks: Asterisk is asked nothing about that leg. One that nobody
    dialled is looked at, for it may have taken a leg's place.
    """

    def up(leg: str, at: int, runs: str) -> None:
        """A leg of a carrier is answered."""
        shown = channel(leg, "Up", "connector-from-carrier")
        shown["dialplan"]["app_name"] = runs
        app.event({"type": "ChannelStateChange", "timestamp": AT % at, "channel": shown})

    def looked_at() -> set[str]:
        """The legs of which Asterisk was asked something."""
        return {asked["channelId"] for _, asked in asterisk.asked}

    up("Y", 10, "AppDial")
    up("Z", 11, "")
    await until(lambda: asterisk.asked != [])
    assert looked_at() == {"Z"}


async def test_events_may_come_twice(app: ConnectorApp, office: Credentials) -> None:
    """Every event doubled: one row, one CDR, the same figures."""
    life = [
        offer(office.username), dial("A", "B", 5), about("ChannelStateChange", "A", 10),
        about("ChannelHangupRequest", "A", 30, cause=16),
        about("ChannelDestroyed", "B", 30, cause=16), about("ChannelDestroyed", "A", 31, cause=16),
    ]  # fmt: skip
    for event in life:
        app.event(event)
        app.event(event)
    (cdr,) = await booked(1)
    assert (cdr.duration_ms, cdr.ending, cdr.other_leg, cdr.hung_up_by) == (21, "ok", "B", "caller")
    await until(lambda: len(app.ongoing) == 0)
    assert calls.live() == []


async def test_an_answer_that_asterisk_cannot_join_costs_nothing(app: ConnectorApp, office: Credentials) -> None:
    """Neither side hung up, and it was over at once (BRIEF, rule 14): a failed call, without duration and price."""
    await talking(app, office)
    app.event(about("ChannelHangupRequest", "A", 12, cause=16, soft=True))
    for leg in ("B", "A"):
        app.event(about("ChannelDestroyed", leg, 13, cause=16))
    (cdr,) = await booked(1)
    assert (cdr.ending, cdr.duration_ms, cdr.answered_at, cdr.price_micros) == ("failed", 0, None, 0)
    assert cdr.hung_up_by == "us: no common codec"


async def test_who_hung_up_unheard_may_have_talked(app: ConnectorApp, office: Credentials) -> None:
    """Where hang-ups may have been missed, a short call is a call."""
    await talking(app, office)
    app.disconnected("the stream is cut")
    for leg in ("B", "A"):
        app.event(about("ChannelDestroyed", leg, 13, cause=16))
    (cdr,) = await booked(1)
    assert (cdr.ending, cdr.duration_ms) == ("ok", 3)


async def test_a_caller_who_gives_up_before_the_gate_has_a_cdr(app: ConnectorApp, office: Credentials) -> None:
    """By what the hang-up says of the leg: its end says no more what was dialled."""
    leg = {**channel("A", "Ring", "connector-from-profile"), "name": f"PJSIP/{office.username}-00000001"}
    app.event({"type": "ChannelHangupRequest", "timestamp": AT % 1, "cause": 127, "channel": leg})
    app.event(about("ChannelDestroyed", "A", 2, cause=127))
    (cdr,) = await booked(1)
    assert (cdr.ending, cdr.hung_up_by, cdr.called, cdr.trunk) == ("no_answer", "caller", "+442079460001", None)
    assert (cdr.profile, cdr.price_micros, cdr.refusal) == ("office", 0, None)


async def test_a_caller_who_left_during_admission_leaves_nothing(app: ConnectorApp, office: Credentials) -> None:
    """The end may come before the decision: the row is made, and goes."""
    app.event(offer(office.username))
    app.event(about("ChannelDestroyed", "A", 2, cause=0))
    (cdr,) = await booked(1)
    assert cdr.ending == "no_answer"
    assert calls.live() == []


async def test_who_waited_longer_than_the_gate_lets_them_gets_no_channel(
    app: ConnectorApp, clock: FixedClock, office: Credentials
) -> None:
    """After a long sleep of ours, calls that are long gone are refused, not admitted one after another."""
    clock.now += 60_000
    app.event(offer(office.username))
    (cdr,) = await booked(1)
    assert cdr.refusal == "not_ready"


async def test_a_hang_up_is_booked_when_the_store_is_back(
    app: ConnectorApp, office: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the store takes nothing, the end of a call is kept and tried again; a new call is refused, told later."""
    app.event(offer(office.username))
    await until(lambda: len(calls.live()) == 1)
    broken, tried = True, set[str]()
    real = {name: getattr(calls, name) for name in ("admit", "ended", "refuse")}

    def failing(name: str) -> Any:
        def function(*args: Any) -> Any:
            tried.add(name)
            if broken:
                raise StoreUnavailable("the disk is full")
            return real[name](*args)

        return function

    for name in real:
        monkeypatch.setattr(calls, name, failing(name))
    app.event(about("ChannelDestroyed", "A", 9, cause=16))
    app.event(offer(office.username, "C", 5))
    await until(lambda: tried == set(real))
    assert len(calls.live()) == 1
    broken = False
    cdrs = await booked(2)
    assert {(cdr.gate_leg, cdr.refusal) for cdr in cdrs} == {("A", None), ("C", "store_unavailable")}
    assert calls.live() == []


async def test_a_defect_does_not_lose_a_channel(
    app: ConnectorApp, asterisk: PlayedAsterisk, office: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody expected in the midst of a call: it is taken up again from its row, and is booked."""
    asterisk.alive = {"A": "Up"}
    app.event(offer(office.username))
    await until(lambda: len(calls.live()) == 1)
    real = Progress.leg_answered
    monkeypatch.setattr(Progress, "leg_answered", lambda *_, **__: 1 / 0)
    app.event(about("ChannelStateChange", "A", 10))
    await until(lambda: len(app.ongoing) == 0)
    monkeypatch.setattr(Progress, "leg_answered", real)
    await app._look()
    await app._look()
    await until(lambda: len(app.ongoing) == 1)
    app.event(about("ChannelDestroyed", "A", 30, cause=16, state="Up"))
    (cdr,) = await booked(1)
    assert cdr.ending == "estimated"
    assert calls.live() == []


async def test_hang_ups_that_were_heard_are_booked_before_we_stop(app: ConnectorApp, office: Credentials) -> None:
    """SIGTERM right after a hang-up: the CDR is written, not estimated after the next start."""
    app.event(offer(office.username))
    await until(lambda: len(calls.live()) == 1)
    app.event(about("ChannelDestroyed", "A", 9, cause=16))
    await app.close()
    (cdr,) = history.cdrs(10)
    assert cdr.ending == "no_answer"


async def test_a_transferred_leg_belongs_to_two_calls(app: ConnectorApp, office: Credentials, store: FileStore) -> None:
    """The carrier's leg of one call is the gate leg of the next: what it dials is the next one's, its end is both's."""
    app.event(offer(office.username))
    app.event(dial("A", "B", 1))
    app.event(about("ChannelStateChange", "A", 10))
    await until(lambda: any(call.answered_at for call in calls.live()))
    app.event(offer(office.username, "B", 20, "Up"))
    app.event(about("ChannelDestroyed", "A", 21, cause=16))
    await until(lambda: len(calls.live()) == 2)
    app.event(dial("B", "C", 25))
    app.event(about("ChannelStateChange", "C", 40))
    await until(lambda: all(call.answered_at for call in calls.live()))
    app.event(about("ChannelHangupRequest", "B", 90, cause=16))
    for leg in ("B", "C"):
        app.event(about("ChannelDestroyed", leg, 90, cause=16))
    second, first = sorted(await booked(2), key=lambda cdr: cdr.duration_ms)
    assert (first.duration_ms, second.duration_ms) == (80, 50)
    assert (first.other_leg, second.gate_leg, second.other_leg) == ("B", "B", "C")
    assert second.started_at - first.started_at == 20


async def test_asterisks_timers_are_what_is_held(
    app: ConnectorApp, timers: PlayedTimers, clock: FixedClock, office: Credentials
) -> None:
    """Both legs' from the answer on; moved when more is held, ten seconds before the end; and only for what is held.

    The first timer of the leg to the trunk is the dialplan's.
    """
    clock.now = ANSWERED
    await talking(app, office)
    await until(lambda: timers.set == {"A": 60_000})
    paying = asyncio.create_task(app.keep_paid())
    clock.now = ANSWERED + 51_000
    await until(lambda: timers.set == {"A": 120_000 - 51_000, "B": 120_500 - 51_000})
    assert calls.live()[0].held_s == 120
    leave_nothing()
    clock.now = ANSWERED + 111_000
    await until(lambda: all(call.last_slice for call in app.ongoing))
    assert timers.set["A"] == 120_000 - 51_000
    paying.cancel()


async def test_a_caller_is_warned_as_early_as_the_settings_say(
    app: ConnectorApp, asterisk: PlayedAsterisk, timers: PlayedTimers, clock: FixedClock, office: Credentials
) -> None:
    """Thirty seconds before the money ends, though it is asked for more only ten seconds before without a warning."""
    app.warning_ms = 30_000
    clock.now = ANSWERED
    await talking(app, office)
    await until(lambda: timers.set == {"A": 60_000})
    paying = asyncio.create_task(app.keep_paid())
    clock.now = ANSWERED + 31_000
    await until(lambda: calls.live()[0].held_s == 120)
    leave_nothing()
    clock.now = ANSWERED + 91_000
    await until(lambda: any(operation == "snoopChannel" for operation, _ in asterisk.asked))
    paying.cancel()


async def test_an_answer_that_nobody_saw_gives_no_time_away(
    app: ConnectorApp, asterisk: PlayedAsterisk, timers: PlayedTimers, clock: FixedClock, office: Credentials
) -> None:
    """Found up after a silence: the money runs from when the call was last known alive, not from when it was found."""
    clock.now = ANSWERED
    app.event(offer(office.username))
    app.event(dial("A", "B", 5))
    await until(lambda: any(call.other_leg for call in calls.live()))
    asterisk.alive = {"A": "Up", "B": "Up"}
    clock.now = ANSWERED + 55_000
    await app._reconcile()
    await until(lambda: timers.set != {})
    assert 4_900 <= timers.set["A"] <= 5_000


async def test_a_clock_that_is_stepped_back_gives_no_time_away(
    app: ConnectorApp, timers: PlayedTimers, clock: FixedClock, office: Credentials
) -> None:
    """No timer is ever longer than what is held."""
    clock.now = ANSWERED - 250_000
    await talking(app, office)
    await until(lambda: timers.set == {"A": 60_000})


async def test_a_timer_that_cannot_be_moved_is_tried_again(
    app: ConnectorApp, timers: PlayedTimers, clock: FixedClock, office: Credentials
) -> None:
    """While AMI is away the call would end at what it had; nothing is charged for what it did not get."""
    clock.now = ANSWERED
    timers.away = True
    await talking(app, office)
    paying = asyncio.create_task(app.keep_paid())
    await until(lambda: timers.refused > 2)
    assert timers.set == {}
    timers.away = False
    await until(lambda: timers.set == {"A": 60_000, "B": 60_500})
    paying.cancel()


async def test_an_adopted_call_has_its_timers_set_again(
    app: ConnectorApp, asterisk: PlayedAsterisk, timers: PlayedTimers, clock: FixedClock, office: Credentials
) -> None:
    """What Asterisk's timer was set to, nobody knows after a restart: it is set to what is held."""
    clock.now = ANSWERED
    await talking(app, office)
    await until(lambda: timers.set != {})
    await app.close()
    timers.set.clear()
    asterisk.alive = {"A": "Up", "B": "Up"}
    clock.now = ANSWERED + 5_000
    second = await restarted(app)
    paying = asyncio.create_task(second.keep_paid())
    await until(lambda: timers.set == {"A": 55_000, "B": 55_500})
    paying.cancel()
    await second.close()


async def test_a_leg_of_two_calls_ends_with_the_first_whose_money_does(
    app: ConnectorApp, timers: PlayedTimers, clock: FixedClock, office: Credentials
) -> None:
    """After a transfer the carrier's leg belongs to two calls: its timer is the shorter one's, whoever set it last."""
    clock.now = ANSWERED
    await talking(app, office)
    await until(lambda: timers.set == {"A": 60_000})
    clock.now = ANSWERED + 10
    app.event(offer(office.username, "B", 20, "Up"))
    app.event(about("ChannelDestroyed", "A", 21, cause=16))
    await until(lambda: len(calls.live()) == 2)
    app.event(dial("B", "C", 25))
    app.event(about("ChannelStateChange", "C", 40))
    await until(lambda: "B" in timers.set)
    assert timers.set["B"] == 59_990


async def test_a_call_whose_gate_leg_is_gone_is_paid_further_while_the_other_talks(
    app: ConnectorApp, timers: PlayedTimers, clock: FixedClock, office: Credentials
) -> None:
    """The gate leg was replaced right at the answer (INVITE with Replaces); the call ends when the other leg does."""
    clock.now = ANSWERED
    timers.gone.add("A")
    await talking(app, office)
    paying = asyncio.create_task(app.keep_paid())
    clock.now = ANSWERED + 51_000
    await until(lambda: timers.set == {"B": 120_500 - 51_000})
    assert calls.live()[0].held_s == 120
    paying.cancel()


async def test_a_leg_that_another_dialplan_dialled_gets_its_timer_from_us(
    app: ConnectorApp, timers: PlayedTimers, clock: FixedClock, office: Credentials
) -> None:
    """Only the dialplan of the connector sets the timer of the leg that it dials."""
    clock.now = ANSWERED
    app.event(offer(office.username))
    app.event(dial("A", "B", 5, "internal"))
    app.event(about("ChannelStateChange", "A", 10))
    await until(lambda: timers.set == {"A": 60_000, "B": 60_500})


def leave_nothing() -> None:
    """Take all free credit back."""
    credit.take_back("office", credit.credit("office", 0).available_micros, "all", 0)


def pushed(button: str, call_id: str, leg: str = "A") -> dict[str, Any]:
    """Somebody who pushed a call button, at the gate."""
    made = offer("", leg)
    made["args"] = ["button", button, "allowed", call_id]
    made["channel"]["dialplan"]["exten"] = "sales"
    return made


async def test_a_call_by_a_button_has_the_id_that_it_was_given(
    app: ConnectorApp, asterisk: PlayedAsterisk, office: Credentials, caplog: pytest.LogCaptureFixture
) -> None:
    """By it the web server tells the visitor how it goes. One that is no id, or that a call has, passes no gate."""
    routes.create_account("sales", "office", "extension 101", NOW)
    button = str(buttons.create("website", "sales", 2, NOW).id)
    app.event(pushed(button, "c" * 32))
    await until(lambda: [live.id for live in calls.live()] == ["c" * 32])
    await until(lambda: any(operation == "continueInDialplan" for operation, _ in asterisk.asked))
    assert ("connector-ring", "A") in [(asked.get("context"), asked.get("channelId")) for _, asked in asterisk.asked]
    for wrong in (
        pushed(button, "c" * 32, "B"),
        pushed(button, "", "B"),
        pushed("x", "d" * 32, "B"),
        pushed("", "", "B"),
    ):
        app.event(wrong)
    assert caplog.text.count("by a dialplan that is not ours") == 4
    app.event(about("ChannelDestroyed", "A", 9, cause=16))
    (cdr,) = await booked(1)
    assert (cdr.id, cdr.button, cdr.direction, cdr.called) == ("c" * 32, "website", "in", "sales")


@pytest.mark.parametrize(
    ("version", "at_once"),
    [
        ("20.19.3", False), ("20.20.0", True), ("21.12.0", False), ("22.9.1", False), ("22.10.1+dfsg", True),
        ("23.3.0", False), ("23.4.0", True), ("24.0.0", True), ("GIT-master-1a2b3c", False),
    ],
)  # fmt: skip
async def test_variables_are_set_as_this_asterisk_can(
    app: ConnectorApp, asterisk: PlayedAsterisk, office: Credentials, version: str, at_once: bool
) -> None:
    """All by one request where Asterisk has it, else one after the other; either way before the call goes on."""
    asterisk.version = version
    await app.recovery.after_silence()
    asterisk.asked.clear()
    app.event(offer(office.username))
    await until(lambda: any(what == "continueInDialplan" for what, _ in asterisk.asked))
    sent = [(what, asked) for what, asked in asterisk.asked if what in ("setChannelVar", "setChannelVars")]
    assert {what for what, _ in sent} == {"setChannelVars" if at_once else "setChannelVar"}
    names = {asked.get("variable") for _, asked in sent}
    if at_once:
        ((_, asked),) = sent
        names = set(asked["body"]["variables"])
    assert {"_CONNECTOR_CALL", "CONNECTOR_GUARD_S", "CONNECTOR_TRIES"} <= names
    assert asterisk.asked[-1][0] == "continueInDialplan"
