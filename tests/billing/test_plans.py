"""Subscriptions: bought, changed, cancelled, renewed; to the last penny and day."""

from __future__ import annotations

import pytest

from connector.billing import credit, ledger, numbers, plans, profiles
from connector.billing.profiles import Credentials
from connector.core.money import MICROS
from connector.core.plans import DAY_MS, TERM_MS
from connector.core.times import from_asterisk
from connector.database.models import Number, Term
from connector.database.store import one, reading
from connector.errors import BadInput, InsufficientFunds, NotFound
from connector.notices import notices
from tests.conftest import NOW

CHANNEL = 6_950_000


def balance() -> int:
    """What the company has."""
    return credit.balance().available_micros


def leave(micros: int) -> None:
    """Leave the company so much, the rest goes to a profile's credit."""
    credit.add("office", balance() - micros, f"leave-{micros}-{balance()}", NOW)


def test_channels_are_paid_for_30_days(company: str) -> None:
    """The price leaves the balance in the transaction that begins the term; too little money buys nothing."""
    profiles.create_profile("office", 0, "asterisk", NOW)
    before = balance()
    got = plans.buy("office", 30, 2, NOW)
    assert (got.status, got.channels, got.bundles, got.bundle_seconds_left) == ("active", 30, 2, 600_000)
    assert (got.starts_at, got.ends_at, got.renews) == (NOW, NOW + TERM_MS, True)
    assert got.charged_micros == 30 * CHANNEL + 2 * 45 * MICROS == before - balance()
    with pytest.raises(BadInput, match="has a subscription"):
        plans.buy("office", 5, 0, NOW)
    profiles.create_profile("poor", 0, "asterisk", NOW)
    leave(9 * CHANNEL)
    for channels, bundles, error in (
        (10, 0, InsufficientFunds),
        (301, 0, BadInput),
        (0, 0, BadInput),
        (3, 4, BadInput),
    ):
        with pytest.raises(error):
            plans.buy("poor", channels, bundles, NOW)
        assert (plans.show("poor").channels, balance()) == (0, 9 * CHANNEL)
    with pytest.raises(InsufficientFunds):
        profiles.create_profile("poorer", 10, "asterisk", NOW)
    with pytest.raises(NotFound):
        plans.show("poorer")


def test_a_change_gives_the_unused_share_back(office: Credentials) -> None:
    """A third of the term is used: two thirds come back, a new term begins; asking first changes nothing."""
    before, at = balance(), NOW + 10 * DAY_MS
    asked = plans.change("office", 30, None, at, dry_run=True)
    assert (balance(), plans.show("office").channels) == (before, 3)
    got = plans.change("office", 30, None, at)
    assert got == asked
    assert (got.refund_micros, got.charged_micros) == (13_900_000, 30 * CHANNEL)
    assert (got.channels, got.starts_at, got.ends_at) == (30, at, at + TERM_MS)
    assert balance() == before + 13_900_000 - 30 * CHANNEL


def test_once_a_day_is_a_day_of_the_companys_calendar(office: Credentials) -> None:
    """At most one change a calendar day, in London: also in summer, when its midnight is 23:00 UTC."""
    evening = from_asterisk("2026-06-30T22:59:59.000+0000")
    profiles.create_profile("summer", 5, "asterisk", evening - DAY_MS)
    plans.change("summer", 6, None, evening)
    with pytest.raises(BadInput, match="once a day"):
        plans.change("summer", 7, None, evening)
    assert plans.show("summer").channels == 6
    plans.change("summer", 7, None, evening + 1_000)
    with pytest.raises(BadInput, match="2026-07-01"):
        plans.change("summer", 8, None, evening + 3_600_000)


def test_bundles_change_with_the_channels(office: Credentials) -> None:
    """Fewer channels than bundles only if the bundles are lowered in the same change; nothing to change is said."""
    plans.change("office", None, 3, NOW)
    for channels, bundles in ((2, None), (None, 4), (3, 3), (None, None), (301, None), (0, None)):
        with pytest.raises(BadInput):
            plans.change("office", channels, bundles, NOW + DAY_MS)
    got = plans.change("office", 2, 1, NOW + DAY_MS)
    assert (got.channels, got.bundles, got.bundle_seconds_left) == (2, 1, 300_000)
    assert ledger.accounts()["company:1:seconds_expired"] == 900_000
    with pytest.raises(BadInput, match="no subscription"):
        profiles.create_profile("none", 0, "asterisk", NOW)
        plans.change("none", 3, None, NOW)


def test_a_cancelled_subscription_runs_to_its_end(office: Credentials) -> None:
    """It carries calls until then, and is inactive after; cancelling twice is said; a change takes it back."""
    got = plans.cancel("office", NOW + DAY_MS)
    assert (got.status, got.channels, got.ends_at, got.renews) == ("cancelling", 3, NOW + TERM_MS, False)
    with pytest.raises(BadInput):
        plans.cancel("office", NOW + DAY_MS)
    assert plans.renew_due(NOW + TERM_MS - 1) == 0
    before = balance()
    assert plans.renew_due(NOW + TERM_MS) == 1
    assert (plans.show("office").status, plans.show("office").channels, balance()) == ("inactive", 0, before)
    got = plans.buy("office", 5, 0, NOW + TERM_MS)
    assert got.status == "active"
    plans.cancel("office", NOW + TERM_MS)
    assert plans.change("office", 5, None, NOW + TERM_MS + DAY_MS).renews


def test_a_cancellation_is_taken_back(office: Credentials) -> None:
    """Until the term is over: it renews as before, and nothing is paid twice."""
    with pytest.raises(BadInput, match="cancelled"):
        plans.keep("office", NOW)
    plans.cancel("office", NOW + DAY_MS)
    before = balance()
    got = plans.keep("office", NOW + 2 * DAY_MS)
    assert (got.status, got.channels, got.ends_at, got.renews, balance()) == ("active", 3, NOW + TERM_MS, True, before)
    assert plans.renew_due(NOW + TERM_MS) == 1
    assert balance() == before - 3 * CHANNEL
    plans.cancel("office", NOW + TERM_MS)
    with pytest.raises(BadInput, match="cancelled"):
        plans.keep("office", NOW + 2 * TERM_MS)
    assert plans.renew_due(NOW + 2 * TERM_MS) == 1
    assert plans.show("office").status == "inactive"


def test_a_renewal_begins_where_the_last_term_ended(office: Credentials) -> None:
    """However late it is done, and however often it is looked for; each term is paid once."""
    plans.change("office", None, 1, NOW)
    before = balance()
    price = 3 * CHANNEL + 45 * MICROS
    late = NOW + TERM_MS + 7_200_000
    assert plans.renew_due(late) == 1
    assert plans.renew_due(late) == 0
    got = plans.show("office")
    assert (got.starts_at, got.ends_at) == (NOW + TERM_MS, NOW + 2 * TERM_MS)
    assert (got.bundle_seconds_left, before - balance()) == (300_000, price)
    assert plans.renew_due(NOW + 4 * TERM_MS) == 3
    assert (plans.show("office").ends_at, before - balance()) == (NOW + 5 * TERM_MS, 4 * price)


def test_grace_is_three_days_with_a_notice_a_day(office: Credentials) -> None:
    """Then the profile is inactive, and nothing went below zero; money in between renews it from the old end."""
    profiles.create_profile("other", 4, "asterisk", NOW)
    leave(4 * CHANNEL - 10_000)
    plans.cancel("office", NOW)
    end = NOW + TERM_MS
    for hour in range(72):
        plans.renew_due(end + hour * 3_600_000)
        assert plans.show("other").channels == 4
    assert [view.kind for view in notices.newest(99)] == ["grace"] * 3
    credit.top_up(10_000, "penny", NOW)
    plans.renew_due(end + 72 * 3_600_000 - 1)
    assert (plans.show("other").starts_at, balance()) == (end, 0)
    for hour in range(0, 100, 5):
        plans.renew_due(end + TERM_MS + hour * 3_600_000)
    assert (plans.show("other").status, plans.show("other").channels, balance()) == ("inactive", 0, 0)
    assert notices.newest(1)[0].kind == "ended"
    with reading():
        assert one(Term, "closed_at IS NULL") is None


def test_a_change_in_grace_pays_the_days_of_grace(office: Credentials) -> None:
    """The new term begins where the last one ended: three free days could be had each month otherwise."""
    profiles.create_profile("other", 1, "asterisk", NOW)
    leave(0)
    plans.renew_due(NOW + TERM_MS + 2 * DAY_MS)
    credit.take_back("office", 100 * MICROS, "back", NOW)
    got = plans.change("office", 4, None, NOW + TERM_MS + 2 * DAY_MS)
    assert (got.starts_at, got.refund_micros, got.charged_micros) == (NOW + TERM_MS, 0, 4 * CHANNEL)


def test_prices_are_those_of_the_day_the_term_begins(office: Credentials) -> None:
    """A new price counts from the next term on; what runs was paid."""
    plans.set_prices(7 * MICROS, None)
    assert (plans.prices().channel_micros, plans.prices().bundle_micros) == (7 * MICROS, 45 * MICROS)
    before = balance()
    plans.renew_due(NOW + TERM_MS)
    assert before - balance() == 21 * MICROS


def test_a_number_is_paid_ahead(office: Credentials) -> None:
    """For 1, 3 or 12 terms; it renews; if it cannot be paid it is nobody's after its grace."""
    numbers.import_stock("number,monthly_fee\n+442079460150,3\n", NOW)
    before = balance()
    bought = numbers.buy("+442079460150", 3, NOW, profile="office")
    assert (bought.paid_until, bought.profile, bought.price_micros) == (NOW + 3 * TERM_MS, "office", 9 * MICROS)
    assert before - balance() == 9 * MICROS
    plans.renew_due(NOW + 3 * TERM_MS)
    assert ledger.accounts()["company:1:number_fees"] == 18 * MICROS
    leave(0)
    plans.renew_due(NOW + 6 * TERM_MS)
    with reading():
        assert one(Number, "e164 = '+442079460150' AND released_at IS NULL") is not None
    plans.renew_due(NOW + 6 * TERM_MS + 3 * DAY_MS)
    with reading():
        assert one(Number, "e164 = '+442079460150' AND released_at IS NULL") is None
    assert [found.number for found in numbers.for_sale()] == ["+442079460150"]
