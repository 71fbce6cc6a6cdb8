"""Many processes on one store, killed at random."""

from __future__ import annotations

from lab.soak import soak

SECONDS = 60


def test_nothing_is_oversold_or_lost_whoever_is_killed() -> None:
    """A minute of calls, money and subscriptions by three processes, of which one after another gets kill -9."""
    found = soak(SECONDS)
    assert found.problems == [], found
    assert found.kills > 20, found
    assert found.audits > 5, found
    assert min(found.counts.get(kind, 0) for kind in ("hold", "settle", "ok", "no_credit", "recharge")) > 5, found
