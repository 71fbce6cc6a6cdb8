"""When it is open: as people write it, by the company's own clock."""

from __future__ import annotations

import pytest

from connector.core import hours, times
from connector.errors import BadInput

LONDON = "Europe/London"
# periods | an instant by the clock of London | open or shut
TABLE = """
mon-fri 09:00-17:30                       | 2026-11-23T09:00     | open
mon-fri 09:00-17:30                       | 2026-11-23T08:59     | shut
mon-fri 09:00-17:30                       | 2026-11-27T17:29     | open
mon-fri 09:00-17:30                       | 2026-11-27T17:30     | shut
mon-fri 09:00-17:30                       | 2026-11-28T12:00     | shut
mon-fri 09:00-17:30, sat 10:00-13:00      | 2026-11-28T12:00     | open
sat-mon                                   | 2026-11-23T12:00     | open
sat-mon                                   | 2026-11-24T12:00     | shut
sun                                       | 2026-11-22T23:59     | open
daily 22:00-06:00                         | 2026-11-23T23:00     | open
daily 22:00-06:00                         | 2026-11-23T05:59     | open
daily 22:00-06:00                         | 2026-11-23T06:00     | shut
22:00-06:00                               | 2026-11-23T02:00     | open
fri 22:00-06:00                           | 2026-11-28T05:00     | open
fri 22:00-06:00                           | 2026-11-27T05:00     | shut
daily 00:00-24:00                         | 2026-11-23T23:59     | open
2026-12-25                                | 2026-12-25T00:00     | open
2026-12-25                                | 2027-12-25T00:00     | shut
12-25..12-26                              | 2031-12-26T23:59     | open
12-25..12-26                              | 2031-12-27T00:00     | shut
12-24..01-02                              | 2027-01-02T12:00     | open
12-24..01-02                              | 2026-12-23T23:59     | shut
2026-12-24..2027-01-02 10:00-12:00        | 2026-12-31T11:00     | open
2026-12-24..2027-01-02 10:00-12:00        | 2026-12-31T12:00     | shut
02-29                                     | 2028-02-29T12:00     | open
MON-Fri   09:00-17:30                     | 2026-11-23T12:00     | open
sun 00:00-03:00                           | 2026-03-29T02:30     | open
sun 01:30-02:00                           | 2026-10-25T00:30Z    | open
sun 01:30-02:00                           | 2026-10-25T01:30Z    | open
mon-fri 09:00-17:30                       | 2026-07-06T08:30Z    | open
mon-fri 09:00-17:30                       | 2026-11-23T08:30Z    | shut
"""


@pytest.mark.parametrize("line", TABLE.strip().splitlines())
def test_open_or_shut(line: str) -> None:
    """From the first minute to before the last; nights belong to the day they begin on; summer time is the wall's."""
    periods, when, wanted = (cell.strip() for cell in line.split("|"))
    assert hours.parse(periods).cover(times.instant(when, LONDON), LONDON) is (wanted == "open")


@pytest.mark.parametrize(
    "text",
    ["", ",", "open", "mon-", "mon-fry", "mon 9-17", "mon 09:00-09:00", "mon 25:00-26:00", "02-30", "2026-13-01",
     "2027-01-01..2026-01-01", "2026-12-24..12-26", "mon 09:00", "mon fri", "${X}", "mon\u0661", "24:00-06:00",
     ", ".join(["mon"] * 101)],
)  # fmt: skip
def test_what_is_no_period_is_named(text: str) -> None:
    """And nothing is guessed."""
    with pytest.raises(BadInput, match="period"):
        hours.parse(text)


def test_an_instant_is_by_the_wall_unless_it_says_its_zone() -> None:
    """`--at` of `route test`."""
    assert times.instant("2026-07-06T10:00", LONDON) == times.instant("2026-07-06T09:00Z", LONDON)
    for wrong in ("", "noon", "2026-13-01T00:00", "9999999"):
        with pytest.raises(BadInput, match="Invalid time"):
            times.instant(wrong, LONDON)
