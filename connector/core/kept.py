"""Texts that are kept in the store, in English: notes in the ledger, notices, and whether a PBX can be reached.

Each is written by its pattern, and by the same pattern it is read again, so that a page can translate it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from connector.words import LANGUAGE, USUAL, tr

# Values that are such texts themselves. Others are what people have named, sums and times, and stay as they are.
_OURS = ("bought", "of", "payment", "rest", "what", "why")
_LONGEST = 400
_VALUE = re.compile(r"\{([a-z_]+)\}")


class Kept:
    """The pattern of a text: `Kept("credit for {name}")`."""

    all: list[Kept] = []  # noqa: RUF012  # that are there, whichever module has them

    def __init__(self, text: str) -> None:
        self.text = text
        parts = _VALUE.split(text)
        found = (re.escape(part) if at % 2 == 0 else f"(?P<{part}>.+?)" for at, part in enumerate(parts))
        self._pattern = re.compile("".join(found), re.DOTALL)
        self._said = len(_VALUE.sub("", text))
        self.all.append(self)

    def write(self, **values: object) -> str:
        """The text as it is kept."""
        return self.text.format(**values)

    def values(self, text: str) -> dict[str, str] | None:
        """The values of a text of this pattern; None for another text."""
        found = self._pattern.fullmatch(text)
        return None if found is None else found.groupdict()

    @classmethod
    @lru_cache(maxsize=4096)
    def of(cls, text: str) -> Kept | None:
        """The pattern that a text was written by: of those that fit, the one with the most words of its own."""
        if len(text) > _LONGEST:  # a pattern of many values takes long to say that it does not fit
            return None
        fitting = [each for each in cls.all if each.values(text) is not None]
        return max(fitting, key=lambda each: each._said, default=None)


def read(text: str) -> str:
    """A kept text in the reader's language. One that is not known stays as it is."""
    return text if LANGUAGE.get() == USUAL or Kept.of(text) is None else _read(text)


def _read(text: str) -> str:
    pattern = Kept.of(text)
    if pattern is None:
        return tr(text)
    values = pattern.values(text) or {}
    return tr(pattern.text, **{name: _read(each) if name in _OURS else each for name, each in values.items()})


# The ledger: payments
PAYMENT_RECEIVED_ON = Kept("{payment}, received on {day}")
PAYMENT_TAKEN_BACK = Kept("{payment} taken back: {why}")
PAYMENT_REINSTATED = Kept("{payment} reinstated: {why}")
OWED = Kept("owed for {payment}")
PAYMENT_BY = Kept("payment {number} by {provider}")
PAYMENT = Kept("payment {number}")
FROM_OUTSIDE = Kept("money from outside")
PAYMENT_OF = Kept("Payment {reference}")
# Subscriptions and numbers
TERM = Kept("{bought} for {name} until {until}")
UNUSED = Kept("unused share of the term from {since} to {until}")
EXPIRED = Kept("bundle seconds do not go over into the next term")
NUMBER_TERM = Kept("{number} until {until}")
CHANNELS_AND_BUNDLES = Kept("{channels} channels and {bundles} bundles")
CHANNELS_AND_BUNDLE = Kept("{channels} channels and 1 bundle")
CHANNEL_AND_BUNDLE = Kept("1 channel and 1 bundle")
CHANNEL = Kept("1 channel")
CHANNELS = Kept("{channels} channels")
# Credit and calls
CREDIT_TAKEN_BACK = Kept("credit taken back from {name}")
CREDIT_FOR = Kept("credit for {name}")
RECHARGE = Kept("auto-recharge of {name}")
DELETED = Kept("{name} was deleted")
HELD = Kept("{seconds} s held for {rate}")
BILLED = Kept("{seconds} s billed to {rate}")
# Notices
NOT_RENEWED = Kept("{name} was not renewed: {price} are due since {since}, the company's balance is {have}; {rest}")
GRACE = Kept("it goes on until {until}")
INACTIVE = Kept("it is inactive now")
GIVEN_BACK = Kept("it is the company's no longer")
NOT_RECHARGED = Kept("{name} was not recharged with {amount}: {why}")
LIMIT_REACHED = Kept("its monthly limit of {limit} is reached")
BALANCE_IS = Kept("the company's balance is {have}")
RECHARGED = Kept("{name} was recharged with {amount}")
NO_STRIPE = Kept("Stripe does not answer.")
NO_EVENT = Kept("Stripe's event has not come.")
NOT_DUE = Kept("not needed any more")
RESTORED = Kept("The store was restored from a backup.")
SWITCHED_OFF = Kept("auto-recharge was switched off")
CARD_RECHARGED = Kept("The balance was recharged by card with {amount}")
CARD_CONFIRM = Kept(
    "Your bank wants you to confirm the auto-recharge of {amount}: {why} Confirm it on the page Auto-recharge by card."
    " Nothing is charged until then."
)
CARD_REFUSED = Kept(
    "The auto-recharge of {amount} was refused: {why} Choose another card on the page Auto-recharge by card, or try"
    " again. Nothing is charged until then."
)
CARD_UNKNOWN = Kept(
    "It is not known whether {amount} was charged to the card. Ask the operator of the platform, or look at the card's"
    " statement, then continue on the page Auto-recharge by card. Nothing is charged until then."
)
CARD_LATE = Kept("The auto-recharge of {amount} has not been made yet: {why} It is tried again.")
CARD_EVENT_LATE = Kept(
    "Stripe charged {amount} to the card ({number}), but its event has not arrived, so the balance has not risen. The"
    " operator of the platform finds undelivered events in Stripe's dashboard."
)
CARD_TAKEN_BACK = Kept(
    "A payment by card was taken back, so auto-recharge has stopped. Continue on the page Auto-recharge by card."
)
CARD_NONE = Kept("The balance is low, and auto-recharge has no card: choose one on the page Auto-recharge by card.")
CARD_NOT_POSSIBLE = Kept(
    "The balance is low, and auto-recharge is not possible: payments by card are not set up any more. Add money in"
    " another way."
)
CARD_LIMIT = Kept(
    "The balance is low, but the card is not charged: the auto-recharge limit of {limit} a month is reached."
)
TAKEN_BACK = Kept("{amount} of a payment was taken back: {why}")
INVOICES_WAIT = Kept("Invoices wait for your company's name and address. Write them on the page Invoices.")
BALANCE_LOW = Kept("{due} are due by {until}, the balance is {have}")
CREDIT_LOW = Kept("The credit of {name}, {have}, {rest}")
LASTS = Kept("lasts for {minutes} minutes like this")
USED_UP = Kept("is used up, and calls are refused")
BUDGET = Kept("{name} has spent {have} of its {limit} for {of}: {rest}")
OF_DAY = Kept("today")
OF_MONTH = Kept("this month")
SPENT = Kept("calls are refused")
NEARLY_SPENT = Kept("at its end calls are refused")
CHANNELS_FULL = Kept("All {channels} channels of {name} were in use today, and {blocked} calls refused so far")
TRUNK_DOWN = Kept("The trunk {name} cannot be reached from {node}: {why}")
TRUNK_UP = Kept("The trunk {name} can be reached again from {node}")
THRESHOLD = Kept("{name}: {what} {limit}: it is {have}")
PBX_LOST = Kept("The PBX of {name} has not been reachable since {since}")
# Whether a PBX or a trunk can be reached (core/reach.py)
CODECS_REFUSED = Kept("{rest}; a call from it was refused: it offers none of the codecs that it may use (488)")
LAST_FAILED = Kept("{rest}; the last call that failed: {why}")
NOT_REGISTERED_YET = Kept("not registered yet")
REJECTED = Kept("not registered: rejected, or no answer")
NOT_REGISTERED = Kept("not registered: {why}")
REGISTERED = Kept("registered")
ANSWERS = Kept("it answers")
NO_REPLY = Kept("it does not answer")
GIVEN_UP = Kept("the registration was given up")
PBX_NOT_REGISTERED = Kept("its PBX is not registered")
NOT_ASKED = Kept("it is not asked whether it is there")
NOT_ASKED_YET = Kept("it was not asked yet")
NOT_SAID = Kept("Asterisk does not say")
NOT_TO_BE_ASKED = Kept("it could not be asked")
NO_ANSWER = Kept("no answer")
REFUSED = Kept("refused")
PLACED_AT = Kept("{rest}, at {where}")
PLACED = Kept("{rest}, {where}")
ANSWERED = Kept("{why} ({status})")
