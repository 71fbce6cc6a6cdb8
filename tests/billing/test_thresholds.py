"""Thresholds of companies' own: when each is passed, whose they are, and that each thing is told once."""

from __future__ import annotations

import pytest

from connector.billing import alerts, calls, credit, limits, plans, profiles, thresholds
from connector.billing.profiles import Credentials
from connector.core.access import EVERYTHING, Scope
from connector.core.alerts import KINDS, THRESHOLDS
from connector.core.calls import Attempt, Direction, Progress
from connector.core.money import MICROS
from connector.core.plans import DAY_MS
from connector.core.reach import State
from connector.errors import BadInput, NotFound
from connector.routing import reachability
from tests.conftest import NOW


def told(now: int) -> list[str]:
    """What of thresholds there is to tell, in words; it is told by that."""
    found = [each for each in alerts.look(now) if each.key.startswith("threshold:")]
    assert all(each.kind in KINDS for each in found)
    return [each.text for each in found if alerts.tell(each, now)]


def call(office: Credentials, name: str, talked_s: int | None, dialled: str = "+442079460001") -> None:
    """A call out; None: it is still up."""
    calls.admit(Attempt(name, Direction.OUT, "A", office.username, dialled, "1", NOW, NOW), "node")
    if talked_s is not None:
        progress = Progress("A")
        progress.answered_at = NOW
        progress.leg_ended("A", NOW + talked_s * 1000, 16)
        calls.ended(name, progress, NOW + talked_s * 1000)


def test_a_low_balance_is_told_once_a_day(office: Credentials) -> None:
    """Below its value, and not at it."""
    have = credit.balance().available_micros
    thresholds.create("balance", have, None, None, NOW)
    assert told(NOW) == []
    credit.add("office", MICROS, "one", NOW)
    assert len(told(NOW)) == 1
    assert told(NOW + 1_000) == []
    assert len(told(NOW + DAY_MS)) == 1
    credit.top_up(2 * MICROS, "more", NOW)
    assert told(NOW + 2 * DAY_MS) == []


def test_a_low_credit_is_that_of_its_profile(office: Credentials) -> None:
    """In words that name it."""
    thresholds.create("credit", 20 * MICROS, None, office.username, NOW)
    assert told(NOW) == ["office: Credit below £20.00: it is £10.00"]


def test_what_calls_cost_in_a_day_and_a_month(office: Credentials) -> None:
    """At its value and above; of a profile, and of the company; the day is over at midnight, the month is told once."""
    call(office, "a", 60)  # £0.023
    thresholds.create("spend_day", 23_000, None, None, NOW)
    thresholds.create("spend_day", 23_001, None, None, NOW)
    thresholds.create("spend_month", 23_000, None, "office", NOW)
    assert told(NOW) == [
        "Acme: Calls of a day cost £0.023: it is £0.023",
        "office: Calls of a month cost £0.023: it is £0.023",
    ]
    assert told(NOW + DAY_MS) == []
    call(office, "b", 60)
    assert told(NOW) == ["Acme: Calls of a day cost £0.023001: it is £0.046"]


def test_channels_in_use_and_refused_calls(office: Credentials) -> None:
    """As they are now, and as they were today."""
    thresholds.create("channels", 2, None, "office", NOW)
    thresholds.create("refusals", 1, None, None, NOW)
    call(office, "a", None)
    assert told(NOW) == []
    call(office, "b", None)
    call(office, "c", None, "+449012345678")
    texts = told(NOW)
    assert "office: Channels in use 2: it is 2" in texts
    assert len(texts) == 2
    for name in "ab":
        calls.ended_unseen(next(each for each in calls.live() if each.id == name), None, NOW)


def test_a_pbx_that_is_lost(office: Credentials) -> None:
    """After a minute; each time anew; not while another node reaches it."""
    thresholds.create("unregistered", 0, None, "office", NOW)
    reachability.note("one", {office.username: State("down", "not registered")}, NOW)
    assert told(NOW + 59_999) == []
    assert len(told(NOW + 60_000)) == 1
    assert told(NOW + DAY_MS) == []
    reachability.note("two", {office.username: State("up", "registered")}, NOW + DAY_MS)
    reachability.note("one", {office.username: State("down", "not registered")}, NOW + DAY_MS + 1)
    assert told(NOW + 2 * DAY_MS) == []
    reachability.note("two", {office.username: State("down", "not registered")}, NOW + 2 * DAY_MS)
    assert len(told(NOW + 3 * DAY_MS)) == 1


@pytest.mark.parametrize(
    ("kind", "limit", "profile", "words"),
    [
        ("nothing", 1, None, "not a kind"),
        ("balance", 0, None, "above 0"),
        ("balance", 1, "office", "whole company"),
        ("credit", 1, None, "applies to a profile"),
        ("unregistered", 0, None, "applies to a profile"),
        ("spend_day", 10**16, None, "above 0"),
    ],
)
def test_what_says_nothing_is_refused(
    office: Credentials, kind: str, limit: int, profile: str | None, words: str
) -> None:
    """And is not kept."""
    with pytest.raises(BadInput, match=words):
        thresholds.create(kind, limit, None, profile, NOW)
    assert thresholds.views(EVERYTHING) == []


def test_whose_they_are(office: Credentials) -> None:
    """Those of a company are its own; removed, nothing is told; those of a deleted profile are gone."""
    profiles.create_company("Other", "EUR", "Europe/Paris", NOW)
    made = thresholds.create("credit", 20 * MICROS, None, office.username, NOW)
    other = thresholds.create("balance", 1, "Other", None, NOW)
    assert [each.id for each in thresholds.views(Scope(2))] == [other.id]
    assert [each.words for each in thresholds.views(Scope(1))] == ["Credit below £20.00"]
    plans.delete_profile("office", NOW)
    assert told(NOW) == ["Other: Balance below €0.000001: it is €0.00"]
    assert thresholds.views(Scope(1)) == []
    thresholds.remove(made.id)
    thresholds.remove(other.id)
    with pytest.raises(NotFound):
        thresholds.remove(made.id)
    assert told(NOW) == []


def test_a_budget_warns_before_it_cuts(office: Credentials) -> None:
    """From four fifths of it on, once; and once more when it is spent. Of the day and of the month."""

    def budgets() -> list[str]:
        found = [each for each in alerts.look(NOW) if each.kind == "budget"]
        return [each.text for each in found if alerts.tell(each, NOW)]

    call(office, "a", 60)  # £0.023
    call(office, "b", 30)  # £0.0115
    limits.change("office", {"day_micros": 43_200, "month_micros": 500_000}, [], [])
    assert budgets() == []
    limits.change("office", {"day_micros": 43_000}, [], [])
    assert budgets() == ["office has spent £0.0345 of its £0.043 for today: at its end calls are refused"]
    assert budgets() == []
    limits.change("office", {"day_micros": 34_500, "month_micros": 40_000}, [], [])
    assert budgets() == [
        "office has spent £0.0345 of its £0.0345 for today: calls are refused",
        "office has spent £0.0345 of its £0.04 for this month: at its end calls are refused",
    ]


def test_every_kind_has_its_words_and_its_notice() -> None:
    """In the catalogue of notices too."""
    assert {of.notice for of in THRESHOLDS.values()} <= KINDS.keys()
