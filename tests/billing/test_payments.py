"""A payment is recorded once, with the reference and the day that it came with."""

from __future__ import annotations

import pytest

from connector.billing import credit, ledger, profiles, reports
from connector.core import payments
from connector.core.money import MICROS
from connector.errors import BadInput
from tests.conftest import NOW

DAY = "2026-11-18"


def test_the_ledger_says_with_which_reference_money_came(company: str) -> None:
    """On the statement too, and the same key again changes nothing, whatever comes with it."""
    reference = credit.payment_reference()
    before = credit.balance().available_micros
    for typed in (payments.spaced(reference).lower(), reference):
        made = credit.top_up(50 * MICROS, "payment-1", NOW, reference=typed, received_on=DAY)
        assert made.available_micros == before + 50 * MICROS
    about = [line.about for line in reports.statement(None, None, NOW).movements]
    assert about.count(f"payment {payments.spaced(reference)}, received on {DAY}") == 1
    assert ledger.verify().problems == []


@pytest.mark.parametrize(
    ("reference", "received_on", "words"),
    [
        ("RF00", "", "not a payment reference"),
        ("RF99C000001", "", "check digits"),
        (payments.reference(2), "", "another company"),
        (payments.reference(77), "", "another company"),
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
