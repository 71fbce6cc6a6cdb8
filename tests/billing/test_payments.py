"""Payments: recorded by people and told by gateways, credited once, and taken back once."""

from __future__ import annotations

import pytest

from connector.billing import credit, ledger, payments, plans, profiles, reports
from connector.billing.payments import PaymentView, Told
from connector.billing.profiles import Credentials
from connector.core import payments as references
from connector.core.money import MICROS
from connector.core.paging import Turn
from connector.database.store import Store
from connector.errors import BadInput, KeyReused, NotFound
from tests.conftest import NOW
from tests.databases import at_once

DAY = "2026-11-18"


def test_the_ledger_says_with_which_reference_money_came(company: str) -> None:
    """On the statement too, and the same key again changes nothing, whatever comes with it."""
    reference = credit.payment_reference()
    before = credit.balance().available_micros
    for typed in (references.spaced(reference).lower(), reference):
        made = credit.top_up(50 * MICROS, "payment-1", NOW, reference=typed, received_on=DAY)
        assert made.available_micros == before + 50 * MICROS
    about = [line.about for line in reports.statement(None, None, NOW).movements]
    assert about.count(f"payment {references.spaced(reference)}, received on {DAY}") == 1
    assert ledger.verify().problems == []


@pytest.mark.parametrize(
    ("reference", "received_on", "words"),
    [
        ("RF00", "", "not a payment reference"),
        ("RF99C000001", "", "check digits"),
        (references.reference(2), "", "another company"),
        (references.reference(77), "", "another company"),
        ("", "2026-11-19", "still to come"),
        ("", "18.11.2026", "not a day"),
        ("", "2026-02-30", "not a day"),
        ("", "2026-11-18T10:00", "not a day"),
    ],
)
def test_what_does_not_fit_changes_nothing(company: str, reference: str, received_on: str, words: str) -> None:
    """Neither the balance nor the ledger."""
    profiles.create_company("Other", "USD", "America/New_York", NOW)
    before, number = credit.balance("Acme"), ledger.last_number(1)
    with pytest.raises(BadInput, match=words):
        credit.top_up(50 * MICROS, "payment-1", NOW, "Acme", reference=reference, received_on=received_on)
    assert (credit.balance("Acme"), ledger.last_number(1)) == (before, number)


def told(event: str, number: str = "pay_1") -> Told:
    """What a gateway says of a payment."""
    return Told("gateway", event, number)


def arrived(micros: int, event: str = "evt_1", number: str = "pay_1") -> PaymentView:
    """A gateway says that a payment of the company arrived."""
    return payments.received(told(event, number), credit.payment_reference(), micros, "GBP", NOW)


def free() -> int:
    """The company's free balance, in micros."""
    return credit.balance().available_micros


def test_a_gateway_announces_and_receives(company: str) -> None:
    """Nothing is credited while a payment is on its way; once when it is there, however often and late that is told."""
    before = free()
    for event in ("evt_0", "evt_0", "evt_a"):
        seen = payments.announced(told(event), credit.payment_reference(), 20 * MICROS, "GBP", NOW)
        assert (seen.state, free()) == ("announced", before)
    for event in ("evt_1", "evt_1", "evt_2"):
        assert arrived(20 * MICROS, event).state == "received"
    assert payments.announced(told("evt_0"), credit.payment_reference(), 20 * MICROS, "GBP", NOW).state == "received"
    assert free() == before + 20 * MICROS
    with pytest.raises(KeyReused):
        arrived(21 * MICROS)
    (seen,) = payments.page_of(None, Turn(limit=1)).items
    assert (seen.provider, seen.number, seen.amount_micros) == ("gateway", "pay_1", 20 * MICROS)
    assert reports.statement(None, None, NOW).off_micros == 0


def test_a_payment_that_failed_can_still_arrive(company: str) -> None:
    """And one that arrived cannot fail any more: it can be taken back."""
    payments.announced(told("evt_0"), credit.payment_reference(), 20 * MICROS, "GBP", NOW)
    assert payments.failed(told("evt_4"), "the bank said no", NOW).state == "failed"
    before = free()
    arrived(20 * MICROS)
    assert free() == before + 20 * MICROS
    with pytest.raises(BadInput, match="taken back"):
        payments.failed(told("evt_9"), "", NOW)


def test_what_is_taken_back_leaves_the_balance(company: str) -> None:
    """In parts, each once by its event, never more than the payment; the statement says it and adds up."""
    before = free()
    arrived(20 * MICROS)
    for _ in range(2):
        seen = payments.taken_back(told("evt_2"), 5 * MICROS, "refund\nof a part", NOW)
        assert (seen.taken_back_micros, seen.owed_micros, seen.why) == (5 * MICROS, 0, "refund of a part")
    with pytest.raises(BadInput, match="More would be taken back"):
        payments.taken_back(told("evt_3"), 16 * MICROS, "too much", NOW)
    with pytest.raises(KeyReused):
        payments.taken_back(told("evt_2"), 6 * MICROS, "", NOW)
    assert payments.taken_back(told("evt_3"), None, "chargeback", NOW).taken_back_micros == 20 * MICROS
    assert free() == before
    found = reports.statement(None, None, NOW)
    assert (found.taken_back_micros, found.off_micros) == (20 * MICROS, 0)
    assert ledger.verify().problems == []


def test_what_is_spent_already_is_owed(office: Credentials) -> None:
    """The balance is empty then; what comes in next pays it first, a profile's credit that is taken back too. Calls go
    on by the profiles' own credit.
    """
    arrived(20 * MICROS)
    credit.add("office", free() - 5 * MICROS, "all", NOW)
    have = credit.credit("office", NOW).available_micros
    seen = payments.taken_back(told("evt_2"), None, "chargeback", NOW)
    assert (seen.taken_back_micros, seen.owed_micros, free(), payments.owed(None)) == (
        5 * MICROS, 15 * MICROS, 0, 15 * MICROS,
    )  # fmt: skip
    assert credit.credit("office", NOW).available_micros == have
    credit.take_back("office", 2 * MICROS, "back", NOW)
    assert (free(), payments.owed(None)) == (0, 13 * MICROS)
    for _ in range(2):
        credit.top_up(10 * MICROS, "again", NOW)
    assert (free(), payments.owed(None)) == (0, 3 * MICROS)
    arrived(10 * MICROS, "evt_7", "pay_2")
    assert (free(), payments.owed(None)) == (7 * MICROS, 0)
    payments.taken_back(told("evt_8", "pay_2"), None, "chargeback", NOW)
    profiles_left = credit.credit("office", NOW).available_micros
    plans.delete_profile("office", NOW)
    assert (free(), payments.owed(None)) == (profiles_left - 3 * MICROS, 0)
    assert reports.statement(None, None, NOW).off_micros == 0


def test_a_person_takes_back_what_was_recorded(company: str) -> None:
    """With a reason, once by its key."""
    before = free()
    credit.top_up(50 * MICROS, "typed twice", NOW)
    (made, *_) = payments.page_of(None, Turn()).items
    assert (made.provider, made.number) == ("recorded", "typed twice")
    with pytest.raises(BadInput, match="Write why"):
        payments.reverse(made.id, None, " ", "k", NOW)
    for _ in range(2):
        payments.reverse(made.id, None, "recorded twice", "k", NOW)
    assert free() == before
    with pytest.raises(NotFound):
        payments.reverse(999, None, "why", "k2", NOW)
    with pytest.raises(NotFound):
        payments.show(999)


@pytest.mark.parametrize(
    ("reference", "currency", "words"),
    [
        ("RF00", "GBP", "not a payment reference"),
        (references.reference(77), "GBP", "names no company"),
        (references.reference(1), "USD", "pays in GBP"),
    ],
)
def test_a_payment_that_fits_no_company_changes_nothing(
    company: str, reference: str, currency: str, words: str
) -> None:
    """Neither the balance nor the list of payments."""
    before, number = free(), len(payments.page_of(None, Turn()).items)
    for tell in (payments.announced, payments.received):
        with pytest.raises(BadInput, match=words):
            tell(told("evt_1"), reference, MICROS, currency, NOW)
    assert (free(), len(payments.page_of(None, Turn()).items)) == (before, number)


def test_a_refund_before_its_payment_is_told_again(company: str) -> None:
    """Webhooks come in any order: it is refused, changes nothing, and is taken when it comes again."""
    before = free()
    with pytest.raises(NotFound, match="not told of yet"):
        payments.taken_back(told("evt_2"), None, "refund", NOW)
    payments.announced(told("evt_0"), credit.payment_reference(), 20 * MICROS, "GBP", NOW)
    with pytest.raises(NotFound, match="not received yet"):
        payments.taken_back(told("evt_2"), None, "refund", NOW)
    arrived(20 * MICROS)
    payments.taken_back(told("evt_2"), None, "refund", NOW)
    assert free() == before


def test_two_that_are_told_at_once_credit_once(company: str, store: Store) -> None:
    """A gateway may post the same event to two nodes in the same instant."""
    before, reference = free(), credit.payment_reference()

    def tell() -> None:
        try:
            payments.received(told("evt_1"), reference, 20 * MICROS, "GBP", NOW)
        finally:
            store.close()  # this thread's connection

    at_once(tell, 4)
    assert free() == before + 20 * MICROS
    assert len([each for each in payments.page_of(None, Turn()).items if each.number == "pay_1"]) == 1
    assert ledger.verify().problems == []
