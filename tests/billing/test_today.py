"""The day of an overview: the same figures as the CDRs, for a company and for one profile of it."""

from __future__ import annotations

from dataclasses import fields

import pytest

from connector.billing import calls, credit, history, plans, profiles, today
from connector.billing.profiles import Credentials
from connector.core import times
from connector.core.access import Scope
from connector.core.calls import Admitted, Attempt, Direction, Progress
from connector.core.money import MICROS
from connector.core.plans import DAY_MS
from connector.core.reach import State
from connector.routing import reachability
from tests.conftest import NOW

ZONE = "Europe/London"
# The deck of the fixtures is in use from NOW on.
MIDNIGHT = times.instant(f"{times.local_day(NOW + DAY_MS, ZONE)}T00:00", ZONE)
LATER = NOW + 5 * DAY_MS
HOUR_MS = today.HOUR_MS


def begin(call_id: str, username: str, at: int, number: str = "+442079460001") -> bool:
    """A call out, answered at once; whether it was admitted."""
    attempt = Attempt(call_id, Direction.OUT, f"leg-{call_id}", username, number, "101", at, at)
    if not isinstance(calls.admit(attempt, "n"), Admitted):
        return False
    calls.answered(call_id, at, f"other-{call_id}")
    return True


def end(call_id: str, began: int, at: int) -> None:
    """Its end."""
    progress = Progress(f"leg-{call_id}")
    progress.answered_at = began
    progress.leg_ended(f"leg-{call_id}", at, 16)
    calls.ended(call_id, progress, at)


def test_the_channels_of_each_hour(office: Credentials) -> None:
    """Every hour since midnight in the company's zone, with the most that were in use, also by calls that are up; the
    other days and the other profiles of a scope are left out.
    """
    other = profiles.create_profile("branch", 2, "asterisk", NOW)
    credit.add("branch", 10 * MICROS, "branch", NOW)
    for together in ({"before": MIDNIGHT - 2 * HOUR_MS}, {"a": MIDNIGHT + HOUR_MS, "b": MIDNIGHT + HOUR_MS + 1}):
        for name, at in together.items():
            assert begin(name, office.username, at)
        for name, at in together.items():
            end(name, at, at + 60_000)
    assert begin("up", office.username, MIDNIGHT + 3 * HOUR_MS)
    assert begin("other", other.username, MIDNIGHT + HOUR_MS)
    end("other", MIDNIGHT + HOUR_MS, MIDNIGHT + HOUR_MS + 1000)
    now = MIDNIGHT + 5 * HOUR_MS + 1
    found = today.of(Scope(1), now)
    assert [hour.at for hour in found.hours] == [MIDNIGHT + hour * HOUR_MS for hour in range(6)]
    assert [hour.in_use for hour in found.hours] == [0, 2 + 1, 0, 1, 1, 1]
    assert found.most == found.hours[1]
    assert (found.calls, found.channels) == (3, 5)
    own = today.of(Scope(1, profiles.profile_id(other.username)), now)
    assert [hour.in_use for hour in own.hours] == [0, 1, 0, 0, 0, 0]
    assert (own.calls, own.channels) == (1, 2)
    end("up", MIDNIGHT + 3 * HOUR_MS, now)


def test_refused_calls_are_counted_by_profile_and_reason(office: Credentials) -> None:
    """Those of the last 24 hours, the commonest first; each is a reason of the list."""
    for number, count, at in (
        ("banana", 2, LATER),
        ("+449000000000", 3, LATER - HOUR_MS),
        ("banana", 9, LATER - 2 * DAY_MS),
    ):
        for one in range(count):
            assert not begin(f"{number}{at}-{one}"[:32], office.username, at, number)
    found = today.of(Scope(1), LATER + 1).refusals
    shown = [(each.profile, each.username, each.code, each.calls, each.last_at) for each in found]
    assert shown == [
        ("office", office.username, "destination_blocked", 3, LATER - HOUR_MS),
        ("office", office.username, "number_invalid", 2, LATER),
    ]
    assert found == today.of(Scope(1, profiles.profile_id(office.username)), LATER + 1).refusals
    assert today.of(Scope(1), LATER + 3 * DAY_MS).refusals == ()


@pytest.mark.parametrize(("calls_cost", "channel_costs"), [(False, 0), (True, 0), (False, 20), (True, 20)])
def test_how_long_money_lasts(office: Credentials, calls_cost: bool, channel_costs: int) -> None:
    """By a seventh of a week's calls and a thirtieth of a month's renewals a day; None if neither costs anything."""
    plans.set_prices(channel_costs * MICROS, 0)
    spent = 0
    if calls_cost:
        assert begin("long", office.username, LATER - 2 * DAY_MS)
        end("long", LATER - 2 * DAY_MS, LATER - 2 * DAY_MS + 60_000)
        spent = history.cdr("long").price_micros or 0
        assert spent > 0
    a_day = spent // 7 + 3 * channel_costs * MICROS // 30
    assert today.lasts_days(1, 90 * MICROS, LATER) == (90 * MICROS // a_day if a_day else None)
    assert today.lasts_days(1, -1, LATER) == (0 if a_day else None)


def test_the_way_to_the_first_call(company: str) -> None:
    """Each step is done when it has been taken, and no sooner."""

    def done() -> set[str]:
        """The steps that are done."""
        begun = today.begun(1, NOW + 1)
        return {field.name for field in fields(begun) if getattr(begun, field.name)}

    first = done()
    assert not first & {"profile", "channels", "credit", "connected", "number", "called"}
    made = profiles.create_profile("office", 0, "asterisk", NOW)
    assert done() - first == {"profile"}
    credit.top_up(100 * MICROS, "begun", NOW)
    plans.buy(made.username, 1, 0, NOW)
    credit.add("office", 10 * MICROS, "begun", NOW)
    reachability.note("n", {made.username: State("up", "registered")}, NOW)
    assert done() - first - {"money"} == {"profile", "channels", "credit", "connected"}
    assert begin("first", made.username, NOW)
    end("first", NOW, NOW + 1000)
    assert "called" in done()


def test_since_when_a_pbx_is_reachable(company: str) -> None:
    """Since the state changed last, whatever was said of it meanwhile, on each node by itself."""
    words = [("up", "a"), ("down", "b"), ("up", "c"), ("up", "d")]
    for at, (state, said) in enumerate(words):
        reachability.note("one", {"pabc": State(state, said)}, NOW + at)
    reachability.note("two", {"pabc": State("down", "e"), "pother": State("up", "f")}, NOW)
    found = [(each.node, each.state, each.words, each.since - NOW) for each in reachability.of_endpoint("pabc")]
    assert found == [("one", "up", "d", 2), ("two", "down", "e", 0)]
    assert reachability.of_endpoint("pnone") == []
