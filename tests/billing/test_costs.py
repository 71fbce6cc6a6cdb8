"""What calls cost at carriers: pinned at the answer, owed in the ledger, and what a margin floor refuses."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from connector.billing import (
    calls,
    carriers,
    costs,
    decks,
    exchange,
    history,
    ledger,
    profiles,
    reports,
    today,
    trials,
)
from connector.billing.profiles import Credentials
from connector.core.access import EVERYTHING, Scope
from connector.core.calls import Admitted
from connector.core.ledger import MOST_BALANCE
from connector.core.money import MICROS, MOST_MICROS
from connector.core.paging import Turn, turn
from connector.core.refusals import Refusal
from connector.core.service_numbers import ServiceNumber
from connector.database import audit
from connector.database.store import Store, rows, run, writing
from connector.errors import BadInput, NotFound
from connector.routing import service_numbers, trunks
from tests.billing.test_calls import NODE, attempt, finish
from tests.conftest import NOW

SHEET = "prefix,name,price_per_minute,increments\n44,UK,0.01,60/60\n447,UK mobile,0.05,1/1\n33,France,0.2,1/1\n"
MINUTE_MS = 60_000
UK, MOBILE, FRANCE, US = "+442079460001", "+447700900001", "+33142685300", "+12125550100"


def load(text: str, trunk: str = "", currency: str = "", mode: str = "update", at: int = NOW) -> Any:
    """Load a sheet; in use at once."""
    read = decks.read(text, at, trunk=trunk, currency=currency, mode=mode, after_ms=0)
    if trunk:
        return decks.put_costs("sheet", trunk, read, at, after_ms=0)
    return decks.put("sheet", read, at, after_ms=0)


def second(name: str = "second", place: int = 2) -> None:
    """One carrier more."""
    trunks.create_trunk(name, "192.0.2.99", 5060, NOW, place=place)


def decided(username: str, number: str = UK) -> Admitted | Refusal:
    """A call out at the gate."""
    found = calls.admit(attempt(username, number), NODE)
    assert isinstance(found, Admitted | Refusal)
    return found


def tried(username: str, number: str = UK) -> list[str] | str:
    """The trunks that a call out tries, or why it is refused; it is over then."""
    found = decided(username, number)
    if isinstance(found, Refusal):
        return found.code
    finish(found.call_id, answered_at=None)
    return [each.endpoint.removeprefix("connector-") for each in found.targets]


def talked(username: str, ms: int, number: str = UK, by: str = "carrier") -> str:
    """A call that was carried by a trunk; its id."""
    found = decided(username, number)
    assert isinstance(found, Admitted)
    calls.dialled(found.call_id, "B", by)
    calls.answered(found.call_id, NOW, "B")
    finish(found.call_id, answered_at=NOW, ended_at=NOW + ms)
    return found.call_id


def of_call(call_id: str) -> tuple[str, int, int, int] | None:
    """By which trunk, and what a call cost: seconds, and micros of the carrier's currency and of ours."""
    found = history.explain(call_id, with_costs=True).cost
    return None if found is None else (found.trunk, found.billed_s, found.carrier_micros, found.cost_micros)


def test_a_call_costs_what_its_carriers_deck_says(office: Credentials) -> None:
    """In the carrier's own steps, and the ledger owes it: what stands there is what stands at the call."""
    load(SHEET, "carrier")
    call_id = talked(office.username, 61_000)
    assert of_call(call_id) == ("carrier", 120, 20_000, 20_000)
    found = ledger.accounts(with_costs=True)
    assert (found["company:1:cost"], found["trunk:1:payable"]) == (20_000, -20_000)
    shown = history.explain(call_id, with_costs=True)
    assert shown.cost is not None
    assert shown.cost.margin_micros == shown.price_micros - 20_000
    assert ledger.verify().problems == []


def test_a_cost_is_pinned_at_the_answer(office: Credentials) -> None:
    """A sheet or an exchange rate that comes while the call is up changes the next call, not this one."""
    exchange.set_rate("USD", "GBP", "0.8", NOW - 1000)
    load(SHEET, "carrier", "USD")
    call = decided(office.username)
    assert isinstance(call, Admitted)
    calls.dialled(call.call_id, "B", "carrier")
    calls.answered(call.call_id, NOW, "B")
    exchange.set_rate("USD", "GBP", "0.5", NOW, NOW + 1)
    load(SHEET.replace("0.01", "0.02"), "carrier", at=NOW + 1)
    finish(call.call_id, answered_at=NOW, ended_at=NOW + MINUTE_MS)
    assert of_call(call.call_id) == ("carrier", 60, 10_000, 8_000)


def test_the_trunk_that_carries_a_call_is_the_one_that_is_owed(office: Credentials) -> None:
    """After a failover the call costs what the last trunk takes, in that one's currency."""
    second()
    exchange.set_rate("USD", "GBP", "0.75", NOW - 1000)
    load(SHEET, "carrier")
    load(SHEET.replace("0.01", "0.04"), "second", "USD")
    call_id = talked(office.username, MINUTE_MS, by="second")
    assert of_call(call_id) == ("second", 60, 40_000, 30_000)
    assert ledger.accounts(with_costs=True)["trunk:2:payable"] == -30_000
    assert "trunk:1:payable" not in ledger.accounts(with_costs=True)


def test_a_call_whose_answer_was_not_heard_costs_all_the_same(office: Credentials) -> None:
    """The end says when it was answered: its cost is that of the answer."""
    load(SHEET, "carrier")
    call = decided(office.username)
    assert isinstance(call, Admitted)
    calls.dialled(call.call_id, "B", "carrier")
    finish(call.call_id, answered_at=NOW, ended_at=NOW + MINUTE_MS)
    assert of_call(call.call_id) == ("carrier", 60, 10_000, 10_000)


def test_what_was_not_answered_or_is_not_known_costs_nothing(office: Credentials) -> None:
    """No talk, no cost; and a trunk without a cost deck has calls whose cost is not known."""
    assert of_call(talked(office.username, MINUTE_MS)) is None
    load(SHEET, "carrier")
    call = decided(office.username)
    assert isinstance(call, Admitted)
    finish(call.call_id, answered_at=None)
    assert of_call(call.call_id) is None
    assert "company:1:cost" not in ledger.accounts(with_costs=True)


def test_a_trunk_that_does_not_take_such_calls_is_not_tried(office: Credentials) -> None:
    """A cost deck without the number, or with the prefix blocked: another trunk is tried, or the call is refused."""
    load(SHEET, "carrier")
    assert tried(office.username, US) == "no_carrier"
    second()
    assert tried(office.username, US) == ["second"]
    assert tried(office.username, UK) == ["carrier", "second"]
    load("prefix,name,price_per_minute\n44,UK,blocked\n1,US,0.001\n", "carrier")
    assert tried(office.username, UK) == ["second"]
    (row,) = history.cdrs(1)
    assert row.refusal is None


def test_a_floor_leaves_out_what_costs_too_much(office: Credentials) -> None:
    """A price of 0.023 and a cost of 0.01 leave 56 %: a profile's own floor counts before its company's."""
    load(SHEET, "carrier")
    costs.set_floor("57", "0")
    assert tried(office.username) == "no_carrier"
    assert history.cdrs(1)[0].refusal == "no_carrier"
    costs.set_floor("56", "0", profile="office")
    assert tried(office.username) == ["carrier"]
    costs.set_floor("56", "0.0131", profile="office")
    assert tried(office.username) == "no_carrier"
    costs.remove_floor(profile="office")
    costs.set_floor("0", "0")
    assert tried(office.username) == ["carrier"]
    assert costs.list_floors() == [costs.FloorView("Acme", "", "0", 0, "GBP")]
    costs.remove_floor()
    assert costs.list_floors() == []


def test_below_cost_is_carried_unless_a_floor_says_otherwise(office: Credentials) -> None:
    """France is sold for 0.10 and costs 0.20. A floor of nothing refuses exactly what loses money."""
    load(SHEET, "carrier")
    assert tried(office.username, FRANCE) == ["carrier"]
    costs.set_floor("0", "0", profile="office")
    assert tried(office.username, FRANCE) == "no_carrier"
    assert tried(office.username) == ["carrier"]


def test_a_floor_does_not_guess(office: Credentials) -> None:
    """Without a cost deck, or an exchange rate yet, it is not known what a call leaves: such a trunk is left out."""
    costs.set_floor("0", "0")
    assert tried(office.username) == "no_carrier"
    exchange.set_rate("USD", "GBP", "0.8", NOW, NOW + 10**9)
    with pytest.raises(BadInput, match="There is no exchange rate"):
        load(SHEET, "carrier", "USD")
    costs.remove_floor()
    assert tried(office.username) == ["carrier"]


def test_service_numbers_and_calls_in_have_no_cost(office: Credentials) -> None:
    """No carrier's sheet names them."""
    load(SHEET, "carrier")
    costs.set_floor("100", "1000")
    service_numbers.change("office", [ServiceNumber("118500", "Directory", 1000, 0)])
    assert tried(office.username, "118500") == ["carrier"]


def test_trunks_are_tried_by_cost_if_that_is_wanted(office: Credentials) -> None:
    """A profile's own policy counts before its company's; what was decided stands at the call."""
    second()
    load(SHEET, "carrier")
    load(SHEET.replace("0.01", "0.005"), "second")
    assert tried(office.username) == ["carrier", "second"]
    carriers.set_policy("cost")
    kept = carriers.routing_of(talked(office.username, MINUTE_MS, by="second"))
    assert (kept.policy, kept.tries) == ("cost", (("second", 5_000), ("carrier", 10_000)))
    assert trials.why(UK, "office", NOW, with_costs=True).policy == "cost"
    carriers.set_policy("fixed", profile="office")
    assert tried(office.username) == ["carrier", "second"]
    listed = [(each.profile, each.policy) for each in carriers.list_policies()]
    assert listed == [("", "cost"), ("office", "fixed")]
    carriers.set_policy("", profile="office")
    assert tried(office.username) == ["second", "carrier"]
    with pytest.raises(BadInput, match="Invalid policy"):
        carriers.set_policy("best")
    costs.set_floor("60", "0")
    kept = carriers.routing_of(talked(office.username, MINUTE_MS, by="second"))
    assert kept.left_out == (("carrier", "below_floor", 10_000),)
    assert tried(office.username, US) == "no_carrier"
    (refused,) = [each for each in history.cdrs(20) if each.refusal]
    assert [why for _, why, _ in carriers.routing_of(refused.id).left_out] == ["no_cost_rate"] * 2


def test_a_trunk_gets_numbers_as_it_wants_them(office: Credentials) -> None:
    """Stripped and behind a prefix, each of both numbers; a service number stays as it is."""
    changes = {
        "number_form": "zeros",
        "called_strip": 2,
        "called_prefix": "77001",
        "caller_strip": 4,
        "caller_prefix": "0",
    }
    trunks.change("carrier", options=changes)
    found = decided(office.username)
    assert isinstance(found, Admitted)
    assert [(each.number, each.shows) for each in found.targets] == [("77001442079460001", "02079460100")]
    finish(found.call_id, answered_at=None)
    service_numbers.change("office", [ServiceNumber("118500", "Directory", 1000, 0)])
    found = decided(office.username, "118500")
    assert isinstance(found, Admitted)
    assert found.targets[0].number == "118500"
    finish(found.call_id, answered_at=None)
    for wrong in ({"called_prefix": "7#1"}, {"called_prefix": "1" * 16}, {"called_strip": 7}, {"caller_strip": -1}):
        with pytest.raises(BadInput):
            trunks.change("carrier", options=wrong)


def test_why_names_the_trunks_that_are_left_out(office: Credentials) -> None:
    """Each with its reason, for those who see costs."""
    load(SHEET, "carrier")
    second()
    costs.set_floor("50", "0")
    found = trials.why(UK, "office", NOW, with_costs=True)
    assert (found.trunks, found.carried) == (("carrier",), True)
    assert [(each.trunk, each.why) for each in found.left_out] == [("second", "cost_unknown")]
    costs.set_floor("60", "0")
    assert trials.why(UK, "office", NOW).left_out == ()
    found = trials.why(UK, "office", NOW, with_costs=True)
    assert [each.code for each in found.reasons] == ["no_carrier"]
    assert [(each.trunk, each.why, each.cost_per_minute_micros) for each in found.left_out] == [
        ("carrier", "below_floor", 10_000),
        ("second", "cost_unknown", None),
    ]


def test_a_month_of_margins_is_the_ledgers(office: Credentials) -> None:
    """By trunk, destination and profile; calls whose cost is not known are counted apart."""
    talked(office.username, MINUTE_MS)  # before any cost deck: in no report of margins
    second()
    load(SHEET, "carrier")
    talked(office.username, MINUTE_MS)
    talked(office.username, MINUTE_MS, FRANCE)
    talked(office.username, MINUTE_MS, by="second")
    found = costs.report("2026-11", NOW)
    assert [(each.name, each.calls, each.costed, each.margin_micros) for each in found.trunks] == [
        ("carrier", 2, 2, 23_000 + 100_000 - 210_000),
        ("second", 1, 0, 0),
    ]
    assert [(each.name, each.margin_micros, each.margin_hundredths) for each in found.destinations] == [
        ("France", -100_000, -10_000),
        ("United Kingdom", 13_000, 5_652),
    ]
    assert [each.name for each in found.profiles] == ["office"]
    assert found.total.cost_micros == ledger.accounts(with_costs=True)["company:1:cost"] == 210_000
    assert (found.total.calls, found.total.costed, found.total.price_micros) == (3, 2, 146_000)
    assert ledger.verify().problems == []


def test_costs_are_not_shown_to_a_companys_people(office: Credentials) -> None:
    """Neither in the entries of the ledger, nor among its accounts, nor at a call."""
    load(SHEET, "carrier")
    call_id = talked(office.username, MINUTE_MS)
    assert not any("cost" in name or "payable" in name for name in ledger.accounts())
    shown = history.explain(call_id)
    assert shown.cost is None
    entries = [*shown.entries, *ledger.page_of("Acme", turn(None, 50, "i")).items]
    assert not any("cost" in name or "payable" in name for each in entries for name in each.postings)
    assert all(sum(each.postings.values()) == 0 for each in shown.entries)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE cost SET cost_micros = cost_micros - 1", "the cost does not follow"),
        ("UPDATE cost SET billed_s = 1", "the cost does not follow"),
        ("UPDATE cost SET trunk_id = 2", "the ledger has"),
        ("DELETE FROM cost", "a cost for a call that has none"),
        ("UPDATE margin_month SET cost_micros = 1", "margin_month says"),
        ("DELETE FROM margin_month", "margin_month has none"),
    ],
)
def test_verify_finds_what_was_changed(sql: str, said: str, office: Credentials) -> None:
    """The ledger, the rows of calls and the sums prove each other."""
    second()
    load(SHEET, "carrier")
    talked(office.username, MINUTE_MS)
    before = rows_of("cost"), rows_of("margin_month")
    with writing():
        run(sql)
    assert any(said in each for each in ledger.verify().problems)
    with writing():  # the fixture looks at the ledger again
        for table, kept in zip(("cost", "margin_month"), before, strict=True):
            run(f"DELETE FROM {table}")
            for row in kept:
                run(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", *row)


def rows_of(table: str) -> list[tuple[Any, ...]]:
    """All rows of a table."""
    with writing():
        return rows(f"SELECT * FROM {table}")


def test_a_cost_sheet_is_its_trunks_alone(office: Credentials) -> None:
    """It changes no price; and each trunk has its own, with its own currency."""
    second()
    exchange.set_rate("EUR", "GBP", "0.9", NOW - 1)
    made = load(SHEET, "second", "EUR")
    assert (made.trunk, made.currency, made.rates) == ("second", "EUR", 3)
    assert [each.trunk for each in decks.list_decks()] == [""]
    assert [each.id for each in decks.list_decks(trunk="second")] == [made.id]
    assert decks.list_decks(trunk="carrier") == []
    assert trials.price(UK, MINUTE_MS, NOW, None, None).price_micros == 23_000
    assert load(SHEET, "second", at=NOW + 1).currency == "EUR"
    assert decks.rates_to_read(None, "second", NOW + 10) == 3 + 5


def test_a_cost_sheet_needs_an_exchange_rate_and_one_currency(office: Credentials) -> None:
    """A currency without an exchange rate, and another currency for a part of a deck, change nothing."""
    with pytest.raises(BadInput, match="There is no exchange rate from USD to GBP"):
        load(SHEET, "carrier", "USD")
    with pytest.raises(BadInput, match="not a currency"):
        load(SHEET, "carrier", "XXX")
    with pytest.raises(BadInput, match="Name its trunk too"):
        load(SHEET, currency="USD")
    with pytest.raises(NotFound):
        load(SHEET, "nowhere")
    load(SHEET, "carrier")
    exchange.set_rate("USD", "GBP", "0.8", NOW - 1)
    with pytest.raises(BadInput, match="load a complete sheet"):
        load(SHEET, "carrier", "USD", at=NOW + 1)
    assert len(decks.list_decks(trunk="carrier")) == 1
    assert load(SHEET, "carrier", "USD", "full", at=NOW + 1).currency == "USD"


def test_what_would_be_sold_below_cost_is_told_before_a_deck_is_taken(office: Credentials) -> None:
    """Of a new cost sheet, and of a new price sheet; the cheapest trunk counts."""
    found = decks.read(SHEET, NOW, trunk="carrier")
    assert found.sold_below == 1
    (below,) = found.below
    assert (below.prefix, below.price_micros, below.cost_micros) == ("+33", 100_000, 200_000)
    load(SHEET, "carrier")
    found = decks.read("prefix,name,price_per_minute\n44,UK,0.005\n", NOW + 1)
    assert [(each.prefix, each.trunk) for each in found.below] == [("+33", "carrier"), ("+44", "carrier")]
    second()
    load(SHEET.replace("0.2", "0.09").replace("0.01", "0.001"), "second")
    found = decks.read("prefix,name,price_per_minute\n44,UK,0.005\n", NOW + 1)
    assert found.sold_below == 0


def test_an_exchange_rate_counts_from_its_date(office: Credentials) -> None:
    """The newest that has begun; the same date again replaces it."""
    exchange.set_rate("USD", "GBP", "0.8", NOW)
    exchange.set_rate("USD", "GBP", "0.9", NOW, NOW + 100)
    exchange.set_rate("USD", "GBP", "0.85", NOW, NOW + 100)
    assert [(each.numerator, each.denominator) for each in exchange.list_rates()] == [(17, 20), (4, 5)]
    with writing():
        assert exchange.of("USD", "GBP", NOW - 1) is None
        assert exchange.of("USD", "GBP", NOW + 99) == ("USD", 4, 5)
        assert exchange.of("USD", "GBP", NOW + 100) == ("USD", 17, 20)
    for wrong in (("USD", "USD"), ("USX", "GBP"), ("USD", "")):
        with pytest.raises(BadInput):
            exchange.set_rate(*wrong, "1", NOW)


def test_no_cost_is_so_high_that_a_call_cannot_end(office: Credentials) -> None:
    """The highest rate that a deck takes, at the highest exchange rate: the end of the call is written."""
    exchange.set_rate("KWD", "GBP", "999999999.999999999", NOW - 1)
    load("prefix,name,price_per_minute,increments\n44,UK,1000,86400/1\n", "carrier", "KWD")
    call_id = talked(office.username, 1000)
    assert of_call(call_id) == ("carrier", 86_400, 1_440_000 * MICROS, MOST_MICROS)


def test_a_hidden_cost_cannot_be_found_by_its_hash(office: Credentials) -> None:
    """Who does not see costs gets no hash of a company that has any: the one number that is missing could be tried."""
    before = ledger.page_of("Acme", turn(None, 50, "i")).items
    assert all(each.hash for each in before)
    load(SHEET, "carrier")
    call_id = talked(office.username, MINUTE_MS)
    for entries in (ledger.page_of("Acme", turn(None, 50, "i")).items, history.explain(call_id).entries):
        assert {each.hash for each in entries} == {""}
    assert reports.statement("Acme", None, NOW).head == ""
    assert reports.statement("Acme", None, NOW, with_costs=True).head
    assert all(each.hash for each in ledger.page_of("Acme", turn(None, 50, "i"), with_costs=True).items)


def test_floors_and_cost_sheets_are_not_in_a_companys_audit_log(office: Credentials) -> None:
    """The platform's own people see who set them."""
    with audit.acting(audit.Doer("somebody", NOW)):
        load(SHEET, "carrier")
        costs.set_floor("12.34", "0")
        costs.set_floor("1", "0", profile="office")
        costs.remove_floor()
        carriers.set_policy("cost")
    of_company = audit.page_of(Scope(1), Turn(None, 50)).items
    assert [each.action for each in of_company if "cost" in each.action or "margin" in each.action] == []
    assert "12.34" not in str(of_company)
    told = [each.action for each in audit.page_of(EVERYTHING, Turn(None, 50)).items]
    assert told[:5] == ["trunk.order", "margin.floor_remove", "margin.floor", "margin.floor", "costs.load"]


def test_a_call_whose_dialled_leg_was_not_heard_has_no_cost(office: Credentials) -> None:
    """Its CDR names no trunk, so nobody is owed for it; the sums agree."""
    load(SHEET, "carrier")
    call = decided(office.username)
    assert isinstance(call, Admitted)
    calls.answered(call.call_id, NOW, None)
    finish(call.call_id, answered_at=NOW, ended_at=NOW + MINUTE_MS)
    assert of_call(call.call_id) is None
    assert ledger.verify().problems == []


@pytest.mark.parametrize("content", [b"rubbish", zlib.compress(b"+44,changed")])
def test_a_cost_deck_that_cannot_be_read_is_in_no_calls_way(content: bytes, office: Credentials) -> None:
    """The call is admitted, answered and ended; what it cost is not known."""
    made = load(SHEET, "carrier")
    decks._memory.clear()
    with writing():
        (kept,) = rows("SELECT content FROM deck WHERE id = ?", made.id)[0]
        run("UPDATE deck SET content = ? WHERE id = ?", content, made.id)
    call_id = talked(office.username, MINUTE_MS)
    assert history.cdr(call_id).price_micros == 23_000
    assert of_call(call_id) is None
    with writing():  # the fixture looks at the ledger again
        run("UPDATE deck SET content = ? WHERE id = ?", bytes(kept), made.id)
    decks._unreadable.clear()


def test_full_accounts_are_in_no_calls_way(office: Credentials) -> None:
    """The end of a call whose cost the ledger cannot hold is written, without its cost."""
    load(SHEET, "carrier")
    call_id = talked(office.username, MINUTE_MS)
    with writing():
        run("UPDATE account SET balance = ? WHERE name = 'company:1:cost'", MOST_BALANCE - 1)
    full = talked(office.username, MINUTE_MS)
    assert (history.cdr(full).price_micros, of_call(full)) == (23_000, None)
    with writing():
        run("UPDATE account SET balance = 10000 WHERE name = 'company:1:cost'")
    assert of_call(call_id) is not None


def test_what_was_not_known_at_the_answer_stays_so(office: Credentials) -> None:
    """An exchange rate that is set later with an earlier date is no rate of a call that was answered before."""
    exchange.set_rate("USD", "GBP", "0.8", NOW - 1000)
    load(SHEET, "carrier", "USD")
    with writing():
        run("DELETE FROM exchange_rate")
    call = decided(office.username)
    assert isinstance(call, Admitted)
    calls.dialled(call.call_id, "B", "carrier")
    calls.answered(call.call_id, NOW, "B")
    exchange.set_rate("USD", "GBP", "0.9", NOW, NOW - 1000)
    finish(call.call_id, answered_at=NOW, ended_at=NOW + MINUTE_MS)
    assert of_call(call.call_id) is None


def test_another_currency_takes_the_place_of_the_old_rates(office: Credentials) -> None:
    """No old rate is read in the new currency: a sheet with a later date is refused on an earlier day."""
    load(SHEET, "carrier")
    exchange.set_rate("USD", "GBP", "0.5", NOW - 1)
    later = "prefix,name,price_per_minute,valid_from\n44,UK,0.03,2027-06-01\n"
    with pytest.raises(BadInput, match="load a complete sheet"):
        load(later, "carrier", "USD", "full", at=NOW + 1)
    load("prefix,name,price_per_minute,increments\n44,UK,0.03,1/1\n", "carrier", "USD", "full", at=NOW + 1)
    with writing():
        found, known = costs.of_trunk(1, 1, UK, NOW + 10)
        assert known
        assert found is not None
        assert (found.rate.price_per_minute_micros, found.exchange) == (30_000, ("USD", 1, 2))
        assert costs.of_trunk(1, 1, FRANCE, NOW + 10) == (None, True)


def test_what_is_sold_below_cost_until_a_later_date_is_told(office: Credentials) -> None:
    """Each change of a rate is looked at, on both sides."""
    load("prefix,name,price_per_minute\n44,UK,0.05\n", "carrier")
    sheet = "prefix,name,price_per_minute,valid_from\n44,UK,0.01,2026-01-01\n44,UK,0.09,2027-06-01\n"
    assert [each.prefix for each in decks.read(sheet, NOW + 1, mode="full").below] == ["+44"]
    later = "prefix,name,price_per_minute,valid_from\n33,France,0.01,2026-01-01\n33,France,0.2,2027-06-01\n"
    assert [each.prefix for each in decks.read(later, NOW + 1, trunk="carrier").below] == ["+33", "+44"]


def test_half_of_a_floor_can_be_changed(office: Credentials) -> None:
    """What is not said stays; and a profile's floor is found by its user name too."""
    costs.set_floor("10", "0.001", profile="office")
    costs.set_floor(None, "0.002", profile="office")
    found = costs.list_floors(profile=office.username)
    assert [(each.percent, each.per_minute_micros) for each in found] == [("10", 2_000)]
    costs.set_floor("5", None, profile="office")
    assert [(each.percent, each.per_minute_micros) for each in costs.list_floors()] == [("5", 2_000)]


def test_a_cost_deck_is_no_price(store: Store) -> None:
    """A company that has only costs has yet to load prices."""
    profiles.create_company("Acme", "GBP", "UTC", NOW)
    trunks.create_trunk("carrier", "192.0.2.1", 5060, NOW)
    load(SHEET, "carrier")
    assert today.begun(1, "nobody", NOW).rates is False
