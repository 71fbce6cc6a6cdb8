"""What a profile's calls were, for advice: how many channels it needs, and the cheapest mix of them and bundles."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from decimal import Decimal

from connector.billing import plans
from connector.billing.usage import HOUR_MS
from connector.core import advice, mix
from connector.core.advice import Advice, Busiest
from connector.core.destinations import in_us
from connector.core.mix import Bundled, Made, Mix
from connector.core.plans import MOST_CHANNELS, TERM_MS
from connector.core.rating import Rate, increments
from connector.core.refusals import CHANNELS_FULL
from connector.database.named import profile_row
from connector.database.store import reading, rows
from connector.errors import BadInput

# So far before the last call, and so many calls: more would tell no more of a busy hour, and keep a page waiting.
LOOKED_BACK_MS = 90 * 24 * HOUR_MS
MOST_LOOKED_AT = 200_000
_CDRS = (
    "SELECT started_at, ended_at, refusal FROM (SELECT started_at, ended_at, refusal FROM cdr WHERE profile_id = ?"
    " AND started_at >= ? ORDER BY started_at DESC LIMIT ?) AS newest ORDER BY started_at"
)


@dataclass(frozen=True)
class MixAdvice:
    """The cheapest mix of channels and bundles for the calls of the last 30 days, and what is bought now, if anything.

    `needed`: channels for the busiest hour. `us_seconds`: billed seconds of the calls that bundles pay for.
    """

    profile: str
    currency: str
    needed: int
    us_seconds: int
    best: Mix
    bought: Mix | None
    saves_micros: int


_BUNDLED = (
    "SELECT cdr.called, charge.billed_s, charge.prefix, charge.rate_name, charge.price_per_minute_micros,"
    " charge.connection_fee_micros, charge.increments FROM cdr JOIN charge ON charge.cdr_id = cdr.id"
    " WHERE cdr.profile_id = ? AND cdr.started_at >= ? AND cdr.direction = 'out' AND charge.billed_s > 0"
    " ORDER BY cdr.started_at DESC LIMIT ?"
)


def cheapest(profile: str, most_blocking: Decimal, now: int, busiest: Busiest | None = None) -> MixAdvice:
    """What would have been cheapest for the calls of the 30 days before now. BadInput if there were none at all.
    `busiest`: its busiest hour, if that was measured already.
    """
    with reading():
        row = profile_row(profile)
        found = advice.by_busiest(busiest or measured(row.username), most_blocking)
        needed = min(found.channels, MOST_CHANNELS)
        made = Bundled(
            [
                Made(billed_s, Rate(prefix, name, price, fee, increments(steps), 0))
                for called, billed_s, prefix, name, price, fee, steps in reversed(
                    rows(_BUNDLED, row.id, now - TERM_MS, MOST_LOOKED_AT)
                )
                if in_us(called)
            ]
        )
        prices, has = plans.prices(row.company.name), plans.show(row.username)
        best = mix.cheapest(needed, made, prices.channel_micros, prices.bundle_micros)
        bought = None
        if has.channels:
            bought = mix.of(has.channels, has.bundles, made, prices.channel_micros, prices.bundle_micros)
        saves = bought.total_micros - best.total_micros if bought else 0
        return MixAdvice(row.name, prices.currency, needed, made.seconds, best, bought, saves)


def advise(profile: str, most_blocking: Decimal) -> Advice:
    """Channels by the busiest clock hour (UTC) of a profile's CDRs. BadInput if it has had no calls."""
    return advice.by_busiest(measured(profile), most_blocking)


def measured(profile: str) -> Busiest:
    """The busiest clock hour (UTC) of a profile's CDRs, of the 90 days before the last of them. BadInput if it has had
    no calls.
    """
    talk: dict[int, int] = {}
    tried: dict[int, int] = {}
    blocked: dict[int, int] = {}
    peak, up, calls, first = 0, list[int](), 0, 0
    with reading():
        row = profile_row(profile)
        ((last,),) = rows("SELECT COALESCE(MAX(started_at), 0) FROM cdr WHERE profile_id = ?", row.id)
        for started_at, ended_at, refusal in rows(_CDRS, row.id, last - LOOKED_BACK_MS, MOST_LOOKED_AT):
            hour = started_at // HOUR_MS
            if refusal == CHANNELS_FULL.code:
                blocked[hour] = blocked.get(hour, 0) + 1
            elif refusal is not None:
                continue
            tried[hour] = tried.get(hour, 0) + 1
            calls, first = calls + 1, first or started_at
            at = started_at
            while at < ended_at and refusal is None:  # a channel is taken from the INVITE on, in each hour it spans
                until = min(ended_at, (at // HOUR_MS + 1) * HOUR_MS)
                talk[at // HOUR_MS] = talk.get(at // HOUR_MS, 0) + until - at
                at = until
            if refusal is None:
                while up and up[0] <= started_at:
                    heapq.heappop(up)
                heapq.heappush(up, ended_at)
                peak = max(peak, len(up))
    if not talk:
        raise BadInput("The profile has had no calls yet. Ask by employees or by erlangs.")
    busiest = max(talk, key=lambda hour: talk[hour] * (1 + blocked.get(hour, 0)))
    attempts = tried.get(busiest, 0) or 1
    return Busiest(
        busiest * HOUR_MS, HOUR_MS, talk[busiest], attempts, blocked.get(busiest, 0), peak, calls, first, last
    )
