"""Money on the wire: calls end at their paid second, by Asterisk's own hand."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator

import pytest

from connector.billing import calls, credit, decks, history, ledger, plans, profiles, trials
from connector.billing.profiles import Credentials
from connector.clock import SystemClock
from connector.core.calls import Admitted, Attempt, Direction, Progress
from connector.core.holds import Slicing
from connector.core.money import MICROS
from lab import process, sipp
from lab.far_end import NUMBERS
from lab.load import LIMIT, UNTIL_BYE, Bench
from lab.sample import COMPANY

# A second costs a thousandth, and is the step: what is held and what is talked can be counted in seconds.
BY_THE_SECOND = "prefix,name,price_per_minute,increments\n44,by the second,0.06,1/1\n1,by the second,0.06,1/1\n"
SECOND = 1_000


def now() -> int:
    """The time."""
    return SystemClock().now_ms()


@pytest.fixture
def by_the_second(bench: Bench) -> Iterator[Bench]:
    """The lab with rates by the second."""
    bench.in_store(lambda: decks.load(BY_THE_SECOND, "by the second", now(), COMPANY, after_ms=0, mode="full"))
    yield bench
    bench.in_store(lambda: decks.load(decks.SAMPLE.read_text(), "sample", now(), COMPANY, after_ms=0, mode="full"))
    assert bench.in_store(ledger.verify).problems == []


def purse(bench: Bench, seconds: int, channels: int = 12) -> Credentials:
    """A new profile with credit for so many seconds, known to Asterisk."""
    name = f"purse {uuid.uuid4().hex[:8]}"

    def make() -> Credentials:
        made = profiles.create_profile(name, channels, "asterisk", now(), COMPANY)
        if seconds:
            credit.add(made.username, seconds * SECOND, name, now())
        return made

    made = bench.in_store(make)
    path = f"/endpoints/PJSIP/{made.username}"
    assert process.waited(lambda: bench.ari(path) is not None, 10, 0.1)
    return made


def caller(
    bench: Bench, who: Credentials, count: int = 1, number: str = "answered", rate: float = 20, **how: str
) -> sipp.Run:
    """SIPp as the profile's PBX: calls that the far side has to end."""
    row = (who.username, sipp.authentication(who.username, who.password), NUMBERS[number])
    scenario = "mixed-endings/refusal.xml" if how else "mixed-endings/callee-first.xml"
    return bench.sipp(scenario, row, bench.instance.ports.sip, calls=count, rate=rate, words=how)


def test_a_call_is_cut_at_its_paid_second(by_the_second: Bench) -> None:
    """Credit for five seconds is five seconds, both legs; the sixth is never charged; the next call is refused."""
    bench = by_the_second
    who = purse(bench, 5)
    outcome = bench.begin("cut at the paid second")
    assert caller(bench, who).start().wait(20).successful == 1
    assert caller(bench, who, status="403").start().wait(20).successful == 1
    refused, cut = bench.end(outcome)
    assert outcome.problems == []
    assert (cut.ending, cut.price_micros, refused.refusal) == ("cut_off", 5 * SECOND, "no_credit")
    assert 5_000 <= cut.duration_ms < 6_000
    assert 5_000 <= bench.talked_ms()[cut.id] < 6_000
    left = bench.in_store(lambda: credit.credit(who.username, now()))
    assert (left.available_micros, left.held_micros) == (0, 0)
    told = bench.in_store(lambda: history.explain(cut.id))
    assert (told.billed_s, told.agrees) == (5, True)


@pytest.mark.parametrize("number", ["answered", "answers_late"])
def test_the_cut_off_is_asterisks_own(number: str, by_the_second: Bench) -> None:
    """The connector is killed when the call is answered, or while it rings: it ends at its paid second all the same.

    Started again, the connector charges what was held, to the second: Asterisk's journal has the answer and the end.
    """
    bench = by_the_second
    who = purse(bench, 5)
    outcome = bench.begin("cut without the connector")
    run = caller(bench, who, number=number).start()
    if number == "answered":
        bench.until(outcome, "it talks", lambda: bench.answered() == 1, 5)
    else:
        bench.until(outcome, "it rings", lambda: len(bench.legs()) == 2, 5)
    os.kill(bench.supervisor.pid("connector"), signal.SIGKILL)
    assert run.wait(20).successful == 1
    assert process.waited(lambda: not bench.legs(), 5, 0.1)
    assert bench.restored()
    (cdr,) = bench.end(outcome)
    assert outcome.problems == []
    assert 5_000 <= bench.talked_ms()[cdr.id] < 6_000
    assert (cdr.ending, cdr.price_micros) == ("cut_off", 5 * SECOND)
    assert bench.in_store(lambda: credit.credit(who.username, now())).held_micros == 0


@pytest.fixture
def small_slices(by_the_second: Bench) -> Iterator[Bench]:
    """The lab, with calls paid ahead by three seconds."""
    with by_the_second.with_settings("\n[calls]\nslice_s = 3\nwarning_s = 3\n"):
        yield by_the_second


def test_ten_calls_share_one_balance_exactly(small_slices: Bench) -> None:
    """Sixty seconds of credit for ten calls: together they talk sixty paid seconds, and not one more."""
    bench = small_slices
    who = purse(bench, 60)
    outcome = bench.begin("ten calls, one balance")
    assert caller(bench, who, 10).start().wait(40).successful == 10
    cdrs = bench.end(outcome)
    assert outcome.problems == []
    assert [cdr.ending for cdr in cdrs] == ["cut_off"] * 10
    assert sum(cdr.price_micros or 0 for cdr in cdrs) == 60 * SECOND
    for cdr in cdrs:
        assert 0 <= cdr.duration_ms - (cdr.price_micros or 0) < 1_000  # a second costs a thousandth
        assert cdr.duration_ms >= 3_000
    left = bench.in_store(lambda: credit.credit(who.username, now()))
    assert (left.available_micros, left.held_micros) == (0, 0)


def test_a_tone_warns_of_the_end(small_slices: Bench) -> None:
    """Three seconds before the money ends, a tone is whispered to the caller, who talks on to the paid second."""
    bench = small_slices
    who = purse(bench, 7)
    outcome = bench.begin("warning tone")
    run = caller(bench, who).start()
    bench.until(outcome, "a tone is whispered", lambda: any("Snoop/" in leg["name"] for leg in bench.legs()), 9)
    warned_at = now()
    assert run.wait(20).successful == 1
    (cdr,) = bench.end(outcome)
    assert outcome.problems == []
    assert (cdr.ending, cdr.price_micros) == ("cut_off", 7 * SECOND)
    assert 7_000 <= cdr.duration_ms < 8_000
    assert cdr.ended_at - warned_at > 1_000  # a second later the tone would have had no time to be heard


def drain(username: str, leave_s: int) -> None:
    """Use a bundle up, but for some seconds, by calls that are in the books only."""
    while (left := plans.show(username).bundle_seconds_left) > leave_s:
        call_id, at = uuid.uuid4().hex, now()
        attempt = Attempt(call_id, Direction.OUT, "none", username, NUMBERS["answered_us"], "", at, at)
        seconds = min(left - leave_s, 86_400)
        got = calls.admit(attempt, "books", Slicing(seconds, 86_400))
        assert isinstance(got, Admitted)
        progress = Progress("none")
        progress.answered_at = at - seconds * 1000
        progress.leg_ended("none", at, 16)
        calls.ended(call_id, progress, at)


def test_a_bundle_that_runs_out_in_mid_call(small_slices: Bench) -> None:
    """The first four seconds are the bundle's, the others the company pays; the profile's credit pays nothing."""
    bench = small_slices
    who = purse(bench, 5)

    def buy() -> None:
        plans.change(who.username, None, 1, now())
        drain(who.username, 4)

    bench.in_store(buy)
    outcome = bench.begin("bundle runs out")
    row = (who.username, sipp.authentication(who.username, who.password), NUMBERS["answered_us"])
    run = bench.sipp("hold-and-refuse/caller.xml", row, bench.instance.ports.sip, calls=1, rate=1, hold_s=9)
    assert run.start().wait(30).successful == 1
    (cdr,) = bench.end(outcome)
    assert outcome.problems == []
    told = bench.in_store(lambda: history.explain(cdr.id))
    assert (told.bundle_s, told.payer, told.agrees) == (4, "company", True)
    assert told.billed_s in (9, 10)
    assert cdr.price_micros == (told.billed_s - 4) * SECOND
    assert sum(1 for entry in told.entries if entry.kind == "hold") >= 3
    assert plans_left(bench, who) == 0
    assert bench.in_store(lambda: credit.credit(who.username, now())).available_micros == 5 * SECOND
    assert bench.in_store(lambda: trials.price(NUMBERS["answered_us"], 1, now(), who.username, None)).payer == "company"


def plans_left(bench: Bench, who: Credentials) -> int:
    """The bundle seconds that are left."""
    return bench.in_store(lambda: plans.show(who.username)).bundle_seconds_left


def test_300_calls_while_auto_recharge_fires_once(bench: Bench) -> None:
    """The credit falls below its threshold in the midst of a burst: one recharge, and nobody is refused."""
    name = bench.profiles[0].name

    def lower() -> int:
        have = credit.credit(name, now()).available_micros
        credit.take_back(name, have - 2 * MICROS, uuid.uuid4().hex, now())
        credit.set_recharge(name, 100 * MICROS, MICROS, None, now())
        return have

    had = bench.in_store(lower)
    outcome = bench.begin("300 calls and one recharge")
    try:
        run = bench.caller(UNTIL_BYE, LIMIT, LIMIT).start()
        bench.until(outcome, "300 calls are up", lambda: bench.answered() == LIMIT, 30)
        bench.instance.far_end_hangs_up()
        result = run.wait(60)
        assert (result.successful, result.counts["ended"]) == (LIMIT, LIMIT)
        cdrs = bench.end(outcome)
        assert outcome.problems == []
        recharges = [entry for entry in bench.in_store(lambda: ledger.entries(5_000)) if entry.kind == "recharge"]
        assert len(recharges) == 1
        spent = sum(cdr.price_micros or 0 for cdr in cdrs)
        assert bench.in_store(lambda: credit.credit(name, now())).available_micros == 102 * MICROS - spent
    finally:
        bench.in_store(lambda: credit.stop_recharge(name, now()))
        bench.in_store(lambda: credit.add(name, had, uuid.uuid4().hex, now()))
    assert bench.in_store(ledger.verify).problems == []
