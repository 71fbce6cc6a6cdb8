"""What a call costs us at a carrier, and what is left of its price. Pure.

A carrier's rate may be in another currency: an exchange rate is a ratio of integers. A cost is rounded twice, half up:
to a micro of the carrier's currency, by its own rate, and once more into the company's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from connector.core import rating
from connector.core.decks import RateDeck, in_force
from connector.core.money import MOST_MICROS, divided_half_up
from connector.core.rating import BLOCKED, NEVER, Rate
from connector.core.reports import MINUTE_MS
from connector.errors import BadInput

WHOLE = 10_000  # 100 %, in hundredths of a percent
_RATIO = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,9}))?")
_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?")


class Exchange(NamedTuple):
    """One unit of `currency` is `numerator` / `denominator` of the company's."""

    currency: str
    numerator: int = 1
    denominator: int = 1

    def converted(self, micros: int) -> int:
        """Micros of the currency in micros of the company's, half up."""
        return divided_half_up(micros * self.numerator, self.denominator)


class Cost(NamedTuple):
    """What a carrier takes for a number: the rate of its cost deck, and the exchange rate."""

    trunk: int
    deck: int
    rate: Rate
    exchange: Exchange

    def per_minute_micros(self) -> int:
        """A minute's price at the carrier, in the company's currency."""
        return self.exchange.converted(self.rate.price_per_minute_micros)


class Costed(NamedTuple):
    """What a call costs: the seconds that the carrier bills, in its currency, and in the company's."""

    billed_s: int
    carrier_micros: int
    cost_micros: int


@dataclass(frozen=True)
class Floor:
    """What a call has to leave over its cost: `hundredths` of a percent of its price, and micros a minute."""

    hundredths: int = 0
    per_minute_micros: int = 0


def costed(cost: Cost, duration_ms: int) -> Costed:
    """What a call of this length costs. One that nobody talked in costs nothing, and none more than can be posted: its
    end has to be written, whatever a sheet says.
    """
    billed = rating.billed_s(duration_ms, cost.rate.increments)
    carrier = min(rating.price(cost.rate, billed), MOST_MICROS)
    return Costed(billed, carrier, min(cost.exchange.converted(carrier), MOST_MICROS))


@lru_cache(maxsize=10_000)
def minute_at(rate: Rate, exchange: Exchange) -> int:
    """What a carrier takes for a call of a minute, in micros of the company's currency."""
    return costed(Cost(0, 0, rate, exchange), MINUTE_MS).cost_micros


@lru_cache(maxsize=10_000)
def of_a_minute(rate: Rate) -> int:
    """The price of a call of one minute by a rate: its connection fee and its increments count, in micros."""
    return rating.rated(rate, MINUTE_MS, 0).price_micros


def leaves(floor: Floor, price: Rate, cost: Cost) -> bool:
    """Whether a call of a minute at this price leaves what the floor asks."""
    sold, bought = of_a_minute(price), minute_at(cost.rate, cost.exchange)
    left = sold - bought
    return left >= floor.per_minute_micros and left * WHOLE >= floor.hundredths * sold


def percent_left(price_micros: int, cost_micros: int) -> int | None:
    """The margin in hundredths of a percent of the price, cut; None where nothing was paid."""
    return None if price_micros <= 0 else (price_micros - cost_micros) * WHOLE // price_micros


def exchange_ratio(text: str) -> tuple[int, int]:
    """`0.7893` as 7893 / 10000, in lowest terms. BadInput unless it is a decimal above 0."""
    found = _RATIO.fullmatch(text.strip())
    digits = (found.group(2) or "") if found else ""
    numerator = int(found.group(1) + digits) if found else 0
    if not numerator:
        raise BadInput("Invalid exchange rate {given!r}. Use a number above 0, as in 0.7893.", given=text[:40])
    return lowest(numerator, 10 ** len(digits))


def ratio_text(numerator: int, denominator: int) -> str:
    """A ratio as the decimal that `exchange_ratio` made it of: `0.7893`."""
    billionths = numerator * 10**9 // denominator
    return f"{billionths // 10**9}.{billionths % 10**9:09d}".rstrip("0").rstrip(".")


def lowest(numerator: int, denominator: int) -> tuple[int, int]:
    """A ratio in lowest terms."""
    first, second = numerator, denominator
    while second:
        first, second = second, first % second
    return numerator // first, denominator // first


def hundredths(text: str) -> int:
    """`12.5` percent as 1250. BadInput unless it is 0 to 100 with two decimals at most."""
    found = _PERCENT.fullmatch(text.strip().removesuffix("%").strip())
    value = int(found.group(1)) * 100 + int((found.group(2) or "").ljust(2, "0")) if found else -1
    if not 0 <= value <= WHOLE:
        raise BadInput("Invalid percentage {given!r}. Use 0 to 100, as in 12.5.", given=text[:40])
    return value


def to_text(cost: Cost) -> str:
    """A cost as the text that is pinned to a call."""
    trunk, deck, rate, exchange = cost
    pinned = [rate.prefix, rate.name, rate.price_per_minute_micros, rate.connection_fee_micros]
    return json.dumps([trunk, deck, *pinned, rating.increments_text(rate.increments), *exchange])


def of_text(text: str) -> Cost:
    """The cost that `to_text` wrote."""
    trunk, deck, prefix, name, per_minute, fee, steps, *exchange = json.loads(text)
    rate = Rate(prefix, name, per_minute, fee, rating.increments(steps), 0)
    return Cost(trunk, deck, rate, Exchange(*exchange))


def changes(decks: Sequence[RateDeck], at: int) -> list[int]:
    """An instant, and the later ones at which a rate of these decks begins or ends, in order."""
    later = {
        moment
        for deck in decks
        for versions in deck.by_prefix.values()
        for rate in versions
        for moment in (rate.valid_from, rate.valid_to)
        if at < moment < NEVER
    }
    return [at, *sorted(later)]


@dataclass(frozen=True)
class Below:
    """A destination that is sold below its cost: a minute's price, and what it costs by the cheapest trunk."""

    prefix: str
    name: str
    price_micros: int
    cost_micros: int
    trunk: str


def sold_below(sold: RateDeck, bought: Sequence[tuple[str, Exchange, RateDeck]], at: int) -> Iterator[Below]:
    """Every prefix of either deck by which numbers are sold below what the cheapest trunk takes for them, at an
    instant; of a trunk its name, exchange rate and cost deck. Prefixes that no trunk has a cost for are left out.
    """
    decks = [sold, *(deck for _, _, deck in bought)]
    # Of each deck, the prefixes above the one that is looked at, each with its rate in force.
    above: list[list[tuple[str, Rate]]] = [[] for _ in decks]
    for prefix in sorted(set().union(*(deck.by_prefix for deck in decks))):
        found: list[Rate | None] = []
        for deck, stack in zip(decks, above, strict=True):
            while stack and not prefix.startswith(stack[-1][0]):
                stack.pop()
            own = in_force(deck.versions(prefix), at)
            if own is not None:
                stack.append((prefix, own))
            nearest = stack[-1][1] if stack else None
            found.append(None if nearest is None or nearest.kind == BLOCKED else nearest)
        price, *rates = found
        if price is None:
            continue
        costs = [
            (exchange.converted(of_a_minute(rate)), name)
            for (name, exchange, _), rate in zip(bought, rates, strict=True)
            if rate is not None
        ]
        if costs and min(costs)[0] > of_a_minute(price):
            yield Below(prefix, price.name, of_a_minute(price), *min(costs))
