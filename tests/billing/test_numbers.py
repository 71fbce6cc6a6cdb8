"""Numbers: bought, moved, given back; to the last penny, and never held twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connector.billing import credit, ledger, numbers, plans, profiles
from connector.billing.profiles import Credentials
from connector.core.money import MICROS
from connector.core.plans import DAY_MS, TERM_MS
from connector.database.models import database
from connector.database.store import Store
from connector.errors import BadInput, InsufficientFunds, NotFound, StoreUnavailable
from connector.routing import routes
from tests.conftest import NOW
from tests.databases import at_once

SHEET = (
    "number,country,area_code,monthly_fee\n+442079460110,GB,20,2.50\n+442079460111,GB,20,3\n+441214960110,GB,121,1\n"
)
FIRST, SECOND, BIRMINGHAM = "+442079460110", "+442079460111", "+441214960110"


def balance() -> int:
    """What the company has."""
    return credit.balance().available_micros


@pytest.fixture
def stock(office: Credentials) -> None:
    """Three numbers for sale."""
    assert numbers.import_stock(SHEET, NOW).new == 3


def test_the_stock_is_what_was_imported(stock: None) -> None:
    """By country and area; imported again, fees change; a sheet with an error changes nothing."""
    assert [each.number for each in numbers.for_sale("GB", "020")] == [FIRST, SECOND]
    assert [each.number for each in numbers.for_sale(area="121")] == [BIRMINGHAM]
    assert numbers.for_sale("US") == []
    again = numbers.import_stock(SHEET.replace("2.50", "4"), NOW + 1)
    assert (again.new, again.changed, again.same, again.taken) == (0, 1, 2, 0)
    with pytest.raises(BadInput, match="line 3"):
        numbers.import_stock("number,monthly_fee\n+442079460119,1\nrubbish,1\n", NOW)
    assert [each.fee_micros for each in numbers.for_sale("GB", "20")] == [4 * MICROS, 3 * MICROS]


def test_a_number_is_bought_ahead_and_attached(stock: None) -> None:
    """1, 3 or 12 terms are paid at once, the price is told before, and it is for sale no longer."""
    before = balance()
    told = numbers.buy(FIRST, 12, NOW, profile="office", dry_run=True)
    assert (told.price_micros, told.paid_until) == (30 * MICROS, NOW + 12 * TERM_MS)
    assert balance() == before
    bought = numbers.buy(FIRST, 12, NOW, profile="office")
    assert bought == told
    assert before - balance() == 30 * MICROS
    assert numbers.buy(None, 1, NOW, country="GB", area="20").number == SECOND
    wrongs: list[tuple[Callable[[], object], str]] = [
        (lambda: numbers.buy(FIRST, 1, NOW), "not for sale"),
        (lambda: numbers.buy("+442079460199", 1, NOW), "not for sale"),
        (lambda: numbers.buy(None, 1, NOW, country="GB", area="20"), "no such number"),
        (lambda: numbers.buy(BIRMINGHAM, 2, NOW), "1, 3 or 12"),
        (lambda: numbers.add(BIRMINGHAM, "office", NOW), "is for sale"),
    ]
    for wrong, words in wrongs:
        with pytest.raises((BadInput, NotFound), match=words):
            wrong()
    assert [each.number for each in numbers.for_sale()] == [BIRMINGHAM]


def test_who_cannot_pay_gets_no_number(stock: None) -> None:
    """And it stays for sale."""
    credit.add("office", balance() - MICROS, "leave one", NOW)
    with pytest.raises(InsufficientFunds):
        numbers.buy(FIRST, 1, NOW, profile="office")
    assert FIRST in [each.number for each in numbers.for_sale()]
    assert numbers.buy(BIRMINGHAM, 1, NOW).price_micros == MICROS


def test_money_of_another_country_buys_nothing(stock: None) -> None:
    """A fee in dollars is not paid in pounds."""
    numbers.import_stock("number,monthly_fee,currency\n+12125550123,3,USD\n", NOW)
    with pytest.raises(BadInput, match="but the company pays in GBP"):
        numbers.buy("+12125550123", 1, NOW)


def test_a_number_moves_between_profiles(stock: None) -> None:
    """Of its own company only; its route must hold there."""
    profiles.create_profile("shop", 1, "asterisk", NOW)
    profiles.create_company("Other", "GBP", "Europe/London", NOW)
    profiles.create_profile("foreign", 0, "asterisk", NOW, company="Other")
    numbers.buy(FIRST, 1, NOW, profile="office")
    assert numbers.attach(FIRST, "shop").profile == "shop"
    assert numbers.attach(FIRST, None).profile is None
    with pytest.raises(BadInput, match="another company"):
        numbers.attach(FIRST, "foreign")
    numbers.attach(FIRST, "office")
    routes.create_account("support", "office", "extension 101", NOW)
    routes.set_route(FIRST, "account support")
    with pytest.raises(BadInput, match="at another profile"):
        numbers.attach(FIRST, "shop")
    assert {view.number: view.profile for view in numbers.list_numbers("Acme")}[FIRST] == "office"


def test_a_number_is_given_back_at_its_end_or_at_once(stock: None) -> None:
    """Nothing is paid back; until its end it rings as before; then, or at once, it is for sale, to anybody."""
    numbers.buy(FIRST, 3, NOW, profile="office")
    left = balance()
    view = numbers.release(FIRST, NOW + DAY_MS)
    assert (view.renews, view.paid_until, view.profile) == (False, NOW + 3 * TERM_MS, "office")
    plans.renew_due(NOW + 3 * TERM_MS - 1)
    assert FIRST not in [each.number for each in numbers.for_sale()]
    plans.renew_due(NOW + 3 * TERM_MS)
    assert FIRST in [each.number for each in numbers.for_sale()]
    numbers.buy(SECOND, 1, NOW, profile="office")
    numbers.release(SECOND, NOW + DAY_MS, at_once=True)
    assert SECOND in [each.number for each in numbers.for_sale()]
    assert numbers.buy(SECOND, 1, NOW + DAY_MS).number == SECOND
    assert balance() < left
    with pytest.raises(NotFound):
        numbers.release(FIRST, NOW)
    assert ledger.verify().problems == []


def test_a_deleted_profiles_numbers_stay_the_companys(stock: None) -> None:
    """With what was paid for them; its accounts too."""
    numbers.buy(FIRST, 1, NOW, profile="office")
    routes.create_account("support", "office", "", NOW)
    assert plans.delete_profile("office", NOW).numbers == ["+442079460100", FIRST]
    assert {view.number: view.profile for view in numbers.list_numbers()} == {"+442079460100": None, FIRST: None}
    assert routes.accounts()[0].profile is None


def test_a_number_is_bought_once_however_many_want_it(stock: None, store: Store) -> None:
    """Eight at once: one has it, one is charged, the others are told."""
    before, told = balance(), []

    def want() -> None:
        """Try, as often as the store is busy."""
        while True:
            try:
                numbers.buy(FIRST, 1, NOW, profile="office")
            except StoreUnavailable:
                continue
            except NotFound:
                told.append("gone")
            else:
                told.append("bought")
            store.close()
            return

    at_once(want, 8)
    assert sorted(told) == ["bought"] + ["gone"] * 7
    assert before - balance() == 5 * MICROS // 2


def test_a_verified_number_may_be_shown(office: Credentials) -> None:
    """By evidence, and until it is forgotten."""
    with pytest.raises(BadInput, match="it is not verified"):
        profiles.set_caller_id("office", "fixed", "+442079460777")
    numbers.verify("+442079460777", "letter of 2026-11-02", NOW)
    assert profiles.set_caller_id("office", "fixed", "+442079460777").caller_id.number == "+442079460777"
    assert numbers.verified()[0].evidence == "letter of 2026-11-02"
    numbers.forget_verified("+442079460777")
    assert numbers.verified() == []
    with pytest.raises(NotFound):
        numbers.forget_verified("+442079460777")
    with pytest.raises(BadInput, match="evidence"):
        numbers.verify("+442079460777", " ", NOW)


def test_nobody_shows_what_another_has(stock: None) -> None:
    """A number of another company, or for sale, is not verified; who buys it takes it from who showed it."""
    profiles.create_company("Other", "GBP", "Europe/London", NOW)
    with pytest.raises(BadInput, match="another company"):
        numbers.verify("+442079460100", "they say so", NOW, "Other")
    with pytest.raises(BadInput, match="for sale"):
        numbers.verify(FIRST, "they say so", NOW, "Other")
    numbers.verify("+442079460888", "letter", NOW, "Other")
    numbers.add("+442079460888", "office", NOW)
    assert numbers.verified() == []


def test_a_release_may_be_taken_back(stock: None) -> None:
    """Until its end."""
    numbers.buy(FIRST, 1, NOW, profile="office")
    numbers.release(FIRST, NOW)
    assert numbers.keep(FIRST).renews
    plans.renew_due(NOW + TERM_MS)
    assert FIRST in [view.number for view in numbers.list_numbers()]
    with pytest.raises(BadInput, match="No fee is paid"):
        numbers.keep("+442079460100")


def test_a_large_sheet_keeps_nobody_waiting(stock: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written in a few statements, whatever its length; currencies that it says itself need no company."""
    profiles.create_company("Other", "USD", "Europe/London", NOW)
    rows = "".join(f"+4420794{number:05d},1,GBP\n" for number in range(20_000))
    asked: list[str] = []
    store: Any = database.obj
    execute = store.execute_sql

    def counting(sql: str, *args: Any, **more: Any) -> Any:
        asked.append(sql)
        return execute(sql, *args, **more)

    monkeypatch.setattr(store, "execute_sql", counting)
    assert numbers.import_stock("number,monthly_fee,currency\n" + rows, NOW).new == 20_000
    assert len(asked) < 1_000
    with pytest.raises(BadInput, match="The currency is missing"):
        numbers.import_stock("number,monthly_fee\n+442079460999,1\n", NOW)
