"""How a call sounds, from what RTCP says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.media import Leg, Stream, leg, mos

# codec, loss in percent, jitter in ms, round trip in ms: MOS. The first is the model's known best for G.711.
SCORES = """
alaw    0     0     0   4.40
alaw    0     5    50   4.38
alaw    1     5    50   4.28
alaw    5    10   100   3.83
alaw   20    40   300   1.92
alaw    0     0   600   3.59
alaw    0     0  1000   2.21
g729    0     0     0   4.10
g729    2     5    50   3.74
gsm     0     0     0   3.72
slin16  0     0     0   4.40
what    0     0     0   4.10
alaw  100     0     0   1.16
"""


@pytest.mark.parametrize("row", SCORES.strip().splitlines(), ids=str.split)
def test_the_score_of_a_direction(row: str) -> None:
    """Loss, jitter and delay each make it worse, by the codec."""
    codec, loss, jitter, rtt, score = row.split()
    stream = Stream(1_000 - 10 * int(loss), 10 * int(loss), 1_000 * int(jitter))
    assert mos(codec, stream, 1_000 * int(rtt)) / 100 == pytest.approx(float(score), abs=0.02)


@given(
    packets=st.integers(0, 10**6),
    lost=st.integers(0, 10**6),
    more=st.integers(1, 10**6),
    jitter=st.integers(0, 10**7),
    rtt=st.integers(0, 10**8),
)
def test_more_loss_never_sounds_better(packets: int, lost: int, more: int, jitter: int, rtt: int) -> None:
    """And every score is between 1 and 4.5, whatever Asterisk says."""
    before, after = (mos("alaw", Stream(packets, each, jitter), rtt) for each in (lost, lost + more))
    assert 100 <= after <= before <= 450


SAID = {
    "rxcount": 475, "rxploss": 25, "rxjitter": 0.004, "local_normdevjitter": 0.0021, "txcount": 500, "txploss": 5,
    "txjitter": 0.0, "remote_normdevjitter": 0.003, "rtt": 0.052, "normdevrtt": 0.0504,
}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (SAID, Leg("pbx", "alaw", Stream(475, 25, 2_100), Stream(500, 5, 3_000), 50_400)),
        ({"rxcount": 0, "txcount": 500}, None),
        ({}, None),
        (
            {"rxcount": 10, "rxploss": -1, "local_normdevjitter": 0.001, "txjitter": 0.001, "txcount": 10},
            Leg("pbx", "alaw", Stream(10, 0, 1_000), None, None),
        ),
        ({"rxcount": 10, "rtt": 0.01}, Leg("pbx", "alaw", Stream(10, 0, 0), Stream(0, 0, 0), 10_000)),
    ],
)
def test_what_asterisk_says_of_a_leg(said: dict[str, Any], expected: Leg | None) -> None:
    """Seconds become microseconds; nothing is known of a leg from which nothing came, or of a far end without RTCP."""
    assert leg("pbx", "alaw", said) == expected


@pytest.mark.parametrize("lost", [{"rxploss": 2**32 - 1}, {"rxploss": -1}, {"txploss": 2**24 - 1}, {"txploss": 2**23}])
def test_packets_that_came_twice_are_no_losses(lost: dict[str, int]) -> None:
    """Asterisk's count has no sign: one packet too many looks like four thousand million lost."""
    found = leg("pbx", "alaw", {"rxcount": 500, "txcount": 500, "rtt": 0.01, **lost})
    assert found is not None
    assert found.told is not None
    assert (found.heard.lost, found.told.lost) == (0, 0)


def test_a_leg_is_as_good_as_its_worse_direction() -> None:
    """What the far end gets counts as much as what it sends."""
    good, bad = Stream(100, 0, 0), Stream(90, 10, 0)
    assert Leg("pbx", "alaw", good, bad, None).mos == Leg("pbx", "alaw", bad, good, None).mos == mos("alaw", bad, 0)
