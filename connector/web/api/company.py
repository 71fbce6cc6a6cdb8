"""Companies, their prices, rate decks and notices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from connector.billing import credit, decks, payments, plans, profiles, recharges, trials
from connector.billing.credit import Balance
from connector.billing.decks import DeckView, ReadDeck
from connector.billing.payments import PaymentView
from connector.billing.plans import Prices
from connector.billing.profiles import CompanyView
from connector.billing.recharges import RechargeView
from connector.billing.trials import PriceView
from connector.core.paging import Page, turn
from connector.errors import BadInput
from connector.notices import notices
from connector.notices.notices import NoticeView
from connector.web.api.money import Sum
from connector.web.endpoint import Ask, Endpoints, Micros, MicrosOrNone, OfCompany, Paged, Shape, Word

api = Endpoints("Company")

MOST_DECK_BYTES = 32 * 1024 * 1024


class NewCompany(Shape):
    """A company: its currency (ISO 4217), and the time zone of its calendar days (IANA)."""

    name: Word
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$", examples=["GBP"])]
    time_zone: Annotated[Word, Field(examples=["Europe/London"])]


class NewPrices(Shape):
    """What a term of one channel, and of one bundle, costs from now on; what is not said stays."""

    channel_micros: MicrosOrNone | None = None
    bundle_micros: MicrosOrNone | None = None


class Payment(Sum):
    """A payment: its sum, the payment reference that came with it, and the day on which it was received. Both are kept
    in the words of the ledger's entry. A reference has to be the company's.
    """

    reference: Annotated[str, Field(max_length=40, examples=["RF56C000001"])] = ""
    received_on: Annotated[str, Field(max_length=10, examples=["2026-11-30"])] = ""


class CardRecharge(Shape):
    """When a card is charged, and with how much; never with more than `monthly_limit_micros` in a calendar month."""

    amount_micros: Micros
    threshold_micros: Micros
    monthly_limit_micros: Micros


class Reversal(Shape):
    """A payment that is taken back: all that is left of it, or a part; and why."""

    amount_micros: Micros | None = None
    why: Word


@dataclass(frozen=True)
class HowToPay:
    """How a company pays: the reference of its bank transfers (ISO 11649), and what the platform says."""

    reference: str
    instructions: str


class NewDeck(Shape):
    """A rate sheet as CSV, as a carrier sends it, and its name. `mode`: prefixes that it does not name keep their rates
    (update), or end at its date (full). `ends`: with full, how many prefixes end; `below_cost`: how many destinations
    are sold below cost then, where there are cost decks. Another number is refused, and nothing is changed. `carrier`:
    whose sheet it is; what was answered for a sheet of theirs with the same columns is not asked again. `answers`: to
    questions about the sheet, such as `{"date_order": "day"}`, or `{"column.price_per_minute": "Rate"}`; what is asked
    is in the error.
    """

    name: Word
    csv: str
    mode: Literal["update", "full"] = "update"
    ends: int | None = None
    below_cost: int | None = None
    carrier: Annotated[str, Field(max_length=80)] = ""
    answers: Annotated[dict[str, str], Field(max_length=40, default_factory=dict)]


class Priced(OfCompany):
    """A call that never was."""

    number: Word
    duration_ms: Annotated[int, Field(ge=0, le=10**9)] = 60_000
    profile: Word | None = None


@api.get("/companies", "company.read")
def list_companies(ask: Ask) -> list[CompanyView]:
    """The companies that you see."""
    return [view for view in profiles.company_views() if ask.scope.company in (None, view.id)]


@api.post("/companies", "companies.write", status=201)
def create_company(ask: Ask, body: NewCompany) -> CompanyView:
    """Create a company."""
    profiles.create_company(body.name, body.currency, body.time_zone, ask.now)
    return next(view for view in profiles.company_views() if view.name == body.name)


@api.get("/balance", "money.read", of_company=True)
def show_balance(ask: Ask) -> Balance:
    """What the company has."""
    return credit.balance(ask.company)


@api.post("/balance/top-up", "money.bring", of_company=True, once=True)
def top_up(ask: Ask, body: Payment) -> Balance:
    """Record a payment that came in."""
    given = {"reference": body.reference, "received_on": body.received_on}
    return credit.top_up(body.amount_micros, ask.key, ask.now, ask.company, **given)


@api.get("/balance/auto-recharge", "money.read", of_company=True)
def show_auto_recharge(ask: Ask) -> RechargeView:
    """Whether a card is charged when the balance is low, and what was charged."""
    return recharges.show(ask.company, ask.now)


@api.put("/balance/auto-recharge", "money.move", of_company=True, once=True)
def set_auto_recharge(ask: Ask, body: CardRecharge) -> RechargeView:
    """Charge a card when the balance is low. The card itself is given on the page Auto-recharge by card."""
    if ask.place.cards is None:
        raise BadInput("Payments by card are not set up here: see [stripe] in the settings.")
    given = (body.amount_micros, body.threshold_micros, body.monthly_limit_micros)
    return recharges.set_up(ask.company, *given, ask.now)


@api.delete("/balance/auto-recharge", "money.move", of_company=True)
def stop_auto_recharge(ask: Ask) -> RechargeView:
    """Charge nothing more, and forget the card."""
    return recharges.stop(ask.company, ask.now)


@api.post("/balance/auto-recharge/resume", "money.move", of_company=True, once=True)
def resume_auto_recharge(ask: Ask) -> RechargeView:
    """Charge the card again, though it was refused or needed its holder."""
    return recharges.resume(ask.company, ask.now)


@api.get("/payments", "money.read", of_company=True)
def list_payments(ask: Ask, query: Paged) -> Page[PaymentView]:
    """The company's payments, newest first: those on their way too."""
    return payments.page_of(ask.company, turn(query.cursor, query.limit, "i"))


@api.post("/payments/{payment}/reverse", "money.bring", once=True)
def reverse_payment(ask: Ask, body: Reversal) -> PaymentView:
    """Take back a payment, or a part of it. What the balance does not have is owed, and is taken from the next money
    that comes in.
    """
    return payments.reverse(ask.number("payment"), body.amount_micros, body.why, ask.key, ask.now)


@api.get("/payment-reference", "money.read", of_company=True)
def payment_reference(ask: Ask) -> HowToPay:
    """How the company pays: the reference of its bank transfers, and the instructions of the platform."""
    return HowToPay(credit.payment_reference(ask.company), ask.place.payment)


@api.get("/prices", "money.read", of_company=True)
def show_prices(ask: Ask) -> Prices:
    """What a term of a channel and of a bundle costs."""
    return plans.prices(ask.company)


@api.patch("/prices", "money.bring", of_company=True)
def set_prices(ask: Ask, body: NewPrices) -> Prices:
    """Other prices, for terms that begin from now on."""
    return plans.set_prices(body.channel_micros, body.bundle_micros, ask.company)


@api.get("/notices", "company.read")
def list_notices(ask: Ask, query: Paged) -> Page[NoticeView]:
    """What the company's people have to know, newest first."""
    return notices.page_of(ask.scope, turn(query.cursor, query.limit, "i"))


@api.get("/rates/decks", "money.read", of_company=True)
def list_decks(ask: Ask) -> list[DeckView]:
    """The rate decks that were loaded, newest first."""
    return decks.list_decks(ask.company)


def check_confirmed(body: NewDeck, read: ReadDeck) -> None:
    """BadInput unless as many prefixes end, and as many are sold below cost, as the body says."""
    ends = len(read.difference.ends)
    if ends != (body.ends or 0):
        raise BadInput('{ends} prefixes would end. Send "ends": {ends} to confirm that.', ends=ends)
    if read.sold_below != (body.below_cost or 0):
        raise BadInput(
            '{count} destinations would be sold below cost. Send "below_cost": {count} to confirm that.',
            count=read.sold_below,
        )


def _read_deck(ask: Ask, body: NewDeck) -> ReadDeck:
    return ask.read_deck(body.csv, body.mode, body.answers, body.carrier)


@api.post("/rates/decks", "rates.write", of_company=True, status=201, most_body=MOST_DECK_BYTES, before=_read_deck)
def load_deck(ask: Ask, body: NewDeck, read: ReadDeck) -> DeckView:
    """Load a rate sheet: all of it, or nothing and what is wrong with it."""
    check_confirmed(body, read)
    return decks.put(body.name, read, ask.now, ask.company)


@api.get("/rates/price", "money.read", of_company=True)
def price_call(ask: Ask, query: Priced) -> PriceView:
    """What a call would cost, and whether it would be refused."""
    profile: Any = None if query.profile is None else ask.mine("profile", query.profile)
    return trials.price(query.number, query.duration_ms, ask.now, profile, ask.company)
