"""How many channels does a company need? By its employees, by a traffic figure (Erlang B), or by its own calls."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation

from connector.core.plans import MOST_CHANNELS, channels_sold
from connector.errors import BadInput

# Employees at most -> channels: a tenth of an erlang each in the busy hour, one call in a hundred blocked.
BY_EMPLOYEES = (
    (5, 4), (10, 5), (20, 7), (50, 11), (100, 18), (200, 30), (300, 42), (500, 64), (750, 91), (1000, 117),
    (1500, 170), (2000, 221), (2500, 273), (2750, 298),
)  # fmt: skip
ERLANGS_PER_EMPLOYEE = Decimal("0.1")
USUAL_BLOCKING = Decimal("0.01")
MOST_ERLANGS = 10_000
_EXACT = Context(prec=60)


@dataclass(frozen=True)
class Advice:
    """The channels needed, and those to buy for it: sold above 100 in tens, and at most 300 a profile.

    `blocking` is the share of calls that finds all of `channels` taken, to ten digits; None where a table spoke.
    """

    channels: int
    to_buy: int
    profiles: int
    blocking: str | None = None
    erlangs: str | None = None


@dataclass(frozen=True)
class Busiest:
    """The busiest hour of a profile: when it began and how long it is (milliseconds), the time talked in it, the calls
    tried and those that found no channel. `peak`: the most calls at once of all `calls`, the first of which began at
    `since` and the last at `until`.
    """

    busiest_at: int
    length_ms: int
    talk_ms: int
    attempts: int
    blocked: int
    peak: int
    calls: int
    since: int
    until: int


def blocking(erlangs: Decimal, channels: int) -> Decimal:
    """The Erlang B formula: the share of calls blocked, exact to 50 digits (A. K. Erlang, 1917)."""
    inverse = Decimal(1)
    for channel in range(1, channels + 1):  # 1/B(n) = 1 + n/A * 1/B(n-1)
        inverse = _EXACT.add(1, _EXACT.multiply(_EXACT.divide(Decimal(channel), erlangs), inverse))
    return _EXACT.divide(Decimal(1), inverse)


def by_erlangs(erlangs: Decimal, most_blocking: Decimal = USUAL_BLOCKING) -> Advice:
    """The fewest channels with which no more than `most_blocking` of the calls is blocked."""
    if not erlangs.is_finite() or not 0 < erlangs <= MOST_ERLANGS:
        raise BadInput(
            "a traffic of {erlangs} erlangs: it is above 0 and at most {most_erlangs}",
            erlangs=erlangs,
            most_erlangs=MOST_ERLANGS,
        )
    if not most_blocking.is_finite() or not Decimal("0.000001") <= most_blocking < 1:
        raise BadInput(
            "a blocking of {most_blocking}: it is a share from 0.000001 to below 1, as in 0.01",
            most_blocking=most_blocking,
        )
    inverse, channels = Decimal(1), 0
    while _EXACT.multiply(inverse, most_blocking) < 1:
        channels += 1
        inverse = _EXACT.add(1, _EXACT.multiply(_EXACT.divide(Decimal(channels), erlangs), inverse))
    found = _EXACT.divide(Decimal(1), inverse).quantize(Decimal("1E-10"))
    return _advice(channels, f"{found:f}", f"{erlangs:f}")


def by_employees(employees: int) -> Advice:
    """By the table, for an ordinary office."""
    if not 1 <= employees <= BY_EMPLOYEES[-1][0]:
        raise BadInput(
            "{employees} employees: the table is for 1 to {by_employees}; for more, measure the"
            " traffic and ask by --erlangs",
            employees=employees,
            by_employees=BY_EMPLOYEES[-1][0],
        )
    return _advice(next(channels for most, channels in BY_EMPLOYEES if employees <= most))


def by_busiest(found: Busiest, most_blocking: Decimal) -> Advice:
    """By a profile's busiest hour. What was carried is less than what was offered, by the share that was blocked."""
    carried = _EXACT.divide(Decimal(found.talk_ms), Decimal(found.length_ms))
    tried, went_up = Decimal(found.attempts), Decimal(max(1, found.attempts - found.blocked))
    offered = _EXACT.divide(_EXACT.multiply(carried, tried), went_up)
    advised = by_erlangs(
        min(offered.quantize(Decimal("0.0001")) or Decimal("0.0001"), Decimal(MOST_ERLANGS)), most_blocking
    )
    if advised.channels >= found.peak:
        return advised
    return _advice(found.peak, advised.blocking, advised.erlangs)


def number(text: str, what: str) -> Decimal:
    """A plain decimal number; BadInput if it is something else (NaN, 1e309, -1)."""
    try:
        if not text.replace(".", "", 1).isascii() or not text.replace(".", "", 1).isdigit() or len(text) > 20:
            raise BadInput(
                "Invalid value {given!r} for {what}. Use a plain decimal number.", what=what, given=text[:40]
            )
        return Decimal(text)
    except InvalidOperation:
        raise BadInput(
            "Invalid value {given!r} for {what}. Use a plain decimal number.", what=what, given=text[:40]
        ) from None


def _advice(channels: int, found: str | None = None, erlangs: str | None = None) -> Advice:
    profiles = -(-channels // MOST_CHANNELS)
    each = -(-channels // profiles)
    sold = channels_sold(each)
    if sold < each:  # 104 would be rounded down to 100, which is too few
        sold = channels_sold(min(MOST_CHANNELS, each + 5))
    return Advice(channels, sold * profiles, profiles, found, erlangs)
