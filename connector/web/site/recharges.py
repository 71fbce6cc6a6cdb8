"""Auto-recharge of the company by card: what is set, the card, and what was charged."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from connector.billing import credit, recharges
from connector.billing.recharges import RechargeView
from connector.core import formats
from connector.core.formats import shown
from connector.errors import BadInput
from connector.web.endpoint import Ask, Cards
from connector.web.site.frame import Form, Money, Outcome, Quote, Shown, SitePages, allowed, entry
from connector.words import tr

pages = SitePages()

PAGE = "/money/auto-recharge"


def cards_of(ask: Ask) -> Cards:
    """What asks Stripe for its pages. BadInput where nobody pays by card."""
    if ask.place.cards is None:
        raise BadInput("Payments by card are not set up here. Pay as the page Add money says.")
    return ask.place.cards


@pages.get(PAGE, "money.read", of_company=True)
def recharge_page(ask: Ask) -> Shown:
    """What is set, whether anything is in the way, and what was charged."""
    found = recharges.show(ask.company, ask.now)
    came_back = "card" in ask.query or "paid" in ask.query
    values = {
        "recharge": found,
        "came_back": came_back,
        "balance": credit.balance(ask.company),
        "by_card": ask.place.cards is not None,
        "actions": allowed(ask, *_actions(found, came_back=came_back)) if ask.place.cards is not None else [],
        "card_given": "card" in ask.query,
    }
    return Shown("auto-recharge.html", values)


def _actions(found: RechargeView, *, came_back: bool) -> list[tuple[str, str, str]]:
    """What can be done, the most urgent first; nothing is, of somebody who just `came_back` from Stripe."""
    if found.amount_micros is None:
        return [(tr("Set up auto-recharge"), f"{PAGE}/set", "money.move")]
    change = [(tr("Change"), f"{PAGE}/set", "money.move"), (tr("Switch off"), f"{PAGE}/stop", "money.move")]
    card = (tr("Choose another card") if found.has_card else tr("Choose a card"), f"{PAGE}/card", "money.move")
    again = (tr("Try again"), f"{PAGE}/resume", "money.move")
    urgent = {
        "confirm": [(tr("Confirm the payment"), f"{PAGE}/confirm", "money.move"), card, again],
        "refused": [card, again],
        "unknown": [again, card],
        "taken_back": [again, card],
    }
    if (found.has_card and not found.parked) or came_back:
        return [change[0], card, change[1]]
    return [*urgent.get(found.parked, [card]), *change]


@pages.form(f"{PAGE}/set", "money.move", "Auto-recharge by card", of_company=True, once=True, back=PAGE)
class SetUp(Form):
    """When the card is charged, and with how much."""

    amount: Money = entry("Charge the card with")
    threshold: Money = entry("When the balance falls below")
    limit: Money = entry("At most in a calendar month", hint="The card is never charged more than this without you.")

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """What is set."""
        have = recharges.show(ask.company, ask.now)
        sums = {"amount": have.amount_micros, "threshold": have.threshold_micros, "limit": have.monthly_limit_micros}
        return {name: formats.field(each, have.currency) for name, each in sums.items() if each is not None}

    def quote(self, ask: Ask) -> Quote | None:
        """When the card is charged first, and the most that it is charged with."""
        balance = credit.balance(ask.company)
        then = self._set(ask)
        low = balance.available_micros < self.threshold
        first = tr("now: the balance is {have}", have=shown(balance.available_micros, then.currency))
        later = tr("when the balance falls below {threshold}", threshold=shown(self.threshold, then.currency))
        lines = [
            (tr("Charged to the card"), shown(self.amount, then.currency)),
            (tr("For the first time"), first if low else later),
            (tr("At most in a calendar month"), shown(self.limit, then.currency)),
            (tr("Card"), then.card or (tr("already given") if then.has_card else tr("you choose it next"))),
        ]
        return Quote(lines)

    def do(self, ask: Ask) -> Outcome:
        """Save."""
        made = self._set(ask)
        said = tr("Auto-recharge is set") if made.has_card else tr("Auto-recharge is set. Choose a card now.")
        return Outcome(PAGE if made.has_card else f"{PAGE}/card", said)

    def _set(self, ask: Ask) -> RechargeView:
        cards_of(ask)
        return recharges.set_up(ask.company, self.amount, self.threshold, self.limit, ask.now)


@pages.form(f"{PAGE}/card", "money.move", "Choose a card", of_company=True, back=PAGE)
class ChooseCard(Form):
    """The card is given to Stripe, on its own page."""

    button: ClassVar[str] = "Go on"

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """What somebody agrees to who gives a card."""
        found = recharges.show(ask.company, ask.now)
        if found.amount_micros is None or found.threshold_micros is None or found.monthly_limit_micros is None:
            return tr("Set up the auto-recharge first.")
        return tr(
            "You give the card on a page of Stripe, and allow us to charge it with {amount} without asking whenever the"
            " balance falls below {threshold}, up to {limit} a month. You can switch it off at any time.",
            amount=shown(found.amount_micros, found.currency),
            threshold=shown(found.threshold_micros, found.currency),
            limit=shown(found.monthly_limit_micros, found.currency),
        )

    def read(self, ask: Ask) -> str:
        """The page at Stripe, which is asked for it."""
        asked = recharges.asking_for(ask.company)
        key = uuid.uuid4().hex
        return cards_of(ask).keep(asked.word, asked.customer, asked.reference, ask.company or "", key)

    def do(self, ask: Ask) -> Outcome:
        """Lead there."""
        return Outcome(ask.read, tr("Choose a card at Stripe"))


@pages.form(f"{PAGE}/confirm", "money.move", "Confirm the payment", of_company=True, back=PAGE)
class Confirm(Form):
    """The bank asks the card's holder, on Stripe's page. What is paid there is a payment like any other."""

    button: ClassVar[str] = "Go on"

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """What is paid."""
        found = recharges.show(ask.company, ask.now)
        if found.parked != "confirm" or not found.charges:
            return tr("Nothing has to be confirmed.")
        return tr(
            "Your bank wants you to confirm the payment of {amount}. You do so on a page of Stripe, with this card or"
            " another one. Auto-recharge continues with the card that you use there.",
            amount=shown(found.charges[0].amount_micros, found.currency),
        )

    def read(self, ask: Ask) -> str:
        """The page at Stripe, which is asked for it."""
        asked = recharges.asking_for(ask.company)
        if not asked.amount_micros:
            raise BadInput("Nothing has to be confirmed.")
        key = uuid.uuid4().hex
        return cards_of(ask).confirm(
            asked.word, asked.customer, asked.reference, asked.amount_micros, ask.currency, ask.company or "", key
        )

    def do(self, ask: Ask) -> Outcome:
        """Lead there. Nothing is credited before Stripe says that it was paid."""
        return Outcome(ask.read, tr("Confirm the payment at Stripe"))


@pages.form(f"{PAGE}/resume", "money.move", "Try the card again", of_company=True, back=PAGE)
class Resume(Form):
    """Charge the same card again."""

    button: ClassVar[str] = "Try again"

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """What happens next."""
        found = recharges.show(ask.company, ask.now)
        if found.parked == "unknown":
            return tr(
                "It is not known whether {amount} was charged to the card. Ask the operator of the platform first, or"
                " look at the card's statement: if it was charged, it may be charged again now.",
                amount=shown(found.charges[0].amount_micros if found.charges else 0, found.currency),
            )
        return tr("The card is charged again as soon as the balance is below your threshold.")

    def do(self, ask: Ask) -> Outcome:
        """Go on."""
        recharges.resume(ask.company, ask.now)
        return Outcome(PAGE, tr("Auto-recharge continues"))


@pages.form(f"{PAGE}/stop", "money.move", "Switch off auto-recharge", of_company=True, back=PAGE)
class Stop(Form):
    """Nothing more is charged, and the card is forgotten."""

    button: ClassVar[str] = "Switch off"
    danger: ClassVar[bool] = True

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """What happens to the card."""
        return tr("The card is not charged any more, and is removed here. When the balance is used up, calls stop.")

    def do(self, ask: Ask) -> Outcome:
        """Switch it off."""
        recharges.stop(ask.company, ask.now)
        return Outcome(PAGE, tr("Auto-recharge by card is off"))
