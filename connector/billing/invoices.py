"""Invoices and credit notes: issued of what the ledger has, numbered without gaps, and never changed.

They are issued after the fact, one transaction each: of every payment and of all of it that is taken back, or of every
closed month (`Terms.tax_point`). So money never waits for a missing address, and what was not issued yet is found by
what the ledger has and no document is of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from connector.billing import reports
from connector.core import invoices as core
from connector.core import times
from connector.core.access import Scope
from connector.core.invoices import Document, Party, Tax, Terms
from connector.core.paging import Page, Turn, page
from connector.core.payments import spaced
from connector.database.audit import audited
from connector.database.models import Buyer, Company, Entry, Invoice, InvoiceSeries, Restored
from connector.database.named import company_row
from connector.database.store import insert, lock, one, reading, rows, run, writing
from connector.errors import BadInput, NotFound
from connector.notices import notices

# Payments and what was taken back of them, that no document is of, the oldest first: the company, the entry, its key,
# when, and what the balance gained or lost.
_UNDOCUMENTED = (
    "SELECT entry.company_id, entry.id, entry.key, entry.at, posting.amount FROM entry"
    " JOIN posting ON posting.entry_id = entry.id"
    " AND posting.account_id = 'company:' || entry.company_id || ':balance'"
    " WHERE entry.kind IN ('top-up', 'reversal')"
    " AND entry.kind NOT IN ('hold', 'settle') AND entry.at >= ?"  # by the index of the few entries not of calls
    " AND NOT EXISTS (SELECT 1 FROM invoice WHERE invoice.entry_id = entry.id)"
    " ORDER BY entry.company_id, entry.at, entry.number"
)
_CLOSED = (
    "SELECT closing.company_id, closing.month FROM closing WHERE closing.month >= ? AND closing.month >"
    " COALESCE((SELECT MAX(month) FROM invoice WHERE invoice.company_id = closing.company_id), '')"
    " ORDER BY closing.company_id, closing.month"
)
_DAY_MS = 86_400_000
MOST_AT_ONCE = 100
_CALLS, _CHANNELS, _NUMBERS, _REFUNDS = "Calls", "Channels and bundles", "Numbers", "Refunds of unused terms"
_ON_ACCOUNT = "Credit for telephone calls, channels and numbers"


@dataclass(frozen=True)
class BuyerView:
    """Whom a company's invoices are written to, and how it is taxed. `party` is None if it is not known yet; `rate` is
    None for the installation's.
    """

    company: str
    party: Party | None
    tax_kind: str
    rate: int | None
    reason: str


@dataclass(frozen=True)
class InvoiceView:
    """An issued document in a list, sums in micros. `corrects` is the number of the one that it corrects, or ""."""

    id: int
    company: str
    currency: str
    number: str
    kind: str
    issued_on: str
    supplied_from: str
    supplied_until: str
    net_micros: int
    tax_micros: int
    gross_micros: int
    corrects: str


class _NoAddressError(Exception):
    """Nobody knows yet to whom it is written."""


def buyer(company: str | None) -> BuyerView:
    """Whom a company's invoices are written to. NotFound."""
    with reading():
        return _buyer_view(company_row(company))


@audited("invoices.address")
def set_buyer(company: str | None, said: Mapping[str, str]) -> BuyerView:
    """Whom a company's invoices are written to, from now on. BadInput if something is missing or wrong; also without a
    VAT number where the company is taxed by reverse charge.
    """
    party = core.checked_party(said)
    with writing():
        row = company_row(company)
        before = _buyer_view(row)
        core.checked_tax(before.tax_kind, before.rate or 1, before.reason, party)
        _kept(row.id, party=json.dumps(asdict(party)))
        return _buyer_view(row)


@audited("invoices.tax")
def set_tax(company: str | None, kind: str, rate: int | None, reason: str = "") -> BuyerView:
    """How a company is taxed from now on. `rate`: hundredths of a percent, None for the installation's. BadInput."""
    with writing():
        row = company_row(company)
        party = _buyer_view(row).party
        if kind == "reverse_charge" and party is None:
            raise BadInput("Write the company's invoice address with its VAT number first.")
        made = core.checked_tax(kind, 1 if rate is None else rate, reason, party or Party("", "", "", ""))
        standard = kind == "standard"
        _kept(row.id, tax_kind=kind, tax_rate=rate if standard else None, tax_reason="" if standard else made.reason)
        return _buyer_view(row)


def problem(terms: Terms) -> str:
    """Why no invoices can be issued by these terms, and what to do; "" if they can."""
    with reading():
        if rows("SELECT 1 FROM invoice WHERE tax_point <> ? LIMIT 1", terms.tax_point):
            return "invoices.tax_point has to be as it was with the first invoice: money would be taxed twice"
        if rows("SELECT 1 FROM invoice_series WHERE series = ? AND closed = 1", terms.series):
            return (
                f"The store was restored from a backup, so numbers of the series {terms.series!r} may be given already:"
                " write another invoices.series in the settings"
            )
        if one(Restored, "id = 1") is not None:
            return "The store was restored from a backup: 'connector reconcile' first"
    return ""


def issue_due(terms: Terms, now: int) -> list[str]:
    """Issue what is due, `MOST_AT_ONCE` at the most; the numbers. A company whose address is missing waits, and is told
    once. BadInput if none can be issued, as `problem` says.
    """
    if wrong := problem(terms):
        raise BadInput(wrong)
    with reading():
        if terms.tax_point == "payment":
            begin = times.month_start(terms.first_day[:7], "UTC") - _DAY_MS
            due = [(found[0], found[1:]) for found in rows(_UNDOCUMENTED, begin)]
        else:
            due = [(company, (month,)) for company, month in rows(_CLOSED, terms.first_day[:7])]
    issue = _issue_of_entry if terms.tax_point == "payment" else _issue_of_month
    made: list[str] = []
    waiting: set[int] = set()
    for company, found in due:
        if len(made) >= MOST_AT_ONCE:
            break
        if company in waiting:
            continue
        try:
            with writing():
                lock("id = ?", company)
                made += issue(terms, Company.get_by_id(company), found, now)
        except _NoAddressError:
            waiting.add(company)
            with writing():
                text = "Invoices wait for your company's name and address. Write them on the page Invoices."
                notices.tell(company, None, "invoices_wait", f"invoices_wait:{company}", text, now)
    return made


def page_of(scope: Scope, wanted: Turn) -> Page[InvoiceView]:
    """Issued documents, the newest first."""
    with reading():
        found = Invoice.select(Invoice, Company).join(Company).order_by(Invoice.id.desc())
        if scope.company is not None:
            found = found.where(Invoice.company == scope.company)
        if wanted.after is not None:
            found = found.where(Invoice.id < wanted.after[0])
        return page([_view(row) for row in found.limit(wanted.limit + 1)], wanted, lambda view: (view.id,))


def show(number: int) -> InvoiceView:
    """One document in a list, by its id. NotFound."""
    with reading():
        return _view(_row(number))


def document(number: int) -> Document:
    """A document as it was issued, by its id. NotFound."""
    with reading():
        return core.from_plain(json.loads(_row(number).document))


def by_number(text: str) -> int:
    """The id of the document with a number, as `INV-000042`. NotFound."""
    with reading():
        for series in InvoiceSeries.select():
            count = text.removeprefix(series.series)
            if count.isascii() and count.isdigit() and text == core.number(series.series, int(count[:9])):
                found = Invoice.get_or_none((Invoice.series == series.series) & (Invoice.number == int(count)))
                if found is not None:
                    return int(found.id)
    raise NotFound(f"There is no invoice {text[:40]}.")


def _issue_of_entry(terms: Terms, owner: Any, found: tuple[Any, ...], now: int) -> list[str]:
    """The invoice of a payment, or the credit note of what was taken back of one; none if it is not due."""
    entry, key, at, amount = found
    paid = _payment_of(owner.id, key)
    day = (paid.received_on if paid is not None and amount > 0 else "") or times.local_day(at, owner.time_zone)
    if Invoice.get_or_none(Invoice.entry == entry) is not None:
        return []
    if amount > 0:
        if times.local_day(at, owner.time_zone) < terms.first_day:
            return []
        about = f"Payment {spaced(paid.reference)}" if paid is not None and paid.reference else "Payment"
        made = _written(terms, owner, "prepayment", (day, day), {_ON_ACCOUNT: amount}, now, about=about)
        return [_keep(terms, owner, made, now, entry=entry)]
    first = _first_invoice(paid)
    if first is None:  # of a payment from before there were invoices
        return []
    return [
        _keep(
            terms,
            owner,
            _correction(first, owner, {_ON_ACCOUNT: -amount}, (day, day), now),
            now,
            entry=entry,
            corrects=first.id,
        )
    ]


def _issue_of_month(terms: Terms, owner: Any, found: tuple[Any, ...], now: int) -> list[str]:
    """The invoice of all that was charged since the last one, up to the end of a month; none if that is not a coin. Of
    more refunds than charges a credit note for the last invoice.
    """
    (month,) = found
    last = Invoice.select().where(Invoice.company == owner.id).order_by(Invoice.id.desc()).first()
    if last is not None and last.month >= month:
        return []
    first = times.next_month(last.month) if last is not None else terms.first_day[:7]
    sums = dict.fromkeys((_CALLS, _CHANNELS, _NUMBERS, _REFUNDS), 0)
    which = first
    while which <= month:
        of_month = reports.statement(owner.name, which, now)
        if of_month.off_micros:
            raise BadInput(f"the statement of {owner.name} for {which} does not add up: no invoice is issued of it")
        sums[_CALLS] += of_month.calls_micros
        sums[_CHANNELS] += of_month.channels_micros
        sums[_NUMBERS] += of_month.numbers_micros
        sums[_REFUNDS] -= of_month.refunds_micros
        which = times.next_month(which)
    carried = last.left_micros if last is not None else 0
    whole, left = core.in_coins(sum(sums.values()) + carried, owner.currency)
    if whole == 0 or (whole < 0 and last is None):
        return []
    sums[_CALLS] += carried - left
    days = (f"{first}-01", times.days_of(month)[-1])
    if whole > 0:
        made, corrects = _written(terms, owner, "invoice", days, sums, now), None
    else:
        corrects = _last_invoice(owner.id)
        if corrects is None:
            return []
        made = _correction(corrects, owner, {name: -part for name, part in sums.items()}, days, now)
    return [_keep(terms, owner, made, now, month=month, left_micros=left, corrects=corrects and corrects.id)]


def _written(
    terms: Terms, owner: Any, kind: str, days: tuple[str, str], sums: Mapping[str, int], now: int, **more: Any
) -> Document:
    """A document to a company, as it is taxed now; its number is given when it is kept."""
    view = _buyer_view(owner)
    if view.party is None:
        raise _NoAddressError
    rate = terms.rate if view.rate is None else view.rate
    tax = Tax("standard", rate) if view.tax_kind == "standard" else Tax(view.tax_kind, 0, view.reason)
    issued_on = times.local_day(now, owner.time_zone)
    return core.document("", kind, (issued_on, *days), (terms.seller, view.party), tax, owner.currency, sums, **more)


def _correction(first: Any, owner: Any, sums: Mapping[str, int], days: tuple[str, str], now: int) -> Document:
    """A credit note: to whom, and taxed as, the invoice that it corrects."""
    invoiced = core.from_plain(json.loads(first.document))
    issued_on = times.local_day(now, owner.time_zone)
    parties = (invoiced.seller, invoiced.buyer)
    names = (invoiced.number, invoiced.issued_on)
    days_of = (issued_on, *days)
    return core.document("", "credit note", days_of, parties, invoiced.tax, owner.currency, sums, corrects=names)


def _keep(terms: Terms, owner: Any, made: Document, now: int, **more: Any) -> str:
    """Give a document the next number of its series, and keep it; the number."""
    run("INSERT INTO invoice_series (series, last) VALUES (?, 0) ON CONFLICT DO NOTHING", terms.series)
    run("UPDATE invoice_series SET last = last + 1 WHERE series = ?", terms.series)  # others wait for it here
    count = InvoiceSeries.get_by_id(terms.series).last
    made = replace(made, number=core.number(terms.series, count))
    insert(
        Invoice, company_id=owner.id, series=terms.series, number=count, kind=made.kind, tax_point=terms.tax_point,
        issued_at=now, net_micros=made.net_micros, tax_micros=made.tax_micros, gross_micros=made.gross_micros,
        document=json.dumps(core.as_plain(made), ensure_ascii=False), **_columns(more),
    )  # fmt: skip
    return made.number


def _columns(more: Mapping[str, Any]) -> dict[str, Any]:
    return {{"entry": "entry_id", "corrects": "corrects_id"}.get(name, name): value for name, value in more.items()}


def _payment_of(company: int, key: str) -> Any:
    """The payment that an entry is of, as a row with its id, provider, number, reference and day; None if of none."""
    kind, _, rest = key.partition(":")
    if kind == "top-up":
        found = _payments("provider = 'recorded' AND number = ? AND company_id = ?", rest, company)
    elif kind == "payment":
        provider, _, number = rest.partition(":")
        found = _payments("provider = ? AND number = ? AND company_id = ?", provider, number, company)
    else:  # reversal, owed, reinstated: by the payment's id
        found = _payments("id = ? AND company_id = ?", int(rest.partition(":")[0]), company)
    return found[0] if found else None


def _payments(where: str, *values: Any) -> list[Any]:
    sql = f"SELECT id, provider, number, reference, received_on FROM payment WHERE {where}"
    return [_Paid(*row) for row in rows(sql, *values)]


@dataclass(frozen=True)
class _Paid:
    id: int
    provider: str
    number: str
    reference: str
    received_on: str

    @property
    def key(self) -> str:
        """Of the ledger's entry that credited it."""
        return f"top-up:{self.number}" if self.provider == "recorded" else f"payment:{self.provider}:{self.number}"


def _first_invoice(paid: _Paid | None) -> Any:
    """The invoice of a payment; None if there is none."""
    if paid is None:
        return None
    return Invoice.select().join(Entry).where((Entry.key == paid.key) & (Invoice.kind == "prepayment")).first()


def _last_invoice(company: int) -> Any:
    mine = Invoice.select().where((Invoice.company == company) & (Invoice.kind == "invoice"))
    return mine.order_by(Invoice.id.desc()).first()


def _kept(company: int, **columns: Any) -> None:
    run("INSERT INTO buyer (company_id, party) VALUES (?, '') ON CONFLICT DO NOTHING", company)
    Buyer.update(**columns).where(Buyer.company == company).execute()


def _buyer_view(owner: Any) -> BuyerView:
    row = Buyer.get_or_none(Buyer.company == owner.id)
    if row is None:
        return BuyerView(owner.name, None, "standard", None, "")
    party = Party(**json.loads(row.party)) if row.party else None
    return BuyerView(owner.name, party, row.tax_kind, row.tax_rate, row.tax_reason)


def _row(number: int) -> Any:
    found = Invoice.get_or_none(Invoice.id == number)
    if found is None:
        raise NotFound(f"There is no invoice {number}.")
    return found


def _view(row: Any) -> InvoiceView:
    said = json.loads(row.document)
    return InvoiceView(
        row.id,
        row.company.name,
        row.company.currency,
        said["number"],
        row.kind,
        said["issued_on"],
        said["supplied_from"],
        said["supplied_until"],
        row.net_micros,
        row.tax_micros,
        row.gross_micros,
        said["corrects"][0] if said["corrects"] else "",
    )
