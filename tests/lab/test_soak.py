"""Many processes on one store, killed at random."""

from __future__ import annotations

from lab.soak import KINDS, soak

SECONDS = 60
AT_LEAST = 6


def test_nothing_is_oversold_or_lost_whoever_is_killed() -> None:
    """A minute of calls, money and subscriptions by three processes, of which one after another gets kill -9; on a slow
    machine as long as it takes for enough of them.
    """
    found = soak(SECONDS, at_least=AT_LEAST)
    assert found.problems == [], found
    assert found.kills > 20, found
    assert found.audits > 5, found
    assert min(found.counts.get(kind, 0) for kind in KINDS) >= AT_LEAST, found
