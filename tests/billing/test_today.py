"""The day of an overview: the same figures as the CDRs, for a company and for one profile of it."""

from __future__ import annotations

from dataclasses import fields

import pytest

from connector.billing import calls, credit, decks, history, numbers, plans, profiles, today
from connector.billing.profiles import Credentials
from connector.core import times
from connector.core.access import Scope
from connector.core.calls import Admitted, Attempt, Direction, Progress
from connector.core.money import MICROS
from connector.core.plans import DAY_MS
from connector.core.reach import State
from connector.database.store import Store
from connector.routing import reachability, trunks
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
    """Those of the month, all of them, the commonest first; of a deleted profile without its name."""
    other = profiles.create_profile("branch", 0, "asterisk", NOW)
    for username, number, count in (
        (office.username, "banana", 2),
        (office.username, "+449000000000", 3),
        (other.username, "+442079460001", 1),
    ):
        for one in range(count):
            assert not begin(f"{username}{number}{one}", username, LATER, number)
    profiles_of = {office.username: "office", "": ""}
    found = today.of(Scope(1), LATER + 1)
    assert found.month == times.local_month(LATER, ZONE)
    assert [(each.username, each.code, each.calls) for each in found.refusals] == [
        (office.username, "destination_blocked", 3),
        (office.username, "number_invalid", 2),
        (other.username, "profile_not_active", 1),
    ]
    assert found.reasons == 3
    plans.delete_profile(other.username, LATER)
    found = today.of(Scope(1), LATER + 1)
    assert [(each.profile, each.username) for each in found.refusals] == [
        (profiles_of[name], name) for name in (office.username, office.username, "")
    ]
    own = today.of(Scope(1, profiles.profile_id(office.username)), LATER + 1)
    assert own.refusals == found.refusals[:2]
    assert today.of(Scope(1), LATER + 40 * DAY_MS).refusals == ()


def test_the_day_of_a_zone_with_half_hours(office: Credentials) -> None:
    """No hour of yesterday is in it: it begins with the first whole hour."""
    profiles.create_company("Delhi", "INR", "Asia/Kolkata", NOW)
    midnight = times.instant(f"{times.local_day(LATER, 'Asia/Kolkata')}T00:00", "Asia/Kolkata")
    found = today.of(Scope(2), midnight + 2 * HOUR_MS)
    assert [hour.at - midnight for hour in found.hours] == [HOUR_MS // 2, HOUR_MS * 3 // 2]


@pytest.mark.parametrize(("calls_cost", "channel_costs"), [(False, 0), (True, 0), (False, 20), (True, 20)])
def test_how_long_money_lasts(office: Credentials, calls_cost: bool, channel_costs: int) -> None:
    """By the calls of each day since the first, of a week at most, and a thirtieth of a month's renewals a day; None if
    neither costs anything.
    """
    plans.set_prices(channel_costs * MICROS, 0)
    spent = 0
    if calls_cost:
        assert begin("long", office.username, LATER - 2 * DAY_MS)
        end("long", LATER - 2 * DAY_MS, LATER - 2 * DAY_MS + 60_000)
        spent = history.cdr("long").price_micros or 0
        assert spent > 0
    for days, now in (
        (1, LATER - 2 * DAY_MS + HOUR_MS),
        (2, LATER),
        (7, LATER + 5 * DAY_MS),
        (None, LATER + 6 * DAY_MS),
    ):
        due = 3 * channel_costs * MICROS // 30 * (now + 30 * DAY_MS > NOW + 30 * DAY_MS)
        a_day = (spent // days if days else 0) + due
        assert today.lasts_days(1, 90 * MICROS, now) == (90 * MICROS // a_day if a_day else None), days
        assert today.lasts_days(1, -1, now) == (0 if a_day else None)


def test_the_way_to_the_first_call(store: Store) -> None:
    """Each step is done when it has been taken, and no sooner."""
    profiles.create_company("Acme", "GBP", ZONE, NOW)
    username = ""
    steps: list[set[str]] = []

    def step() -> None:
        """What is done now and was not before."""
        begun = today.begun(1, username, NOW + 1)
        done = {each.name for each in fields(begun) if getattr(begun, each.name)}
        steps.append(done - set().union(*steps))
        assert done == set().union(*steps)

    step()
    decks.load(decks.SAMPLE.read_text(), "sample", NOW, "Acme")
    step()
    trunks.create_trunk("carrier", "127.0.0.1", 5070, NOW)
    step()
    username = profiles.create_profile("office", 0, "asterisk", NOW).username
    step()
    credit.top_up(100 * MICROS, "begun", NOW)
    step()
    plans.buy(username, 1, 0, NOW)
    step()
    credit.add("office", 10 * MICROS, "begun", NOW)
    step()
    reachability.note("n", {username: State("up", "registered")}, NOW)
    step()
    numbers.add("+442079460100", "office", NOW)
    step()
    assert begin("first", username, NOW)
    end("first", NOW, NOW + 1000)
    step()
    assert steps == [
        set(), {"rates"}, {"trunk"}, {"profile"}, {"money"}, {"channels"}, {"credit"}, {"connected"}, {"number"},
        {"called"},
    ]  # fmt: skip
    other = profiles.create_profile("other", 0, "asterisk", NOW).username
    begun = today.begun(1, other, NOW + 1)
    assert (begun.channels, begun.credit, begun.connected, begun.number) == (False,) * 4


@pytest.mark.parametrize(("price", "free"), [("0.00", True), ("0.01", False)])
def test_calls_without_billing_need_no_credit(store: Store, price: str, free: bool) -> None:
    """By the prices of ordinary numbers."""
    profiles.create_company("Acme", "GBP", ZONE, NOW)
    assert not today.calls_are_free(1, LATER)
    sheet = "prefix,name,price_per_minute\n" + "".join(f"{code},{code},{price}\n" for code in ("44", "1", "49"))
    decks.load(sheet, "flat", NOW, "Acme")
    assert today.calls_are_free(1, LATER) is free


def test_since_when_a_pbx_is_reachable(company: str) -> None:
    """Since the state changed last, whatever was said of it meanwhile, on each node by itself."""
    words = [("up", "a"), ("down", "b"), ("up", "c"), ("up", "d")]
    for at, (state, said) in enumerate(words):
        reachability.note("one", {"pabc": State(state, said)}, NOW + at)
    reachability.note("two", {"pabc": State("down", "e"), "pother": State("up", "f")}, NOW)
    found = [(each.node, each.state, each.words, each.since - NOW) for each in reachability.of_endpoint("pabc")]
    assert found == [("one", "up", "d", 2), ("two", "down", "e", 0)]
    assert reachability.of_endpoint("pnone") == []
    for at in range(150):  # many changes on one node hide no other node
        reachability.note("one", {"pabc": State("up", str(at))}, NOW + 10 + at)
    found = [(each.node, each.state, each.words, each.since - NOW) for each in reachability.of_endpoint("pabc")]
    assert found == [("one", "up", "149", 2), ("two", "down", "e", 0)]
    reachability.note("one", {"pother": State("down", "g")}, NOW + 100 * DAY_MS)
    assert [each.words for each in reachability.of_endpoint("pabc")] == ["149", "e"], "however long it has been so"
