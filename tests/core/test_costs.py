"""What a call costs at a carrier, and what a margin floor lets pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core import costs
from connector.core.costs import Cost, Exchange, Floor
from connector.core.decks import RateDeck
from connector.core.money import amount, decimal, percent
from connector.core.rating import BLOCKED, Rate, increments
from connector.core.trunks import LeftOut, Priced, Routing, TrunkChoice, allowed, order, routing
from connector.errors import BadInput


def rate_of(text: str, prefix: str = "+44", kind: str = "standard") -> Rate:
    """`0.01 60/60 0.05`: a price a minute, and if wanted increments and a connection fee."""
    price, steps, fee = (*text.split(), "1/1", "0")[:3] if len(text.split()) == 1 else (*text.split(), "0")[:3]
    fee_micros = amount(fee, zero=True)
    return Rate(prefix, "UK", amount(price, zero=True), fee_micros, increments(steps), 0, kind)


def cost_of(text: str, worth: str = "1") -> Cost:
    """A carrier's rate, and what its currency is worth."""
    return Cost(7, 3, rate_of(text), Exchange("USD", *costs.exchange_ratio(worth)))


# the carrier's rate ; what its currency is worth ; talked, in ms -> billed seconds, its price, ours
COSTED = """
0.01            ; 1      ; 60000   -> 60 s, 0.01, 0.01
0.01            ; 1      ; 0       -> 0 s, 0, 0
0.01            ; 1      ; 1       -> 1 s, 0.000167, 0.000167
0.01 60/60      ; 1      ; 61000   -> 120 s, 0.02, 0.02
0.01 60/60 0.05 ; 1      ; 1000    -> 60 s, 0.06, 0.06
0.01 30/6       ; 0.7893 ; 31000   -> 36 s, 0.006, 0.004736
0.01            ; 0.5    ; 300     -> 1 s, 0.000167, 0.000084
0.000001        ; 0.49   ; 60000   -> 60 s, 0.000001, 0
0.000001        ; 0.5    ; 60000   -> 60 s, 0.000001, 0.000001
1               ; 151.23 ; 90000   -> 90 s, 1.5, 226.845
0 1/1 0.1       ; 1      ; 1000    -> 1 s, 0.1, 0.1
"""


@pytest.mark.parametrize("line", COSTED.strip().splitlines())
def test_a_call_costs_what_the_carriers_rate_says_in_our_currency(line: str) -> None:
    """Each line of the table: whole increments first, then half up, once in each currency."""
    asked, _, wanted = line.partition("->")
    rate, worth, ms = asked.split(";")
    found = costs.costed(cost_of(rate, worth), int(ms))
    assert f"{found.billed_s} s, {decimal(found.carrier_micros, 0)}, {decimal(found.cost_micros, 0)}" == wanted.strip()


# price ; cost ; floor in percent and a minute -> whether a call may go
FLOORS = """
0.02            ; 0.02            ; 0    0      -> yes
0.02            ; 0.020001        ; 0    0      -> no
0.02            ; 0.015           ; 25   0      -> yes
0.02            ; 0.015001        ; 25   0      -> no
0.02            ; 0.015           ; 0    0.005  -> yes
0.02            ; 0.015           ; 0    0.0051 -> no
0.02            ; 0.015           ; 25   0.0051 -> no
0.02            ; 0               ; 100  0      -> yes
0.02            ; 0.000001        ; 100  0      -> no
0               ; 0               ; 50   0      -> yes
0               ; 0.01            ; 0    0      -> no
0.02            ; 0.01 60/60 0.05 ; 0    0      -> no
0.02 60/60 0.05 ; 0.01 60/60 0.05 ; 14   0      -> yes
0.02 60/60 0.05 ; 0.01 60/60 0.05 ; 15   0      -> no
"""


@pytest.mark.parametrize("line", FLOORS.strip().splitlines())
def test_a_floor_is_judged_by_a_call_of_a_minute(line: str) -> None:
    """Each line of the table: both parts of a floor count, and connection fees on both sides."""
    asked, _, wanted = line.partition("->")
    price, cost, floor = asked.split(";")
    percent, a_minute = floor.split()
    given = Floor(costs.hundredths(percent), amount(a_minute, zero=True))
    assert costs.leaves(given, rate_of(price), cost_of(cost)) is (wanted.strip() == "yes")


# cost, "?" for not known, "-" for no rate ; price, "-" for none ; floor, "-" for none -> tried, or why not
ALLOWED = """
0.01 ; 0.02 ; -  -> tried
0.03 ; 0.02 ; -  -> tried
?    ; 0.02 ; -  -> tried
-    ; 0.02 ; -  -> no_cost_rate
0.01 ; 0.02 ; 50 -> tried
0.01 ; 0.02 ; 51 -> below_floor
?    ; 0.02 ; 0  -> cost_unknown
-    ; 0.02 ; 0  -> no_cost_rate
?    ; -    ; 0  -> tried
-    ; -    ; 0  -> no_cost_rate
"""


@pytest.mark.parametrize("line", ALLOWED.strip().splitlines())
def test_which_trunks_a_call_may_try(line: str) -> None:
    """Each line of the table: what is not known is left out where a floor is set, and only there."""
    asked, _, wanted = line.partition("->")
    cost, price, floor = (cell.strip() for cell in asked.split(";"))
    choice = TrunkChoice(7, "a", 1, 1, (), "plus")
    priced = Priced(choice, None if cost in "?-" else cost_of(cost), is_known=cost != "?")
    of_floor = None if floor == "-" else Floor(costs.hundredths(floor))
    kept, left_out = allowed([priced], None if price == "-" else rate_of(price), of_floor)
    assert [*(["tried"] * len(kept)), *(each.why for each in left_out)] == [wanted.strip()]


# trunks: name, place, share and cost, "?" for not known ; policy -> tried in this order
ORDERS = """
a 1 1 0.02, b 2 1 0.01, c 3 1 ?                       ; fixed -> a b c
a 1 1 0.02, b 2 1 0.01, c 3 1 ?                       ; cost  -> b a c
a 2 1 0.02, b 1 1 0.02, c 3 1 0.02                    ; cost  -> b a c
a 1 1 ?, b 2 1 ?, c 3 1 0.9                           ; cost  -> c a b
a 1 1 0.02, b 2 1 0.01 60/60 0.02                     ; cost  -> a b
a 1 1 1, b 2 1 2, c 3 1 3, d 4 1 4, e 5 1 5, f 6 1 0  ; cost  -> f a b c d
a 1 1000 1, b 2 1 1                                   ; share -> a b
"""


@pytest.mark.parametrize("line", ORDERS.strip().splitlines())
def test_trunks_are_tried_in_the_order_of_the_policy(line: str) -> None:
    """Each line of the table: by place, by what a call of a minute costs, or by share alone; five at most."""
    asked, _, wanted = line.partition("->")
    trunks, policy = asked.split(";")
    priced = []
    for number, cell in enumerate(trunks.split(",")):
        name, place, share, cost = cell.split(maxsplit=3)
        choice = TrunkChoice(number, name, int(place), int(share), (), "plus")
        known = cost.strip() != "?"
        priced.append(Priced(choice, cost_of(cost) if known else None, is_known=known))
    found = order(priced, "a call", policy.strip())
    assert " ".join(each.choice.name for each in found) == wanted.strip()


def test_shares_alone_are_drawn_whatever_the_places() -> None:
    """Of a thousand calls a trunk with three times the share of another has about three times as many first tries."""
    priced = [Priced(TrunkChoice(n, "ab"[n], n + 1, share, (), "plus")) for n, share in enumerate((3, 1))]
    first = [order(priced, f"call {n}", "share")[0].choice.name for n in range(1000)]
    assert 700 < first.count("a") < 800
    assert order(priced, "call 1", "share") == order(priced, "call 1", "share")


def test_what_was_decided_is_kept_as_text() -> None:
    """Where there was something to decide; and it reads back as it was."""
    one = Priced(TrunkChoice(1, "a", 1, 1, (), "plus"), cost_of("0.01", "0.5"), is_known=True)
    other = Priced(TrunkChoice(2, "b", 1, 1, (), "plus"))
    assert routing("fixed", [one], []).to_text() == ""
    kept = routing("cost", [one, other], [LeftOut("c", "below_floor", cost_of("2"))])
    assert kept.tries == (("a", 5_000), ("b", None))
    assert Routing.of_text(kept.to_text()) == kept
    assert Routing.of_text("") is None


# what is sold ; what each trunk takes: prefixes and prices, "x" for blocked -> sold below cost
BELOW = """
44 0.02                 ; 44 0.01                              ->
44 0.02                 ; 44 0.03                              -> +44 0.02 a 0.03
44 0.02                 ; 44 0.03 | 44 0.01                    ->
44 0.02                 ; 44 0.01, 447 0.05                    -> +447 0.02 a 0.05
44 0.02, 447 0.06       ; 44 0.01, 447 0.05                    ->
44 0.02, 447 0.01       ; 44 0.02                              -> +447 0.01 a 0.02
44 0.02                 ; 44 0.01, 447 0.05, 4477 0.01         -> +447 0.02 a 0.05
44 0.02                 ; 44 0.01, 447 x                       ->
44 0.02                 ; 44 0.01, 447 x | 44 0.03             -> +447 0.02 b 0.03
44 0.02, 447 x          ; 44 0.01, 447 0.05                    ->
44 0.02                 ; 33 0.05                              ->
44 0.02, 33 0.01        ; 4 0.015, 33 0.02                     -> +33 0.01 a 0.02
44 0.02                 ;                                      ->
"""


@pytest.mark.parametrize("line", BELOW.strip().splitlines())
def test_what_is_sold_below_cost_is_found(line: str) -> None:
    """Each line of the table: by the longest prefix on either side, and by the cheapest trunk that takes such calls."""
    asked, _, wanted = line.partition("->")
    sold, bought = asked.split(";")
    decks = [(name, Exchange("GBP"), deck_of(text)) for name, text in zip("ab", bought.split("|"), strict=False)]
    found = costs.sold_below(deck_of(sold), decks, 1)
    said = [f"{it.prefix} {decimal(it.price_micros)} {it.trunk} {decimal(it.cost_micros)}" for it in found]
    assert ", ".join(said) == wanted.strip()


def deck_of(text: str) -> RateDeck:
    """`44 0.01, 447 x`: prefixes and their prices."""
    made = []
    for cell in filter(str.strip, text.split(",")):
        prefix, price = cell.split()
        blocked = price == "x"
        made.append(rate_of("0" if blocked else price, f"+{prefix}", BLOCKED if blocked else "standard"))
    return RateDeck(made)


prices = st.integers(0, 10**9)


@given(st.text(st.characters(codec="utf-8"), max_size=80), prices, prices, st.integers(1, 10**9), st.integers(1, 10**9))
def test_a_pinned_cost_reads_back_as_it_was(name: str, price: int, fee: int, over: int, under: int) -> None:
    """Whatever a carrier calls its destinations."""
    rate = Rate("+44", name, price, fee, increments("30/6"), 0)
    cost = Cost(7, 3, rate, Exchange("USD", over, under))
    assert costs.of_text(costs.to_text(cost)) == cost


@pytest.mark.parametrize("text", ["", "0", "0.000", "-1", "1,5", "1/2", "abc", "1.0000000001", "12345678901"])
def test_an_exchange_rate_is_a_decimal_above_zero(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(BadInput, match="Invalid exchange rate"):
        costs.exchange_ratio(text)


def test_ratios_and_percentages_are_exact() -> None:
    """Nothing is lost between what people write and what is kept."""
    assert costs.exchange_ratio(" 0.7890 ") == (789, 1000)
    assert costs.exchange_ratio("2") == (2, 1)
    for text in ("0.789", "2", "151.23", "0.000000001", "999999999.999999999"):
        assert costs.ratio_text(*costs.exchange_ratio(text)) == text
    written = {"12.5": 1250, "0": 0, "100 %": 10_000, "0.01": 1}
    for text, value in written.items():
        assert costs.hundredths(text) == value
        assert percent(value) == text.removesuffix(" %")
    for text in ("100.01", "-1", "1.005", "x", ""):
        with pytest.raises(BadInput, match="Invalid percentage"):
            costs.hundredths(text)
    assert percent(-1250) == "-12.5"
    assert costs.percent_left(0, 5) is None
