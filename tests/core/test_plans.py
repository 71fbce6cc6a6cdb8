"""What is sold, for how long, and what comes back (BRIEF, rules 1, 3, 4, 5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.core import money, plans, times
from connector.core.plans import channels_sold
from connector.errors import BadInput

SOLD = """
1   -> 1
99  -> 99
100 -> 100
101 -> 100
104 -> 100
105 -> 110
115 -> 120
294 -> 290
295 -> 300
300 -> 300
"""


@pytest.mark.parametrize("line", SOLD.strip().splitlines())
def test_channels_above_100_are_sold_in_tens(line: str) -> None:
    """Above 100, channels are rounded half up to tens."""
    asked, sold = (int(word) for word in line.split("->"))
    assert channels_sold(asked) == sold


@pytest.mark.parametrize("asked", [0, -5, 301, 304, 10**18])
def test_other_amounts_are_refused(asked: int) -> None:
    """0, negative and more than 300 channels are not sold."""
    with pytest.raises(BadInput):
        channels_sold(asked)


def test_there_are_never_more_bundles_than_channels() -> None:
    """As many as channels, and none below nothing."""
    assert plans.bundles_sold(5, 5) == 5
    for bundles, channels in ((6, 5), (-1, 5)):
        with pytest.raises(BadInput):
            plans.bundles_sold(bundles, channels)


@pytest.mark.parametrize("line", """
2026-01-31T23:30:00 -> 2026-03-02T23:30:00
2026-02-27T00:00:00 -> 2026-03-29T00:00:00
2028-02-29T12:00:00 -> 2028-03-30T12:00:00
2026-03-28T23:30:00 -> 2026-04-27T23:30:00
""".strip().splitlines())  # fmt: skip
def test_a_term_is_30_days_to_the_second(line: str) -> None:
    """2,592,000 s in UTC, whatever the calendar and summer time do."""
    start, end = (times.from_asterisk(f"{word}.000+0000") for word in line.split(" -> "))
    assert plans.term_end(start) == end


TABLE = (Path(__file__).parent.parent / "tables" / "refunds.txt").read_text()


@pytest.mark.parametrize("line", [line for line in TABLE.splitlines() if not line.startswith("#")])
def test_what_comes_back(line: str) -> None:
    """The used part is half up to the minor unit, and the two add up to the price exactly."""
    currency, price, elapsed, seconds, _, used, refund = line.split()
    used_s, sold_s = (int(word) for word in seconds.split("/"))
    paid = money.amount(price)
    got = plans.refund(paid, int(elapsed), plans.TERM_MS, currency, used_s=used_s, sold_s=sold_s)
    assert (paid - got, got) == (money.amount(used, zero=True), money.amount(refund, zero=True))


def test_days_and_months_are_the_companys() -> None:
    """A day begins at midnight of its time zone, a month with its first day, in summer and in winter."""
    late = times.from_asterisk("2026-06-30T23:30:00.000+0000")
    assert times.local_day(late, "Europe/London") == "2026-07-01"
    assert times.local_day(late, "America/New_York") == "2026-06-30"
    assert times.iso(times.month_start("2026-07", "Europe/London")) == "2026-06-30T23:00:00.000Z"
    assert times.iso(times.month_start("2026-11", "Europe/London")) == "2026-11-01T00:00:00.000Z"
    assert [times.next_month(month) for month in ("2026-01", "2026-12")] == ["2026-02", "2027-01"]
    with pytest.raises(BadInput):
        times.checked_zone("Mars/Olympus")
