"""A rate deck: all rates of a company at one time, from CSV, checked as a whole, and looked up in microseconds.

A deck never changes. Its text is kept as it was read, and its version is that text's hash; a new deck replaces it
whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from connector.core import destinations, sheets
from connector.core.money import amount, decimal
from connector.core.rating import Increments, Rate, increments
from connector.errors import BadInput

_NEEDED = ("prefix", "name", "price_per_minute")
_OPTIONAL = {"connection_fee": "0", "increments": "30/6", "valid_from": "1970-01-01", "kind": "standard"}
_PREFIX = re.compile(r"\+?([1-9][0-9]{0,14})")
_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T([0-9]{2}:[0-9]{2}:[0-9]{2})Z)?")
MOST_ROWS = 1_000_000
MOST_NAME = 80
# A thousand of the currency a minute: above it, somebody mistook the column.
MOST_PRICE_MICROS = 1_000_000_000


@dataclass(frozen=True)
class Difference:
    """What a new deck would change, by prefix, and by how much the dearest and cheapest change."""

    added: int
    removed: int
    dearer: int
    cheaper: int
    otherwise_changed: int
    same: int
    examples: tuple[str, ...]


class RateDeck:
    """Rates by prefix. Made by `parse`; asked by `rate`."""

    def __init__(self, rates: Iterable[Rate], version: str) -> None:
        self.version = version
        self.by_prefix: dict[str, list[Rate]] = {}
        for rate in rates:
            self.by_prefix.setdefault(rate.prefix, []).append(rate)
        for versions in self.by_prefix.values():
            versions.sort(key=lambda rate: -rate.valid_from)
        self._lengths = sorted({len(prefix) for prefix in self.by_prefix}, reverse=True)

    def __len__(self) -> int:
        return sum(len(versions) for versions in self.by_prefix.values())

    def rate(self, called: str, at: int) -> Rate | None:
        """The rate of an E.164 number at an instant: of the longest prefix that has one valid by then, the latest."""
        for length in self._lengths:
            for rate in self.by_prefix.get(called[:length], ()):
                if rate.valid_from <= at:
                    return rate
        return None


def parse(text: str) -> RateDeck:
    """Read a deck from CSV with a header line. Every row must be right: BadInput names the lines that are not.

    Columns: prefix, name, price_per_minute, and if wanted connection_fee (0), increments (30/6), valid_from (UTC;
    always), kind (standard). Prices are decimals of the company's currency. Lines that begin with # are for people.
    """
    seen: dict[tuple[str, int], int] = {}
    reader = _Reader()

    def rate_of(line: int, cells: list[str]) -> Rate:
        """The rate of a line, if no line before it has it."""
        rate = reader.rate(cells)
        first = seen.setdefault((rate.prefix, rate.valid_from), line)
        if first != line:
            raise BadInput(f"{rate.prefix} from the same date stands in line {first} already")
        return rate

    rates = sheets.read(text, "the rate deck", _NEEDED, _OPTIONAL, MOST_ROWS, rate_of)
    return RateDeck(rates, version_of(text))


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
    for prefix, rate in after.items():
        was = before.get(prefix)
        if was is None or was == rate:
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
    )


def _in_force(deck: RateDeck, at: int) -> dict[str, Rate]:
    found = {}
    for prefix, versions in deck.by_prefix.items():
        rate = next((rate for rate in versions if rate.valid_from <= at), None)
        if rate is not None:
            found[prefix] = rate
    return found


class _Reader:
    """Reads rows to rates. Remembers what it read before: most cells of a deck repeat."""

    def __init__(self) -> None:
        self._prices: dict[str, int] = {}
        self._increments: dict[str, Increments] = {}
        self._moments: dict[str, int] = {}

    def rate(self, row: list[str]) -> Rate:
        """One row. BadInput says what is wrong with it."""
        prefix, name, price, fee, steps, since, kind = row
        digits = _PREFIX.fullmatch(prefix)
        if digits is None:
            raise BadInput(f"{prefix[:40]!r} is no prefix of an international number")
        if not name or len(name) > MOST_NAME or not name.isprintable():
            raise BadInput(f"a name has 1 to {MOST_NAME} printable characters")
        if kind not in destinations.KINDS:
            raise BadInput(f"kind {kind[:40]!r} is none of {', '.join(destinations.KINDS)}")
        if steps not in self._increments:
            self._increments[steps] = increments(steps)
        if since not in self._moments:
            self._moments[since] = _moment(since)
        return Rate(
            "+" + digits.group(1),
            name,
            self._price(price, "the price per minute"),
            self._price(fee, "the connection fee"),
            self._increments[steps],
            self._moments[since],
            kind,
        )

    def _price(self, text: str, what: str) -> int:
        if text not in self._prices:
            micros = amount(text, what, zero=True)
            if micros > MOST_PRICE_MICROS:
                raise BadInput(f"{what} {text} is above {decimal(MOST_PRICE_MICROS)}")
            self._prices[text] = micros
        return self._prices[text]


def _moment(text: str) -> int:
    found = _MOMENT.fullmatch(text)
    try:
        if found is None:
            raise ValueError(text)
        moment = datetime.fromisoformat(f"{found.group(1)}T{found.group(2) or '00:00:00'}").replace(tzinfo=UTC)
    except ValueError:
        raise BadInput(f"{text[:40]!r} is no date like 2026-11-22, nor one like 2026-11-22T00:00:00Z (UTC)") from None
    return int(moment.timestamp()) * 1000
