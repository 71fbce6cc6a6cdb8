"""When a company is open: times of the week and dates, as people write them, by the clock on its own wall.

mon-fri 09:00-17:30, sat 10:00-13:00        office hours
12-25..12-26, 2026-04-06                    holidays: the same day each year, or one day
daily 22:00-06:00                           nights: a time past midnight belongs to the day that it begins on
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from connector.errors import BadInput

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_PERIODS = 100
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-(?:([01][0-9]|2[0-3]):([0-5][0-9])|24:00)")
_DATE = re.compile(r"(?:([0-9]{4})-)?([0-9]{2})-([0-9]{2})")
_WHOLE_DAY = (0, 24 * 60)


@dataclass(frozen=True)
class Period:
    """Days, and the minutes of each from `start` to before `end`, which is past midnight if it is not after `start`.

    Days are `weekdays` (0 is Monday), or dates from `first` to `last`, (year, month, day), the year 0 for every year.
    """

    start: int
    end: int
    weekdays: frozenset[int] = frozenset()
    first: tuple[int, int, int] | None = None
    last: tuple[int, int, int] | None = None

    def covers(self, day: date, minute: int) -> bool:
        """Whether a minute of a day is in it, or in what began the day before."""
        if self.end > self.start:
            return self.start <= minute < self.end and self._has(day)
        return (minute >= self.start and self._has(day)) or (minute < self.end and self._has(day - timedelta(days=1)))

    def _has(self, day: date) -> bool:
        if self.first is None or self.last is None:
            return day.weekday() in self.weekdays
        if self.first[0]:
            return self.first <= (day.year, day.month, day.day) <= self.last
        when, first, last = (0, day.month, day.day), self.first, self.last
        return first <= when <= last if first <= last else when >= first or when <= last


@dataclass(frozen=True)
class Hours:
    """Periods: a moment is in them if it is in one."""

    periods: tuple[Period, ...]

    def cover(self, at: int, zone: str) -> bool:
        """Whether an instant (milliseconds, UTC) is in them, by the clock of a time zone."""
        local = datetime.fromtimestamp(at // 1000, ZoneInfo(zone))
        return any(period.covers(local.date(), local.hour * 60 + local.minute) for period in self.periods)


def canonical(text: str) -> str:
    """The same periods in one line, as they are kept. BadInput as `parse`."""
    parse(text)
    return ", ".join(word for word in _words(text) if word)


def _words(text: str) -> list[str]:
    return [" ".join(part.split()).lower() for part in text.replace("\n", ",").split(",")]


@lru_cache(maxsize=1024)
def parse(text: str) -> Hours:
    """Read periods, with commas between them. BadInput names the one that is none."""
    periods = tuple(_period(word) for word in _words(text) if word)
    if not 1 <= len(periods) <= MOST_PERIODS:
        raise BadInput(
            "hours have 1 to {most_periods} periods, like 'mon-fri 09:00-17:30, sat 10:00-13:00'",
            most_periods=MOST_PERIODS,
        )
    return Hours(periods)


def _period(word: str) -> Period:
    days, _, time = word.partition(" ")
    if _TIME.fullmatch(days):
        days, time = "daily", word
    start, end = _minutes(time, word) if time else _WHOLE_DAY
    if days == "daily":
        return Period(start, end, frozenset(range(7)))
    if days[:3] in DAYS:
        return Period(start, end, _weekdays(days, word))
    first, dots, last = days.partition("..")
    begins = _date(first, word)
    ends = _date(last, word) if dots else begins
    if bool(begins[0]) != bool(ends[0]) or (begins[0] and begins > ends):
        raise _unfit(word)
    return Period(start, end, first=begins, last=ends)


def _weekdays(days: str, word: str) -> frozenset[int]:
    first, dash, last = days.partition("-")
    if first not in DAYS or (dash and last not in DAYS):
        raise _unfit(word)
    begins = DAYS.index(first)
    length = (DAYS.index(last) - begins) % 7 if dash else 0
    return frozenset((begins + day) % 7 for day in range(length + 1))


def _minutes(text: str, word: str) -> tuple[int, int]:
    found = _TIME.fullmatch(text)
    if not found:
        raise _unfit(word)
    start = int(found.group(1)) * 60 + int(found.group(2))
    end = int(found.group(3)) * 60 + int(found.group(4)) if found.group(3) else 24 * 60
    if start == end:
        raise _unfit(word)
    return start, end


def _date(text: str, word: str) -> tuple[int, int, int]:
    found = _DATE.fullmatch(text)
    try:
        if found is None:
            raise ValueError(text)
        year, month, day = int(found.group(1) or 0), int(found.group(2)), int(found.group(3))
        date(year or 2024, month, day)  # 2024 had a 29th of February
    except ValueError:
        raise _unfit(word) from None
    return year, month, day


def _unfit(word: str) -> BadInput:
    return BadInput(
        "Invalid period {word!r}. Use a form like 'mon-fri 09:00-17:30', 'sat', 'daily 22:00-06:00', "
        "'2026-12-25' or '12-24..12-26'.",
        word=word[:40],
    )
