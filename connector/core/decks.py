"""A rate deck: all rates of a company with their dates, checked as a whole, and looked up in microseconds.

A deck never changes. A rate sheet (CSV) that is loaded makes a new deck of the one before and the sheet (`merged`). The
deck is stored as text (`written`), and its version is the hash of that text. Decks in use are kept as that text too
(`PackedDeck`).
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from connector.core import destinations, sheets
from connector.core.money import amount, decimal
from connector.core.rating import BLOCKED, NEVER, Increments, Rate, increments, increments_text
from connector.core.retired import is_retired_prefix
from connector.errors import BadInput
from connector.words import marked

_NEEDED = ("prefix", "name", "price_per_minute")
_OPTIONAL = {
    "connection_fee": "0",
    "increments": "30/6",
    "valid_from": "1970-01-01",
    "kind": "standard",
    "valid_to": "",
}
_HEADER = ",".join((*_NEEDED, *_OPTIONAL)) + "\n"
MODES = ("update", "full")
_PREFIX = re.compile(r"\+?([1-9][0-9]{0,14})")
_WRITTEN_PREFIX = re.compile(r"\+[1-9][0-9]{0,14}").fullmatch
_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{3}))?Z)?")
MOST_ROWS = 1_000_000
MOST_NAME = 80
# A thousand of the currency a minute: above it, somebody mistook the column.
MOST_PRICE_MICROS = 1_000_000_000
_LONGEST_PREFIX = 15
# A packed deck remembers the rates of so many prefixes that were asked for.
_MOST_REMEMBERED = 10_000
# Read between two pauses: half a millisecond.
_LINES_AT_A_TIME = 250


@dataclass(frozen=True)
class Difference:
    """What a new deck would change, by prefix, and by how much the dearest and cheapest change. `ends`: the prefixes
    that have no rate of their own any more, from when. `blocked`: how many could be called before, and cannot any more.
    `retired`: prefixes of the new deck by which no number is rated,
    for only retired forms begin so (core/retired.py).
    """

    added: int
    removed: int
    dearer: int
    cheaper: int
    otherwise_changed: int
    same: int
    examples: tuple[str, ...]
    ends: tuple[Ended, ...] = ()
    retired: tuple[str, ...] = ()
    blocked: int = 0


@dataclass(frozen=True)
class Ended:
    """A prefix whose rate ends. `calls`: how many calls of the last 30 days were charged by it."""

    prefix: str
    name: str
    at: int
    calls: int = 0


class Rates(ABC):
    """The rates of a deck, looked up by `rate`. `lengths`: those of its prefixes."""

    def __init__(self, lengths: Iterable[int]) -> None:
        self._lengths = sorted(lengths, reverse=True)

    @abstractmethod
    def __len__(self) -> int:
        """The number of rates."""

    @abstractmethod
    def versions(self, prefix: str) -> Sequence[Rate]:
        """The rates of a prefix, the newest first; none if the deck does not have it."""

    def rate(self, called: str, at: int) -> Rate | None:
        """The rate of an E.164 number at an instant: that of the longest prefix that has a rate in force, and of that
        prefix the newest. None if there is none, and if that prefix is blocked.
        """
        for length in self._lengths:
            found = in_force(self.versions(called[:length]), at)
            if found is not None:
                return None if found.kind == BLOCKED else found
        return None


class RateDeck(Rates):
    """Rates by prefix, of each the newest first. Made by `parse` and `merged`."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        self.by_prefix: dict[str, list[Rate]] = {}
        for rate in rates:
            self.by_prefix.setdefault(rate.prefix, []).append(rate)
        for versions in self.by_prefix.values():
            versions.sort(key=lambda rate: -rate.valid_from)
        super().__init__({len(prefix) for prefix in self.by_prefix})

    def __len__(self) -> int:
        return sum(len(versions) for versions in self.by_prefix.values())

    def versions(self, prefix: str) -> Sequence[Rate]:
        """As `Rates.versions`."""
        return self.by_prefix.get(prefix, ())


class PackedDeck(Rates):
    """A deck as its text and an index of the prefixes: a sixth of the memory of a RateDeck, and made in a tenth of the
    time. The rows of a prefix are read when it is asked for.
    """

    def __init__(self, text: str, pause: Callable[[], None] = lambda: None) -> None:
        """`text` is what `written` makes. ValueError if its lines are others, or in another order. `pause` is called
        between all so many lines, for others to do something.
        """
        self._text = text.encode()
        self._keys = array("Q")
        self._starts = array("I")
        self._remembered: dict[str, tuple[Rate, ...]] = {}
        self._length = 0
        lengths: set[int] = set()
        start = self._text.find(b"\n") + 1
        if self._text[:start].decode() != _HEADER:
            raise ValueError("this deck has other columns")
        last = -1
        while start < len(self._text):
            digits = self._text[start + 1 : self._text.index(b",", start)]
            key = _key(digits)
            if key < last or len(digits) > _LONGEST_PREFIX:
                raise ValueError("the lines of this deck are not in order")
            if key > last:
                self._keys.append(key)
                self._starts.append(start)
                lengths.add(len(digits) + 1)
            last = key
            self._length += 1
            start = self._text.index(b"\n", start) + 1
            if self._length % _LINES_AT_A_TIME == 0:
                pause()
        super().__init__(lengths)

    def __len__(self) -> int:
        return self._length

    def versions(self, prefix: str) -> Sequence[Rate]:
        """As `Rates.versions`."""
        known = self._remembered.get(prefix)
        if known is None:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            known = self._remembered[prefix] = self._read(prefix)
        return known

    def _read(self, prefix: str) -> tuple[Rate, ...]:
        digits = prefix[1:].encode()
        if prefix[:1] != "+" or not digits.isdigit():
            return ()
        key = _key(digits)
        found = bisect_left(self._keys, key)
        if found == len(self._keys) or self._keys[found] != key:
            return ()
        end = self._starts[found + 1] if found + 1 < len(self._starts) else len(self._text)
        lines = self._text[self._starts[found] : end].decode().splitlines()
        reader = _Reader()
        return tuple(reader.rate(cells) for cells in csv.reader(lines))


def _key(digits: bytes) -> int:
    """A prefix as a number of 64 bits; these have the order of the prefixes as text."""
    return int(digits.ljust(_LONGEST_PREFIX, b"0")) * 16 + len(digits)


def packed(text: str, pause: Callable[[], None] = lambda: None) -> Rates:
    """A stored deck, to look up rates; `pause` as above. BadInput if it cannot be read."""
    try:
        return PackedDeck(text, pause)
    except ValueError:  # an earlier version wrote it
        return parse(text)


def in_force(versions: Sequence[Rate], at: int) -> Rate | None:
    """The rate of a prefix at an instant, of its rates, the newest first; None before the first and after an end."""
    newest = next((rate for rate in versions if rate.valid_from <= at), None)
    return newest if newest is not None and at < newest.valid_to else None


def merged(
    old: RateDeck | None, sheet: RateDeck, at: int, mode: str, ends: Mapping[str, int] | None = None
) -> RateDeck:
    """The deck that is in use from `at` on when a sheet was loaded. A rate without a date is in force from `at` on.
    `ends`: prefixes that the sheet takes out, and from when.

    `update`: prefixes that the sheet does not name stay. `full`: they end at the sheet's date, which is that of its
    earliest rate, but not before `at`. What nobody can be charged by any more, from `at` on, is left out.
    """
    if old is None:
        return RateDeck([rate for versions in sheet.by_prefix.values() for rate in versions])
    date = max(at, min((rate.valid_from for versions in sheet.by_prefix.values() for rate in versions), default=at))
    made: list[Rate] = []
    ends = ends or {}
    for prefix in old.by_prefix.keys() | sheet.by_prefix.keys():
        before = old.by_prefix.get(prefix, ())
        # Rates that have ended already are passed over.
        named = [rate for rate in sheet.by_prefix.get(prefix, ()) if rate.valid_to > at]
        if not named and mode == "update" and prefix not in ends:
            made += _from_now_on(before, at)
            continue
        versions = {rate.valid_from: rate for rate in before}
        latest = next((rate for rate in before if rate.valid_from <= at), None)
        if named:
            if mode == "full":  # what was announced before is not what the sheet says
                first = min(rate.valid_from or at for rate in named)
                versions = {since: rate for since, rate in versions.items() if since < max(first, at)}
            newest = in_force(named, at)
            for rate in named:
                since = rate.valid_from or at
                if rate is newest and latest is not None and since < latest.valid_from:
                    # Carriers date a sheet back to its contract. What is loaded last is what counts.
                    if rate._replace(valid_from=latest.valid_from) == latest:
                        continue
                    since = at
                versions[since] = rate._replace(valid_from=since)
            if prefix in ends:  # and it comes again later
                end = max(at, ends[prefix])
                versions = {
                    since: rate._replace(valid_to=min(rate.valid_to, end)) if since < end else rate
                    for since, rate in versions.items()
                }
        elif mode == "full" or prefix in ends:
            end = max(at, ends.get(prefix, date))
            versions = {
                since: rate._replace(valid_to=min(rate.valid_to, end))
                for since, rate in versions.items()
                if since < end
            }
        made += _from_now_on(versions.values(), at)
    return RateDeck(made)


def _from_now_on(versions: Collection[Rate], at: int) -> list[Rate]:
    """Of a prefix's rates those that are in force at some time from `at` on."""
    if len(versions) == 1:  # as nearly always
        return [rate for rate in versions if at < max(rate.valid_from + 1, rate.valid_to)]
    newest_first = sorted(versions, key=lambda rate: -rate.valid_from)
    kept = [rate for rate in newest_first if rate.valid_from > at]
    current = in_force(newest_first, at)
    return kept if current is None else [*kept, current]


def written(deck: RateDeck) -> str:
    """A deck as text that `parse` reads back."""
    lines = [_HEADER.rstrip()]
    same: dict[tuple[Any, ...], str] = {}  # what the rates of many prefixes have in common
    for prefix in sorted(deck.by_prefix):
        for rate in deck.by_prefix[prefix]:
            key = rate[2:]
            terms = same.get(key)
            if terms is None:
                until = "" if rate.valid_to == NEVER else _iso(rate.valid_to)
                terms = same[key] = (
                    f"{decimal(rate.price_per_minute_micros)},{decimal(rate.connection_fee_micros)},"
                    f"{increments_text(rate.increments)},{_iso(rate.valid_from)},{rate.kind},{until}"
                )
            name = rate.name.replace('"', '""') if '"' in rate.name else rate.name
            lines.append(f'{prefix},"{name}",{terms}')
    return "\n".join(lines) + "\n"


def _iso(at: int) -> str:
    """A moment to the millisecond: a rate that has no date begins when its sheet was loaded."""
    seconds, ms = divmod(at, 1000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=ms * 1000, tzinfo=None)
    return moment.isoformat(timespec="milliseconds") + "Z"


def ended(old: RateDeck | None, new: RateDeck, at: int) -> tuple[Ended, ...]:
    """The prefixes that have a rate in `old`, at `at` or later, and that have none any more at some time in `new`."""
    found = []
    for prefix, versions in sorted(old.by_prefix.items() if old else ()):
        until = max((rate.valid_to for rate in versions), default=0)
        after = new.by_prefix.get(prefix, ())
        ends = after[0].valid_to if after else at
        if ends < NEVER and ends < until and until > at:
            found.append(Ended(prefix, versions[0].name, ends))
    return tuple(found)


def parse(text: str) -> RateDeck:
    """Read a sheet or a deck from CSV with a header line. Every row must be right: BadInput names the wrong lines.

    Columns: prefix, name, price_per_minute, and if wanted connection_fee (0), increments (30/6), valid_from (UTC; from
    loading on), kind (standard), valid_to (UTC; never). Prices are decimals of the company's currency. Lines that begin
    with # are for people.
    """
    seen: dict[tuple[str, int], int] = {}
    reader = _Reader()

    def rate_of(line: int, cells: list[str]) -> Rate:
        """The rate of a line, if no line before it has it."""
        rate = reader.rate(cells)
        first = seen.setdefault((rate.prefix, rate.valid_from), line)
        if first != line:
            raise BadInput("{prefix} with the same date is already in line {first}", prefix=rate.prefix, first=first)
        return rate

    return RateDeck(sheets.read(text, "the rate deck", _NEEDED, _OPTIONAL, MOST_ROWS, rate_of))


def stored(text: str) -> RateDeck:
    """A deck of a text that `written` made. BadInput if a line of it cannot be read.

    Checked as `parse` does; what many lines have in common is read once.
    """
    if not text.startswith(_HEADER):  # an earlier version wrote it
        return parse(text)
    reader = _Reader()
    same: dict[tuple[str, ...], Rate] = {}
    rates = []
    try:
        for cells in islice(csv.reader(io.StringIO(text, newline=""), strict=True), 1, None):
            prefix, name, *rest = cells
            key = tuple(rest)
            rate = same.get(key)
            if rate is None:
                rate = same[key] = reader.rate(cells)
            if not _WRITTEN_PREFIX(prefix) or not name.isprintable() or not 1 <= len(name) <= MOST_NAME:
                reader.rate(cells)  # which says what is wrong
            rates.append(Rate(prefix, name, *rate[2:]))
    except (csv.Error, ValueError) as error:
        raise BadInput("Could not load {what}: {wrong}", what="the rate deck", wrong=error) from None
    deck = RateDeck(rates)
    if any(len({rate.valid_from for rate in each}) < len(each) for each in deck.by_prefix.values() if len(each) > 1):
        raise BadInput("Could not load {what}: {wrong}", what="the rate deck", wrong="a prefix has a date twice")
    return deck


def version_of(text: str) -> str:
    """The version of the deck that a text is: its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()


def difference(old: RateDeck | None, new: RateDeck, at: int) -> Difference:
    """What would change at `at` if `new` were used instead of `old`."""
    before = _in_force(old, at) if old else {}
    after = _in_force(new, at)
    dearer: list[tuple[int, str]] = []
    cheaper: list[tuple[int, str]] = []
    otherwise: list[tuple[int, str]] = []
    blocked = 0
    for prefix, rate in after.items():
        was = before.get(prefix)
        if was is None or (was[:5] == rate[:5] and was.kind == rate.kind):
            continue
        if BLOCKED in (was.kind, rate.kind):
            blocked += rate.kind == BLOCKED
            otherwise.append((0, prefix))
            continue
        change = rate.price_per_minute_micros - was.price_per_minute_micros
        (dearer if change > 0 else cheaper if change < 0 else otherwise).append((abs(change), prefix))
    examples = [
        f"{prefix} {after[prefix].name}: {decimal(before[prefix].price_per_minute_micros)} ->"
        f" {decimal(after[prefix].price_per_minute_micros)}"
        for _, prefix in sorted(dearer, reverse=True)[:5] + sorted(cheaper, reverse=True)[:5]
    ]
    changed = len(dearer) + len(cheaper) + len(otherwise)
    kept = len(after.keys() & before.keys())
    return Difference(
        added=len(after) - kept,
        removed=len(before) - kept,
        dearer=len(dearer),
        cheaper=len(cheaper),
        otherwise_changed=len(otherwise),
        same=kept - changed,
        examples=tuple(examples),
        retired=tuple(sorted(prefix for prefix in after if is_retired_prefix(prefix))),
        blocked=blocked,
    )


def _in_force(deck: RateDeck, at: int) -> dict[str, Rate]:
    found = {prefix: in_force(versions, at) for prefix, versions in deck.by_prefix.items()}
    return {prefix: rate for prefix, rate in found.items() if rate is not None}


class _Reader:
    """Reads rows to rates. Remembers what it read before: most cells of a deck repeat."""

    def __init__(self) -> None:
        self._prices: dict[str, int] = {}
        self._increments: dict[str, Increments] = {}
        self._moments: dict[str, int] = {}

    def rate(self, row: list[str]) -> Rate:
        """One row. BadInput says what is wrong with it."""
        prefix, name, price, fee, steps, since, kind, until = row
        digits = _PREFIX.fullmatch(prefix)
        if digits is None:
            raise BadInput(
                "Invalid prefix {prefix!r}. Use the digits of an international number, as in 4420 or +4420.",
                prefix=prefix[:40],
            )
        if not name or len(name) > MOST_NAME or not name.isprintable():
            raise BadInput(
                "Invalid name {name!a}. Use 1 to {most_name} printable characters.", name=name[:40], most_name=MOST_NAME
            )
        if kind not in destinations.KINDS and kind != BLOCKED:
            raise BadInput(
                "Invalid kind {kind!r}. Use one of {kinds}.", kind=kind[:40], kinds=", ".join(destinations.KINDS)
            )
        if steps not in self._increments:
            self._increments[steps] = increments(steps)
        if until and self._moment(until) <= self._moment(since):
            raise BadInput("valid_to {until} is not after valid_from {since}", until=until, since=since)
        return Rate(
            "+" + digits.group(1),
            name,
            self._price(price, marked("the price per minute")),
            self._price(fee, marked("the connection fee")),
            self._increments[steps],
            self._moment(since),
            kind,
            self._moment(until) if until else NEVER,
        )

    def _moment(self, text: str) -> int:
        if text not in self._moments:
            self._moments[text] = _moment(text)
        return self._moments[text]

    def _price(self, text: str, what: str) -> int:
        if text not in self._prices:
            micros = amount(text, what, zero=True)
            if micros > MOST_PRICE_MICROS:
                raise BadInput(
                    "{what} {given} is above {most_price_micros}",
                    what=what,
                    given=text,
                    most_price_micros=decimal(MOST_PRICE_MICROS),
                )
            self._prices[text] = micros
        return self._prices[text]


def _moment(text: str) -> int:
    found = _MOMENT.fullmatch(text)
    try:
        if found is None:
            raise ValueError(text)
        moment = datetime.fromisoformat(f"{found.group(1)}T{found.group(2) or '00:00:00'}").replace(tzinfo=UTC)
        if moment.year < 1970:
            raise ValueError(text)
    except ValueError:
        raise BadInput(
            "Invalid date {given!r}. Use a date like 2026-11-22, or a time like 2026-11-22T00:00:00Z (UTC).",
            given=text[:40],
        ) from None
    return int(moment.timestamp()) * 1000 + int(found.group(3) or 0)
