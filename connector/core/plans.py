"""What is sold, for how long, and what comes back: channel subscriptions, bundles, numbers, in terms of 30 days.

Instants are milliseconds since 1970 UTC.
"""

from __future__ import annotations

from fractions import Fraction

from connector.core.money import divided_half_up, minor_unit
from connector.errors import BadInput

MOST_CHANNELS = 300
TERM_MS = 2_592_000_000
DAY_MS = 86_400_000
GRACE_MS = 3 * DAY_MS
BUNDLE_SECONDS = 5_000 * 60
# Until a company has its own ('connector company prices').
USUAL_CHANNEL_MICROS = 6_950_000
USUAL_BUNDLE_MICROS = 45_000_000


def channels_sold(asked: int) -> int:
    """The channels sold to somebody who asks for `asked`.

    Above 100 they are rounded half up to tens: 104 -> 100, 105 -> 110. Raises BadInput outside 1..300 (BRIEF, rule 1).
    """
    if not 1 <= asked <= MOST_CHANNELS:
        raise BadInput(
            "{asked} channels cannot be sold: a profile has 1 to {most_channels}",
            asked=asked,
            most_channels=MOST_CHANNELS,
        )
    return asked if asked <= 100 else (asked + 5) // 10 * 10


def bundles_sold(asked: int, channels: int) -> int:
    """As many bundles as asked; BadInput if there would be more of them than channels (BRIEF, M12 and rule 5)."""
    if asked < 0:
        raise BadInput("{asked} bundles cannot be sold", asked=asked)
    if asked > channels:
        raise BadInput(
            "There can be one bundle for each channel at most, not {asked} for {channels}. Reduce the "
            "bundles in the same change.",
            asked=asked,
            channels=channels,
        )
    return asked


def term_end(start: int, terms: int = 1) -> int:
    """When a term of 2,592,000 s that begins at `start` ends, and the next begins (BRIEF, rule 3)."""
    return start + terms * TERM_MS


def refund(price: int, elapsed_ms: int, term_ms: int, currency: str, *, used_s: int = 0, sold_s: int = 0) -> int:
    """What comes back of a price when its term ends early; `price - refund` is the used part (BRIEF, rule 4).

    The used part is price x elapsed / term, half up to the currency's minor unit. Of bundles it is the share of the
    seconds that were used, if that is more: else a bundle could be emptied in a day and paid back
    (docs/decisions/0008). All in micros, milliseconds and seconds.
    """
    time_share = (min(max(elapsed_ms, 0), term_ms), term_ms)
    seconds_share = (min(used_s, sold_s), sold_s) if sold_s else (0, 1)
    number, by = max(time_share, seconds_share, key=lambda share: Fraction(*share))
    used = divided_half_up(price * number, by * minor_unit(currency)) * minor_unit(currency)
    return price - min(price, used)
