"""Invoices and credit notes: issued of what the ledger has, numbered without gaps, and never changed.

They are issued after the fact: of every payment and of all of it that is taken back, or of every closed month
(`Terms.tax_point`). What is due is found by what the ledger has and no document is of, and issued one by one, each in a
transaction of its own. So money never waits for a missing address.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from connector.billing import reports
from connector.core import invoices as core
from connector.core import kept, times
from connector.core.invoices import Document, Party, Tax, Terms
from connector.core.paging import Page, Turn, page
from connector.core.payments import spaced
from connector.database.audit import audited
from connector.database.models import Buyer, Company, Entry, Invoice, InvoiceRestart, InvoiceSeries, Restored
from connector.database.named import company_row
from connector.database.store import insert, lock, one, reading, rows, run, writing
from connector.errors import BadInput, NotFound
from connector.notices import notices
from connector.words import LANGUAGES, USUAL, marked

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
# Each company's last closed month, if it has no document yet.
_CLOSED = (
    "SELECT company_id, MAX(month) FROM closing GROUP BY company_id HAVING MAX(month) >"
    " COALESCE((SELECT MAX(month) FROM invoice WHERE invoice.company_id = closing.company_id), '')"
    " ORDER BY company_id"
)
# The lines of documents: kept in English, written in the document's language.
_CALLS, _CHANNELS, _NUMBERS = marked("Calls"), marked("Channels and bundles"), marked("Numbers")
_REFUNDS = marked("Refunds of unused terms")
_ON_ACCOUNT = marked("Credit for telephone calls, channels and numbers")
# What a credit note is for, by the kind of what it corrects.
_NOTE = {"prepayment": _ON_ACCOUNT, "invoice": marked("Refund of channels, bundles, numbers and calls")}


@dataclass(frozen=True)
class BuyerView:
    """Whom a company's invoices are written to, and how it is taxed. `party` is None if it is not known yet; `rate` is
    None for the installation's. `language`: in which invoices are written, one of words.LANGUAGES.
    """

    company: str
    party: Party | None
    tax_kind: str
    rate: int | None
    reason: str
    language: str = USUAL


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


@dataclass(frozen=True)
class Paid:
    """A payment, as far as its documents need it."""

    id: int
    provider: str
    number: str
    reference: str
    received_on: str

    @property
    def key(self) -> str:
        """Of the ledger's entry that credited it."""
        return f"top-up:{self.number}" if self.provider == "recorded" else f"payment:{self.provider}:{self.number}"


@dataclass(frozen=True)
class Due:
    """What a document is to be issued of: an `entry` of the ledger and its `payment`, or all that was charged up to the
    end of a `month`.

    `sums`: with tax, in micros, by the document's lines; negative in all for a credit note. `days`: from when until
    when it was supplied. `last`: the company's last document of a month, and `carried` what that left.
    """

    company: int
    days: tuple[str, str]
    sums: Mapping[str, int]
    entry: int | None = None
    payment: Paid | None = None
    month: str | None = None
    last: int | None = None
    carried: int = 0
    about: str = ""


def buyer(company: str | None) -> BuyerView:
    """Whom a company's invoices are written to. NotFound."""
    with reading():
        return _buyer_view(company_row(company))


@audited("invoices.address")
def set_buyer(
    company: str | None, said: Mapping[str, str], terms: Terms, *, may_tax: bool = False, language: str | None = None
) -> BuyerView:
    """Whom a company's invoices are written to, from now on, and in which `language`; None leaves that as it is.
    `may_tax`: it is the operator who says so. BadInput if something is missing or wrong, also where the company's tax
    does not go with it; who is not the operator keeps the country and the VAT number for which no tax is due.
    """
    party = core.checked_party(said)
    if language is not None and language not in LANGUAGES:
        raise BadInput(
            "{language!r} is not a language for invoices. Use one of: {known}.",
            language=language[:20],
            known=", ".join(LANGUAGES),
        )
    with writing():
        row = company_row(company)
        before = _buyer_view(row)
        moved = before.party is not None and (party.country, party.vat_number) != (
            before.party.country, before.party.vat_number
        )  # fmt: skip
        if moved and before.tax_kind != "standard" and not may_tax:
            raise BadInput(
                "No tax is due for this country and VAT number. Ask the operator of the platform to change them."
            )
        core.checked_tax(before.tax_kind, before.rate, before.reason, party, terms.seller)
        _kept(row.id, party=json.dumps(asdict(party)), **({} if language is None else {"language": language}))
        return _buyer_view(row)


@audited("invoices.tax")
def set_tax(company: str | None, kind: str, rate: int | None, reason: str, terms: Terms) -> BuyerView:
    """How a company is taxed from now on. `rate`: hundredths of a percent, None for the installation's. BadInput."""
    with writing():
        row = company_row(company)
        made = core.checked_tax(kind, rate, reason, _buyer_view(row).party, terms.seller)
        _kept(row.id, tax_kind=kind, tax_rate=rate if kind == "standard" else None, tax_reason=made.reason)
        return _buyer_view(row)


def due_payments(terms: Terms) -> list[Due]:
    """Payments that need an invoice, and reversals that need a credit note, in this order for each payment."""
    begin = times.day_start(terms.first_day, terms.zone)
    found: list[Due] = []
    invoiced: set[int] = set()  # payments whose invoice is among those found
    with reading():
        told = _told_to_wait()
        for company, entry, key, at, amount in rows(_UNDOCUMENTED, begin):
            if company in told:
                continue
            paid = _payment_of(company, key)
            day = times.local_day(at, terms.zone)
            if paid is not None and key == paid.key and paid.received_on:
                day = paid.received_on
            if day < terms.first_day:
                continue
            if amount > 0 and paid is not None:
                invoiced.add(paid.id)
            elif paid is None or (paid.id not in invoiced and not _of_payment(company, paid).exists()):
                continue  # of before there were invoices
            about = (
                kept.PAYMENT_OF.write(reference=spaced(paid.reference)) if paid is not None and paid.reference else ""
            )
            found.append(Due(company, (day, day), {_ON_ACCOUNT: amount}, entry=entry, payment=paid, about=about))
    return found


def due_months(terms: Terms, looked_at: Mapping[int, str]) -> tuple[list[Due], list[str]]:
    """Companies of which months were closed since their last document, with what was charged in them and what that
    document left; and what is wrong with others, in words. `looked_at`: of each company the last month of which
    nothing was due; it is not looked at again.
    """
    found, wrong = [], []
    with reading():
        told = _told_to_wait()
        for company, month in rows(_CLOSED):
            if company not in told and looked_at.get(company, "") < month:
                owner = Company.get_by_id(company)
                last = _last_of_months(company)
                begun = max(terms.first_day[:7], times.local_month(owner.created_at, owner.time_zone))
                first = times.next_month(last.month) if last is not None else begun
                if first <= month:
                    try:
                        found.append(_due_month(owner, last, first, month))
                    except BadInput as error:
                        wrong.append(str(error))
    return found, wrong


def issue(terms: Terms, due: Due, now: int) -> list[str] | None:
    """Issue what is due, if nobody did meanwhile; the numbers, none if nothing is due. None for a company whose address
    is missing: it gets a notice, once. BadInput with the reason where none can be issued for it.
    """
    with writing():
        lock("id = ?", due.company)
        owner = Company.get_by_id(due.company)
        if _was_issued(due):
            return []
        view = _buyer_view(owner)
        if view.party is None:
            text = kept.INVOICES_WAIT.write()
            notices.tell(due.company, None, "invoices_wait", f"invoices_wait:{due.company}", text, now)
            return None
        if wrong := core.hindrance(owner.currency, view.tax_kind, terms):
            raise BadInput("no invoices for {name}: {wrong}", name=owner.name, wrong=wrong)
        whole, left = core.in_coins(sum(due.sums.values()) + due.carried, owner.currency)
        if whole > 0:
            kind = "invoice" if due.month else "prepayment"
            sums = {**due.sums, _CALLS: due.sums[_CALLS] + due.carried - left} if due.month else due.sums
            made = _written(terms, owner, view, kind, due, sums, now)
            return [_keep(terms, owner, made, due, now, left)]
        return _credited(terms, owner, due, -whole, left, now) if whole < 0 else []


def problem(terms: Terms) -> str:
    """Why no invoices can be issued by these terms, and what to do; "" if they can."""
    with reading():
        if rows("SELECT 1 FROM invoice WHERE tax_point <> ? LIMIT 1", terms.tax_point):
            return "invoices.tax_point has to be as it was with the first invoice: money would be taxed twice"
        if one(Restored, "id = 1") is not None:
            return "The store was restored from a backup: 'connector reconcile' first"
    return ""


def waiting(terms: Terms) -> list[str]:
    """The companies whose invoices wait, and for what."""
    with reading():
        found = []
        for owner in Company.select().order_by(Company.name):
            view = _buyer_view(owner)
            wrong = "its address is missing" if view.party is None else ""
            wrong = wrong or core.hindrance(owner.currency, view.tax_kind, terms)
            if wrong:
                found.append(f"{owner.name}: {wrong}")
        return found


def page_of(company: str | None, wanted: Turn) -> Page[InvoiceView]:
    """Issued documents of a company, or of all with None, the newest first."""
    with reading():
        found = Invoice.select(Invoice, Company).join(Company).order_by(Invoice.id.desc())
        if company is not None:
            found = found.where(Invoice.company == company_row(company))
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
    raise NotFound("The invoice {given} was not found.", given=text[:40])


def _told_to_wait() -> set[int]:
    """The companies without an address that have the notice of it already."""
    sql = (
        "SELECT company_id FROM notice WHERE kind = 'invoices_wait' AND NOT EXISTS (SELECT 1 FROM buyer"
        " WHERE buyer.company_id = notice.company_id AND buyer.party <> '')"
    )
    return {company for (company,) in rows(sql)}


def _due_month(owner: Any, last: Any, first: str, month: str) -> Due:
    """What was charged from one month to another. BadInput if a statement does not add up."""
    sums: dict[str, int] = dict.fromkeys((_CALLS, _CHANNELS, _NUMBERS, _REFUNDS), 0)
    which = first
    while which <= month:
        of_month = reports.statement(owner.name, which, 0)
        if of_month.off_micros:
            raise BadInput(
                "no invoices for {name}: its statement of {which} does not add up", name=owner.name, which=which
            )
        sums[_CALLS] += of_month.calls_micros
        sums[_CHANNELS] += of_month.channels_micros
        sums[_NUMBERS] += of_month.numbers_micros
        sums[_REFUNDS] -= of_month.refunds_micros
        which = times.next_month(which)
    days = (f"{first}-01", times.days_of(month)[-1])
    carried = last.left_micros if last is not None else 0
    return Due(owner.id, days, sums, month=month, last=last.id if last is not None else None, carried=carried)


def _was_issued(due: Due) -> bool:
    """Whether another node issued it, or a document that it begins with, since it was found due."""
    if due.entry is not None:
        return bool(rows("SELECT 1 FROM invoice WHERE entry_id = ? LIMIT 1", due.entry))
    last = _last_of_months(due.company)
    return (last.id if last is not None else None) != due.last


def _written(
    terms: Terms, owner: Any, view: BuyerView, kind: str, due: Due, sums: Mapping[str, int], now: int
) -> Document:
    """An invoice to a company, as it is taxed now; its number is given when it is kept."""
    assert view.party is not None
    standard = view.tax_kind == "standard"
    rate = (terms.rate_on(due.days[1]) if view.rate is None else view.rate) if standard else 0
    tax = Tax(view.tax_kind, rate, view.reason)
    days, parties = (_issued_on(terms, now), *due.days), (terms.seller, view.party)
    return core.document("", kind, days, parties, tax, owner.currency, sums, about=due.about, language=view.language)


def _credited(terms: Terms, owner: Any, due: Due, whole: int, left: int, now: int) -> list[str]:
    """Credit notes for a sum: each for an invoice of which something is left, the newest first, to whom and taxed as
    that one was. What no invoice is left for is carried to the next one, or was never invoiced.
    """
    made = []
    for row in _correctable(due):
        gross, net = _corrected(row.id)
        part = min(whole, row.gross_micros - gross)
        if part <= 0:
            continue
        whole -= part
        first = core.from_plain(json.loads(row.document))
        days, parties = (_issued_on(terms, now), *due.days), (first.seller, first.buyer)
        note = core.document(
            "", "credit note", days, parties, first.tax, owner.currency, {_NOTE[first.kind]: part}, (gross, net),
            corrects=(first.number, first.issued_on), language=first.language,
        )  # fmt: skip
        made.append(_keep(terms, owner, note, due, now, left - whole, corrects=row.id))
        if whole == 0:
            break
    return made


def _correctable(due: Due) -> list[Any]:
    """The invoices that a credit note may correct, the newest first: those of the payment, or those of the company."""
    if due.payment is not None:
        found = _of_payment(due.company, due.payment)
    else:
        found = Invoice.select().where((Invoice.company == due.company) & Invoice.corrects.is_null())
    return list(found.order_by(Invoice.id.desc()))


def _of_payment(company: int, paid: Paid) -> Any:
    """The invoices of a payment: of its receipt, and of what was reinstated of it."""
    mine = (Invoice.company == company) & Invoice.corrects.is_null()
    keys = (Entry.key == paid.key) | Entry.key.startswith(f"reinstated:{paid.id}:")
    return Invoice.select().join(Entry).where(mine & keys)


def _corrected(invoice: int) -> tuple[int, int]:
    """What an invoice was corrected by, with tax and without."""
    sql = "SELECT SUM(gross_micros), SUM(net_micros) FROM invoice WHERE corrects_id = ?"
    gross, net = rows(sql, invoice)[0]
    return int(gross or 0), int(net or 0)


def _issued_on(terms: Terms, now: int) -> str:
    """Today, at the seller; never before the last document."""
    last = rows("SELECT MAX(issued_at) FROM invoice")[0][0]
    return times.local_day(max(now, int(last or 0)), terms.zone)


def _keep(terms: Terms, owner: Any, made: Document, due: Due, now: int, left: int, corrects: int | None = None) -> str:
    """Give a document the next number of its series, and keep it; the number."""
    again = one(InvoiceRestart, "id = 1")
    series = terms.series if again is None else f"{terms.series}{times.stamp(again.at)}-"
    run("INSERT INTO invoice_series (series, last) VALUES (?, 0) ON CONFLICT DO NOTHING", series)
    run("UPDATE invoice_series SET last = last + 1 WHERE series = ?", series)  # others wait for it here
    count = rows("SELECT last FROM invoice_series WHERE series = ?", series)[0][0]
    made = replace(made, number=core.number(series, count))
    insert(
        Invoice, company_id=owner.id, series=series, number=count, kind=made.kind, tax_point=terms.tax_point,
        issued_at=now, entry_id=due.entry, month=due.month, corrects_id=corrects, net_micros=made.net_micros,
        tax_micros=made.tax_micros, gross_micros=made.gross_micros, left_micros=left,
        document=json.dumps(core.as_plain(made), ensure_ascii=False),
    )  # fmt: skip
    return made.number


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
    return [Paid(*row) for row in rows(sql, *values)]


def _last_of_months(company: int) -> Any:
    mine = Invoice.select().where((Invoice.company == company) & Invoice.month.is_null(False))
    return mine.order_by(Invoice.id.desc()).first()


def _kept(company: int, **columns: Any) -> None:
    run("INSERT INTO buyer (company_id, party) VALUES (?, '') ON CONFLICT DO NOTHING", company)
    Buyer.update(**columns).where(Buyer.company == company).execute()


def _buyer_view(owner: Any) -> BuyerView:
    row = Buyer.get_or_none(Buyer.company == owner.id)
    if row is None:
        return BuyerView(owner.name, None, "standard", None, "")
    party = Party(**json.loads(row.party)) if row.party else None
    return BuyerView(owner.name, party, row.tax_kind, row.tax_rate, row.tax_reason, row.language or USUAL)


def _row(number: int) -> Any:
    found = Invoice.get_or_none(Invoice.id == number)
    if found is None:
        raise NotFound("The invoice {number} was not found.", number=number)
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
