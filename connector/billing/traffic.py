"""What a profile's calls were, for advice on how many channels it needs."""

from __future__ import annotations

import heapq
from decimal import Decimal

from connector.billing.named import profile_row
from connector.billing.store import reading, rows
from connector.core import advice
from connector.core.advice import Advice
from connector.core.refusals import CHANNELS_FULL

HOUR_MS = 3_600_000


def advise(profile: str, most_blocking: Decimal) -> Advice:
    """Channels by the busiest clock hour (UTC) of a profile's CDRs. BadInput if it has had no calls."""
    talk: dict[int, int] = {}
    tried: dict[int, int] = {}
    blocked: dict[int, int] = {}
    peak, up = 0, list[int]()
    sql = "SELECT started_at, ended_at, refusal FROM cdr WHERE profile_id = ? ORDER BY started_at"
    with reading():
        for started_at, ended_at, refusal in rows(sql, profile_row(profile).id):
            hour = started_at // HOUR_MS
            if refusal == CHANNELS_FULL.code:
                blocked[hour] = blocked.get(hour, 0) + 1
            elif refusal is not None:
                continue
            tried[hour] = tried.get(hour, 0) + 1
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
        return advice.by_traffic(0, HOUR_MS, 0, 0, 0, most_blocking)
    busiest = max(talk, key=lambda hour: talk[hour] * (1 + blocked.get(hour, 0)))
    attempts = tried.get(busiest, 0) or 1
    return advice.by_traffic(talk[busiest], HOUR_MS, attempts, blocked.get(busiest, 0), peak, most_blocking)
