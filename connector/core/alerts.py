"""What people are told besides: kinds of notices, who is written to, and when it is tried again."""

from __future__ import annotations

# Each kind, in words, and the roles of a company that are written to.
_MONEY = ("owner", "finance")
_CALLS = ("owner", "operator")
KINDS = {
    "balance_low": ("The balance is short of what renews within three days", _MONEY),
    "credit_low": ("A profile's credit is used up, or soon will be", _MONEY),
    "recharged": ("A profile was recharged", _MONEY),
    "recharge_failed": ("A profile was not recharged", _MONEY),
    "payment_taken_back": ("A payment was taken back", _MONEY),
    "invoices_wait": ("Invoices wait for the company's address", _MONEY),
    "grace": ("A subscription was not renewed, and goes on for three days", _MONEY),
    "ended": ("A subscription ended, for it could not be paid", _MONEY),
    "trunk_down": ("A trunk cannot be reached", _CALLS),
    "trunk_up": ("A trunk can be reached again", _CALLS),
    "channels_full": ("Calls were refused, for all channels were in use", _CALLS),
    "test": ("A test", ()),
}
# Renewals are counted so far ahead; credit that lasts no longer is low; a trunk is down that was for so long.
RENEWS_WITHIN_MS = 3 * 24 * 3_600_000
LASTS_MS = 10 * 60_000
DOWN_MS = 60_000
MOST_TRIES = 12
_FIRST_MS = 30_000
_LAST_MS = 4 * 3_600_000


def again_in_ms(tries: int) -> int | None:
    """How long to wait after so many tries in vain, in milliseconds; None: it is not tried again. A day in all."""
    return None if tries >= MOST_TRIES else min(_LAST_MS, _FIRST_MS * 2**tries)
