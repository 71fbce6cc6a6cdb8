"""A carrier's rate sheet, as it comes, to rates: which column is what, what each cell means, and what must be asked.

`read` gives the rates, or the questions and the rows that were not understood, and changes nothing. A price is rounded
up to a millionth: the least that can be charged for it. Codes of a range are all written out. A row without a price
(`n/a`, `blocked`) is a destination that cannot be called, whatever a shorter prefix costs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from operator import itemgetter
from typing import NamedTuple

import phonenumbers

from connector.core import destinations, layouts, sheets, steps, tables, written_steps
from connector.core.decks import MOST_NAME, MOST_PRICE_MICROS, MOST_ROWS
from connector.core.layouts import Layout, Question, plain
from connector.core.money import MICROS, decimal, is_currency
from connector.core.rate_columns import NO_PRICE, ROLES, TERMS, found, is_code
from connector.core.rating import BLOCKED, NEVER, Increments, Rate, increments, increments_text
from connector.core.written_amounts import DECIMAL_MARK, MARKS, SIGNS, mark_of, value_of
from connector.core.written_days import day_ms, day_parts, days_said
from connector.errors import BadInput
from connector.words import Words, listed, marked, phrase

SHOWN_ROWS = 10
MOST_IN_RANGE = 1_000
_PORTION = 10_000
_LONGEST_PREFIX = 15
_LONGEST_SPACED = 10
_LONGEST_AREA = 5
_TOTALS = ("total", "sum", "summe", "gesamt", "totale")

_CLOSED = frozenset("blocked block barred closed suspended inactive disabled unavailable gesperrt bloqueado".split())
_ENDED = frozenset(
    "deleted delete deletion removed remove withdrawn withdraw discontinued ended geloscht eliminado baja".split()
)
# Columns of free text: what is removed there may be anything.
_NOTES = frozenset("comment comments remark remarks note notes".split())
_NOT_BLOCKED = frozenset("no n false 0 nein - open active".split())
# Words of a unit, by what a price in it is to be multiplied with; of other units it is asked.
_UNITS = {
    "minute": Decimal(1), "cent": Decimal(1) / 100, "second": Decimal(60), "cent_second": Decimal(60) / 100,
}  # fmt: skip
_CENTS = frozenset("cent cents ct cts pence eurocent eurocents usdc centimos centimes centesimi".split())
_SECONDS = frozenset("sec second seconds sekunde segundo seconde secondo".split())
_OTHER_UNITS = frozenset("hour hours stunde hora heure call calls".split())
_PER_MINUTE = frozenset("minute minutes min mins per minuto minuti pro por".split())
# Country codes that stand in a column of their own name without it (NANPA).
_WITHOUT_ONE = frozenset(("npanxx", "npa nxx", "npa", "lerg"))
# Words in capitals above a sheet that are codes of ISO 4217, and mean something else.
_NO_CURRENCY = frozenset("ALL TOP TRY PEN COP MOP GEL".split())
_CODE = re.compile(r"\b([A-Z]{3})\b")


class TooManyRates(BadInput):
    """A sheet has more rates than a deck may have."""


@dataclass
class Counts:
    """What was found in a sheet. `rows`: those with a prefix; `passed_over`: headings, notes and empty rows;
    `blocked` and `ended`: prefixes; `rounded`: prices that have more than six decimals; `repeated`: rows that say
    again what another has said.
    """

    rows: int = 0
    prefixes: int = 0
    blocked: int = 0
    ended: int = 0
    passed_over: int = 0
    rounded: int = 0
    repeated: int = 0


@dataclass(frozen=True)
class Understood:
    """A row as it was understood, for people."""

    row: int
    prefixes: tuple[str, ...]
    name: str
    price_per_minute: str
    connection_fee: str
    increments: str
    valid_from: str
    blocked: bool


@dataclass(frozen=True)
class Problem:
    """A row that was not understood, and why."""

    row: int
    reason: str


@dataclass
class Sheet:
    """A sheet as it was read. Nothing may be loaded of one that has questions or problems. `ends`: prefixes that the
    carrier no longer has, and from when. `answers`: those that were used; `is_known`: such a sheet was loaded before.
    `decimal_mark` and `date_order` are "" where nothing depends on them.
    """

    layout: Layout
    separator: str
    currency: str
    answers: Mapping[str, str]
    is_known: bool
    decimal_mark: str = ""
    date_order: str = ""
    rates: list[Rate] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    wrong: int = 0
    counts: Counts = field(default_factory=Counts)
    sample: list[Understood] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        """Whether it can be loaded as it is."""
        return not self.questions and not self.wrong

    def check(self) -> None:
        """BadInput that says what is asked, and which rows were not understood."""
        if self.ready:
            return
        said: list[Words] = [layouts.asking(question) for question in self.questions]
        said += [phrase("line {line}: {error}", line=each.row, error=each.reason) for each in self.problems]
        if self.wrong > len(self.problems):
            said.append(phrase("and {count} more lines", count=self.wrong - len(self.problems)))
        step = None
        if self.questions:
            key, choices = self.questions[0].key, self.questions[0].choices
            step = steps.answer_about_sheet(key, choices[0][0] if choices else "...")
        what = marked("the rate deck")
        raise BadInput("Could not load {what}: {wrong}", what=what, wrong=listed(said, "; "), step=step)


def read(
    text: str,
    answers: Mapping[str, str],
    currency: str,
    kept: Mapping[str, Mapping[str, str]] | None = None,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> Sheet:
    """Read a sheet, with what was answered; `currency` is that of the deck. `kept`: what was answered for sheets with
    the same columns, by their signature (layouts.py), which holds where `answers` says nothing else. `told` hears how
    many of how many rows are read. BadInput if it is not a table, or an answer fits no question; questions and problems
    are in the sheet.
    """
    table = tables.table(text, "the rate deck", MOST_ROWS)
    answers = layouts.checked_answers(answers)
    layout = found(table, answers)
    is_known = layout.signature in (kept or {})
    if is_known:
        before = dict((kept or {})[layout.signature])
        if "currency" in answers:
            before.pop("currency.of", None)
        answers = {**before, **answers}
        layout = found(table, answers)
    sheet = Sheet(layout, table.separator, currency, answers, is_known, questions=list(layout.questions))
    if not layout.body:
        raise BadInput("Could not load {what}: it is empty.", what="the rate deck")
    if sheet.questions:
        return sheet
    reader = _Reader(sheet, answers)
    if not sheet.questions:
        reader.read_rows(told)
    return sheet


class _Reader:
    """Reads the rows of one sheet. Remembers what it read before: most cells repeat."""

    def __init__(self, sheet: Sheet, answers: Mapping[str, str]) -> None:
        self._sheet = sheet
        self._answers = answers
        layout = sheet.layout
        self._body = layout.body
        self._at = {role.key: layout.at(role.key) for role in ROLES}
        self._prices_at = [column.at for column in layout.columns.get("price_per_minute", ())]
        self._times = self._fee_times = Decimal(1)
        self._joined_code = False
        self._without_one = self._is_without_one()
        self._header = list(layout.names)
        status = layout.columns.get("status", ())
        self._status_at = [column.at for column in status]
        self._notes_at = {column.at for column in status if plain(column.name) in _NOTES}
        terms_at = [at for at in (*self._prices_at, *self._status_at, *(self._at[key] for key in TERMS)) if at >= 0]
        self._terms_of = itemgetter(*terms_at, terms_at[0])  # of two or more, it makes tuples
        self._terms: dict[tuple[str, ...], _Terms] = {}
        self._days: dict[str, int] = {}
        self._rounded: set[str] = set()
        self._names: dict[str, str] = {}
        self._dashes_asked: list[int] = []
        self._usual_from = 0
        self._amounts = self._cells_of([*self._prices_at, self._at["connection_fee"]])
        self._decide_country_codes()
        self._decide_unit()
        self._decide_decimal_mark()
        self._decide_date_order()
        self._usual_from = self._valid_from_of_preamble()
        self._check_currency()

    # What holds for whole columns.

    def _decide_country_codes(self) -> None:
        """Whether the codes are to be put behind those of a column of country codes, or have them already."""
        country, prefix = self._at["country_code"], self._at["prefix"]
        if country < 0:
            return
        have: list[int] = []
        have_not: list[int] = []
        for line, cells in self._body:
            code, text = _cell(cells, country).lstrip("+0"), _cell(cells, prefix)
            if code and text:
                (have if re.sub(r"[^0-9]", "", text).startswith(code) else have_not).append(line)
        given = self._answer("country_code", ("before", "within"))
        if not given and have and have_not:
            choices = (
                ("before", marked("the country code comes before each code")),
                ("within", marked("each code has it already")),
            )
            text = marked("Some codes begin with their country code, and some do not. Which holds?")
            rows = tuple(sorted([*have[:5], *have_not[:5]]))
            self._sheet.questions.append(Question("country_code", text, choices, rows))
        self._joined_code = given == "before" or (not given and not have)

    def _is_without_one(self) -> bool:
        """Whether codes are those of North America without its 1: 201, or 201200."""
        found = self._sheet.layout.columns.get("prefix", ())
        named = bool(found) and plain(found[0].name) in _WITHOUT_ONE
        codes = [_cell(cells, self._at["prefix"]) for _, cells in self._body[:1000]] if named else []
        return named and all(re.fullmatch("[2-9][0-9]{2}(?:[0-9]{3,4})?", code) for code in codes if code)

    def _decide_unit(self) -> None:
        """What the prices are for: by the names of their columns, a column of units, and what stands above them."""
        layout = self._sheet.layout
        words = {word for column in layout.columns.get("price_per_minute", ()) for word in plain(column.name).split()}
        units = {plain(cell) for cell in self._cells_of([self._at["unit"]]) if cell.strip()}
        words |= {word for unit in units for word in unit.split()}
        names = [column.name for column in layout.columns.get("price_per_minute", ())]
        above = {word for _, cells in layout.before for word in plain(" ".join(cells)).split()}
        is_cent = bool(words & _CENTS) or any("¢" in name or " c min" in f" {plain(name)}" for name in names)
        is_second = bool(words & _SECONDS)
        odd = (
            any(word.isdigit() for word in words)
            or bool(words & _OTHER_UNITS)
            or (bool(above & _CENTS) and not is_cent)
        )
        odd = odd or any(not set(unit.split()) <= _PER_MINUTE | _SECONDS | _CENTS for unit in units) or len(units) > 1
        given = self._answer("unit", tuple(_UNITS))
        if odd and not given:
            choices = (
                ("minute", marked("for a minute")),
                ("cent", marked("for a minute, in cents")),
                ("second", marked("for a second")),
                ("cent_second", marked("for a second, in cents")),
            )
            text = marked("What are the prices for?")
            self._sheet.questions.append(Question("unit", text, choices, (layout.header,)))
        usual = ("cent_second" if is_second else "cent") if is_cent else ("second" if is_second else "minute")
        self._times = _UNITS[given or usual]
        fee = layout.columns.get("connection_fee", ())
        fee_is_cent = bool(fee) and (bool(set(plain(fee[0].name).split()) & _CENTS) or "¢" in fee[0].name)
        self._fee_times = _UNITS["cent" if fee_is_cent else "minute"]

    def _cells_of(self, places: Sequence[int]) -> dict[str, int]:
        """The different cells of some columns, each with the first line that has it."""
        cells_found: dict[str, int] = {}
        for at in places:
            if at >= 0:
                for line, cells in self._body:
                    if at < len(cells):
                        cells_found.setdefault(cells[at], line)
        return cells_found

    def _answer(self, key: str, allowed: Sequence[str]) -> str:
        given = self._answers.get(key, "")
        if given and given not in allowed:
            raise BadInput("{key} is one of {allowed}", key=key, allowed=", ".join(allowed))
        return given

    def _decide_decimal_mark(self) -> None:
        """Whether prices have a comma or a point before their decimals."""
        found, rows = mark_of(self._amounts)
        self._sheet.decimal_mark = self._answer("decimal_mark", MARKS) or found
        if not self._sheet.decimal_mark:
            choices = (("comma", marked("1,234 is a little more than one")), ("point", marked("1,234 is 1234")))
            self._sheet.questions.append(Question("decimal_mark", DECIMAL_MARK, choices, rows))

    def _decide_date_order(self) -> None:
        """Whether the day or the month comes first, where both could."""
        day_first, month_first, unclear = [], [], []
        cells = self._cells_of([self._at["valid_from"], self._at["valid_to"]])
        for line, before in self._sheet.layout.before:
            cells |= dict.fromkeys(days_said(" ".join(before)), line)
        for cell, line in cells.items():
            parts = day_parts(cell)
            if parts is None:
                continue
            first, second = parts
            if first > 12 >= second:
                day_first.append(line)
            elif second > 12 >= first:
                month_first.append(line)
            elif first != second:
                unclear.append((line, cell))
        given = self._answer("date_order", ("day", "month"))
        if not given and unclear and bool(day_first) == bool(month_first):
            rows = sorted(line for line, _ in unclear)[:SHOWN_ROWS]
            shown = unclear[0][1].strip()[:20]
            choices = (("day", marked("the day comes first")), ("month", marked("the month comes first")))
            text = phrase("Is {date} written with the day or with the month first?", date=shown)
            self._sheet.questions.append(Question("date_order", text, choices, tuple(rows)))
            return
        if given or day_first or month_first or unclear:
            self._sheet.date_order = given or ("day" if day_first else "month")

    def _valid_from_of_preamble(self) -> int:
        """The day that a line above the header says that the sheet is valid from; 0 if none does."""
        if self._at["valid_from"] >= 0 or self._sheet.questions:
            return 0
        for _, cells in self._sheet.layout.before:
            for said in days_said(" ".join(cells)):
                try:
                    return self._day(said)
                except BadInput:
                    continue
        return 0

    def _check_currency(self) -> None:
        """A sheet in another currency than the deck's is taken only if somebody says so."""
        named: dict[str, int] = {}
        layout = self._sheet.layout
        said = {line: " ".join(cells) for line, cells in layout.before}
        for column in (*layout.columns.get("price_per_minute", ()), *layout.columns.get("connection_fee", ())):
            said[layout.header] = f"{said.get(layout.header, '')} {column.name.upper()}"
        texts = {text: line for line, text in said.items()}
        texts |= self._amounts
        for text, line in texts.items():
            codes = {code for code in _CODE.findall(text) if is_currency(code)} - _NO_CURRENCY
            for what in (*(SIGNS.keys() & set(text)), *codes):
                named.setdefault(what, line)
        for cell, line in self._cells_of([self._at["currency"]]).items():
            if cell.strip():
                named.setdefault(cell.strip().upper(), line)
        other = {
            what: line
            for what, line in named.items()
            if self._sheet.currency not in SIGNS.get(what, (what,)) and what.lower() not in NO_PRICE
        }
        what = ", ".join(sorted(other))[:60]
        given = self._answer("currency", (self._sheet.currency,))
        # An answer that was kept holds for the currency that it was given for.
        if other and (not given or self._answers.get("currency.of", what) != what):
            text = phrase(
                "The sheet is in {what}, the deck in {currency}. Are the prices meant in {currency} all the same?",
                what=what,
                currency=self._sheet.currency,
            )
            choices = ((self._sheet.currency, marked("take them as they are")),)
            self._sheet.questions.append(
                Question("currency", text, choices, tuple(sorted(other.values())[:SHOWN_ROWS]))
            )
        elif other:
            self._sheet.answers = {**self._answers, "currency.of": what}

    # Rows.

    def read_rows(self, told: Callable[[int, int], None]) -> None:
        """All rows, to rates, prefixes that ended, and problems."""
        sheet, counts = self._sheet, self._sheet.counts
        seen: dict[tuple[str, int], tuple[_Terms, int]] = {}
        for done, (line, cells) in enumerate(self._body, 1):
            if done % _PORTION == 0:
                told(done, len(self._body))
            try:
                made = self._row(line, cells)
                if made is None:
                    counts.passed_over += 1
                    continue
                counts.rows += 1
                self._keep(line, made, seen)
            except TooManyRates:
                raise
            except BadInput as error:
                sheet.wrong += 1
                if len(sheet.problems) < sheets.SHOWN_ERRORS:
                    reason = error.text if isinstance(error.text, Words) else phrase(error.text, **error.values)
                    sheet.problems.append(Problem(line, reason))
        told(len(self._body), len(self._body))
        if self._dashes_asked:
            choices = (
                ("range", marked("all codes from the first to the last")),
                ("join", marked("a country code and an area code")),
            )
            text = marked("What do two codes with a dash between them mean?")
            sheet.questions.append(Question("dashes", text, choices, tuple(self._dashes_asked[:SHOWN_ROWS])))
        if not sheet.rates and not sheet.ends and sheet.ready:
            raise BadInput("Could not load {what}: it is empty.", what="the rate deck")
        counts.rounded = len(self._rounded)
        counts.prefixes = len({rate.prefix for rate in sheet.rates})

    def _keep(self, line: int, made: _Row, seen: dict[tuple[str, int], tuple[_Terms, int]]) -> None:
        """A row's rates, unless a row before it says the same. BadInput if one says something else."""
        sheet, counts, terms = self._sheet, self._sheet.counts, made.terms
        repeated = 0
        for prefix in made.prefixes:
            key = (prefix, -1 if terms.ended else terms.since)
            known = seen.get(key)
            if known is not None:
                before, first = known
                if before != terms:
                    raise BadInput("{prefix} with the same date is already in line {first}", prefix=prefix, first=first)
                repeated += 1
                continue
            seen[key] = (terms, line)
            if terms.ended:
                sheet.ends[prefix] = terms.since
                counts.ended += 1
            else:
                if len(sheet.rates) >= MOST_ROWS:  # each code of a range is one: nothing more is read
                    what = marked("the rate deck")
                    raise TooManyRates(
                        "Could not load {what}: it has more than {most} lines.", what=what, most=MOST_ROWS
                    )
                sheet.rates.append(made.rate(prefix))
                counts.blocked += terms.kind == BLOCKED
        counts.repeated += repeated == len(made.prefixes)
        if len(sheet.sample) < SHOWN_ROWS:
            sheet.sample.append(_understood(line, made))

    def _row(self, line: int, cells: list[str]) -> _Row | None:
        """A row, or None for a heading, a note or an empty one. BadInput says what is not understood."""
        code = _cell(cells, self._at["prefix"])
        country = _cell(cells, self._at["country_code"]) if self._joined_code else ""
        if not (code or country) or not code[:1].isdecimal():
            if plain(code).startswith(_TOTALS):
                return None
            priced = any(_cell(cells, place) for place in self._prices_at)
            if not priced and not is_code(code or country):
                return None
        width = self._sheet.layout.width
        if len(cells) != width and (len(cells) < width or any(cell.strip() for cell in cells[width:])):
            raise BadInput("the number of cells differs from the number of columns in the first line")
        if cells[:width] == self._header:  # again, above another part
            return None
        exchange = _cell(cells, self._at["exchange_code"])
        prefixes = self._prefixes(line, code + exchange if exchange.isdecimal() else code, country)
        key = self._terms_of(cells)
        terms = self._terms.get(key)
        if terms is None:
            terms = self._terms[key] = self._read_terms(cells)
        return _Row(prefixes, self._name(cells), terms)

    def _read_terms(self, cells: list[str]) -> _Terms:
        """What a row has besides its prefixes and its name. BadInput."""
        at = self._at
        since_text, until_text = _cell(cells, at["valid_from"]), _cell(cells, at["valid_to"])
        since = self._day(since_text) if since_text else self._usual_from
        closed, ended = self._closed(cells)
        if ended:
            return _Terms(0, 0, (), since, BLOCKED, NEVER, ended=True)
        price = None if closed else self._price_of([_cell(cells, place) for place in self._prices_at])
        until = self._day(until_text) if until_text and until_text.lower() not in NO_PRICE else NEVER
        if until <= since:
            raise BadInput(
                "valid_to {until} is not after valid_from {since}", until=until_text[:40], since=since_text[:40]
            )
        kind = _cell(cells, at["kind"]).lower() or "standard"
        if kind not in destinations.KINDS and kind != BLOCKED:
            raise BadInput(
                "Invalid kind {kind!r}. Use one of {kinds}.", kind=kind[:40], kinds=", ".join(destinations.KINDS)
            )
        fee_text = _cell(cells, at["connection_fee"])
        what = marked("the connection fee")
        fee = 0 if price is None or not fee_text else self._money(fee_text, what, self._fee_times) or 0
        steps = increments(
            written_steps.steps(
                _cell(cells, at["increments"]), _cell(cells, at["first_increment"]), _cell(cells, at["next_increment"])
            )
        )
        return _Terms(price or 0, fee, steps, since, BLOCKED if price is None else kind, until)

    def _price_of(self, prices: Sequence[str]) -> int | None:
        """The highest of a row's prices, for it is not known where the caller is; None if it has none to call at."""
        what = marked("the price per minute")
        found = [self._money(cell, what, self._times) for cell in prices if cell]
        if not found:
            raise BadInput("the price per minute is missing")
        return max((price for price in found if price is not None), default=None)

    def _money(self, text: str, what: str, times: Decimal) -> int | None:
        """A price in micros, rounded up; None for one that says that there is none. BadInput."""
        if text.lower() in NO_PRICE:
            return None
        try:
            value = value_of(text, self._sheet.decimal_mark) * times * MICROS
        except ValueError:
            raise BadInput(
                "Invalid amount {given!r} for {what}. Use a number {least}, at most 1,000,000,000,"
                " with at most 6 decimals behind a point.",
                given=text[:40],
                what=what,
                least=marked("0 or more"),
            ) from None
        if value > MOST_PRICE_MICROS:
            raise BadInput(
                "{what} {given} is above {most_price_micros}",
                what=what,
                given=text[:40],
                most_price_micros=decimal(MOST_PRICE_MICROS),
            )
        up = value.to_integral_value(ROUND_CEILING)
        if up != value:
            self._rounded.add(text)
        return int(up)

    def _name(self, cells: list[str]) -> str:
        text = _cell(cells, self._at["name"]) or _cell(cells, self._at["country"])
        if text not in self._names:
            # Line separators and control characters, which some sheets have within a name, are spaces.
            clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
            if len(clean) > MOST_NAME:
                raise BadInput(
                    "Invalid name {name!a}. Use 1 to {most_name} printable characters.",
                    name=clean[:40],
                    most_name=MOST_NAME,
                )
            self._names[text] = clean
        return self._names[text]

    def _closed(self, cells: list[str]) -> tuple[bool, bool]:
        """Whether a row says that its prefixes cannot be called, and whether it says that they are taken out."""
        status = {at: plain(_cell(cells, at)) for at in self._status_at}
        words = {word for text in status.values() for word in text.split()}
        said = {word for at, text in status.items() if at not in self._notes_at for word in text.split()}
        blocked = _cell(cells, self._at["blocked"]).lower()
        closed = bool(words & _CLOSED) or any("do not use" in text for text in status.values())
        return closed or (bool(blocked) and blocked not in _NOT_BLOCKED), bool(said & _ENDED)

    def _day(self, text: str) -> int:
        if text not in self._days:
            self._days[text] = day_ms(text, self._sheet.date_order)
        return self._days[text]

    def _prefixes(self, line: int, code: str, country: str) -> list[str]:
        """All prefixes that a cell names, with a "+". BadInput."""
        is_plain = code.isdecimal() and code.isascii() and code[0] != "0" and len(code) <= _LONGEST_PREFIX
        if is_plain and not country and not self._without_one:
            return ["+" + code]
        text = code.strip().strip("'")
        of_country = country.strip().lstrip("+'").removeprefix("00")
        if self._without_one:
            of_country = "1"
        pieces = [piece.strip() for piece in re.split(r"[;,|\n/&]", text) if piece.strip()] or [""]
        if len(pieces) == 1 and not of_country:
            words = text.split()
            if len(words) > 1 and all(len(word) >= 4 and word.isdigit() and word[0] == words[0][0] for word in words):
                pieces = words
            elif len(words) > 2 and all(word.isdigit() and _is_country_code(word) for word in words):
                raise _several(text)
        if len(pieces) > 1 and not of_country and not self._are_whole(text, pieces):
            raise _several(text)
        found: list[str] = []
        for piece in pieces:
            found += [_checked(of_country + digits, code) for digits in self._codes(line, piece, bool(of_country))]
        return found

    def _are_whole(self, text: str, pieces: Sequence[str]) -> bool:
        """Whether each piece of a list is a code by itself, and none leaves out how it begins: not 4477, 78, 79; not
        1,204, which may be a thousand.
        """
        if re.fullmatch(r"[0-9]{1,3}(?:,[0-9]{3})+", text):
            return False
        digits = [re.sub(r"[^0-9]", "", piece).removeprefix("00") for piece in pieces]
        return all(len(each) >= len(digits[0]) or each[:1] == digits[0][:1] for each in digits)

    def _codes(self, line: int, piece: str, in_country: bool) -> list[str]:
        """The digits of one code, or of all codes of a range. BadInput."""
        bare = piece.strip().rstrip("*xX")  # 4477xx, any digits: the code is what they stand behind
        if bare[-1:].isdigit():
            piece = bare
        text = re.sub(r"[\s()]", "", piece).replace("\u2013", "-").replace("..", "-")
        tables.check_uncut(piece.strip())
        if len(text) > _LONGEST_SPACED and len(piece.split()) > 2 and "-" not in text:
            raise _several(piece.strip())
        text = re.sub(r"^([0-9]+)\.0+$", r"\1", text)
        first, dash, last = text.partition("-")
        last = last.lstrip("+")
        if not dash:
            return [text]
        if not (first.lstrip("+").isdecimal() and last.isdecimal()):
            return ["".join(text.split("-"))]
        return self._range(line, first.lstrip("+").removeprefix("00"), last.removeprefix("00"), in_country)

    def _range(self, line: int, first: str, last: str, in_country: bool) -> list[str]:
        """All codes from one to another; or both put together, where they are a country code and an area code."""
        if max(len(first), len(last)) > _LONGEST_PREFIX:
            raise _not_a_prefix(f"{first[:20]}-{last[:20]}")
        is_country = not in_country and _is_country_code(first)
        if len(last) < len(first) and not is_country:
            last = first[: -len(last)] + last  # 44740-9 is short for 44740-44749
        may_be_range = len(last) == len(first) and int(last) > int(first)
        if may_be_range and is_country and len(first) <= 3:
            if not _is_country_code(last):
                return [first + last]
            given = self._answer("dashes", ("range", "join"))
            if not given:
                self._dashes_asked.append(line)
                return [first]
            if given == "join":
                return [first + last]
        elif not may_be_range:
            if is_country and len(last) <= _LONGEST_AREA:
                return [first + last]
            raise BadInput("{given!r} is not a range: its end is not after its beginning", given=f"{first}-{last}"[:40])
        count = int(last) - int(first) + 1
        if count > MOST_IN_RANGE:
            return _cover(first, last)
        return [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]


class _Terms(NamedTuple):
    """What the rates of a row have in common with those of other rows; `ended`: its prefixes end at `since`."""

    price: int
    fee: int
    steps: Increments
    since: int
    kind: str
    until: int
    ended: bool = False


class _Row(NamedTuple):
    """A row: its prefixes, what they are called, "" for each by itself, and the terms."""

    prefixes: list[str]
    name: str
    terms: _Terms

    def rate(self, prefix: str) -> Rate:
        """The rate of one of its prefixes."""
        price, fee, steps, since, kind, until, _ = self.terms
        return Rate(prefix, self.name or prefix, price, fee, steps, since, kind, until)


def _cell(cells: Sequence[str], at: int) -> str:
    return cells[at].strip() if 0 <= at < len(cells) else ""


def _understood(line: int, row: _Row) -> Understood:
    rate = row.rate(row.prefixes[0])
    blocked = rate.kind == BLOCKED
    return Understood(
        line,
        tuple(row.prefixes[:SHOWN_ROWS]),
        rate.name,
        "" if blocked else decimal(rate.price_per_minute_micros),
        "" if blocked else decimal(rate.connection_fee_micros),
        "" if blocked else increments_text(rate.increments),
        _iso_day(rate.valid_from),
        blocked,
    )


def _iso_day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).date().isoformat() if at else ""


def _checked(digits: str, given: str) -> str:
    """A prefix in international form, with "+". BadInput."""
    bare = digits.lstrip("+")
    for leads_out in ("00", "011"):
        if bare.startswith(leads_out):
            bare = bare.removeprefix(leads_out)
            break
    if not (bare.isascii() and bare.isdecimal() and 1 <= len(bare) <= _LONGEST_PREFIX) or bare[0] == "0":
        raise _not_a_prefix(given[:40])
    return "+" + bare


def _not_a_prefix(given: str) -> BadInput:
    return BadInput(
        "Invalid prefix {prefix!r}. Use the digits of an international number, as in 4420 or +4420.", prefix=given
    )


def _several(given: str) -> BadInput:
    return BadInput("{given!r} may be one code or several. Put commas between them.", given=given[:40])


def _is_country_code(digits: str) -> bool:
    return len(digits) <= 3 and int(digits or 0) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE


def _cover(first: str, last: str) -> list[str]:
    """The fewest prefixes that all codes from one to another begin with, and no other code of that length."""
    low, high, width = int(first), int(last), len(first)
    found = []
    while low <= high:
        digits = 0
        while digits < width - 1 and low % 10 ** (digits + 1) == 0 and low + 10 ** (digits + 1) - 1 <= high:
            digits += 1
        found.append(f"{low:0{width}d}"[: width - digits])
        low += 10**digits
    return found
