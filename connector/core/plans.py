"""What is sold: how many channels a profile may have."""

from __future__ import annotations

from connector.errors import BadInput

MOST_CHANNELS = 300


def channels_sold(asked: int) -> int:
    """The channels sold to somebody who asks for `asked`.

    Above 100 they are rounded half up to tens: 104 -> 100, 105 -> 110. Raises BadInput outside 1..300 (BRIEF, rule 1).
    """
    if not 1 <= asked <= MOST_CHANNELS:
        raise BadInput(f"{asked} channels cannot be sold: a profile has 1 to {MOST_CHANNELS}")
    return asked if asked <= 100 else (asked + 5) // 10 * 10
