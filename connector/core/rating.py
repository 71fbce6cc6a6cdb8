"""What a call costs: seconds billed for milliseconds talked, and the price of those that money pays for.

Time is rounded once and money once (BRIEF, rules 6 and 7): the talk time goes up to whole increments, the seconds that
no bundle pays for are priced together, half up to a micro.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from connector.core.money import divided_half_up
from connector.errors import BadInput

LONGEST_INCREMENT_S = 86_400
# Later than any date that a deck can name.
NEVER = 2**62
# The kind of a rate that says that a prefix cannot be called, at no price.
BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Increment:
    """From `start_s` of a call on, time is billed in steps of `step_s`."""

    start_s: int
    step_s: int


Increments = tuple[Increment, ...]


@lru_cache(maxsize=1_000)
def increments(text: str) -> Increments:
    """`30/6`: the first 30 s whole, then steps of 6 s. `0:30 30:6 600:60`: the same kind of rows, written out.

    BadInput if the rows do not begin at 0 s, do not follow each other, or do not meet at whole steps.
    """
    short = re.fullmatch(r"([0-9]{1,5})/([0-9]{1,5})", text)
    if short:
        first, following = int(short.group(1)), int(short.group(2))
        rows = [(0, first), (first, following)]
    else:
        pieces = text.split()
        found = [re.fullmatch(r"([0-9]{1,5}):([0-9]{1,5})", piece) for piece in pieces]
        if not pieces or None in found:
            raise BadInput("increments {given!r} are neither like 30/6 nor like 0:30 30:6", given=text)
        rows = [(int(row.group(1)), int(row.group(2))) for row in found if row]
    made = tuple(Increment(start, step) for start, step in rows)
    if made[0].start_s != 0 or any(not 1 <= row.step_s <= LONGEST_INCREMENT_S for row in made):
        raise BadInput(
            "increments {given!r}: the first begins at 0 s, and each is 1 to {longest_increment_s} s long",
            given=text,
            longest_increment_s=LONGEST_INCREMENT_S,
        )
    for row, after in itertools.pairwise(made):
        if after.start_s <= row.start_s or (after.start_s - row.start_s) % row.step_s:
            raise BadInput(
                "increments {given!r}: after {start_s} s come whole steps of {step_s} s",
                given=text,
                start_s=row.start_s,
                step_s=row.step_s,
            )
    return made


def increments_text(rows: Increments) -> str:
    """The shortest spelling of increments, which `increments` reads back."""
    if len(rows) == 2 and rows[1].start_s == rows[0].step_s:
        return f"{rows[0].step_s}/{rows[1].step_s}"
    return " ".join(f"{row.start_s}:{row.step_s}" for row in rows)


def whole_blocks(seconds: int, rows: Increments) -> int:
    """The fewest whole billing blocks, in seconds, that are not shorter than `seconds`; 0 for 0."""
    if seconds <= 0:
        return 0
    for row in reversed(rows):  # no generator: each call passes here
        if seconds > row.start_s:
            break
    return row.start_s + -(-(seconds - row.start_s) // row.step_s) * row.step_s


def blocks_within(seconds: int, rows: Increments) -> int:
    """The most whole billing blocks, in seconds, that are not longer than `seconds`; 0 if not even the first is."""
    for row in reversed(rows):
        if seconds >= row.start_s:
            break
    return row.start_s + (max(0, seconds) - row.start_s) // row.step_s * row.step_s


def billed_s(duration_ms: int, rows: Increments) -> int:
    """The seconds billed for `duration_ms` of talk: no talk, no seconds; else up to the next whole block."""
    return whole_blocks(-(-duration_ms // 1000), rows)


class Rate(NamedTuple):
    """One row of a rate deck: a tuple, for a deck has 200,000 of them.

    `kind` is standard, premium, satellite or special, or blocked (`BLOCKED`); `valid_from` and `valid_to` in
    milliseconds since 1970 UTC: in force from the one on, and not any more at the other.
    """

    prefix: str
    name: str
    price_per_minute_micros: int
    connection_fee_micros: int
    increments: Increments
    valid_from: int
    kind: str = "standard"
    valid_to: int = NEVER


def price(rate: Rate, paid_s: int) -> int:
    """What money pays for `paid_s` billed seconds, in micros; nothing for none, not even the connection fee."""
    if paid_s <= 0:
        return 0
    return divided_half_up(rate.price_per_minute_micros * paid_s, 60) + rate.connection_fee_micros


def seconds_for(rate: Rate, micros: int) -> int:
    """The most seconds whose price is not above `micros`; a whole day's at most, for a rate that costs nothing."""
    most = 86_400
    if micros < rate.connection_fee_micros:
        return 0
    if rate.price_per_minute_micros == 0:
        return most
    # price(s) <= m  <=>  2*p*s + 60 < 120*(m - fee + 1), by the definition of half up.
    room = 120 * (micros - rate.connection_fee_micros + 1) - 60
    return min(most, max(0, -(-room // (2 * rate.price_per_minute_micros)) - 1))


@dataclass(frozen=True, slots=True)
class Rated:
    """A call's talk time as it is billed: `billed_s` = `bundle_s` + `paid_s`; `price_micros` is for `paid_s`."""

    billed_s: int
    bundle_s: int
    paid_s: int
    price_micros: int


def rated(rate: Rate, duration_ms: int, bundle_s: int, most_s: int | None = None) -> Rated:
    """Rate a call that may take `bundle_s` seconds from a bundle, which pays first.

    Never more than `most_s` are billed: a call that Asterisk ended at its paid second ended milliseconds after it.
    """
    billed = billed_s(duration_ms, rate.increments)
    if most_s is not None:
        billed = min(billed, most_s)
    from_bundle = min(billed, bundle_s)
    return Rated(billed, from_bundle, billed - from_bundle, price(rate, billed - from_bundle))
