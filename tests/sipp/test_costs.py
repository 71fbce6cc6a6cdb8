"""What carriers cost, on the wire: two carriers of different cost, a failover between them, and a margin floor."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connector.billing import carriers, costs, decks, exchange, history, ledger
from connector.billing.history import CdrView
from connector.clock import SystemClock
from connector.routing import trunks
from lab import process
from lab.far_end import NUMBERS
from lab.load import Bench
from lab.phone import Phone
from lab.sample import COMPANY, TRUNK
from tests.sipp.test_foreign_phones import trunk_before

DEAR = "prefix,name,price_per_minute,increments\n44,UK,1,60/60\n"


@pytest.fixture
def phone(bench: Bench) -> Iterator[Phone]:
    """A phone of the first profile."""
    found = bench.profiles[0]
    made = Phone(bench.instance.ports.sip, found.username, found.password)
    yield made
    made.close()


@pytest.fixture(scope="module")
def dear(running_bench: Bench) -> Iterator[Phone]:
    """A carrier that takes a dollar a minute, and that is tried before the sample's, which takes what we take."""
    now = SystemClock().now_ms()
    made = Phone(0, "carrier")
    with trunk_before(running_bench, made, "dear"):
        running_bench.in_store(lambda: exchange.set_rate("USD", "GBP", "0.5", now))
        load(running_bench, DEAR, "dear", "USD")
        load(running_bench, decks.SAMPLE.read_text(), TRUNK)
        yield made
    made.close()


def load(bench: Bench, sheet: str, trunk: str, currency: str = "") -> None:
    """Load a cost sheet; in use at once."""
    now = SystemClock().now_ms()
    made = bench.in_store(lambda: decks.read(sheet, now, COMPANY, trunk=trunk, currency=currency, after_ms=0))
    bench.in_store(lambda: decks.put_costs("costs", trunk, made, now, COMPANY, after_ms=0))


def only(bench: Bench) -> CdrView:
    """The one CDR since the scenario began."""
    assert process.waited(lambda: len(bench.new_cdrs()) == 1, 5, 0.1)
    return bench.new_cdrs()[0]


def owed(bench: Bench) -> int:
    """What calls have cost the company, by the ledger, in micros."""
    found = bench.in_store(lambda: ledger.accounts(COMPANY, with_costs=True))
    return sum(balance for name, balance in found.items() if name.endswith(":cost"))


def test_each_call_costs_what_the_carrier_takes_that_carried_it(bench: Bench, phone: Phone, dear: Phone) -> None:
    """By the first carrier; by the second, after the first has refused; by the second alone, because of a floor; and
    by none. The report of margins is the ledger.
    """
    before = owed(bench)
    outcome = bench.begin("by the first carrier")
    call = phone.call(NUMBERS["answered"])
    dear.rings().picks_up()
    call.answered()
    assert call.bye() == 200
    first = only(bench)
    assert cost_of(bench, first) == ("dear", 60, 1_000_000, 500_000)
    assert bench.end(outcome)
    outcome = bench.begin("by the second, after the first has refused")
    call = phone.call(NUMBERS["answered"])
    refuses = dear.rings()
    assert refuses.invited
    refuses.replies(refuses.invited, 503)
    call.answered()
    assert call.bye() == 200
    second = only(bench)
    cost = cost_of(bench, second)
    assert (cost[0], cost[3]) == (TRUNK, second.price_micros)
    assert bench.end(outcome)
    outcome = bench.begin("by the second alone")
    bench.in_store(lambda: costs.set_floor("0", "0", COMPANY))
    try:
        call = phone.call(NUMBERS["answered"])
        call.answered()
        assert call.bye() == 200
        assert cost_of(bench, only(bench))[0] == TRUNK
        assert bench.end(outcome)
        outcome = bench.begin("by none")
        bench.in_store(lambda: costs.set_floor("50", "0", COMPANY))
        assert phone.call(NUMBERS["answered"]).refused() == 500
        assert only(bench).refusal == "no_carrier"
        assert bench.end(outcome)
    finally:
        bench.in_store(lambda: costs.remove_floor(COMPANY))
    report = bench.in_store(lambda: costs.report(None, SystemClock().now_ms(), COMPANY))
    assert report.total.cost_micros == owed(bench) == before + 500_000 + 2 * cost[3]
    assert report.trunks[0].name == "dear"
    assert report.trunks[0].margin_micros < 0
    assert bench.in_store(ledger.verify).problems == []


def test_calls_go_by_the_cheapest_and_in_the_form_that_a_carrier_wants(bench: Bench, phone: Phone, dear: Phone) -> None:
    """By cost, the carrier that is first by its place is the second; it gets its prefix before the number. What was
    decided stands at the call.
    """
    outcome = bench.begin("by cost")
    bench.in_store(lambda: trunks.change("dear", options={"called_strip": 1, "called_prefix": "77*01"}))
    bench.in_store(lambda: carriers.set_policy("cost", COMPANY))
    try:
        call = phone.call(NUMBERS["answered"])
        call.answered()
        assert call.bye() == 200
        cdr = only(bench)
        assert cdr.trunk == TRUNK
        found = bench.in_store(lambda: carriers.routing_of(cdr.id))
        assert (found.policy, [name for name, _ in found.tries]) == ("cost", [TRUNK, "dear"])
        assert bench.end(outcome)
        outcome = bench.begin("by place")
        bench.in_store(lambda: carriers.set_policy("", COMPANY))
        call = phone.call(NUMBERS["answered"])
        sold = dear.rings()
        assert sold.invited
        assert sold.invited.text.startswith(f"INVITE sip:77*01{NUMBERS['answered'][1:]}@")
        sold.picks_up()
        call.answered()
        assert call.bye() == 200
        assert only(bench).trunk == "dear"
        assert bench.end(outcome)
    finally:
        bench.in_store(lambda: carriers.set_policy("", COMPANY))


def cost_of(bench: Bench, cdr: CdrView) -> tuple[str, int, int, int]:
    """By which trunk a call went, the seconds that its carrier bills, and the cost in its currency and in ours."""
    found = bench.in_store(lambda: history.explain(cdr.id, with_costs=True)).cost
    assert found is not None
    return found.trunk, found.billed_s, found.carrier_micros, found.cost_micros
