"""Which calls get a channel."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core import refusals
from connector.core.admission import may_carry, take_slot

# channels bought, slots taken -> slot, or full
SLOTS = """
1                -> 1
1   1            -> full
3   1 2          -> 3
3   2 3          -> 1
0                -> full
2   250 251      -> full
2   250          -> 1
"""


@pytest.mark.parametrize("line", SLOTS.strip().splitlines())
def test_the_lowest_free_slot_is_taken(line: str) -> None:
    """A call takes a channel that was bought and that no other call has; after a change down calls count."""
    left, _, wanted = line.partition("->")
    channels, *taken = (int(word) for word in left.split())
    got = take_slot(channels, set(taken))
    assert ("full" if got is refusals.CHANNELS_FULL else str(got)) == wanted.strip()


@given(st.integers(0, 300), st.sets(st.integers(1, 300)))
def test_never_more_calls_than_channels(channels: int, taken: set[int]) -> None:
    """A slot is given only when fewer calls are up than channels bought, and it is a free one."""
    got = take_slot(channels, taken)
    if isinstance(got, int):
        assert len(taken) < channels
        assert got not in taken
        assert 1 <= got <= channels
    else:
        assert len(taken) >= channels


@pytest.mark.parametrize(
    ("status", "carries"),
    [("active", True), ("cancelling", True), ("inactive", False), ("suspended", False), ("archived", False)],
)
def test_only_active_and_cancelling_profiles_carry_calls(status: str, carries: bool) -> None:
    """A profile that is cancelling has paid to the end of its term."""
    assert (may_carry(status, "open") is None) is carries


@pytest.mark.parametrize(
    ("status", "state", "code"),
    [
        ("active", "draining", "profile_draining"),
        ("active", "suspended", "profile_suspended"),
        ("inactive", "suspended", "profile_suspended"),
        ("inactive", "draining", "profile_not_active"),
    ],
)
def test_an_operator_may_close_a_profile(status: str, state: str, code: str) -> None:
    """Suspended or drained it carries no new calls, whatever is paid."""
    refused = may_carry(status, state)
    assert refused is not None
    assert refused.code == code
