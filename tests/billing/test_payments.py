"""Payments: recorded by people and told by gateways, credited once, and taken back once."""

from __future__ import annotations

import pytest

from connector.billing import credit, ledger, payments, plans, profiles, reports
from connector.billing.payments import PaymentView, Told
from connector.billing.profiles import Credentials
from connector.core import payments as references
from connector.core.access import EVERYTHING
from connector.core.money import MICROS
from connector.core.paging import Turn
from connector.core.plans import DAY_MS
from connector.database.store import Store, run, writing
from connector.errors import BadInput, KeyReused, NotFound
from connector.notices import notices
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
    """And one that arrived cannot fail any more: a try that failed before may be told after it."""
    payments.announced(told("evt_0"), credit.payment_reference(), 20 * MICROS, "GBP", NOW)
    seen = payments.failed(told("evt_4"), "the bank said no", NOW)
    assert (seen and seen.state, seen and seen.why) == ("failed", "the bank said no")
    announced = payments.announced(told("evt_5"), credit.payment_reference(), 20 * MICROS, "GBP", NOW)
    assert (announced.state, announced.why) == ("announced", "")
    payments.failed(told("evt_6"), "again", NOW)
    before = free()
    arrived(20 * MICROS)
    assert free() == before + 20 * MICROS
    seen = payments.failed(told("evt_9"), "a try before", NOW)
    assert (seen and seen.state, seen and seen.why, free()) == ("received", "", before + 20 * MICROS)
    assert payments.failed(told("evt_9", "pay_9"), "", NOW) is None


def test_what_is_taken_back_leaves_the_balance(company: str) -> None:
    """In parts, each once by its event, never more than the payment; the statement says it and adds up."""
    before = free()
    arrived(20 * MICROS)
    for _ in range(2):
        seen = payments.taken_back(told("evt_2"), 5 * MICROS, "refund\nof a part", NOW)
        assert (seen.taken_back_micros, seen.owed_micros, seen.why) == (5 * MICROS, 0, "refund of a part")
    with pytest.raises(BadInput, match="The amount to take back is more"):
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


def test_a_dispute_that_was_won_brings_the_money_again(office: Credentials) -> None:
    """What is owed of it is owed no more, the rest is credited; once by its event, and never more than was taken."""
    arrived(20 * MICROS)
    credit.add("office", free() - 5 * MICROS, "all", NOW)
    payments.taken_back(told("evt_2"), None, "chargeback", NOW)
    for _ in range(2):
        seen = payments.reinstated(told("evt_3"), 16 * MICROS, "won", NOW)
        assert (seen.taken_back_micros, seen.owed_micros, free()) == (4 * MICROS, 0, MICROS)
    with pytest.raises(BadInput, match="The reinstated amount is more"):
        payments.reinstated(told("evt_4"), 5 * MICROS, "won", NOW)
    assert payments.reinstated(told("evt_4"), None, "won", NOW).taken_back_micros == 0
    assert (free(), reports.statement(None, None, NOW).off_micros) == (5 * MICROS, 0)


def test_a_person_takes_back_what_was_recorded(company: str) -> None:
    """With a reason, once by its key."""
    before = free()
    credit.top_up(50 * MICROS, "typed twice", NOW)
    (made, *_) = payments.page_of(None, Turn()).items
    assert (made.provider, made.number) == ("recorded", "typed twice")
    for empty in (" ", "\u200b", "\n"):
        with pytest.raises(BadInput, match="Write why"):
            payments.reverse(made.id, None, empty, "k", NOW)
    with pytest.raises(BadInput, match="GBP"):
        payments.reverse(made.id, 1, "a part of a penny", "k", NOW)
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
    with pytest.raises(NotFound, match="not been reported yet"):
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


def test_what_a_gateway_told_is_taken_back_by_the_gateway(company: str) -> None:
    """Or the same refund would leave the balance twice. The ledger calls what was recorded by its number here."""
    made, before = arrived(20 * MICROS), free()
    with pytest.raises(BadInput, match="Refund it there"):
        payments.reverse(made.id, None, "a mistake", "k", NOW)
    assert free() == before
    credit.top_up(MICROS, "request:0123456789abcdef", NOW)
    (recorded, *_) = payments.page_of(None, Turn()).items
    payments.reverse(recorded.id, None, "typed twice", "k", NOW)
    abouts = [line.about for line in reports.statement(None, None, NOW).movements]
    assert f"payment {recorded.id} taken back: typed twice" in abouts
    assert not any("request:" in about for about in abouts)


def test_an_event_is_of_one_payment(company: str) -> None:
    """Under the number of an event that was told, no other payment is credited."""
    arrived(20 * MICROS)
    before = free()
    with pytest.raises(KeyReused):
        arrived(20 * MICROS, "evt_1", "pay_2")
    assert free() == before


def test_what_a_change_of_channels_gives_back_pays_what_is_owed(office: Credentials) -> None:
    """Money that comes to the balance by a refund of a term does not stay there beside a debt."""
    arrived(200 * MICROS)
    plans.change("office", 20, 0, NOW)
    credit.add("office", free(), "all", NOW)
    payments.taken_back(told("evt_2"), None, "chargeback", NOW)
    owed = payments.owed(None)
    plans.change("office", 2, 0, NOW + DAY_MS)
    assert 0 < payments.owed(None) < owed
    assert free() == 0
    assert payments.owing() == []
    assert reports.statement(None, None, NOW + DAY_MS).off_micros == 0


def test_payments_that_an_older_program_recorded_get_their_rows(company: str, store: Store) -> None:
    """Beside a node of this version one of the version before may run: what that records is found, and only once."""
    credit.top_up(5 * MICROS, "by the old one", NOW)
    with writing():
        run("DELETE FROM payment WHERE number = 'by the old one'")
    assert any("payments" in problem for problem in ledger.verify().problems)
    assert [payments.adopt(), payments.adopt()] == [1, 0]
    (made, *_) = payments.page_of(None, Turn()).items
    assert (made.number, made.amount_micros, made.state) == ("by the old one", 5 * MICROS, "received")
    assert ledger.verify().problems == []


def test_people_hear_of_a_chargeback(company: str) -> None:
    """Once, however often it is told."""
    arrived(20 * MICROS)
    for _ in range(2):
        payments.taken_back(told("evt_2"), 5 * MICROS, "dispute: fraudulent", NOW)
    told_of = [each.text for each in notices.page_of(EVERYTHING, Turn()).items if each.kind == "payment_taken_back"]
    assert told_of == ["£5.00 of a payment was taken back: dispute: fraudulent"]
    payments.taken_back(told("evt_3"), None, "chargeback", NOW)
    told_of = [each.text for each in notices.page_of(EVERYTHING, Turn()).items if each.kind == "payment_taken_back"]
    assert told_of[0] == "£15.00 of a payment was taken back: chargeback"
