"""Days as people and spreadsheets write them, to milliseconds, in UTC.

Days like 01/02/2026 can be read in two ways: `day_parts` says which numbers they have, and who reads a whole column
decides which of them is the month.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from connector.core.layouts import plain
from connector.core.rating import NEVER
from connector.errors import BadInput

_LONGEST = 60  # of a cell: longer ones are none, and would take long to search
AT_ONCE = frozenset("immediate immediately now asap sofort inmediato".split())
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar enero ene janvier",
            "feb february februar febrero fevrier fev",
            "mar march marz maerz mrz marzo mars",
            "apr april abril abr avril avr",
            "may mai mayo",
            "jun june juni junio juin",
            "jul july juli julio juillet juil",
            "aug august agosto ago aout",
            "sep sept september septiembre septembre",
            "oct october oktober okt octubre octobre",
            "nov november noviembre novembre",
            "dec december dezember dez diciembre dic decembre",
        ),
        1,
    )
    for name in names.split()
}
_VALID = re.compile(r"\b(?:valid|effective|as of|gultig|vigente|applicable)\b[^0-9]{0,20}(.{6,25})", re.IGNORECASE)
_EPOCH_OF_EXCEL = datetime(1899, 12, 30, tzinfo=UTC)


def days_said(text: str) -> list[str]:
    """What a line above the header says that the sheet is valid from, if it does."""
    return [found.group(1).strip(" :,.") for found in _VALID.finditer(text)]


def day_parts(text: str) -> tuple[int, int] | None:
    """The two numbers of a day of which either may be the month; None if it is written in another way."""
    found = re.match(r"\s*([0-9]{1,2})([/-])([0-9]{1,2})\2(?:[0-9]{4}|[0-9]{2})(?![0-9])", text)
    return (int(found.group(1)), int(found.group(3))) if found else None


def day_ms(text: str, order: str) -> int:
    """A day, or a moment, of a sheet in milliseconds, in UTC; 0 for "immediately". `order`: whether the `day` or the
    `month` comes first in 01/02/2026. BadInput.
    """
    wrong = BadInput(
        "Invalid date {given!r}. Use a date like 2026-11-22, or a time like 2026-11-22T00:00:00Z (UTC).",
        given=text[:40],
    )
    if len(text) > _LONGEST:
        raise wrong
    if plain(text) in AT_ONCE:
        return 0
    time_of_day = re.search(
        r"[T ,]\s*([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(?:\.([0-9]{1,6}))?\s*(Z|UTC|GMT|[+]00:?00|[AaPp][Mm])?$", text
    )
    body = text[: time_of_day.start()].strip() if time_of_day else text.strip()
    if body.startswith("9999"):
        return NEVER
    try:
        moment = _date_of(body, order)
        if time_of_day:
            hour, minute, second = (int(time_of_day.group(at) or 0) for at in (1, 2, 3))
            half = (time_of_day.group(5) or "").lower()
            if half in ("am", "pm"):
                hour = hour % 12 + (12 if half == "pm" else 0)
            ms = int((time_of_day.group(4) or "").ljust(3, "0")[:3] or 0)
            moment = moment.replace(hour=hour, minute=minute, second=second, microsecond=ms * 1000)
    except (ValueError, OverflowError):
        raise wrong from None
    if not 1970 <= moment.year <= 2199:
        raise wrong
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


def _date_of(text: str, order: str) -> datetime:
    """A date without a time. ValueError."""
    if found := re.fullmatch(
        r"([0-9]{4})[-/.]?([0-9]{2})[-/.]?([0-9]{2})|([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})", text
    ):
        year, month, day = (int(part) for part in found.groups() if part)
        return datetime(year, month, day, tzinfo=UTC)
    if found := re.fullmatch(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4}|[0-9]{2})", text):
        day, month, year = (int(part) for part in found.groups())
        return datetime(_century(year), month, day, tzinfo=UTC)
    if found := re.fullmatch(r"([0-9]{1,2})([/-])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})", text):
        first, second, year = int(found.group(1)), int(found.group(3)), int(found.group(4))
        day, month = (second, first) if order == "month" else (first, second)
        return datetime(_century(year), month, day, tzinfo=UTC)
    if re.fullmatch(r"[0-9]{5}(?:\.0+)?", text):  # how a spreadsheet keeps a day
        return _EPOCH_OF_EXCEL + timedelta(days=int(text[:5]))
    words = re.sub(r"[-/.,]", " ", plain(re.sub(r"([0-9])(st|nd|rd|th)\b", r"\1", text))).split()
    words = [word for word in words if word not in ("of", "de", "del")]
    if len(words) == 3:
        months = [at for at, word in enumerate(words) if word in _MONTHS]
        numbers = [int(word) for word in words if word.isdecimal()]
        if len(months) == 1 and len(numbers) == 2:
            day, year = numbers if numbers[0] <= 31 else reversed(numbers)
            return datetime(_century(year), _MONTHS[words[months[0]]], day, tzinfo=UTC)
    raise ValueError(text)


def _century(year: int) -> int:
    """A year of two digits in full. ValueError for one that is more likely a day: 26-12-01."""
    if year >= 100:
        return year
    if not 15 <= year <= 69:
        raise ValueError(year)
    return year + 2000
