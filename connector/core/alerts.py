"""What people are told besides: kinds of notices, who is written to, and when it is tried again."""

from __future__ import annotations

from typing import NamedTuple

from connector.words import marked

# Each kind, in words, and the roles of a company that are written to.
_MONEY = ("owner", "finance")
_CALLS = ("owner", "operator")
KINDS = {
    "balance_low": (marked("The balance is too low for what renews within three days"), _MONEY),
    "credit_low": (marked("A profile's credit is used up, or soon will be"), _MONEY),
    "recharged": (marked("A profile or the balance was recharged"), _MONEY),
    "recharge_failed": (marked("A profile was not recharged"), _MONEY),
    "card_recharge_failed": (marked("An auto-recharge by card failed"), _MONEY),
    "budget": (marked("Most of a profile's budget is spent"), _MONEY),
    "payment_taken_back": (marked("A payment was taken back"), _MONEY),
    "invoices_wait": (marked("Invoices wait for the company's address"), _MONEY),
    "grace": (marked("A subscription was not renewed, and continues for three days"), _MONEY),
    "ended": (marked("A subscription ended because it could not be paid"), _MONEY),
    "trunk_down": (marked("A trunk cannot be reached"), _CALLS),
    "trunk_up": (marked("A trunk can be reached again"), _CALLS),
    "channels_full": (marked("Calls were refused because all channels were in use"), _CALLS),
    "threshold_money": (marked("One of your thresholds was crossed"), _MONEY),
    "threshold_calls": (marked("One of your thresholds was crossed"), _CALLS),
    "test": (marked("A test"), ()),
}
# Where somebody does something about it, if that is not the page of alerts.
PAGES = {"card_recharge_failed": "/money/auto-recharge"}


class ThresholdKind(NamedTuple):
    """A figure that a company can set a threshold to. `words` end before its value. `unit`: money, count, or "" where
    there is no value. `notice` is the kind of notice that tells of it. `below`: it is passed below its value, else at
    it and above. It is of a company or a profile, unless it says of which.
    """

    words: str
    unit: str
    notice: str
    below: bool = False
    of_company: bool = False
    needs_profile: bool = False


THRESHOLDS = {
    "balance": ThresholdKind("Balance below", "money", "threshold_money", below=True, of_company=True),
    "credit": ThresholdKind("Credit below", "money", "threshold_money", below=True, needs_profile=True),
    "spend_day": ThresholdKind("Calls of a day cost", "money", "threshold_money"),
    "spend_month": ThresholdKind("Calls of a month cost", "money", "threshold_money"),
    "channels": ThresholdKind("Channels in use", "count", "threshold_calls"),
    "refusals": ThresholdKind("Refused calls of a day", "count", "threshold_calls"),
    "unregistered": ThresholdKind("PBX not reachable for a minute", "", "threshold_calls", needs_profile=True),
}
MOST_THRESHOLDS = 200
MOST_LIMIT = 10**15
# A budget is told of from this share of it on, in percent, before it refuses calls.
BUDGET_NEAR = 80
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
