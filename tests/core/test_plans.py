"""How many channels are sold (BRIEF, rule 1)."""

from __future__ import annotations

import pytest

from connector.core.plans import channels_sold
from connector.errors import BadInput

SOLD = """
1   -> 1
99  -> 99
100 -> 100
101 -> 100
104 -> 100
105 -> 110
115 -> 120
294 -> 290
295 -> 300
300 -> 300
"""


@pytest.mark.parametrize("line", SOLD.strip().splitlines())
def test_channels_above_100_are_sold_in_tens(line: str) -> None:
    """Above 100, channels are rounded half up to tens."""
    asked, sold = (int(word) for word in line.split("->"))
    assert channels_sold(asked) == sold


@pytest.mark.parametrize("asked", [0, -5, 301, 304, 10**18])
def test_other_amounts_are_refused(asked: int) -> None:
    """0, negative and more than 300 channels are not sold."""
    with pytest.raises(BadInput):
        channels_sold(asked)
