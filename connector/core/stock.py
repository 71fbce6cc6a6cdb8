"""Numbers for sale, from a list in any layout: which, of which country and area, for how much a term of 30 days."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from connector.core import layouts, numbering, sheets, tables
from connector.core.formats import countries
from connector.core.layouts import Layout, Question, Role, asking
from connector.core.money import MICROS, amount, checked_currency, is_currency, payable
from connector.core.written_amounts import DECIMAL_MARK, MARKS, SIGNS, mark_of, value_of
from connector.errors import BadInput
from connector.words import LOCALES, listed, marked

MOST_ROWS = 100_000
MOST_IN_RANGE = 1_000
_LEAST_OF_RANGE = 7
MOST_AREA = 12
# How people call the columns of such lists (core/layouts.py).
_ROLES = (
    Role(
        "number",
        ("number", "numbers", "did", "dids", "ddi", "ddis", "phone number", "telephone number", "telephone", "phone",
         "msisdn", "e164", "did number", "rufnummer", "rufnummern", "nummer", "telefonnummer", "numero", "numeros",
         "numero de telefono", "telefono"),
        lambda cell: sum(c.isdigit() for c in cell) >= 4,
        needed=True,
        sure=True,
        words=marked("number"),
    ),
    Role(
        "monthly_fee",
        ("monthly fee", "monthly", "monthly price", "monthly cost", "monthly charge", "mrc", "fee", "monthly rate",
         "price per month", "cost per month", "per month", "recurring fee", "recurring", "rental", "monthly rental",
         "monatsgebuhr", "monatspreis", "grundgebuhr", "preis pro monat", "monatlich", "cuota mensual", "mensual",
         "precio mensual", "price", "preis", "precio", "cost"),
        lambda cell: any(c.isdigit() for c in cell),
        needed=True,
        never=frozenset("setup minute min call nrc initial activation year yearly annual cent cents quarter".split()),
        sure=True,
        words=marked("monthly fee"),
    ),
    Role("country", ("country", "country name", "country code", "land", "pais", "pays", "iso"),
         words=marked("country")),
    Role("area_code", ("area code", "area", "ndc", "city code", "prefix", "vorwahl", "ortsvorwahl", "codigo de area"),
         lambda cell: any(c.isdigit() for c in cell), words=marked("area code")),
    Role("currency", ("currency", "ccy", "currency code", "wahrung", "moneda", "divisa"), words=marked("currency")),
)  # fmt: skip
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


def parse(text: str, currency: str | None, answers: Mapping[str, str] | None = None) -> list[StockNumber]:
    """Read numbers for sale, in any layout; `currency` is that of rows which say none, if there is one for them.

    `answers`: the columns that somebody names (`column.monthly_fee`), and `decimal_mark`. BadInput names the lines that
    are wrong, and what must be asked.
    """
    what = marked("the list of numbers")
    table = tables.table(text, what, MOST_ROWS)
    layout = layouts.found(table, what, _ROLES, answers or {})
    asked = list(layout.questions)
    if not layout.body:
        raise BadInput("Could not load {what}: it is empty.", what=what)
    at = {role.key: layout.at(role.key) for role in _ROLES}
    fees = {cells[at["monthly_fee"]]: line for line, cells in layout.body if 0 <= at["monthly_fee"] < len(cells)}
    mark = (answers or {}).get("decimal_mark", "") or mark_of(fees)[0]
    if not mark:
        asked.append(Question("decimal_mark", DECIMAL_MARK, (("comma", ""), ("point", ""))))
    if asked:
        raise BadInput("Could not load {what}: {wrong}", what=what, wrong=listed(list(map(asking, asked)), "; "))
    if mark not in MARKS:
        raise BadInput("{key} is one of {allowed}", key="decimal_mark", allowed="comma, point")
    header = next(iter(layout.columns["monthly_fee"])).name
    odd = {"cent", "cents", "year", "yearly", "annual", "quarter"} & set(layouts.plain(header).split())
    if odd or "¢" in header:
        raise BadInput("The column {header!r} has no monthly fees in whole units of a currency.", header=header[:40])
    reader = _Reader(at, mark, _currency_in(header), currency)
    return _rows(layout, reader, what)


def _rows(layout: Layout, reader: _Reader, what: str) -> list[StockNumber]:
    """All rows, each number once. BadInput names those that are wrong."""
    wrong = sheets.RowErrors()
    read: list[StockNumber] = []
    seen: dict[str, int] = {}
    for line, cells in layout.body:
        try:
            if len(cells) < layout.width or any(cell.strip() for cell in cells[layout.width :]):
                raise BadInput("the number of cells differs from the number of columns in the first line")
            for made in reader.numbers(cells):
                first = seen.get(made.e164)
                if first is not None:
                    raise BadInput("{e164} is already in line {first}", e164=made.e164, first=first)
                if len(read) >= MOST_ROWS:
                    raise BadInput("the list has more than {most} numbers", most=MOST_ROWS)
                seen[made.e164] = line
                read.append(made)
        except BadInput as error:
            wrong.add(line, error)
    wrong.check(what)
    return read


def _currency_in(header: str) -> str:
    """The currency that the name of a column has in it, as in `Monthly Fee (GBP)`; "" if it has none."""
    codes = [code for code in re.findall(r"\b[A-Z]{3}\b", header) if is_currency(code)]
    return next((found for found in [*codes, *(sign for sign in SIGNS if sign in header)]), "")


def checked_area(text: str) -> str:
    """An area code without its 0, as it is kept; "" is none. BadInput if it is something else."""
    if len(text) > MOST_AREA or (text and not (text.isascii() and text.isdigit())):
        raise BadInput("Invalid area code {given!r}. Use digits only.", given=text[:40])
    return text.lstrip("0")


@cache
def _country_names() -> dict[str, str]:
    """The two letters of each country by its name, as people write it in the languages that we have."""
    return {layouts.plain(name): code for where in LOCALES.values() for code, name in countries(where).items()}


class _Reader:
    """Reads the rows of one list. `at`: where each column is; `mark`: what stands before decimals."""

    def __init__(self, at: Mapping[str, int], mark: str, in_header: str, usual_currency: str | None) -> None:
        self._at = at
        self._mark = mark
        self._in_header = in_header
        self._usual_currency = usual_currency

    def numbers(self, cells: list[str]) -> list[StockNumber]:
        """The numbers of a row: one, several, or all from one to another. BadInput."""
        text, fee, country, area, currency = (self._cell(cells, role.key) for role in _ROLES)
        found: list[StockNumber] = []
        for piece in re.split(r"[;,|\n]", text) if text else [""]:
            piece = re.sub(r"\.0+$", "", piece.strip()).replace("\u2013", "-")
            first, dash, last = piece.partition("-")
            ends = [re.sub(r"[^0-9]", "", end) for end in (first, last)]
            if not dash or min(map(len, ends)) < _LEAST_OF_RANGE:  # 020-7946-0100 is one
                found.append(self._number(piece, fee, country, area, currency))
                continue
            low, high = (self._number(end.strip(), fee, country, area, currency) for end in (first, last))
            count = int(high.e164[1:]) - int(low.e164[1:]) + 1
            if len(low.e164) != len(high.e164) or not 1 <= count <= MOST_IN_RANGE:
                raise BadInput("{given!r} is not a range of 1 to {most} numbers", given=piece[:40], most=MOST_IN_RANGE)
            digits = range(int(low.e164[1:]), int(high.e164[1:]) + 1)
            found += [self._number(f"+{each}", fee, country, area, currency) for each in digits]
        return found

    def _number(self, number: str, fee: str, country: str, area: str, currency: str) -> StockNumber:
        number = number.lstrip("'")
        tables.check_uncut(number)
        country = _country_names().get(layouts.plain(country), country.upper())
        found = numbering.checked_number(number, country or None)
        of = numbering.country_of(found)
        if country and of and of != country:
            raise BadInput("{found} is a number of {of}, not of {country}", found=found, of=of, country=country)
        area = checked_area(area.strip("() ") or numbering.area_of(found))
        given = currency.upper() or _currency_in(fee) or self._in_header or self._usual_currency
        if given is None:
            raise BadInput("The currency is missing, and the companies use different ones. Name one.")
        if given in SIGNS:
            if len(SIGNS[given]) > 1 and self._usual_currency not in SIGNS[given]:
                raise BadInput("It is not clear which currency {sign} is. Add a column with the currency.", sign=given)
            given = self._usual_currency if self._usual_currency in SIGNS[given] else SIGNS[given][0]
        paid_in = checked_currency(given)
        return StockNumber(found, country or of, area, payable(self._fee(fee), paid_in), paid_in)

    def _cell(self, cells: list[str], key: str) -> str:
        at = self._at[key]
        return cells[at].strip() if at >= 0 else ""

    def _fee(self, text: str) -> int:
        """A fee in micros. BadInput."""
        try:
            micros = value_of(text, self._mark) * MICROS
            if micros != int(micros):
                raise ValueError(text)
        except ValueError:
            amount(text, marked("the monthly fee"), zero=True)  # which says what is wrong
            raise
        if micros > MOST_FEE_MICROS:
            raise BadInput("the monthly fee {fee} is too high", fee=text[:40])
        return int(micros)
