"""Calls and their money: held with the channel, extended, settled once, explained."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from connector.billing import calls, credit, decks, history, ledger, limits, plans, trials
from connector.billing.profiles import Credentials
from connector.core.calls import Admitted, Direction
from connector.core.holds import Slicing
from connector.core.money import MICROS
from connector.core.plans import DAY_MS
from connector.core.refusals import Refusal
from connector.errors import BadInput, NotFound
from connector.notices import notices
from tests.billing.test_calls import NODE, attempt, finish
from tests.conftest import DECK, NOW

US = "+12125550100"
SLICES = Slicing(slice_s=30)


def leave(micros: int) -> None:
    """Leave the profile so much free credit."""
    credit.take_back("office", credit.credit("office", NOW).available_micros - micros, uuid.uuid4().hex, NOW)


def begin(office: Credentials, number: str = "+442079460001", slicing: Slicing = SLICES) -> Any:
    """Offer a call out."""
    return calls.admit(attempt(office.username, number), NODE, slicing)


def talked(office: Credentials, ms: int, number: str = "+442079460001") -> int | None:
    """A call that is extended as long as it lasts; its price."""
    call = begin(office, number)
    assert isinstance(call, Admitted)
    calls.answered(call.call_id, NOW, None, SLICES)
    held = call.guard_s
    while held * 1000 < ms:
        more = calls.extend(call.call_id, held, NOW, SLICES)
        assert more is not None
        if more == held:
            break
        held = more
    finish(call.call_id, answered_at=NOW, ended_at=NOW + min(ms, held * 1000))
    return history.cdr(call.call_id).price_micros


def test_a_call_is_held_extended_and_settled(office: Credentials) -> None:
    """What is held is exactly the price of its seconds; what is charged is that of those talked; the rest is void."""
    call = begin(office)
    assert call.guard_s == 30
    assert calls.live()[0].held_micros == 11_500
    assert calls.extend(call.call_id, 30, NOW, SLICES) == 60
    assert calls.extend(call.call_id, 30, NOW, SLICES) == 60  # an answer that was lost is asked for again
    assert credit.credit("office", NOW).held_micros == 23_000
    calls.answered(call.call_id, NOW, None, SLICES)
    finish(call.call_id, answered_at=NOW, ended_at=NOW + 30_001)
    now = credit.credit("office", NOW)
    assert (now.available_micros, now.held_micros) == (10 * MICROS - 13_800, 0)
    assert calls.extend(call.call_id, 60, NOW, SLICES) is None
    told = history.explain(call.call_id[:8])
    assert (told.prefix, told.billed_s, told.paid_s, told.price_micros, told.agrees) == ("+44", 36, 36, 13_800, True)
    assert [entry.kind for entry in told.entries] == ["hold", "hold", "settle"]
    assert told.entries[-1].postings == {
        "company:1:usage": 13_800, "profile:1:credit": 9_200, "profile:1:credit_held": -23_000,
    }  # fmt: skip


def test_nobody_answered_and_nothing_is_charged(office: Credentials) -> None:
    """The whole hold is void, the connection fee too."""
    call = begin(office, "+447700900123")
    assert calls.live()[0].held_micros == 110_000
    finish(call.call_id, answered_at=None)
    assert credit.credit("office", NOW).available_micros == 10 * MICROS
    assert history.cdr(call.call_id).price_micros == 0


def test_a_call_is_never_charged_past_its_hold(office: Credentials) -> None:
    """Asterisk ends it some milliseconds after its last paid second, and an estimate may be far beyond."""
    for ended_at in (NOW + 30_004, NOW + 900_000):
        call = begin(office)
        finish(call.call_id, answered_at=NOW, ended_at=ended_at)
        cdr = history.cdr(call.call_id)
        assert cdr.price_micros == 11_500
        assert "no more is billed" in history.explain(cdr.id).blocks


def test_calls_in_are_free_and_need_no_credit(office: Credentials) -> None:
    """They take a channel and nothing else."""
    leave(0)
    got = calls.admit(attempt("carrier", "+442079460100", Direction.IN), NODE, SLICES)
    assert isinstance(got, Admitted)
    assert got.guard_s == SLICES.longest_s
    assert calls.answered(got.call_id, NOW, None, SLICES) is None
    finish(got.call_id)
    assert history.cdr(got.call_id).price_micros == 0
    with pytest.raises(NotFound, match="incoming calls are free"):
        history.explain(got.call_id)


def test_a_thin_balance_is_shared_to_its_last_block(office: Credentials) -> None:
    """Credit for two first blocks and two steps: two calls, a third is refused, and the steps go to who asks first."""
    leave(2 * 11_500 + 2 * 2_300)
    first, second = begin(office), begin(office)
    refused = begin(office)
    assert isinstance(refused, Refusal)
    assert refused.code == "no_credit"
    assert calls.extend(first.call_id, 30, NOW, SLICES) == 42
    assert calls.extend(second.call_id, 30, NOW, SLICES) == 30
    assert credit.credit("office", NOW).available_micros == 0
    finish(first.call_id, answered_at=NOW, ended_at=NOW + 31_000)
    assert calls.extend(second.call_id, 30, NOW, SLICES) == 36
    finish(second.call_id, answered_at=NOW, ended_at=NOW + 36_000)


def test_bundles_pay_first_and_then_the_company(office: Credentials) -> None:
    """A US call beyond the bundle is the company's; without bundles, and elsewhere, it is the profile's credit's."""
    assert talked(office, 60_000, US) == 20_000
    assert credit.credit("office", NOW).available_micros == 10 * MICROS - 20_000
    plans.change("office", None, 1, NOW)
    left = plans.show("office").bundle_seconds_left
    assert left == 300_000
    drain = [begin(office, US, Slicing(slice_s=86_400, longest_s=86_400)) for _ in range(3)]
    for call in drain:
        finish(call.call_id, answered_at=NOW, ended_at=NOW + 86_400_000)
    assert plans.show("office").bundle_seconds_left == 300_000 - 3 * 86_400
    long = begin(office, US, Slicing(slice_s=40_740, longest_s=86_400))
    finish(long.call_id, answered_at=NOW, ended_at=NOW + 40_740_000)
    assert plans.show("office").bundle_seconds_left == 60
    priced = trials.price(US, 90_500, NOW, "office", None)
    assert (priced.billed_s, priced.bundle_s, priced.paid_s, priced.payer) == (96, 60, 36, "company")
    before = credit.balance().available_micros
    assert talked(office, 90_500, US) == priced.price_micros == 12_000
    assert credit.balance().available_micros == before - 12_000
    (straddled,) = [cdr.id for cdr in history.cdrs(99) if cdr.price_micros == 12_000]
    told = history.explain(straddled)
    assert (told.bundle_s, told.paid_s, told.payer) == (60, 36, "company")
    assert credit.credit("office", NOW).available_micros == 10 * MICROS - 20_000
    assert talked(office, 30_000) == 11_500
    limits.change("office", {"uses_company_balance": False}, [], [])
    refused = begin(office, US)
    assert isinstance(refused, Refusal)
    assert refused.code == "no_credit"
    assert trials.price(US, 1, NOW, "office", None).refusal == "no_credit"


def test_seconds_of_a_term_that_is_over_do_not_come_back(office: Credentials) -> None:
    """A call across the end of its term uses what it held of it; the rest of that expires."""
    plans.change("office", None, 1, NOW)
    call = begin(office, US)
    assert plans.renew_due(NOW + 30 * DAY_MS) == 1
    assert plans.show("office").bundle_seconds_left == 300_000
    finish(call.call_id, answered_at=NOW + 30 * DAY_MS - 5_000, ended_at=NOW + 30 * DAY_MS + 5_000)
    accounts = ledger.accounts()
    assert accounts["company:1:seconds_used"] == 30
    assert accounts["company:1:seconds_expired"] == 300_000 - 30
    assert plans.show("office").bundle_seconds_left == 300_000


# the limit, calls before it, the call -> what becomes of it
LIMITS = """
price_per_minute_micros=22999 0 +442079460001 -> price_too_high
price_per_minute_micros=23000 0 +442079460001 -> ok
call_micros=11499             0 +442079460001 -> spend_limit
call_micros=11500             0 +442079460001 -> ok
day_micros=23000              2 +442079460001 -> spend_limit
day_micros=34500              2 +442079460001 -> ok
month_micros=23000            2 +442079460001 -> spend_limit
month_micros=34500            2 +442079460001 -> ok
calls_per_second=2            2 +442079460001 -> calls_too_fast
calls_per_second=3            2 +442079460001 -> ok
attempts_per_number=2         2 +442079460001 -> number_too_often
attempts_per_number=2         2 +442079460002 -> ok
block=+4420                   0 +442079460001 -> destination_blocked
block=+                       0 +442079460001 -> destination_blocked
allow=+449                    0 +449012345678 -> ok
-                             0 +449012345678 -> destination_blocked
-                             0 +551112345678 -> no_rate
-                             0 +881612345678 -> no_rate
"""


@pytest.mark.parametrize("line", LIMITS.strip().splitlines())
def test_limits_of_a_profile(line: str, office: Credentials) -> None:
    """Each limit lets the last call within it pass and refuses the first beyond it; live holds count as spent."""
    what, before, number, _, wanted = line.split()
    for count in range(int(before)):
        call = begin(office)
        if count:  # one is over, the others are up
            finish(call.call_id, answered_at=NOW, ended_at=NOW + 1)
    name, _, value = what.partition("=")
    rules = [(value, name == "allow")] if name in ("allow", "block") else []
    limits.change("office", {} if rules or name == "-" else {name: int(value)}, rules, [])
    got = begin(office, number)
    assert (got.code if isinstance(got, Refusal) else "ok") == wanted
    if name != "-" and wanted != "ok" and not rules:
        limits.change("office", {name: None}, [], [])
        assert isinstance(begin(office, number), Admitted)


def test_a_limit_ends_a_call_at_its_last_paid_block(office: Credentials) -> None:
    """The most for a call stops its extension, not only its beginning."""
    limits.change("office", {"call_micros": 20_000}, [], [])
    call = begin(office)
    assert calls.extend(call.call_id, 30, NOW, SLICES) == 48
    assert calls.extend(call.call_id, 48, NOW, SLICES) == 48
    for wrong in ("44", "+0", "+44x", "", "+" + "1" * 16):
        with pytest.raises(BadInput):
            limits.change("office", {}, [(wrong, True)], [])


def test_the_rate_at_the_answer_is_the_calls(office: Credentials) -> None:
    """A deck that came into use while it rang counts; one that comes later does not (BRIEF, rule 6)."""
    call = begin(office)
    decks.load(DECK.replace("0.023", "0.046"), "dearer", NOW, after_ms=100)
    assert calls.answered(call.call_id, NOW + 200, None, SLICES) == 30
    assert calls.live()[0].held_micros == 23_000
    decks.load(DECK.replace("0.023", "0.5"), "dearest", NOW, after_ms=300)
    finish(call.call_id, answered_at=NOW + 200, ended_at=NOW + 1_000)
    told = history.explain(call.call_id)
    assert (told.price_micros, told.deck_name) == (23_000, "dearer")


def test_a_deleted_profiles_calls_give_back_to_the_company(office: Credentials) -> None:
    """Deleted while it rings, answered at a lower rate: nothing stays behind in an account that nobody can reach."""
    call = begin(office, "+331234567890")
    plans.delete_profile("office", NOW)
    decks.load(DECK.replace("33,France,0.1,", "33,France,0.01,"), "cheaper", NOW, after_ms=100)
    assert calls.answered(call.call_id, NOW + 200, None, SLICES) == 30
    assert calls.extend(call.call_id, 30, NOW + 300, SLICES) == 30
    finish(call.call_id, answered_at=NOW + 200, ended_at=NOW + 1_000)
    assert {name: left for name, left in ledger.accounts().items() if name.startswith("profile")} == {
        "profile:1:credit": 0, "profile:1:credit_held": 0,
    }  # fmt: skip


def test_a_recharge_that_is_changed_in_mid_call_disturbs_no_call(office: Credentials) -> None:
    """The same cause brings one recharge, whatever its amount is by then."""
    limits.change("office", {"call_micros": 11_500}, [], [])
    call = begin(office)
    leave(0)
    credit.set_recharge("office", 100, 100, None, NOW)
    credit.stop_recharge("office", NOW)
    leave(50)
    for amount in (10, 20, 30):
        credit.set_recharge("office", amount, 30, None, NOW)
        leave(5)
        assert calls.extend(call.call_id, 30, NOW, SLICES) == 30


def test_a_deck_comes_into_use_at_its_time(office: Credentials) -> None:
    """Ten seconds after it was loaded, everywhere at once; before that it can be had in memory."""
    loaded = decks.load(DECK.replace("0.023", "0.5"), "dear", NOW)
    assert loaded.in_use_at == NOW + 10_000
    decks.preload(NOW)
    assert trials.price("+442079460001", 1, NOW + 9_999, None, None).price_micros == 11_500
    assert trials.price("+442079460001", 1, NOW + 10_000, None, None).price_micros == 250_000
    with pytest.raises(BadInput):
        decks.load(DECK.replace("0.023", "x"), "broken", NOW)
    assert [view.name for view in decks.list_decks()] == ["dear", "test rates"]


def test_a_price_is_asked_for_without_a_call(office: Credentials) -> None:
    """By number and duration; a number without a rate, and what is no number, are said to be so."""
    got = trials.price("00442079460001", 61_000, NOW, None, None)
    assert (got.prefix, got.billed_s, got.price_micros, got.bundle_s, got.paid_s, got.payer, got.refusal) == (
        "+44", 66, 25_300, 0, 66, "profile", None,
    )  # fmt: skip
    assert trials.price("+449012345678", 1, NOW, "office", None).refusal == "destination_blocked"
    for wrong in ("02079460001", "+44;drop", "", "+" + "4" * 30):
        with pytest.raises(BadInput):
            trials.price(wrong, 1, NOW, None, None)
    for ms in (-1, 10**18):
        with pytest.raises(BadInput):
            trials.price("+442079460001", ms, NOW, None, None)
    with pytest.raises(NotFound, match="no_rate"):
        trials.price("+551112345678", 1, NOW, None, None)


def test_auto_recharge_comes_once_for_each_fall(office: Credentials) -> None:
    """Below the threshold the amount comes; within its monthly limit; if the company cannot, its people are told."""
    leave(2 * MICROS)
    credit.set_recharge("office", 3 * MICROS, 2 * MICROS, 6 * MICROS, NOW)
    assert credit.credit("office", NOW).recharged_micros == 0
    call = begin(office)
    now = credit.credit("office", NOW)
    assert (now.available_micros, now.recharged_micros) == (5 * MICROS - 11_500, 3 * MICROS)
    leave(1)
    assert isinstance(begin(office), Admitted)
    assert credit.credit("office", NOW).recharged_micros == 6 * MICROS
    leave(0)
    assert isinstance(begin(office), Refusal)
    assert isinstance(begin(office), Refusal)
    assert [view.kind for view in notices.newest(9)] == ["recharge_failed", "recharged", "recharged"]
    finish(call.call_id)
    with pytest.raises(BadInput):
        credit.set_recharge("office", 3 * MICROS, MICROS, 2 * MICROS, NOW)
    assert credit.stop_recharge("office", NOW).recharge_amount_micros is None


def test_a_call_without_enough_for_its_first_block_leaves_nothing(office: Credentials) -> None:
    """No row, no hold, no entry; a CDR that says why."""
    leave(11_499)
    entries = len(ledger.entries(1000))
    assert isinstance(begin(office), Refusal)
    assert (calls.live(), len(ledger.entries(1000))) == ([], entries)
    assert history.cdrs(1)[0].refusal == "no_credit"
