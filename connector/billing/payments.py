"""Payments from outside: announced, received, failed, taken back. Their money is in the ledger, once for each.

A provider tells events, each with a number of its own, in any order and as often as it likes; a person records a
payment and takes it back. What a payer takes back leaves the balance at once, as far as it is there. The rest is owed:
it leaves with the next money that comes in (docs/decisions/0043). No call is ever charged for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connector.billing import ledger, recharges
from connector.core import kept, times
from connector.core import payments as core
from connector.core.formats import shown
from connector.core.ledger import company_account, moved
from connector.core.money import payable
from connector.core.paging import Page, Turn, page
from connector.database.audit import audited, note_of
from connector.database.models import Company, Payment, PaymentEvent
from connector.database.named import company_row
from connector.database.store import insert, lock, reading, rows, run, writing
from connector.errors import BadInput, KeyReused, NotFound
from connector.notices import notices
from connector.words import marked

# Who tells of payments: people who record them, the gateway that posts to us, and Stripe.
RECORDED, GATEWAY, STRIPE = "recorded", "gateway", "stripe"
MOST_WHY = 200
_WITHOUT_ROW = (
    "SELECT entry.company_id, entry.key, posting.amount, entry.at FROM entry"
    " JOIN posting ON posting.entry_id = entry.id WHERE entry.kind = 'top-up' AND SUBSTR(entry.key, 1, 7) = 'top-up:'"
    " AND entry.kind NOT IN ('hold', 'settle')"  # by the index of the few entries that are not of calls
    " AND posting.amount > 0 AND NOT EXISTS (SELECT 1 FROM payment"
    " WHERE provider = 'recorded' AND number = SUBSTR(entry.key, 8)) ORDER BY entry.company_id, entry.at"
)


@dataclass(frozen=True)
class PaymentView:
    """A payment. `state`: announced (on its way), received, or failed; sums in micros of `currency`.

    `taken_back_micros` of it left the balance again, `owed_micros` is still to leave it. `reference` and `received_on`
    are "" where they were not told.
    """

    id: int
    company: str
    currency: str
    provider: str
    number: str
    state: str
    amount_micros: int
    taken_back_micros: int
    owed_micros: int
    reference: str
    received_on: str
    why: str
    noted_at: int
    changed_at: int

    @property
    def left_micros(self) -> int:
        """What of it was not taken back, and is not owed."""
        return self.amount_micros - self.taken_back_micros - self.owed_micros


@dataclass(frozen=True)
class Told:
    """What a provider says of a payment: `event` is the event's number there, `number` the payment's."""

    provider: str
    event: str
    number: str


def record(company: Any, micros: int, key: str, now: int, reference: str = "", received_on: str = "") -> None:
    """A person says that a payment came, in the caller's transaction. The same `key` again changes nothing. BadInput
    for another company's reference, and for a day to come.
    """
    about = kept.FROM_OUTSIDE.write()
    if reference:
        reference = _own_reference(company, reference)
        about = kept.PAYMENT.write(number=core.spaced(reference))
    if received_on:
        if times.checked_day(received_on) > times.local_day(now, company.time_zone):
            raise BadInput("{received_on} is still to come.", received_on=received_on)
        about = kept.PAYMENT_RECEIVED_ON.write(payment=about, day=received_on)
    payable(micros, company.currency)
    if _bring(company.id, f"top-up:{key}", micros, about, now):
        _make(company.id, RECORDED, key, "received", micros, now, reference, received_on)


def announced(told: Told, reference: str, micros: int, currency: str, now: int) -> PaymentView:
    """A payment is on its way; nothing is credited. BadInput for a reference or currency that is not the company's."""
    with writing():
        found = _noted(told, reference, micros, currency, now)
        if not _again(found, told.event, "announced", micros):
            _told(found.id, told.event, "announced", micros, now, "")
            run("UPDATE payment SET state = 'announced', why = '' WHERE id = ? AND state = 'failed'", found.id)
            note_of(found.company_id, "payment.announced", told.number)
        return _view(_row(found.id))


def received(told: Told, reference: str, micros: int, currency: str, now: int, received_on: str = "") -> PaymentView:
    """The money is there: it is credited, once for each payment, whatever was announced. KeyReused if the payment was
    received already with another sum.
    """
    with writing():
        found = _noted(told, reference, micros, currency, now)
        if found.state == "received" and found.amount_micros != micros:
            raise KeyReused("The payment {number} was received already, with another sum.", number=told.number)
        if _again(found, told.event, "received", micros) or found.state == "received":
            return _view(found)
        sql = (
            "UPDATE payment SET state = 'received', amount_micros = ?, received_on = ?, why = '', changed_at = ?"
            " WHERE id = ?"
        )
        run(sql, micros, received_on, now, found.id)
        _told(found.id, told.event, "received", micros, now, "")
        note_of(found.company_id, "payment.received", told.number)
        about = kept.PAYMENT_BY.write(number=told.number, provider=told.provider)
        if received_on:
            about = kept.PAYMENT_RECEIVED_ON.write(payment=about, day=received_on)
        _bring(found.company_id, f"payment:{told.provider}:{told.number}", micros, about, now)
        return _view(_row(found.id))


def failed(told: Told, why: str, now: int) -> PaymentView | None:
    """An announced payment does not come. None if it was not announced; one that came after all stays received: a try
    that failed before may be told after it.
    """
    with writing():
        found = _locked(told)
        if found is None:
            return None
        if not _again(found, told.event, "failed", 0) and found.state == "announced":
            sql = "UPDATE payment SET state = 'failed', why = ?, changed_at = ? WHERE id = ?"
            run(sql, _words(why), now, found.id)
            _told(found.id, told.event, "failed", 0, now, _words(why))
            note_of(found.company_id, "payment.failed", told.number)
        return _view(_row(found.id))


def taken_back(told: Told, micros: int | None, why: str, now: int, currency: str = "") -> PaymentView:
    """The payer has money back, all that is left of the payment or a part: a refund, or a chargeback. NotFound if the
    payment was not received yet: the provider tells it again. BadInput for a sum in another currency.
    """
    with writing():
        found = _needed(told)
        _same_currency(found, currency)
        gone = _take_back(found, told.event, micros, why, now)
        if gone:
            note_of(found.company_id, "payment.taken-back", told.number)
            text = kept.TAKEN_BACK.write(amount=shown(gone, found.company.currency), why=_words(why))
            key = f"payment_taken_back:{found.id}:{told.event}"
            notices.tell(found.company_id, None, "payment_taken_back", key, text, now)
            if told.provider == STRIPE:
                recharges.taken_back(found.company_id, now)
        return _view(_row(found.id))


def reinstated(told: Told, micros: int | None, why: str, now: int, currency: str = "") -> PaymentView:
    """What was taken back comes again, all of it or a part: a dispute was won. What is owed of it is owed no more, the
    rest is credited. NotFound, BadInput as `taken_back`.
    """
    with writing():
        found = _needed(told)
        _same_currency(found, currency)
        if not _again(found, told.event, "reinstated", micros):
            out = found.taken_back_micros + found.owed_micros
            wanted = _part(
                found, micros, out, marked("The reinstated amount is more than was taken back from the payment.")
            )
            _told(found.id, told.event, "reinstated", wanted, now, _words(why))
            part = wanted - min(wanted, found.owed_micros)
            _add(found.id, -part, part - wanted, _words(why), now)
            note_of(found.company_id, "payment.reinstated", told.number)
            about = kept.PAYMENT_REINSTATED.write(payment=_called(found), why=_words(why))
            _bring(found.company_id, f"reinstated:{found.id}:{told.event}", part, about, now)
        return _view(_row(found.id))


@audited("payment.reverse")
def reverse(payment: int, micros: int | None, why: str, key: str, now: int) -> PaymentView:
    """A person takes back what was recorded, or a part of it. The same `key` again changes nothing. NotFound; BadInput
    for what a provider told: it tells itself what is taken back.
    """
    with writing():
        lock("id = (SELECT company_id FROM payment WHERE id = ?)", payment)
        found = _row(payment)
        if found.provider != RECORDED:
            raise BadInput(
                "The payment was made through {provider}. Refund it there; the refund is then recorded here.",
                provider=found.provider,
            )
        if not _words(why):
            raise BadInput("Write why the payment is taken back.")
        _take_back(found, key, micros, why, now)
        return _view(_row(payment))


def show(payment: int) -> PaymentView:
    """One payment. NotFound."""
    with reading():
        return _view(_row(payment))


def page_of(company: str | None, wanted: Turn) -> Page[PaymentView]:
    """A company's payments, newest first."""
    with reading():
        owner = company_row(company)
        mine = Payment.select(Payment, Company).join(Company).where(Payment.company == owner)
        found = mine.order_by(Payment.id.desc())
        if wanted.after is not None:
            found = found.where(Payment.id < wanted.after[0])
        return page([_view(row) for row in found.limit(wanted.limit + 1)], wanted, lambda view: (view.id,))


def owed(company: str | None) -> int:
    """What a company owes for payments that were taken back, in micros."""
    with reading():
        sql = "SELECT SUM(owed_micros) FROM payment WHERE company_id = ? AND owed_micros > 0"
        return int(rows(sql, company_row(company).id)[0][0] or 0)


def collect(company: int, cause: str, now: int) -> None:
    """What is owed leaves the balance, as far as it is there, in the caller's transaction, which has brought money.

    `cause`: the key of the entry that brought it; each brings it once.
    """
    owing = Payment.select().where((Payment.company == company) & (Payment.owed_micros > 0)).order_by(Payment.id)
    for row in list(owing):
        part = _out(company, f"owed:{row.id}:{cause}", row.owed_micros, kept.OWED.write(payment=_called(row)), now)
        sql = "UPDATE payment SET taken_back_micros = taken_back_micros + ?, owed_micros = owed_micros - ? WHERE id = ?"
        run(sql, part, part, row.id)


def owing() -> list[int]:
    """The companies that owe something and have a balance: by refunds of terms, or by what calls did not use."""
    with reading():
        sql = (
            "SELECT DISTINCT payment.company_id FROM payment JOIN account ON account.company_id = payment.company_id"
            " WHERE payment.owed_micros > 0 AND account.purpose = 'balance' AND account.balance > 0"
        )
        return [company for (company,) in rows(sql)]


def collect_from(company: int, now: int) -> None:
    """What a company owes leaves its balance now, as far as it is there."""
    with writing():
        lock("id = ?", company)
        collect(company, f"at:{now}", now)


def adopt() -> int:
    """Make rows of payments that a program of before recorded, beside one of this version on another node; how many."""
    with reading():
        if not rows(_WITHOUT_ROW):
            return 0
    with writing():
        lock("1 = 1")
        missing = rows(_WITHOUT_ROW)
        for company, key, micros, at in missing:
            _make(company, RECORDED, key.removeprefix("top-up:"), "received", micros, at, "", "")
        return len(missing)


def _take_back(row: Any, event: str, micros: int | None, why: str, now: int) -> int:
    """Take a payment back: at once what the balance has of it, the rest is owed. Returns both together, in micros; 0
    for an event that was reported before.
    """
    if _again(row, event, "taken back", micros):
        return 0
    if row.state != "received":
        raise NotFound("The payment {number} was not received yet.", number=row.number)
    left = _view(row).left_micros
    wanted = _part(row, micros, left, marked("The amount to take back is more than is left of the payment."))
    _told(row.id, event, "taken back", wanted, now, _words(why))
    about = kept.PAYMENT_TAKEN_BACK.write(payment=_called(row), why=_words(why))
    part = _out(row.company_id, f"reversal:{row.id}:{event}", wanted, about, now)
    _add(row.id, part, wanted - part, _words(why), now)
    return wanted


def _part(row: Any, micros: int | None, most: int, refusal: str) -> int:
    """A part of a payment that is taken back or reinstated, `most` if none is named. BadInput, with the words of
    `refusal`, if that is more; also for a part of a coin.
    """
    wanted = most if micros is None else micros
    if not 0 < wanted <= most:
        raise BadInput(refusal)
    return payable(wanted, row.company.currency)


def _add(payment: int, taken_back: int, owed: int, why: str, now: int) -> None:
    """More of a payment is taken back or owed, in micros; less, if negative."""
    sql = (
        "UPDATE payment SET taken_back_micros = taken_back_micros + ?, owed_micros = owed_micros + ?, why = ?,"
        " changed_at = ? WHERE id = ?"
    )
    run(sql, taken_back, owed, why, now, payment)


def _called(row: Any) -> str:
    """What a payment is called in the ledger: the key by which somebody recorded it says nothing to people."""
    return kept.PAYMENT.write(number=row.id if row.provider == RECORDED else row.number)


def _again(row: Any, event: str, kind: str, micros: int | None) -> bool:
    """Whether an event of a payment was reported before. KeyReused if that report said something else."""
    sql = (
        "SELECT e.payment_id, e.kind, e.amount_micros FROM payment_event e JOIN payment p ON p.id = e.payment_id"
        " WHERE e.event = ? AND p.provider = ?"
    )
    told = rows(sql, event, row.provider)
    if any((payment, before) != (row.id, kind) or micros not in (None, sum_) for payment, before, sum_ in told):
        raise KeyReused("The event {event} was received before with different content.", event=event)
    return bool(told)


def _bring(company: int, key: str, micros: int, about: str, now: int) -> bool:
    """Credit the balance; whether it was not credited before."""
    outside, balance = company_account(company, "outside"), company_account(company, "balance")
    if ledger.post(company, key, "top-up", now, moved(micros, outside, balance), about) is None:
        return False
    collect(company, key, now)
    return True


def _out(company: int, key: str, micros: int, about: str, now: int) -> int:
    """Take money out of the balance, as far as it is there; how much."""
    outside, balance = company_account(company, "outside"), company_account(company, "balance")
    part = min(micros, ledger.balances([balance])[balance])
    ledger.post(company, key, "reversal", now, moved(part, balance, outside), about)
    return part


def _locked(told: Told) -> Any:
    """A provider's payment, whose company is locked; None if it was not told of."""
    found = _found(told)
    if found is None:
        return None
    lock("id = ?", found.company_id)
    return _found(told)  # as it is under the lock


def _found(told: Told) -> Any:
    """A provider's payment; None if it was not told of."""
    return Payment.get_or_none((Payment.provider == told.provider) & (Payment.number == told.number))


def _needed(told: Told) -> Any:
    """A provider's payment, whose company is locked. NotFound."""
    found = _locked(told)
    if found is None:
        raise NotFound("The payment {number} has not been reported yet.", number=told.number)
    return found


def _same_currency(row: Any, currency: str) -> None:
    if currency and currency != row.company.currency:
        raise BadInput(
            "The payment {number} is in {currency}, and not in {currency_2}.",
            number=row.number,
            currency=row.company.currency,
            currency_2=currency,
        )


def _row(payment: int) -> Any:
    """A payment by its number here. NotFound."""
    found = Payment.get_or_none(Payment.id == payment)
    if found is None:
        raise NotFound("There is no payment {payment}.", payment=payment)
    return found


def _make(
    company: int, provider: str, number: str, state: str, micros: int, now: int, reference: str, received_on: str
) -> None:
    insert(
        Payment, company_id=company, provider=provider, number=number, state=state, amount_micros=micros,
        reference=reference, received_on=received_on, noted_at=now, changed_at=now,
    )  # fmt: skip


def _told(payment: int, event: str, kind: str, micros: int, now: int, why: str) -> None:
    insert(PaymentEvent, payment_id=payment, event=event, kind=kind, amount_micros=micros, at=now, why=why)


def _noted(told: Told, reference: str, micros: int, currency: str, now: int) -> Any:
    """A provider's payment to the company that a reference names, which is locked; noted as announced if it is new.
    BadInput if the reference names no company or not the payment's, or the company has another currency.
    """
    number = core.company_of(reference)
    lock("id = ?", number)
    company = Company.get_or_none(Company.id == number)
    if company is None:
        raise BadInput("The payment reference names no company.")
    if company.currency != currency:
        raise BadInput(
            "The payment is in {currency}, and {name} pays in {currency_2}.",
            currency=currency,
            name=company.name,
            currency_2=company.currency,
        )
    payable(micros, currency)
    found = _found(told)
    if found is None:
        _make(number, told.provider, told.number, "announced", micros, now, core.reference(number), "")
        found = _found(told)
    if found.company_id != number:
        raise BadInput("The payment {number} belongs to another company.", number=told.number)
    return found


def _own_reference(company: Any, reference: str) -> str:
    if core.company_of(reference) != company.id:
        raise BadInput("The payment reference belongs to another company.")
    return core.reference(company.id)


def _words(why: str) -> str:
    """A reason as it is kept: one line, no control characters."""
    return "".join(char if char.isprintable() else " " for char in why).strip()[:MOST_WHY]


def _view(row: Any) -> PaymentView:
    return PaymentView(
        row.id,
        row.company.name,
        row.company.currency,
        row.provider,
        row.number,
        row.state,
        row.amount_micros,
        row.taken_back_micros,
        row.owed_micros,
        core.spaced(row.reference),
        row.received_on,
        row.why,
        row.noted_at,
        row.changed_at,
    )
