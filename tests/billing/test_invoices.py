"""Invoices and credit notes: each payment's or month's once, without a gap, and with the ledger's sums."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, replace

import peewee
import pytest

from connector.billing import calls, credit, invoices, ledger, payments, plans, profiles, reports, restored
from connector.billing.invoices import InvoiceView
from connector.billing.payments import Told
from connector.billing.profiles import Credentials
from connector.core.access import EVERYTHING
from connector.core.calls import Admitted, Attempt, Direction, Progress
from connector.core.invoices import Party, Terms
from connector.core.money import MICROS
from connector.core.paging import Turn
from connector.core.plans import DAY_MS
from connector.database.models import Invoice
from connector.database.store import Store, rows, run, writing
from connector.errors import BadInput, NotFound, StoreBusy, StoreUnavailable
from connector.notices import notices
from tests.billing.conftest import ON_POSTGRESQL
from tests.conftest import NOW
from tests.core.test_invoices import BUYER, SELLER
from tests.databases import at_once

TERMS = Terms(SELLER, (("2026-01-01", 2000),), "payment", "INV-", "2026-11-01", "GBP")
BY_USE = replace(TERMS, tax_point="use")


def addressed(company: str = "Acme", party: Party = BUYER) -> None:
    """Write to whom a company's invoices are written."""
    invoices.set_buyer(company, asdict(party), TERMS, may_tax=True)


def issue_due(terms: Terms, now: int) -> list[str]:
    """Issue all that is due, as the control process does; the numbers."""
    if wrong := invoices.problem(terms):
        raise BadInput(wrong)
    due = invoices.due_payments(terms) if terms.tax_point == "payment" else invoices.due_months(terms, {})[0]
    return [number for each in due for number in invoices.issue(terms, each, now) or ()]


def issued(company: str | None = None) -> list[InvoiceView]:
    """What was issued, the oldest first."""
    found = invoices.page_of(None, Turn(None, 200)).items[::-1]
    return [each for each in found if company in (None, each.company)]


def test_an_invoice_is_in_the_language_that_was_chosen_when_it_was_issued(company: str) -> None:
    """Another choice is for later ones; a credit note is in that of its invoice; an address alone changes it not."""
    addressed()
    assert invoices.buyer("Acme").language == "en"
    with pytest.raises(BadInput, match="not a language"):
        invoices.set_buyer("Acme", asdict(BUYER), TERMS, language="fr")
    invoices.set_buyer("Acme", asdict(BUYER), TERMS, language="de")
    addressed()
    assert invoices.buyer("Acme").language == "de"
    credit.top_up(120 * MICROS, "second", NOW)
    issue_due(TERMS, NOW)
    invoices.set_buyer("Acme", asdict(BUYER), TERMS, language="es")
    payment = next(each for each in payments.page_of("Acme", Turn()).items if each.number == "second")
    payments.reverse(payment.id, None, "by mistake", "key", NOW + 1)
    (note,) = issue_due(TERMS, NOW + 2)
    documents = [invoices.document(each.id) for each in issued("Acme")]
    assert [(each.kind, each.language) for each in documents][1:] == [("prepayment", "de"), ("credit note", "de")]
    assert documents[1].lines[0].name == "Credit for telephone calls, channels and numbers"
    assert documents[2].number == note


def test_a_payment_has_one_invoice(company: str) -> None:
    """However often it is looked for; with its day, its reference, and what of it is tax."""
    addressed()
    reference = credit.payment_reference()
    credit.top_up(120 * MICROS, "second", NOW, reference=reference, received_on="2026-11-16")
    assert issue_due(TERMS, NOW) == ["INV-000001", "INV-000002"]
    assert issue_due(TERMS, NOW + DAY_MS) == []
    second = invoices.document(invoices.by_number("INV-000002"))
    assert (second.kind, second.net_micros, second.tax_micros) == ("prepayment", 100 * MICROS, 20 * MICROS)
    assert (second.issued_on, second.supplied_until) == ("2026-11-18", "2026-11-16")
    assert (second.seller, second.buyer) == (SELLER, BUYER)
    assert reference[:4] in second.about
    assert ledger.verify().problems == []


def test_what_is_taken_back_has_a_credit_note_that_names_its_invoice(company: str) -> None:
    """Of the parts that left the balance: what is owed has one when it leaves. What comes again has an invoice. All of
    them together are what came from outside.
    """
    addressed()
    told = Told("gateway", "evt_1", "pay_1")
    payments.received(told, credit.payment_reference(), 50 * MICROS, "GBP", NOW)
    issue_due(TERMS, NOW)
    profiles.create_profile("spender", 0, "asterisk", NOW, company="Acme")
    credit.add("spender", credit.balance().available_micros - 10 * MICROS, "all", NOW)
    payments.taken_back(replace(told, event="evt_2"), None, "chargeback", NOW)
    assert payments.owed(None) == 40 * MICROS
    issue_due(TERMS, NOW)
    credit.top_up(100 * MICROS, "third", NOW)
    payments.reinstated(replace(told, event="evt_3"), 5 * MICROS, "won", NOW)
    issue_due(TERMS, NOW)
    made = [(each.number, each.kind, each.gross_micros // MICROS, each.corrects) for each in issued()]
    assert made == [
        ("INV-000001", "prepayment", 10_000, ""),
        ("INV-000002", "prepayment", 50, ""),
        ("INV-000003", "credit note", 10, "INV-000002"),
        ("INV-000004", "prepayment", 100, ""),
        ("INV-000005", "credit note", 40, "INV-000002"),
        ("INV-000006", "prepayment", 5, ""),
    ]
    outside = sum(-each.gross_micros if each.corrects else each.gross_micros for each in issued())
    assert outside == 10_105 * MICROS
    assert ledger.verify().problems == []


def test_a_credit_note_is_taxed_as_its_invoice(company: str) -> None:
    """Whatever the company's address and tax are by then."""
    addressed()
    credit.top_up(12 * MICROS, "second", NOW)
    issue_due(TERMS, NOW)
    invoices.set_tax("Acme", "reverse_charge", None, "", TERMS)
    addressed(party=replace(BUYER, name="Acme AG"))
    payment = payments.page_of(None, Turn()).items[0]
    payments.reverse(payment.id, None, "twice", "key", NOW)
    credit.top_up(12 * MICROS, "third", NOW)
    issue_due(TERMS, NOW)
    note, new = (invoices.document(invoices.by_number(number)) for number in ("INV-000003", "INV-000004"))
    assert (note.buyer.name, note.tax.rate, note.net_micros) == (BUYER.name, 2000, 10 * MICROS)
    assert (new.buyer.name, new.tax.kind, new.net_micros) == ("Acme AG", "reverse_charge", 12 * MICROS)


def test_without_an_address_invoices_wait_and_money_does_not(company: str) -> None:
    """The company is told once; another company's are issued meanwhile; they come as soon as it is written."""
    profiles.create_company("Other", "GBP", "Europe/Paris", NOW)
    addressed("Other")
    credit.top_up(7 * MICROS, "theirs", NOW, "Other")
    for _ in range(2):
        issue_due(TERMS, NOW)
    assert [each.company for each in issued()] == ["Other"]
    told = [each.text for each in notices.page_of(EVERYTHING, Turn()).items if each.kind == "invoices_wait"]
    assert len(told) == 1
    addressed("Acme")
    assert issue_due(TERMS, NOW) == ["INV-000002"]


def test_of_what_was_before_the_first_day_there_are_none(company: str) -> None:
    """Neither of a payment, nor of what is taken back of it later; and nobody is asked for an address."""
    terms = replace(TERMS, first_day="2026-11-19")
    assert issue_due(terms, NOW) == []
    assert [each for each in notices.page_of(EVERYTHING, Turn()).items if each.kind == "invoices_wait"] == []
    addressed()
    payments.reverse(payments.page_of(None, Turn()).items[0].id, MICROS, "a part", "key", NOW + DAY_MS)
    assert issue_due(terms, NOW + DAY_MS) == []
    credit.top_up(MICROS, "second", NOW + DAY_MS, "Acme")
    assert issue_due(terms, NOW + DAY_MS) == ["INV-000001"]


def test_a_month_of_use_has_one_invoice(office: Credentials) -> None:
    """Of channels, numbers and calls less refunds, as its statement says; of a month that is closed, and of the money
    that came nothing.
    """
    addressed()
    plans.change("office", 5, 0, NOW)
    after = NOW + 20 * DAY_MS
    assert issue_due(BY_USE, after) == []  # not closed yet
    ledger.close_months(after)
    assert issue_due(BY_USE, after) == ["INV-000001"]
    assert issue_due(BY_USE, after) == []
    made = invoices.document(invoices.by_number("INV-000001"))
    month = reports.statement(None, "2026-11", after)
    charged = month.channels_micros + month.numbers_micros + month.calls_micros - month.refunds_micros
    assert made.gross_micros == charged > 0
    assert (made.kind, made.supplied_from, made.supplied_until) == ("invoice", "2026-11-01", "2026-11-30")


def test_parts_of_coins_go_to_the_next_invoice(office: Credentials) -> None:
    """Two months with a call of £0.0184 each, beside whole pounds and pence: one penny of the first, then two of what
    is left of it and the second.
    """
    addressed()
    for month in (0, 30):
        at = NOW + month * DAY_MS
        attempt = Attempt(f"call-{month}", Direction.OUT, "A", office.username, "+442079460001", "1", at, at)
        assert isinstance(calls.admit(attempt, "node"), Admitted)
        progress = Progress("A")
        progress.answered_at = at
        progress.leg_ended("A", at + 47_000, 16)
        calls.ended(f"call-{month}", progress, at + 47_000)
    for days in (20, 50):
        ledger.close_months(NOW + days * DAY_MS)
        issue_due(BY_USE, NOW + days * DAY_MS)
    months = [reports.statement(None, month, NOW + 50 * DAY_MS) for month in ("2026-11", "2026-12")]
    assert [each.calls_micros for each in months] == [18_400, 18_400]
    whole = [each.channels_micros + each.numbers_micros - each.refunds_micros for each in months]
    assert [each.gross_micros for each in issued()] == [whole[0] + 10_000, whole[1] + 20_000]


def test_more_refunds_than_charges_are_a_credit_note(office: Credentials) -> None:
    """It corrects the last invoice. A month without either has none, and the next invoice begins with it."""
    addressed()
    plans.change("office", 10, 0, NOW)
    ledger.close_months(NOW + 14 * DAY_MS)
    issue_due(BY_USE, NOW + 14 * DAY_MS)
    plans.change("office", 1, 0, NOW + 14 * DAY_MS)
    ledger.close_months(NOW + 50 * DAY_MS)
    assert issue_due(BY_USE, NOW + 50 * DAY_MS) == ["INV-000002"]
    invoice, note = issued()
    december = reports.statement(None, "2026-12", NOW + 50 * DAY_MS)
    charged = december.channels_micros + december.numbers_micros + december.calls_micros - december.refunds_micros
    assert (note.kind, note.corrects, note.gross_micros) == ("credit note", invoice.number, -charged)
    assert (note.supplied_from, note.supplied_until) == ("2026-12-01", "2026-12-31")


def test_the_tax_point_stays(company: str) -> None:
    """What was taxed when it was paid is not taxed again when it is used."""
    addressed()
    issue_due(TERMS, NOW)
    with pytest.raises(BadInput, match="tax_point has to be"):
        issue_due(BY_USE, NOW)


def test_after_a_restore_numbers_are_of_another_series(company: str) -> None:
    """Some may have been given since the backup, also where it knows of none: numbers have the time of the restore in
    them. The next ones are given when somebody has looked.
    """
    addressed()
    credit.top_up(MICROS, "second", NOW)
    restored.mark(NOW)
    with pytest.raises(BadInput, match="reconcile"):
        issue_due(TERMS, NOW)
    restored.done(NOW)
    assert issue_due(TERMS, NOW) == ["INV-20261118110640-000001", "INV-20261118110640-000002"]
    assert invoices.show(invoices.by_number("INV-20261118110640-000002")).gross_micros == MICROS
    restored.mark(NOW + DAY_MS)
    restored.done(NOW + DAY_MS)
    credit.top_up(MICROS, "third", NOW + DAY_MS)
    assert issue_due(TERMS, NOW + DAY_MS) == ["INV-20261119110640-000001"]
    assert ledger.verify().problems == []


def test_money_that_came_again_is_credited_against_what_it_was_invoiced_by(company: str) -> None:
    """A payment is charged back, reinstated when no tax is due any more, and refunded: each credit note corrects an
    invoice that has something left, and none is corrected twice.
    """
    addressed()
    told = Told("gateway", "evt_1", "pay_1")
    payments.received(told, credit.payment_reference(), 60 * MICROS, "GBP", NOW)
    issue_due(TERMS, NOW)
    payments.taken_back(replace(told, event="evt_2"), None, "chargeback", NOW)
    issue_due(TERMS, NOW)
    payments.reinstated(replace(told, event="evt_3"), None, "won", NOW)
    invoices.set_tax("Acme", "reverse_charge", None, "", TERMS)
    issue_due(TERMS, NOW)
    payments.taken_back(replace(told, event="evt_4"), None, "refund", NOW)
    issue_due(TERMS, NOW)
    made = [(each.kind, each.tax_micros // MICROS, each.corrects) for each in issued()[1:]]
    assert made == [
        ("prepayment", 10, ""),
        ("credit note", 10, "INV-000002"),
        ("prepayment", 0, ""),
        ("credit note", 0, "INV-000004"),
    ]


def test_a_refund_that_is_more_than_the_last_invoice_corrects_those_before_too(office: Credentials) -> None:
    """A credit note never is of more than is left of what it corrects."""
    addressed()
    plans.change("office", 300, 0, NOW)
    for days in (14, 43):
        ledger.close_months(NOW + days * DAY_MS)
        issue_due(BY_USE, NOW + days * DAY_MS)
        plans.change("office", 1, 0, NOW + 14 * DAY_MS) if days == 14 else None
    ledger.close_months(NOW + 80 * DAY_MS)
    issue_due(BY_USE, NOW + 80 * DAY_MS)
    found = {each.number: each for each in issued()}
    for each in found.values():
        notes = [note.gross_micros for note in found.values() if note.corrects == each.number]
        assert sum(notes) <= each.gross_micros
    assert any(each.corrects for each in found.values())


def test_what_is_wrong_with_one_company_keeps_no_other_waiting(office: Credentials, store: Store) -> None:
    """A statement that does not add up, and a currency in which tax cannot be said, are told of their company."""
    addressed()
    profiles.create_company("Aaa", "GBP", "Europe/London", NOW)
    profiles.create_company("Bbb", "USD", "Europe/London", NOW)
    addressed("Aaa")
    addressed("Bbb")
    credit.top_up(5 * MICROS, "of Aaa", NOW, "Aaa")
    credit.top_up(5 * MICROS, "of Bbb", NOW, "Bbb")
    assert invoices.waiting(TERMS) == ["Bbb: tax has to be said in GBP too, and no exchange rate of USD is known"]
    after = NOW + 20 * DAY_MS
    ledger.close_months(after)
    columns = "company_id, month, profile_id, destination, payer, calls, answered, duration_ms, billed_s, bundle_s"
    values = "2, '2026-11', 0, 'x', 'company', 1, 1, 1, 1, 0, 7"
    with writing():
        run(f"INSERT INTO destination_month ({columns}, price_micros) VALUES ({values})")
    due, wrong = invoices.due_months(BY_USE, {})
    assert len(wrong) == 1
    assert "Aaa" in wrong[0]
    assert {each.company for each in due} == {1, 3}
    with writing():
        run("DELETE FROM destination_month WHERE company_id = 2")


def test_a_month_without_anything_is_not_looked_at_again(office: Credentials) -> None:
    """Of a company for which nothing is due, until a later month is closed."""
    profiles.create_company("Idle", "GBP", "Europe/London", NOW)
    addressed("Idle")
    credit.top_up(5 * MICROS, "of Idle", NOW, "Idle")
    after = NOW + 20 * DAY_MS
    ledger.close_months(after)
    (idle,) = [each for each in invoices.due_months(BY_USE, {})[0] if each.company == 2]
    assert invoices.issue(BY_USE, idle, after) == []
    assert [each for each in invoices.due_months(BY_USE, {2: "2026-11"})[0] if each.company == 2] == []
    ledger.close_months(after + 31 * DAY_MS)
    assert [each.month for each in invoices.due_months(BY_USE, {2: "2026-11"})[0] if each.company == 2] == ["2026-12"]


def test_who_is_not_taxed_keeps_the_country_for_which_that_is_so(company: str) -> None:
    """A payer cannot write another country or VAT number then; the operator can, where the tax goes with it."""
    addressed()
    invoices.set_tax("Acme", "reverse_charge", None, "", TERMS)
    moved = asdict(replace(BUYER, country="GB", vat_number="GB980780684"))
    with pytest.raises(BadInput, match="operator"):
        invoices.set_buyer("Acme", moved, TERMS)
    with pytest.raises(BadInput, match="seller's country"):
        invoices.set_buyer("Acme", moved, TERMS, may_tax=True)
    invoices.set_buyer("Acme", asdict(replace(BUYER, street="Nebenstraße 2")), TERMS)
    assert invoices.buyer("Acme").party == replace(BUYER, street="Nebenstraße 2")


def test_the_day_of_a_payment_is_that_of_its_money(company: str) -> None:
    """One that was received before the first day has none, whenever it is recorded. What comes again is of that day."""
    addressed()
    terms = replace(TERMS, first_day="2026-11-18")
    credit.top_up(MICROS, "before", NOW, received_on="2026-11-17")
    told = Told("gateway", "evt_1", "pay_1")
    payments.received(told, credit.payment_reference(), 5 * MICROS, "GBP", NOW, "2026-11-18")
    assert issue_due(terms, NOW) == ["INV-000001", "INV-000002"]
    payments.taken_back(replace(told, event="evt_2"), None, "chargeback", NOW + DAY_MS)
    payments.reinstated(replace(told, event="evt_3"), None, "won", NOW + 2 * DAY_MS)
    issue_due(terms, NOW + 2 * DAY_MS)
    issue_due(terms, NOW + 2 * DAY_MS)
    assert [each.supplied_until for each in issued()] == ["2026-11-18", "2026-11-18", "2026-11-19", "2026-11-20"]


def test_an_invoice_is_never_changed(company: str) -> None:
    """The store refuses it, by whatever program."""
    addressed()
    issue_due(TERMS, NOW)
    for sql in ("UPDATE invoice SET gross_micros = 1, net_micros = 1, tax_micros = 0", "DELETE FROM invoice"):
        with pytest.raises((StoreUnavailable, peewee.PeeweeException)), writing():
            run(sql)
    assert len(issued()) == 1


def test_a_gap_is_found(company: str) -> None:
    """`ledger verify` tells it."""
    addressed()
    issue_due(TERMS, NOW)
    with writing():
        run("UPDATE invoice_series SET last = 3")
    assert any("invoices INV-" in problem for problem in ledger.verify().problems)
    with writing():
        run("UPDATE invoice_series SET last = 1")


def test_a_buyer_taxed_by_reverse_charge_keeps_a_vat_number(company: str) -> None:
    """It is not taken off the address, and the tax is not set without one."""
    addressed(party=replace(BUYER, vat_number=""))
    with pytest.raises(BadInput, match="VAT number"):
        invoices.set_tax("Acme", "reverse_charge", None, "", TERMS)
    addressed()
    invoices.set_tax("Acme", "reverse_charge", None, "", TERMS)
    with pytest.raises(BadInput, match="VAT number"):
        addressed(party=replace(BUYER, vat_number=""))
    assert invoices.buyer("Acme").party == BUYER


def test_what_is_not_there(company: str) -> None:
    """Neither by its number nor by its id."""
    for number in ("INV-000009", "INV-1", "", "INV-99999999999999999999"):
        with pytest.raises(NotFound):
            invoices.by_number(number)
    with pytest.raises(NotFound):
        invoices.document(9)


@ON_POSTGRESQL
def test_nodes_that_issue_at_once_leave_no_gap(company: str, store: Store) -> None:
    """Two nodes look at the same time: each payment has one invoice, and the numbers follow each other."""
    addressed()
    for each in range(6):
        credit.top_up(MICROS, f"payment {each}", NOW)

    def issues() -> None:
        with suppress(StoreBusy):  # it is tried again
            issue_due(TERMS, NOW)
        store.close()

    at_once(issues, 3)
    issue_due(TERMS, NOW)
    numbers = [row[0] for row in rows("SELECT number FROM invoice ORDER BY id")]
    assert numbers == list(range(1, 8))
    assert Invoice.select().count() == 7
