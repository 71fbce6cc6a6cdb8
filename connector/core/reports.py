"""What reports work out: what refused calls might have cost."""

from __future__ import annotations

from connector.core.money import divided_half_up

MINUTE_MS = 60_000


def mean_ms(talked_ms: int, calls: int) -> int:
    """How long an answered call lasts on average, in milliseconds; a minute where there was none."""
    return divided_half_up(talked_ms, calls) if calls else MINUTE_MS


def worth(offered_micros: int, talked_ms: int) -> int:
    """What refused calls might have cost: a minute of each by its rate, times how long calls last. An estimate."""
    return divided_half_up(offered_micros * talked_ms, MINUTE_MS)
