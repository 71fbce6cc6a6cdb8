"""What a payment gateway posts is written down once, and by nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pydantic import SecretStr

from connector.billing import credit, ledger, payments
from connector.config import PaymentSettings
from connector.core import signatures
from connector.core.access import EVERYTHING
from connector.core.money import MICROS
from connector.core.paging import Turn
from connector.database import audit
from tests.conftest import NOW
from tests.web.conftest import Town

SECRET = "a-secret-of-the-gateway-1"
PAID = PaymentSettings(hook_secret=SecretStr(SECRET))
PATH = "/api/v1/hooks/payments"
Posting = TestClient[Any, Any]


@pytest.fixture
def paid() -> PaymentSettings:
    """A gateway is known."""
    return PAID


def event(kind: str, number: str = "evt_1", **payment: Any) -> dict[str, Any]:
    """An event of the payment pay_1 of Acme, of 20 pounds."""
    usual = {"id": "pay_1", "amount": "20.00", "currency": "GBP", "reference": "RF56C000001"}
    return {"id": number, "type": f"payment.{kind}", "payment": {**usual, **payment}}


async def post(client: Posting, said: Any, **headers: str) -> tuple[int, Any]:
    """Post it, signed; status and answer."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    signed = {"Connector-Signature": signatures.made(SECRET, body, NOW), **headers}
    async with client.post(PATH, data=body, headers=signed) as answer:
        return answer.status, await answer.json()


def free() -> int:
    """Acme's balance, in micros."""
    return credit.balance("Acme").available_micros


async def test_a_payment_comes_and_goes(client: Posting, town: Town) -> None:
    """Announced, received, refunded in part and charged back: told twice, each is done once; the audit says by whom."""
    before = free()
    for kind, number, more, then in (
        ("announced", "evt_0", {}, 0),
        ("received", "evt_1", {"received_on": "2026-11-17"}, 20),
        ("refunded", "evt_2", {"amount": "5.00", "reference": ""}, 15),
        ("charged_back", "evt_3", {"amount": "", "reference": "", "why": "card stolen"}, 0),
    ):
        for _ in range(2):
            status, said = await post(client, event(kind, number, **more))
            assert (status, said["payment"], free()) == (200, "pay_1", before + then * MICROS), said
    assert said == {
        "payment": "pay_1", "state": "received", "amount_micros": 20 * MICROS, "taken_back_micros": 20 * MICROS,
        "owed_micros": 0,
    }  # fmt: skip
    rows = audit.page_of(EVERYTHING, Turn(), "payment provider gateway").items
    assert [row.action for row in rows] == ["payment.taken-back", "payment.taken-back", "payment.received",
                                            "payment.announced"]  # fmt: skip
    assert ledger.verify().problems == []


@pytest.mark.parametrize(
    ("said", "headers", "status", "code"),
    [
        (event("received"), {"Connector-Signature": ""}, 401, "not_signed_in"),
        (event("received"), {"Connector-Signature": signatures.made("wrong", b"", NOW)}, 401, "not_signed_in"),
        (event("received"), {"Content-Encoding": "gzip"}, 415, "media_type"),
        (b"x" * 70_000, {}, 413, "too_large"),
        (b"{", {}, 400, "malformed"),
        (b'{"id": "a", "id": "b"}', {}, 400, "malformed"),
        (b"\xff", {}, 400, "malformed"),
        ({}, {}, 422, "invalid"),
        ({**event("received"), "more": 1}, {}, 422, "invalid"),
        (event("stolen"), {}, 422, "invalid"),
        (event("received", "evt\n1"), {}, 422, "invalid"),
        (event("received", id=""), {}, 422, "invalid"),
        (event("received", amount=20), {}, 422, "invalid"),
        (event("received", amount="-20"), {}, 409, "bad_input"),
        (event("received", amount="1e3"), {}, 409, "bad_input"),
        (event("received", amount="20.001"), {}, 409, "bad_input"),
        (event("received", currency="USD"), {}, 409, "bad_input"),
        (event("received", reference="RF57C000001"), {}, 409, "bad_input"),
        (event("received", received_on="17.11.2026"), {}, 409, "bad_input"),
        (event("refunded"), {}, 404, "not_found"),
    ],
)
async def test_what_is_not_a_gateways_event_changes_nothing(
    client: Posting, town: Town, said: Any, headers: dict[str, str], status: int, code: str
) -> None:
    """It is refused in words, and posted again it is refused again."""
    before, number = free(), ledger.last_number(1)
    for _ in range(2):
        answered, problem = await post(client, said, **headers)
        assert (answered, problem["code"]) == (status, code), problem
    assert (free(), ledger.last_number(1)) == (before, number)
    assert [each.number for each in payments.page_of("Acme", Turn()).items if each.provider == "gateway"] == []


async def test_an_event_is_of_one_payment_and_says_one_thing(client: Posting, town: Town) -> None:
    """A payment of another company, another sum, or another kind of event under the same id is refused."""
    await post(client, event("received"))
    before = free()
    for said, code in (
        (event("received", amount="21.00"), "key_reused"),
        (event("refunded"), "key_reused"),
        (event("refunded", "evt_2", amount="20.01"), "bad_input"),
        (event("refunded", "evt_2", currency="USD"), "bad_input"),
    ):
        status, problem = await post(client, said)
        assert (status, problem["code"]) == (409, code), said
    assert free() == before


async def test_what_is_told_again_of_another_payment_is_refused(client: Posting, town: Town) -> None:
    """An event has one number: under the same one another payment is not credited. One that failed and that nobody
    announced, or that came after all, is answered well, and changes nothing: the gateway need not post it again.
    """
    assert (await post(client, event("failed")))[1] == {"payment": None}
    assert (await post(client, event("received")))[0] == 200
    before = free()
    status, problem = await post(client, event("received", id="pay_2"))
    assert (status, problem["code"], free()) == (409, "key_reused", before)
    status, said = await post(client, event("failed", "evt_9"))
    assert (status, said["state"], free()) == (200, "received", before)
