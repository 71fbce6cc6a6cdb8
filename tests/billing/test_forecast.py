"""The forecast of when the money ends is when it ends; the advice is what was cheapest."""

from __future__ import annotations

import heapq
from decimal import Decimal

import pytest

from connector.billing import calls, credit, plans, traffic
from connector.billing.profiles import Credentials
from connector.core.access import EVERYTHING
from connector.core.calls import Admitted, Attempt, Direction, Progress
from connector.core.holds import Slicing, lasts_ms
from connector.core.money import MICROS
from connector.core.plans import DAY_MS
from connector.errors import BadInput
from tests.conftest import NOW

AHEAD_MS = 10_000


def lasts(username: str, at: int) -> int | None:
    """What the page says at an instant."""
    live, have = calls.now_of(EVERYTHING, at), credit.credit("office", at)
    spent, burn = live.credit_spent_micros.get(username, 0), live.credit_burn_micros.get(username, 0)
    return lasts_ms(have.available_micros, have.held_micros, spent, burn)


def begin(office: Credentials, number: int, called: str, at: int, slicing: Slicing) -> tuple[str, int]:
    """A call that is answered at once; until when it is paid."""
    attempt = Attempt(f"{number:08d}", Direction.OUT, "leg", office.username, called, "101", at, at)
    got = calls.admit(attempt, "node", slicing)
    assert isinstance(got, Admitted)
    held = calls.answered(got.call_id, at, "other", slicing)
    assert held is not None
    return got.call_id, held


def end(call_id: str, answered_at: int, at: int) -> None:
    """It is over."""
    progress = Progress("leg")
    progress.answered_at = answered_at
    progress.leg_ended("leg", at, 16)
    calls.ended(call_id, progress, at)


@pytest.mark.parametrize("slice_s", [6, 30, 60])
@pytest.mark.parametrize("called", [["+442079460001"], ["+442079460001", "+331234567890", "+447700900123"]])
def test_the_money_ends_when_it_was_said_to(office: Credentials, slice_s: int, called: list[str]) -> None:
    """Calls that are held open as Asterisk and we do it, until none can be paid any more: whenever somebody looked in
    between, the end came then, to a slice and a block.
    """
    slicing = Slicing(slice_s)
    credit.take_back("office", 9 * MICROS + 400_000, "most", NOW)
    assert lasts(office.username, NOW) is None
    due: list[tuple[int, str, int]] = []
    for number, each in enumerate(called):
        call_id, held = begin(office, number, each, NOW, slicing)
        heapq.heappush(due, (NOW + held * 1000 - AHEAD_MS, call_id, held))
    said: list[int] = []
    first_cut = 0
    while due:
        at, call_id, held = heapq.heappop(due)
        more = calls.extend(call_id, held, at, slicing)
        assert more is not None
        if more == held:
            end(call_id, NOW, NOW + held * 1000)
            first_cut = first_cut or NOW + held * 1000
            last_cut = NOW + held * 1000
            continue
        heapq.heappush(due, (NOW + more * 1000 - AHEAD_MS, call_id, more))
        left = lasts(office.username, at)
        assert left is not None
        if not first_cut:
            said.append(at + left)
    assert len(said) > 3
    near_ms = (slice_s + 60) * 1000  # a mobile call is billed by the minute
    assert all(first_cut - near_ms <= end_at <= last_cut + near_ms for end_at in said)
    assert last_cut - first_cut <= 2 * near_ms
    assert credit.credit("office", NOW).available_micros < 100_000


def test_the_cheapest_mix_is_told_beside_what_is_bought(office: Credentials) -> None:
    """A profile that calls the United States for 90 hours is told of the bundle that it should have had."""
    with pytest.raises(BadInput):
        traffic.cheapest("office", Decimal("0.01"), NOW)
    credit.add("office", 9_000 * MICROS, "much", NOW)
    for number in range(90):
        at = NOW + number * 4_000_000
        call_id, held = begin(office, number, "+12125550100", at, Slicing(3_600))
        assert held >= 3_600
        end(call_id, at, at + 3_600_000)
    now = NOW + 10 * DAY_MS
    plans.set_prices(5 * MICROS, 60 * MICROS)
    found = traffic.cheapest("office", Decimal("0.01"), now)
    assert found.us_seconds == 90 * 3_600
    assert found.bought is not None
    assert (found.bought.channels, found.bought.bundles) == (3, 0)
    assert found.bought.calls_micros == 90 * 60 * 20_000  # 108 GBP at 0.02 a minute
    assert (found.best.bundles, found.best.channels) == (1, found.needed)
    assert found.best.calls_micros == 24_000 // 60 * 20_000  # what 5,000 minutes leave
    assert found.saves_micros == found.bought.total_micros - found.best.total_micros > 0
    assert traffic.cheapest("office", Decimal("0.01"), now + 60 * DAY_MS).us_seconds == 0
