"""Exchange rates: what carriers' currencies are worth in those of companies, each from a date on."""

from __future__ import annotations

from dataclasses import dataclass

from connector.core import steps
from connector.core.costs import Exchange, exchange_ratio
from connector.core.money import checked_currency
from connector.database import reference
from connector.database.audit import audited
from connector.database.models import ExchangeRate
from connector.database.store import reading, rows, writing
from connector.errors import BadInput

_OF = (
    "SELECT numerator, denominator, from_at FROM exchange_rate WHERE currency = ? AND target = ? ORDER BY from_at DESC"
)


@dataclass(frozen=True)
class ExchangeView:
    """From `from_at` on, one unit of `currency` is `numerator` / `denominator` of `target`."""

    currency: str
    target: str
    numerator: int
    denominator: int
    from_at: int


@audited("exchange.set")
def set_rate(currency: str, target: str, rate: str, now: int, from_at: int | None = None) -> ExchangeView:
    """Say what one unit of a currency is worth in another: `0.7893`. From now on, or from a date on; the same date
    again replaces it. Calls that were answered before keep theirs. BadInput.
    """
    checked_currency(currency)
    checked_currency(target)
    if currency == target:
        raise BadInput("A currency is worth one of itself. Name two currencies.")
    numerator, denominator = exchange_ratio(rate)
    since = now if from_at is None else from_at
    with writing():
        of_it = (ExchangeRate.currency == currency) & (ExchangeRate.target == target) & (ExchangeRate.from_at == since)
        ExchangeRate.delete().where(of_it).execute()
        ExchangeRate.create(
            currency=currency, target=target, numerator=numerator, denominator=denominator, from_at=since, set_at=now
        )
    return ExchangeView(currency, target, numerator, denominator, since)


def list_rates() -> list[ExchangeView]:
    """All exchange rates, by currency, the newest of each first."""
    with reading():
        sql = "SELECT currency, target, numerator, denominator, from_at FROM exchange_rate"
        return [ExchangeView(*row) for row in rows(f"{sql} ORDER BY currency, target, from_at DESC")]


def of(currency: str, target: str, at: int) -> Exchange | None:
    """What a currency is worth in another at an instant, in the caller's transaction; None if that was not said."""
    if currency == target:
        return Exchange(currency)
    found = reference.rows(_OF, currency, target)
    return next((Exchange(currency, over, under) for over, under, since in found if since <= at), None)


def check(currency: str, target: str, at: int | None = None) -> None:
    """BadInput, in the caller's transaction, if it was not said what a currency is worth in another, at an instant or
    ever.
    """
    known = bool(reference.rows(_OF, currency, target)) if at is None else of(currency, target, at) is not None
    if currency != target and not known:
        raise BadInput(
            "There is no exchange rate from {currency} to {target}. Set it first, with its date.",
            currency=currency,
            target=target,
            step=steps.set_exchange_rate(currency, target),
        )
