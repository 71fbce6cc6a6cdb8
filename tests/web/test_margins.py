"""Costs and margins on pages and in the API: for the operator's people, and nobody else."""

from __future__ import annotations

from typing import Any

from connector.billing import costs, decks, exchange, ledger
from tests.billing.test_costs import SHEET, load, talked
from tests.conftest import NOW
from tests.web.browsing import Client, chosen, file_confirmed, get, send, sent_file, welcomed
from tests.web.conftest import Town

PATH = "/trunks/carrier/costs/new"


async def api(client: Client, token: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Ask the API; the status and what it answered."""
    headers = {"Authorization": f"Bearer {token}"}
    async with client.request(method, f"/api/v1{path}", headers=headers, json=body) as answer:
        return answer.status, await answer.json() if answer.status != 204 else None


async def test_a_cost_sheet_is_loaded_after_a_look_at_what_it_loses(client: Client, town: Town) -> None:
    """Its currency is asked for; what is sold below cost is shown; then the trunk has it, and prices are as before."""
    await welcomed(client, "house@example.com")
    await chosen(client)
    before = decks.list_decks("Acme")
    status, text = await sent_file(client, PATH, SHEET, name="costs", in_currency="usd")
    assert status == 422
    assert "There is no exchange rate from USD to GBP" in text
    assert 'href="/margins/exchange"' in text
    wrong = await send(client, "/margins/exchange", in_currency="USD", rate="zero")
    assert (wrong[0], "Invalid exchange rate" in wrong[1]) == (422, True)
    await send(client, "/margins/exchange", in_currency="usd", rate="0,79")
    assert (exchange.list_rates()[0].numerator, exchange.list_rates()[0].denominator) == (79, 100)
    status, asked = await sent_file(client, PATH, SHEET, name="costs", in_currency="usd")
    assert status == 200, asked
    assert "+33 France: a minute is sold for £0.10, and costs £0.158" in asked
    assert "+44 UK: US$0.01 a minute" in asked
    assert decks.list_decks("Acme", "carrier") == []
    assert "costs is in use from" in await file_confirmed(client, PATH, asked)
    made = decks.list_decks("Acme", "carrier")
    assert [(each.name, each.currency) for each in made] == [("costs", "USD")]
    assert decks.list_decks("Acme") == before
    assert "costs" in await get(client, "/trunks/carrier/costs")


async def test_margins_and_floors_are_shown_and_set(client: Client, town: Town) -> None:
    """The month's figures are the ledger's; a floor refuses, and the test call says which trunk is left out."""
    load(SHEET, "carrier")
    username = town.things["profile"]
    call_id = talked(town.things["profile"], 60_000)
    await welcomed(client, "house@example.com")
    await chosen(client)
    text = await get(client, "/margins?month=2026-11")
    assert "cost £0.01, and left £0.013 (56.5 %)" in text
    assert "What it cost you" in await get(client, f"/history/{call_id}")
    wrong = await send(client, "/margins/floors/new", profile="", percent="101", per_minute="")
    assert (wrong[0], "Invalid percentage" in wrong[1]) == (422, True)
    await send(client, "/margins/floors/new", profile=username, percent="57,5", per_minute="£0.001")
    assert [(each.profile, each.percent, each.per_minute_micros) for each in costs.list_floors("Acme")] == [
        ("office", "57.5", 1_000)
    ]
    text = await get(client, f"/profiles/{username}/test?number=%2B442079460001")
    assert "the call would leave less than the margin floor; it takes £0.01 a minute" in text
    status, told = await api(client, town.tokens["house"], "GET", f"/profiles/{username}/why?number=%2B442079460001")
    assert (status, told["left_out"][0]["why"]) == (200, "below_floor")
    await send(client, "/margins/floors/remove", profile=username)
    assert costs.list_floors("Acme") == []


async def test_a_companys_people_see_no_costs(client: Client, town: Town) -> None:
    """Not on a call's page, not in a test call, not in the ledger, not by the API, whatever their role."""
    load(SHEET, "carrier")
    call_id = talked(town.things["profile"], 60_000)
    costs.set_floor("99", "0", "Acme")
    username = town.things["profile"]
    await welcomed(client, "owner@example.com")
    for path in (f"/history/{call_id}", f"/profiles/{username}/test?number=%2B442079460001", "/money/ledger"):
        text = await get(client, path)
        for word in ("What it cost you", "Trunks that are left out", ":cost", "payable"):
            assert word not in text, (path, word)
    assert 'href="/margins"' not in await get(client, "/")
    owner = town.tokens["owner"]
    for path in ("/ledger/entries", "/ledger/accounts", f"/cdrs/{call_id}/explanation"):
        status, told = await api(client, owner, "GET", path)
        assert status == 200
        assert "payable" not in str(told)
        assert ":cost" not in str(told)
    status, told = await api(client, owner, "GET", f"/profiles/{username}/why?number=%2B442079460001")
    assert (status, told["left_out"], told["carried"]) == (200, [], False)
    for path in ("/margins", "/margins/floors", "/trunks/carrier/decks", "/exchange-rates"):
        assert (await api(client, owner, "GET", path))[0] == 403
    assert "trunk:1:payable" in ledger.accounts("Acme", with_costs=True)


async def test_the_api_has_it_all(client: Client, town: Town) -> None:
    """A sheet that would lose money is loaded when that is said; floors and exchange rates are set and listed."""
    house = town.tokens["house"]
    body: dict[str, Any] = {"name": "costs", "csv": SHEET}
    status, told = await api(client, house, "POST", "/trunks/carrier/decks", body)
    assert (status, '"below_cost": 1' in str(told)) == (409, True)
    status, told = await api(client, house, "POST", "/trunks/carrier/decks", {**body, "below_cost": 1})
    assert (status, told["trunk"], told["currency"]) == (201, "carrier", "GBP")
    assert [each["id"] for each in (await api(client, house, "GET", "/trunks/carrier/decks"))[1]] == [told["id"]]
    prices = {"name": "prices", "csv": "prefix,name,price_per_minute\n44,UK,0.001\n"}
    status, told = await api(client, house, "POST", "/rates/decks?company=1", prices)
    assert (status, '"below_cost": 2' in str(told)) == (409, True)
    status, told = await api(client, house, "PUT", "/margins/floors?company=1", {"percent": "10"})
    assert (status, told["percent"], told["profile"]) == (200, "10", "")
    profile = {"percent": "5", "profile": town.things["profile"]}
    assert (await api(client, house, "PUT", "/margins/floors?company=1", profile))[1]["profile"] == "office"
    other = {"percent": "5", "profile": "nobody"}
    assert (await api(client, house, "PUT", "/margins/floors?company=1", other))[0] == 404
    assert len((await api(client, house, "GET", "/margins/floors?company=1"))[1]) == 2
    assert (await api(client, house, "DELETE", "/margins/floors?company=1"))[0] == 204
    rate = {"currency": "usd", "target": "gbp", "rate": "0.8", "from_at": "2026-01-01T00:00:00Z"}
    assert (await api(client, house, "POST", "/exchange-rates", rate))[0] == 201
    assert (await api(client, house, "GET", "/exchange-rates"))[1][0]["denominator"] == 5
    talked(town.things["profile"], 60_000)
    status, told = await api(client, house, "GET", "/margins?company=1&month=2026-11")
    assert (status, told["total"]["cost_micros"], told["trunks"][0]["margin_hundredths"]) == (200, 10_000, 5_652)
    status, told = await api(client, house, "PUT", "/trunk-orders?company=1", {"policy": "cost"})
    assert (status, told) == (200, [{"company": "Acme", "profile": "", "policy": "cost"}])
    assert (await api(client, house, "PUT", "/trunk-orders?company=1", {"policy": "best"}))[0] == 422
    call_id = talked(town.things["profile"], 60_000)
    status, told = await api(client, house, "GET", f"/cdrs/{call_id}/routing")
    assert (status, told) == (200, {"policy": "cost", "tries": [["carrier", 10_000]], "left_out": []})


async def test_the_order_of_trunks_is_set_and_shown_at_a_call(client: Client, town: Town) -> None:
    """Of the company or of a profile, on a page; the page of a call shows what was decided, to the operator alone."""
    load(SHEET, "carrier")
    await welcomed(client, "house@example.com")
    await chosen(client)
    assert "Nothing is set" in await get(client, "/trunks/order")
    wrong = await send(client, "/trunks/order", policy="best", profile="")
    assert wrong[0] == 422
    await send(client, "/trunks/order", policy="cost", profile=town.things["profile"])
    assert "office: by cost, the lowest first" in await get(client, "/trunks/order")
    call_id = talked(town.things["profile"], 60_000)
    text = await get(client, f"/history/{call_id}")
    assert "Which trunks it tried" in text
    assert "carrier: £0.01" in text
    client.session.cookie_jar.clear()
    await welcomed(client, "owner@example.com")
    assert "Which trunks it tried" not in await get(client, f"/history/{call_id}")


async def test_margins_are_written_in_the_readers_language(client: Client, town: Town) -> None:
    """Sums in tables, exchange rates and percentages too."""
    load(SHEET, "carrier")
    talked(town.things["profile"], 60_000)
    exchange.set_rate("USD", "GBP", "0.7893", NOW)
    costs.set_floor("12.5", "0", "Acme")
    await welcomed(client, "house@example.com")
    await chosen(client)
    client.session.headers["Accept-Language"] = "de"
    text = await get(client, "/margins?month=2026-11")
    for words in ("0,013\u00a0£", "0,7893 GBP", "mindestens 12,5 %"):
        assert words in text
    assert "£0" not in text
