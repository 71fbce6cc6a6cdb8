"""Auto-recharge of companies by card: one open charge at a time, each credited once, within the limit of a month."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.billing import credit, ledger, payments, profiles, recharges, restored
from connector.billing.payments import STRIPE, Told
from connector.core import recharges as core
from connector.core.money import MICROS
from connector.core.plans import DAY_MS
from connector.core.recharges import ASKED_FOR_MS, LATE_MS, TAKEN_FOR_MS, Answer, Card, Charge, Said
from connector.database.store import Store, trying, writing
from connector.errors import BadInput, NotFound
from connector.notices import notices
from tests.billing.conftest import ON_SQLITE
from tests.conftest import NOW
from tests.databases import at_once

AMOUNT, LIMIT = 50 * MICROS, 120 * MICROS
GOOD = "pm_good"


def ready(method: str = GOOD, threshold: int = 20_000 * MICROS) -> str:
    """An auto-recharge whose card may be charged; its word."""
    recharges.set_up("Acme", AMOUNT, threshold, LIMIT, NOW)
    word = recharges.asking_for("Acme").word
    recharges.card_given(Card(word, "cus_1", method, NOW))
    return word


def asked(now: int = NOW) -> Charge:
    """A charge that Stripe is asked for now."""
    for company in recharges.work(now).low:
        recharges.begin(company, now)
    (charge,) = recharges.work(now).asked
    found = recharges.claim(charge, now)
    assert found is not None
    return found


def paid(charge: Charge, number: str = "pi_1", now: int = NOW) -> None:
    """Stripe's event of it: the money, and which charge it was."""
    payments.received(Told(STRIPE, f"evt_{number}", number), charge.reference, charge.micros, charge.currency, now)
    answer = Answer(Said.TAKEN, number)
    recharges.told(charge.key, answer, now, by_event=True, reference=charge.reference, micros=charge.micros)


def states() -> list[str]:
    """The states of the newest charges, the oldest first."""
    return [each.state for each in reversed(recharges.show("Acme", NOW).charges)]


def free() -> int:
    """Acme's balance, in micros."""
    return credit.balance("Acme").available_micros


@pytest.mark.parametrize(
    ("amount", "threshold", "limit", "words"),
    [
        (0, 1, 1, "above 0"),
        (1, 0, 1, "above 0"),
        (10 * MICROS, MICROS, 9 * MICROS, "less than one recharge"),
        (12_345, MICROS, MICROS, "."),  # no card pays a part of a penny
    ],
)
def test_a_recharge_that_would_never_be_made_is_refused(
    company: str, amount: int, threshold: int, limit: int, words: str
) -> None:
    """And nothing is set."""
    with pytest.raises(BadInput, match=words):
        recharges.set_up("Acme", amount, threshold, limit, NOW)
    assert recharges.show("Acme", NOW).amount_micros is None
    with pytest.raises(NotFound):
        recharges.asking_for("Acme")


def test_nothing_is_charged_without_a_card_or_above_the_threshold(company: str) -> None:
    """The balance is ten thousand pounds: below the threshold it is charged, at it not."""
    recharges.set_up("Acme", AMOUNT, 10_000 * MICROS + 1, LIMIT, NOW)
    assert recharges.work(NOW).low == []
    ready(threshold=10_000 * MICROS)
    assert recharges.work(NOW).low == []
    assert not recharges.begin(1, NOW)
    recharges.set_up("Acme", AMOUNT, 10_000 * MICROS + 1, LIMIT, NOW)
    assert recharges.work(NOW).low == [1]


def test_the_limit_is_of_a_calendar_month_where_the_company_is(company: str) -> None:
    """£120 a month are two charges of £50; in the next month, London's, there are two more."""
    ready()
    for number in ("pi_1", "pi_2"):
        paid(asked(), number)
    assert recharges.work(NOW).low == []
    assert not recharges.begin(1, NOW)
    month_end = 1_796_083_200_000  # 2026-12-01 00:00 in London, in winter
    assert recharges.work(month_end - 1).low == []
    assert recharges.work(month_end).low == [1]


def test_what_may_have_been_charged_counts(company: str) -> None:
    """An unknown charge takes its share of the limit; a refused one does not."""
    ready()
    recharges.told(asked().key, Answer(Said.REFUSED, "pi_1", "No."), NOW)
    assert recharges.show("Acme", NOW).charged_micros == 0
    recharges.resume("Acme", NOW)
    found = asked()
    recharges.told(found.key, Answer(Said.NOTHING), NOW + ASKED_FOR_MS)
    view = recharges.show("Acme", NOW)
    assert (view.charged_micros, view.parked, states()) == (AMOUNT, "unknown", ["refused", "unknown"])


def test_two_nodes_ask_once(company: str, store: Store) -> None:
    """Both begin and both claim at once: there is one charge, and one of them asks."""
    ready()
    begun: list[bool] = []
    claimed: list[Charge | None] = []

    def begin() -> None:
        try:
            begun.append(recharges.begin(1, NOW))
        finally:
            store.close()  # this thread's connection

    def claim() -> None:
        try:
            claimed.append(recharges.claim(charge, NOW))
        finally:
            store.close()

    at_once(begin, 4)
    assert sorted(begun) == [False, False, False, True]
    (charge,) = recharges.work(NOW).asked
    at_once(claim, 4)
    assert [each.id for each in claimed if each is not None] == [charge]


def test_an_answer_moves_no_money(company: str) -> None:
    """Only the event does, and no charge begins before it came; the answer after it changes nothing."""
    ready()
    before, found = free(), asked()
    recharges.told(found.key, Answer(Said.TAKEN, "pi_1"), NOW)
    assert (free(), states(), recharges.work(NOW).low) == (before, ["taken"], [])
    paid(found)
    paid(found)
    recharges.told(found.key, Answer(Said.TAKEN, "pi_1"), NOW)
    recharges.told(found.key, Answer(Said.REFUSED, "pi_1", "No."), NOW)
    assert (free(), states()) == (before + AMOUNT, ["received"])
    assert [each.kind for each in notices.newest(5)] == ["recharged"]


def test_what_was_on_its_way_fails_by_an_event(company: str) -> None:
    """Not by an answer that came late."""
    ready()
    found = asked()
    recharges.told(found.key, Answer(Said.TAKEN, "pi_1"), NOW)
    recharges.told(found.key, Answer(Said.REFUSED, "pi_1", "No."), NOW)
    assert states() == ["taken"]
    recharges.told(found.key, Answer(Said.REFUSED, "pi_1", "No."), NOW, by_event=True)
    assert (states(), recharges.show("Acme", NOW).parked) == (["refused"], "refused")


def test_a_card_given_meanwhile_is_not_parked(company: str) -> None:
    """The charge of the old card is refused, and the new one is charged."""
    word = ready()
    found = asked()
    assert recharges.card_given(Card(word, "cus_1", "pm_new", NOW + 1))
    recharges.told(found.key, Answer(Said.REFUSED, "pi_1", "No."), NOW)
    assert (states(), recharges.show("Acme", NOW).parked, failures()) == (["refused"], "", [])
    assert asked().method == "pm_new"


def test_which_card_is_news(company: str) -> None:
    """Not an older one, the same again, or one of a setting that is no more."""
    word = ready()
    for card in (
        Card(word, "cus_1", "pm_old", NOW - 1),
        Card(word, "cus_1", GOOD, NOW),
        Card("another", "cus_1", "pm_new", NOW + 1),
    ):
        assert not recharges.card_given(card)
    recharges.stop("Acme", NOW)
    assert not recharges.card_given(Card(word, "cus_1", "pm_new", NOW + 1))
    recharges.set_up("Acme", AMOUNT, MICROS, LIMIT, NOW)
    assert not recharges.show("Acme", NOW).has_card
    assert recharges.asking_for("Acme").word != word


def test_switched_off_asks_no_more(company: str) -> None:
    """A charge that was not asked for is none. One that was not answered is unknown, and its event is credited."""
    ready()
    recharges.begin(1, NOW)
    recharges.stop("Acme", NOW)
    assert (states(), recharges.work(NOW).asked) == (["refused"], [])
    ready()
    before, found = free(), asked()
    recharges.told(found.key, Answer(Said.NOTHING, "", "No answer."), NOW)
    recharges.stop("Acme", NOW)
    assert (states()[-1], recharges.work(NOW + 3_600_000).asked) == ("unknown", [])
    recharges.told(found.key, Answer(Said.REFUSED, "pi_1", "No."), NOW)
    assert failures() == []
    paid(found)
    assert (free(), states()[-1]) == (before + AMOUNT, "received")


def failures() -> list[str]:
    """The texts of notices that a recharge failed, the newest first."""
    return [each.text for each in notices.newest(20) if each.kind == recharges.FAILED]


def test_a_key_that_stripe_may_have_forgotten_is_not_asked_with(company: str) -> None:
    """Whatever kept us from asking for so long: the card would be charged a second time."""
    ready()
    found = asked()
    assert recharges.claim(found.id, NOW + ASKED_FOR_MS) is None
    assert (states(), recharges.show("Acme", NOW).parked) == (["unknown"], "unknown")


@pytest.mark.parametrize("change", ["balance", "card", "sum", "limit", "parked", "month"])
def test_what_is_not_due_any_more_is_not_asked_for(company: str, change: str) -> None:
    """A charge that was begun is looked at again before Stripe is asked the first time."""
    word, now = ready(), NOW
    recharges.begin(1, NOW)
    if change == "balance":
        recharges.set_up("Acme", AMOUNT, MICROS, LIMIT, NOW)
    elif change == "card":
        recharges.card_given(Card(word, "cus_1", "pm_new", NOW + 1))
    elif change == "sum":
        recharges.set_up("Acme", 2 * AMOUNT, 20_000 * MICROS, LIMIT, NOW)
    elif change == "limit":
        recharges.set_up("Acme", AMOUNT // 10, 20_000 * MICROS, AMOUNT // 10, NOW)
    elif change == "parked":
        with writing():
            recharges.taken_back(1, NOW)
    else:
        now += 31 * 24 * 3_600_000
    (charge,) = recharges.work(now).asked
    assert recharges.claim(charge, now) is None
    assert states() == ["refused"]


def test_a_disputed_card_is_not_charged_again(company: str) -> None:
    """A chargeback lowers the balance below the threshold: its holder has just said no."""
    ready()
    paid(asked())
    payments.taken_back(Told(STRIPE, "dp_1:withdrawn", "pi_1"), None, "dispute: fraudulent", NOW, "GBP")
    assert (recharges.show("Acme", NOW).parked, recharges.work(NOW).low) == ("taken_back", [])
    assert len(failures()) == 1
    recharges.resume("Acme", NOW)
    assert recharges.work(NOW).low == [1]


def test_an_unknown_charge_is_known_by_its_event_alone(company: str) -> None:
    """A late answer changes nothing but its number; the event of another one leaves it unknown."""
    recharges.set_up("Acme", AMOUNT, 20_000 * MICROS, 4 * LIMIT, NOW)
    recharges.card_given(Card(recharges.asking_for("Acme").word, "cus_1", GOOD, NOW))
    first = asked()
    recharges.told(first.key, Answer(Said.NOTHING, "", "No answer."), NOW + ASKED_FOR_MS)
    recharges.resume("Acme", NOW)
    second = asked()
    recharges.told(first.key, Answer(Said.TAKEN, "pi_1"), NOW)
    recharges.told(second.key, Answer(Said.NOTHING, "", "No answer."), NOW + ASKED_FOR_MS)
    assert states() == ["unknown", "unknown"]
    paid(first)
    assert (states(), recharges.show("Acme", NOW).parked) == (["received", "unknown"], "unknown")
    paid(second, "pi_2")
    view = recharges.show("Acme", NOW)
    assert (view.parked, view.why, view.parked_at) == ("", "", None)


def test_an_event_that_never_comes_does_not_block_for_ever(company: str) -> None:
    """Operators hear of it at once, people after ten minutes, and after days it is unknown."""
    ready()
    found = asked()
    recharges.told(found.key, Answer(Said.TAKEN, "pi_1"), NOW)
    assert recharges.troubled(NOW + LATE_MS) == ["Acme: Stripe's event has not come"]
    (alarm,) = recharges.alarms(NOW + LATE_MS)
    assert "its event has not arrived" in alarm.text
    assert recharges.work(NOW + TAKEN_FOR_MS - 1).taken == []
    (charge,) = recharges.work(NOW + TAKEN_FOR_MS).taken
    recharges.give_up(charge, NOW + TAKEN_FOR_MS)
    assert (states(), recharges.show("Acme", NOW).parked) == (["unknown"], "unknown")
    paid(found)
    assert (states(), recharges.show("Acme", NOW).parked) == (["received"], "")


def test_what_was_charged_counts_however_it_is_learnt(company: str) -> None:
    """A refused charge that is paid after all, and one that a restored store has never heard of."""
    ready()
    found = asked()
    recharges.told(found.key, Answer(Said.CONFIRM, "pi_1", "Ask."), NOW)
    paid(found)
    assert recharges.show("Acme", NOW).charged_micros == AMOUNT
    paid(replace(found, key="of-the-lost-store"), "pi_2")
    assert (recharges.show("Acme", NOW).charged_micros, states()) == (2 * AMOUNT, ["received", "received"])
    recharges.resume("Acme", NOW)
    assert recharges.work(NOW).low == []


def test_a_restored_store_charges_nothing_before_somebody_says_so(company: str) -> None:
    """What was charged since the backup is not known here."""
    ready()
    asked()
    restored.mark(NOW)
    restored.done(NOW)
    assert (states(), recharges.show("Acme", NOW).parked) == (["unknown"], "unknown")
    assert recharges.work(NOW + ASKED_FOR_MS) == recharges.Work([], [], [], [GOOD])


def test_a_card_is_not_tried_again_and_again(company: str) -> None:
    """Five refusals in a day; tomorrow there are five more."""
    ready()
    for _ in range(recharges.MOST_REFUSED):
        recharges.told(asked().key, Answer(Said.REFUSED, "pi_1", "No."), NOW)
        if recharges.show("Acme", NOW).parked and states().count("refused") < recharges.MOST_REFUSED:
            recharges.resume("Acme", NOW)
    with pytest.raises(BadInput, match="too often today"):
        recharges.resume("Acme", NOW)
    assert recharges.resume("Acme", NOW + DAY_MS).parked == ""


def test_people_hear_that_nothing_can_be_charged(company: str) -> None:
    """No card was given for ten minutes; payments by card are not set up any more: once a day."""
    recharges.set_up("Acme", AMOUNT, 20_000 * MICROS, LIMIT, NOW)
    assert recharges.alarms(NOW) == []
    (alarm,) = recharges.alarms(NOW + LATE_MS)
    assert "has no card" in alarm.text
    for _ in range(2):
        recharges.not_possible(1, NOW)
    assert ["not possible" in each for each in failures()] == [True]


@pytest.mark.parametrize(("currency", "micros"), [("MGA", 500_200_000), ("KWD", 5_125_000)])
def test_a_sum_that_stripe_does_not_take_is_refused_at_once(store: Store, currency: str, micros: int) -> None:
    """And not when the card is charged, at night."""
    profiles.create_company("Far", currency, "UTC", NOW)
    with pytest.raises(BadInput, match="whole coins"):
        recharges.set_up("Far", micros, micros, micros, NOW)


def test_only_what_is_parked_is_resumed(company: str) -> None:
    """Anything else is refused in words."""
    with pytest.raises(BadInput, match="Nothing is in the way"):
        recharges.resume("Acme", NOW)
    ready()
    with pytest.raises(BadInput, match="Nothing is in the way"):
        recharges.resume("Acme", NOW)
    recharges.told(asked().key, Answer(Said.CONFIRM, "pi_1", "Ask your customer."), NOW)
    view = recharges.show("Acme", NOW)
    assert (view.parked, view.why, view.parked_at) == ("confirm", "Ask your customer.", NOW)
    assert recharges.troubled(NOW) == ["Acme: the bank wants the card's holder to confirm"]
    assert recharges.work(NOW).low == []
    assert recharges.resume("Acme", NOW).parked == ""
    assert recharges.work(NOW).low == [1]


def test_what_a_charge_is_asked_with_stays(company: str) -> None:
    """Whatever is changed meanwhile: the same key with other fields is an error at Stripe."""
    word = ready()
    found = asked()
    recharges.set_up("Acme", 2 * AMOUNT, 30_000 * MICROS, 4 * LIMIT, NOW)
    recharges.card_given(Card(word, "cus_2", "pm_new", NOW + 1))
    assert recharges.claim(found.id, NOW + recharges.LEASE_MS) == found


STEPS = st.lists(
    st.sampled_from(["look", "answer", "lose", "event", "refused", "confirm", "resume", "later", "stop"]),
    max_size=30,
)


@ON_SQLITE
@given(steps=STEPS)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_any_order_each_charge_is_credited_once(steps: list[str], company: str, store: Store) -> None:
    """Answers that are lost, events before answers, again, or never, and people who act: what Stripe has charged and
    told is in the ledger once, no two charges are open, and the limit holds.
    """
    with trying():  # each example begins with the same company
        before, now = free(), NOW
        stripes = Stripes()
        ready()
        for step in steps:
            now += 1 + (step == "later") * (core.again_in_ms(20) + recharges.LEASE_MS)
            stripes.step(step, now)
            assert len([each for each in states() if each in ("asked", "taken")]) <= 1
        assert free() == before + len(stripes.told) * AMOUNT
        assert len(stripes.numbers) * AMOUNT <= LIMIT
        assert ledger.verify().problems == []


class Stripes:
    """Stripe, and a control process that asks it. `numbers`: what it has charged, by the charge's key; `told`: those
    whose event it has posted.
    """

    def __init__(self) -> None:
        self.asked: dict[str, Charge] = {}
        self.numbers: dict[str, str] = {}
        self.told: set[str] = set()

    def step(self, step: str, now: int) -> None:
        """One of them does something."""
        if step == "look":
            for company in recharges.work(now).low:
                recharges.begin(company, now)
            for charge in recharges.work(now).asked:
                found = recharges.claim(charge, now)
                assert found is not None
                self.asked[found.key] = found
        elif step == "resume" and recharges.show("Acme", now).parked:
            recharges.resume("Acme", now)
        elif step == "stop":
            recharges.stop("Acme", now)
            ready()
        for key, found in list(self.asked.items()):
            if step in ("answer", "lose"):
                number = self.numbers.setdefault(key, f"pi_{len(self.numbers) + 1}")
                answer = Answer(Said.TAKEN, number) if step == "answer" else Answer(Said.NOTHING, "", "No answer.")
                recharges.told(key, answer, now)
            elif step == "event" and key in self.numbers:
                paid(found, self.numbers[key], now)
                self.told.add(key)
            elif step in ("refused", "confirm") and key not in self.numbers:
                recharges.told(key, Answer(Said(step), "", "No."), now)
                del self.asked[key]
