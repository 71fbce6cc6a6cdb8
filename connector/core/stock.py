"""Numbers for sale, from CSV: which, of which country and area, for how much a term of 30 days."""

from __future__ import annotations

from dataclasses import dataclass

from connector.core import numbering, sheets
from connector.core.money import amount, checked_currency
from connector.errors import BadInput

MOST_ROWS = 100_000
MOST_AREA = 12
_NEEDED = ("number", "monthly_fee")
_OPTIONAL = {"country": "", "area_code": "", "currency": ""}
# Ten thousand of the currency a month: above it, somebody mistook the column.
MOST_FEE_MICROS = 10_000_000_000


@dataclass(frozen=True)
class StockNumber:
    """A number that can be bought: its fee for 30 days, in micros of its currency."""

    e164: str
    country: str
    area: str
    fee_micros: int
    currency: str


def parse(text: str, currency: str | None) -> list[StockNumber]:
    """Read numbers for sale; `currency` is that of rows which say none, if there is one for them.

    BadInput names the lines that are wrong.
    """
    seen: dict[str, int] = {}

    def number_of(line: int, cells: list[str]) -> StockNumber:
        """The number of a line, if no line before it has it."""
        found = _number(cells, currency)
        first = seen.setdefault(found.e164, line)
        if first != line:
            raise BadInput("{e164} is already in line {first}", e164=found.e164, first=first)
        return found

    return sheets.read(text, "the list of numbers", _NEEDED, _OPTIONAL, MOST_ROWS, number_of)


def checked_area(text: str) -> str:
    """An area code without its 0, as it is kept; "" is none. BadInput if it is something else."""
    if len(text) > MOST_AREA or (text and not (text.isascii() and text.isdigit())):
        raise BadInput("Invalid area code {given!r}. Use digits only.", given=text[:40])
    return text.lstrip("0")


def _number(cells: list[str], usual_currency: str | None) -> StockNumber:
    number, fee, country, area, currency = cells
    country = country.upper()
    found = numbering.checked_number(number, country or None)
    of = numbering.country_of(found)
    if country and of and of != country:
        raise BadInput("{found} is a number of {of}, not of {country}", found=found, of=of, country=country)
    area = checked_area(area.strip("() ") or numbering.area_of(found))
    micros = amount(fee, "the monthly fee", zero=True)
    if micros > MOST_FEE_MICROS:
        raise BadInput("the monthly fee {fee} is too high", fee=fee)
    if not currency and usual_currency is None:
        raise BadInput("The currency is missing, and the companies use different ones. Name one.")
    paid_in = checked_currency(currency or usual_currency or "")
    return StockNumber(found, country or of, area, micros, paid_in)
