"""The 300-channel limit on a real Asterisk: the scenarios of `make load`, each with its books compared with SIPp's."""

from __future__ import annotations

import pytest

from lab import load
from lab.load import Bench


@pytest.mark.quiet
def test_300_are_held_and_20_more_refused(bench: Bench) -> None:
    """300 calls stay up while 20 more get 503; when they have hung up, one more is admitted."""
    assert load.hold_and_refuse(bench).problems == []


@pytest.mark.quiet
def test_a_burst_of_320_gives_exactly_300(bench: Bench) -> None:
    """However close together they come, exactly 300 are admitted and 20 refused."""
    assert load.burst(bench).problems == []


@pytest.mark.alone
def test_3000_calls_with_every_ending_are_all_in_the_books(bench: Bench) -> None:
    """One CDR for each call offered; per ending as many as SIPp says; nothing left in Asterisk or in the store."""
    assert load.mixed_endings(bench).problems == []


@pytest.mark.alone
def test_300_calls_talk_both_ways(bench: Bench) -> None:
    """Packets come and go on all 600 legs, and nobody is cut."""
    assert load.media(bench).problems == []


@pytest.mark.quiet
def test_calls_in_and_out_share_one_limit(bench: Bench) -> None:
    """150 and 150 fill the profile, and then both ways are refused."""
    assert load.both_ways(bench).problems == []


@pytest.mark.quiet
def test_a_full_profile_disturbs_no_other(bench: Bench) -> None:
    """The second profile has all its channels while the first is full."""
    assert load.second_profile(bench).problems == []
