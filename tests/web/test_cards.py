"""A company pays by card: Stripe is asked for a page, and its event alone credits the balance. The API is a fake."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from connector.billing import alerts, credit, recharges
from connector.config import StripeSettings
from connector.core import kept, signatures
from connector.core.money import MICROS
from connector.errors import BadInput
from connector.notices import notices
from connector.service.card_payments import CardPayments
from connector.service.recharging import Recharging
from connector.storage.readers import Readers
from connector.storage.writer import Writer
from tests import stripe
from tests.conftest import NOW, FixedClock
from tests.core.test_stripe import DISPUTE, REFUND, SESSION
from tests.stripe import KEY, SECRET, Fake, event, given_card
from tests.web.browsing import Client, get, hidden, send, welcomed
from tests.web.conftest import Town

Look = Callable[[], Awaitable[None]]
PAGE = "/money/auto-recharge"


@pytest.fixture
async def fake() -> AsyncIterator[tuple[Fake, StripeSettings]]:
    """The fake, on loopback, and the settings that name it."""
    async with stripe.running() as found:
        yield found


@pytest.fixture
def by_card() -> StripeSettings:
    """Stripe is known."""
    return StripeSettings(secret_key=SecretStr(KEY), webhook_secret=SecretStr(SECRET))


@pytest.fixture
def cards(fake: tuple[Fake, StripeSettings]) -> CardPayments:
    """Stripe's pages, of the fake."""
    return CardPayments(fake[1], "https://pbx.example.com")


def free() -> int:
    """Acme's balance, in micros."""
    return credit.balance("Acme").available_micros


async def post(client: Client, said: Any, now: int = NOW) -> tuple[int, Any]:
    """An event, signed as Stripe does."""
    body = json.dumps(said).encode()
    headers = {"Stripe-Signature": signatures.made(SECRET, body, now)}
    async with client.post("/api/v1/hooks/stripe", data=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_an_owner_pays_by_card(client: Client, town: Town, fake: tuple[Fake, StripeSettings]) -> None:
    """The page leads to Stripe's, whose events alone move money: paid, refunded in part, disputed, and won."""
    await welcomed(client, "owner@example.com")
    assert 'href="/money/card"' in await get(client, "/money/add")
    before = free()
    status, text = await send(client, "/money/card", amount="£20.00")
    assert (status, free()) == (200, before), text
    assert 'href="https://checkout.stripe.com/c/pay/cs_1"' in text
    assert "Pay £20.00 at Stripe" in text
    ((_, headers, fields),) = fake[0].asked
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert len(headers["Idempotency-Key"]) == 32
    wanted = {
        "mode": "payment",
        "client_reference_id": "RF56C000001",
        "line_items[0][price_data][currency]": "gbp",
        "line_items[0][price_data][unit_amount]": "2000",
        "success_url": "https://pbx.example.com/money/add?paid=1",
    }
    assert {name: fields[name] for name in wanted} == wanted
    assert "as soon as the payment is confirmed" in await get(client, "/money/add?paid=1")
    assert free() == before
    for said, then in (
        (event("checkout.session.completed", {**SESSION, "payment_status": "unpaid"}), 0),
        ({**event("checkout.session.async_payment_succeeded", SESSION), "id": "evt_2"}, 20),
        (event("refund.created", REFUND), 15),
        (event("refund.updated", REFUND), 15),
        (event("charge.dispute.funds_withdrawn", {**DISPUTE, "amount": 1500}), 0),
        (event("charge.dispute.funds_reinstated", {**DISPUTE, "amount": 1500}), 15),
        (event("customer.created", {}), 15),
    ):
        for _ in range(2):
            status, answer = await post(client, said)
            assert (status, free()) == (200, before + then * MICROS), (said, answer)


async def test_what_stripe_did_not_sign_moves_nothing(client: Client, town: Town) -> None:
    """Neither our own signature's header, nor a body that was changed on its way."""
    before, body = free(), json.dumps(event("checkout.session.completed", SESSION)).encode()
    good = signatures.made(SECRET, body, NOW)
    for headers, sent in (
        ({}, body),
        ({"Connector-Signature": good}, body),
        ({"Stripe-Signature": good}, body.replace(b"2000", b"9000")),
    ):
        async with client.post("/api/v1/hooks/stripe", data=sent, headers=headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (401, "not_signed_in")
    wrong: tuple[Any, ...] = ([], "x", event("refund.created", {**REFUND, "amount": "1"}))
    for said in wrong:
        status, problem = await post(client, said)
        assert (status, problem["code"]) in ((422, "invalid"), (409, "bad_input")), said
    assert free() == before


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (402, {"error": {"message": "Your card\x1b[31m was declined."}}, "Your card[31m was declined."),
        (401, {"error": {"message": "Invalid API Key provided: sk_***1"}}, "accept the key of the platform. Nothing"),
        (500, "<html>", "It answered 500. Nothing"),
        (200, {"url": "javascript:alert(1)"}, "It answered 200. Nothing"),
        (200, {"url": "http://checkout.example.com/"}, "It answered 200. Nothing"),
        (200, [], "It answered 200. Nothing"),
        (303, {}, "It answered 303. Nothing"),
    ],
)
async def test_a_payment_that_cannot_begin_is_said_to(
    cards: CardPayments, fake: tuple[Fake, StripeSettings], status: int, answer: Any, words: str
) -> None:
    """In one line, with what Stripe said, and that nothing was paid; no key of ours is in it."""
    fake[0].status, fake[0].answer = status, answer
    with pytest.raises(BadInput) as caught:
        await asyncio.to_thread(cards.begin, "RF56C000001", 20 * MICROS, "GBP", "Acme", "k")
    assert words in str(caught.value)
    assert "Nothing was paid" in str(caught.value)
    assert KEY not in str(caught.value)
    assert "sk_" not in str(caught.value)


async def test_who_may_not_move_money_pays_nothing(client: Client, town: Town) -> None:
    """A viewer sees how the company pays, and has no button."""
    await welcomed(client, "viewer@example.com")
    assert "/money/card" not in await get(client, "/money/add")
    await get(client, "/money/card", 403)


async def test_nobody_there_is_said_to_be_nobody() -> None:
    """Stripe away: a line, and not a Traceback."""
    nowhere = StripeSettings(secret_key=SecretStr(KEY), webhook_secret=SecretStr(SECRET), api="http://127.0.0.1:9")
    begin = CardPayments(nowhere, "https://pbx.example.com").begin
    with pytest.raises(BadInput, match="does not answer"):
        await asyncio.to_thread(begin, "RF56C000001", 20 * MICROS, "GBP", "Acme", "k")


@pytest.fixture
def look(cards: CardPayments, clock: FixedClock, make_client: Any) -> Iterator[Look]:
    """What the control process does every few seconds."""
    writer, readers = Writer(), Readers(1)
    yield Recharging(cards, writer, readers, clock).look
    writer.close()
    readers.close()


async def set_up(client: Client, method: str = "pm_good") -> str:
    """An owner sets up auto-recharge, and gives a card; the setting's word."""
    await welcomed(client, "owner@example.com")
    status, text = await send(client, f"{PAGE}/set", amount="£50.00", threshold="£20,000.00", limit="£120.00")
    assert status == 200, text
    assert "now: the balance is" in text
    answer = await client.post(f"{PAGE}/set", data=hidden(text))
    assert (answer.status, answer.url.path) == (200, f"{PAGE}/card")
    assert "without asking whenever the balance falls below £20,000.00" in await answer.text()
    status, text = await send(client, f"{PAGE}/card")
    assert 'href="https://checkout.stripe.com/c/pay/cs_1"' in text
    word = recharges.asking_for("Acme").word
    assert (await post(client, given_card(word, method)))[0] == 200
    return word


async def received(client: Client, fake: Fake, now: int = NOW) -> None:
    """Stripe's events of all payments that it made, each twice."""
    for each in fake.charged():
        for _ in range(2):
            said = event("payment_intent.succeeded", each, f"evt_{each['id']}")
            assert (await post(client, said, now))[0] == 200


async def test_a_low_balance_is_recharged_by_card(
    client: Client, town: Town, fake: tuple[Fake, StripeSettings], look: Look
) -> None:
    """One charge at a time, credited by its event alone, up to the limit of the month; the page says all of it."""
    await set_up(client)
    (fields,) = fake[0].fields("/v1/checkout/sessions")
    assert (fields["mode"], fields["customer"], fields["success_url"]) == (
        "setup", "cus_1", f"https://pbx.example.com{PAGE}?card=1",
    )  # fmt: skip
    before = free()
    for _ in range(3):
        await look()  # as often as it likes
    assert (free(), len(fake[0].charged())) == (before, 1)
    (asked,) = fake[0].fields("/v1/payment_intents")
    assert (asked["amount"], asked["currency"], asked["off_session"], asked["confirm"]) == (
        "5000",
        "gbp",
        "true",
        "true",
    )
    text = await get(client, PAGE)
    assert "On its way" in text
    assert "Visa 4242, 04/2031" in text
    await received(client, fake[0])
    assert free() == before + 50 * MICROS
    for charged in (2, 2):  # the third would be above the limit
        await look()
        await received(client, fake[0])
        assert (free(), len(fake[0].charged())) == (before + charged * 50 * MICROS, charged)
    assert "Charged this month" in (text := await get(client, PAGE))
    assert "of £120.00 at the most" in text
    assert [alarm.text for alarm in alerts.look(NOW) if alarm.kind == "card_recharge_failed"] == [
        kept.CARD_LIMIT.write(limit="£120.00")
    ]


@pytest.mark.parametrize(
    ("method", "parked", "words"),
    [
        ("pm_confirm", "confirm", "Your bank wants you to confirm the payment"),
        ("pm_refused", "refused", "The card was refused"),
        ("pm_gone", "refused", "No such PaymentMethod"),
    ],
)
async def test_what_is_not_charged_parks_until_somebody_acts(
    client: Client,
    town: Town,
    fake: tuple[Fake, StripeSettings],
    look: Look,
    method: str,
    parked: str,
    words: str,
) -> None:
    """Nothing more is asked, people are written to once with a link, and another card goes on."""
    word = await set_up(client, method)
    before = free()
    for _ in range(3):
        await look()
    assert len(fake[0].fields("/v1/payment_intents")) == 1
    assert recharges.show("Acme", NOW).parked == parked
    assert words in await get(client, PAGE)
    assert "Auto-recharge by card has stopped" in await get(client, "/")
    (notice,) = (each for each in notices.newest(10, "Acme") if each.kind == "card_recharge_failed")
    assert "£50.00" in notice.text
    assert (await post(client, given_card(word, "pm_good", 1_795_000_100)))[0] == 200
    assert (await post(client, given_card(word, method)))[0] == 200  # again, late: it is the older card
    await look()
    await received(client, fake[0])
    assert (free(), recharges.show("Acme", NOW).parked) == (before + 50 * MICROS, "")


async def test_a_payment_that_the_bank_wants_confirmed_is_paid_on_stripes_page(
    client: Client, town: Town, fake: tuple[Fake, StripeSettings], look: Look
) -> None:
    """Its card goes on being charged, and whichever event comes first, it is credited once and not charged again."""
    word = await set_up(client, "pm_confirm")
    await look()
    before = free()
    status, text = await send(client, f"{PAGE}/confirm")
    assert (status, 'href="https://checkout.stripe.com/c/pay/cs_1"' in text) == (200, True)
    fields = fake[0].fields("/v1/checkout/sessions")[-1]
    metadata = "payment_intent_data[metadata]"
    assert (fields["mode"], fields["customer"], fields["payment_intent_data[setup_future_usage]"]) == (
        "payment", "cus_1", "off_session",
    )  # fmt: skip
    intent: dict[str, Any] = {
        "id": "pi_9", "amount_received": 5000, "amount": 5000, "currency": "gbp", "customer": "cus_1",
        "payment_method": "pm_good", "metadata": {
            "auto_recharge": fields[f"{metadata}[auto_recharge]"], "reference": fields[f"{metadata}[reference]"],
        },
    }  # fmt: skip
    assert intent["metadata"]["auto_recharge"] == word
    session = {
        "id": "cs_1", "mode": "payment", "payment_status": "paid", "amount_total": 5000, "currency": "gbp",
        "client_reference_id": fields["client_reference_id"], "payment_intent": "pi_9",
    }  # fmt: skip
    assert (await post(client, event("payment_intent.succeeded", intent, "evt_7", 1_795_000_500)))[0] == 200
    assert free() == before + 50 * MICROS
    assert recharges.show("Acme", NOW).parked == ""
    assert (await post(client, event("checkout.session.completed", session, "evt_8")))[0] == 200
    assert free() == before + 50 * MICROS


async def test_an_answer_that_is_lost_is_asked_for_again(
    client: Client,
    town: Town,
    fake: tuple[Fake, StripeSettings],
    look: Look,
    clock: FixedClock,
) -> None:
    """With the same key, so that the card is charged once."""
    await set_up(client, "pm_lost")
    await look()
    assert [each.state for each in recharges.show("Acme", clock.now).charges] == ["asked"]
    await look()  # not at once
    clock.now += 60_000
    await look()
    assert [each.state for each in recharges.show("Acme", clock.now).charges] == ["taken"]
    assert (len(fake[0].fields("/v1/payment_intents")), len(fake[0].payments)) == (2, 1)


async def test_what_stripe_never_says_is_not_known(
    client: Client,
    town: Town,
    fake: tuple[Fake, StripeSettings],
    look: Look,
    clock: FixedClock,
) -> None:
    """People hear of it after ten minutes; after twenty hours nothing more is asked. If the event comes after all, the
    money is credited, and the next charge may begin.
    """
    await set_up(client, "pm_broken")
    await look()
    clock.now += 11 * 60_000
    (alarm,) = (each for each in alerts.look(clock.now) if each.kind == "card_recharge_failed")
    assert "It answered 500." in alarm.text
    while recharges.show("Acme", clock.now).parked == "":
        clock.now += 15 * 60_000
        await look()
        assert clock.now < NOW + 22 * 3_600_000
    assert recharges.show("Acme", clock.now).parked == "unknown"
    await welcomed(client, "finance@example.com")
    assert "Ask the operator of the platform first" in await get(client, f"{PAGE}/resume")
    asked = len(fake[0].fields("/v1/payment_intents"))
    clock.now += 3_600_000
    await look()
    assert len(fake[0].fields("/v1/payment_intents")) == asked
    before = free()
    (made,) = fake[0].payments.values()
    made["status"] = "succeeded"
    await received(client, fake[0], clock.now)
    assert (free(), recharges.show("Acme", clock.now).parked) == (before + 50 * MICROS, "")


async def test_who_comes_back_from_stripe_is_not_asked_again(
    client: Client, town: Town, fake: tuple[Fake, StripeSettings], look: Look
) -> None:
    """Before the event came the page says so, and offers no second payment; and one that is not due is refused."""
    await set_up(client, "pm_confirm")
    status, text = await send(client, f"{PAGE}/confirm")
    assert (status, "Nothing has to be confirmed." in text) == (422, True)
    await look()
    assert f'href="{PAGE}/confirm"' in await get(client, PAGE)
    for query in ("paid=1", "card=1"):
        text = await get(client, f"{PAGE}?{query}")
        assert "Stripe is confirming it" in text
        assert f'href="{PAGE}/confirm"' not in text


async def test_a_customer_that_was_removed_at_stripe_is_made_again(
    client: Client, town: Town, fake: tuple[Fake, StripeSettings]
) -> None:
    """So that another card can be chosen."""
    await set_up(client)
    fake[0].without_customer = True
    status, text = await send(client, f"{PAGE}/card")
    assert (status, 'href="https://checkout.stripe.com/c/pay/cs_1"' in text) == (200, True)
    assert len(fake[0].fields("/v1/customers")) == 2
    assert fake[0].fields("/v1/checkout/sessions")[-1]["customer"] == "cus_2"


@pytest.mark.parametrize("text", ["[" * 200_000, '{"id": 5}', "", "null", "x" * 300_000])
async def test_an_odd_answer_ends_nothing(
    client: Client, town: Town, fake: tuple[Fake, StripeSettings], look: Look, text: str
) -> None:
    """It is no answer, and the charge is asked for again."""
    await set_up(client)
    fake[0].odd = text
    await look()
    assert [each.state for each in recharges.show("Acme", NOW).charges] == ["asked"]


async def test_what_is_taken_is_on_its_way_among_the_payments(
    client: Client, town: Town, fake: tuple[Fake, StripeSettings], look: Look
) -> None:
    """Until its event comes."""
    await set_up(client)
    await look()
    assert "On its way" in await get(client, "/money/add")
    await received(client, fake[0])
    assert "On its way" not in await get(client, "/money/add")


async def test_auto_recharge_is_switched_off(
    client: Client, town: Town, fake: tuple[Fake, StripeSettings], look: Look
) -> None:
    """The card is forgotten, and a card that was given for it brings nothing back."""
    word = await set_up(client)
    status, _ = await send(client, f"{PAGE}/stop")
    assert status == 200
    assert (await post(client, given_card(word, "pm_good", 1_795_000_900)))[0] == 200
    await look()
    assert fake[0].payments == {}
    assert "Set up auto-recharge" in await get(client, PAGE)


async def test_who_may_not_move_money_sets_up_no_recharge(client: Client, town: Town) -> None:
    """A viewer sees it, and has no button."""
    await welcomed(client, "viewer@example.com")
    assert f"{PAGE}/set" not in await get(client, PAGE)
    for form in ("set", "card", "confirm", "resume", "stop"):
        await get(client, f"{PAGE}/{form}", 403)
