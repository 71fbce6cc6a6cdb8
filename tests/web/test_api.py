"""The REST API: who may ask for what, shapes, problems, idempotency, pages, limits."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from limits import parse

from connector.billing import calls, credit, ledger, profiles
from connector.core.access import EVERYTHING, HOUSE, PERMISSIONS, permissions_of
from connector.core.paging import Turn
from connector.database import audit
from connector.notices import webhooks
from connector.people import tokens, users
from connector.web import guard
from connector.web.api import ENDPOINTS
from connector.web.endpoint import Endpoint
from connector.web.problems import PROBLEMS
from tests.conftest import NOW, FixedClock
from tests.web.conftest import Town, bearer

Client = TestClient[Any, Any]
IDS = [endpoint.name for endpoint in ENDPOINTS]
# What is sent, so that its shape is right: who may not do it is refused for that, and for nothing else.
BODIES: dict[str, dict[str, Any]] = {
    "create_company": {"name": "New", "currency": "EUR", "time_zone": "Europe/Berlin"},
    "top_up": {"amount_micros": 1},
    "set_auto_recharge": {"amount_micros": 10_000, "threshold_micros": 1, "monthly_limit_micros": 10_000},
    "load_deck": {"name": "deck", "csv": "prefix,name,price_per_minute\n44,UK,0.01\n"},
    "create_profile": {"name": "new"},
    "create_client_profile": {"name": "line", "address": "192.0.2.77"},
    "set_profile_state": {"state": "open"},
    "add_credit": {"amount_micros": 1},
    "take_back_credit": {"amount_micros": 1},
    "set_recharge": {"amount_micros": 10, "threshold_micros": 5},
    "buy_channels": {"channels": 1},
    "import_stock": {"csv": "number,monthly_fee,country,currency\n+442079460777,1,GB,GBP\n"},
    "add_number": {"number": "+442079460888"},
    "attach_number": {"profile": None},
    "attach_account": {"profile": None},
    "route_number": {"route": ""},
    "route_account": {"route": ""},
    "verify_number": {"number": "+442079460999", "evidence": "a letter"},
    "create_account": {"name": "new"},
    "set_department": {"route": "extension 101"},
    "set_hours": {"periods": "mon-fri 09:00-17:00"},
    "create_mailbox": {"name": "Desk"},
    "create_trunk": {"name": "another", "host": "192.0.2.9"},
    "set_trunk_state": {"state": "open"},
    "create_user": {"email": "new@example.com", "role": "viewer"},
    "allow_user": {"allowed": True},
    "create_button": {"name": "new", "account": "sales"},
    "change_button": {"most": 3},
    "create_threshold": {"kind": "balance", "limit": 1},
    "create_webhook": {"url": "https://example.com/notices"},
    "set_invoice_address": {"name": "Acme", "street": "1 High Street", "city": "Leeds", "country": "GB"},
    "set_tax": {"kind": "standard"},
    "reverse_payment": {"why": "recorded twice"},
    "load_cost_deck": {"name": "costs", "csv": "prefix,name,price_per_minute\n44,UK,0.01\n"},
    "set_floor": {"percent": "10"},
    "set_trunk_order": {"policy": "cost"},
    "set_exchange_rate": {"currency": "USD", "target": "GBP", "rate": "0.79"},
    "ask_export": {"kind": "calls"},
    "ask_profile_export": {"kind": "calls"},
}
QUERIES = {
    "price_call": {"number": "+442079460001"},
    "why_refused": {"number": "+442079460001"},
    "advise_channels": {"employees": "20"},
}
# What stands in a path where it is no thing of anybody's.
NAMES = {"name": "office", "box": "101", "e164": "+442079460999", "token": "1"}


async def ask(
    client: Client, endpoint: Endpoint, token: str | None, things: dict[str, str], company: str | None = None
) -> tuple[int, Any]:
    """Ask for an endpoint with an empty body; the status and what was answered."""
    path = "/api/v1" + endpoint.path.format(**{**NAMES, **things}).replace("+", "%2B")
    headers = {"Idempotency-Key": "a", **(bearer(token) if token else {})}
    query = dict(QUERIES.get(endpoint.name, {}))
    if company and "company" in endpoint.query.model_fields:
        query["company"] = company
    body = BODIES.get(endpoint.name, {}) if endpoint.body is not None else None
    async with client.request(endpoint.method, path, params=query, headers=headers, json=body) as answer:
        text = (await answer.read()).decode(errors="replace")
        return answer.status, json.loads(text) if text and answer.content_type.endswith("json") else None


async def test_nobody_gets_anything_without_a_token(client: Client, town: Town) -> None:
    """Every route. No token, a wrong one: 401, and nothing else is said."""
    for endpoint, token in itertools.product(ENDPOINTS, (None, "conn_wrong", "")):
        status, said = await ask(client, endpoint, token, town.things)
        assert (status, said["code"]) == (401, "not_signed_in"), endpoint.name


async def test_without_a_gateway_nothing_can_be_posted(client: Client, town: Town) -> None:
    """There is no address for its events where the settings have no secret of it."""
    async with client.post("/api/v1/hooks/payments", data=b"{}") as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "not_found")


async def test_a_role_gets_what_it_may_and_no_more(client: Client, town: Town) -> None:
    """Every route. 403 exactly where the role does not have the permission; a token for reading changes nothing."""
    allowed = {role: permissions_of(role, of_house=False) for role in ("owner", "finance", "operator", "viewer")}
    allowed["house"] = permissions_of("owner", of_house=True)
    allowed["read only"] = frozenset(scope for scope in PERMISSIONS if scope.endswith(".read")) - HOUSE
    before = ledger.last_number(1), len(audit.page_of(EVERYTHING, Turn(None, 200)).items)
    for endpoint, (who, permissions) in itertools.product(ENDPOINTS, allowed.items()):
        one = "1" if who == "house" else None  # who sees several says which
        if endpoint.permission is not None and endpoint.permission not in permissions:
            status, said = await ask(client, endpoint, town.tokens[who], town.things, one)
            assert (status, said["code"]) == (403, "forbidden"), (endpoint.name, who)
        elif endpoint.method == "GET":
            status, said = await ask(client, endpoint, town.tokens[who], town.things, one)
            # a refused call, and no other
            none = [(name, "not_found") for name in ("explain_cdr", "show_media", "show_routing")]
            nothing = (*none, ("advise_mix", "bad_input"))
            assert status == 200 or (endpoint.name, said["code"]) in nothing, (endpoint.name, who)
    assert before == (ledger.last_number(1), len(audit.page_of(EVERYTHING, Turn(None, 200)).items))


async def test_what_is_another_companys_is_not_there(client: Client, town: Town) -> None:
    """Every route, as another company's owner: 404, or 403 for what only the house may, and never a word of what is
    there.
    """
    owner = permissions_of("owner", of_house=False)
    for endpoint in ENDPOINTS:
        status, said = await ask(client, endpoint, town.tokens["other"], town.things, company="1")
        text = json.dumps(said).replace("'office'", "")  # as the path said it
        assert "office" not in text, (endpoint.name, said)
        assert "Acme" not in text, (endpoint.name, said)
        assert town.things["profile"] not in text or status == 404, (endpoint.name, said)
        if endpoint.thing(town.things, 1) is not None:
            allowed = endpoint.permission is None or endpoint.permission in owner
            assert status == (404 if allowed else 403), (endpoint.name, said)


async def test_a_member_sees_one_profile(client: Client, town: Town) -> None:
    """Every route. What is the whole company's, or another profile's, is refused; what they may, they may of their
    own.
    """
    second = profiles.create_profile("second", 1, "asterisk", NOW, "Acme").username
    allowed = permissions_of("member", of_house=False)
    for endpoint in ENDPOINTS:
        status, said = await ask(client, endpoint, town.tokens["member"], town.things)
        assert second not in json.dumps(said), endpoint.name
        if endpoint.permission is not None and endpoint.permission not in allowed:
            assert status == 403, endpoint.name
        elif endpoint.of_company:
            assert (status, said["code"]) == (403, "forbidden"), endpoint.name
        if "{profile}" in endpoint.path:
            status, said = await ask(client, endpoint, town.tokens["member"], {**town.things, "profile": second})
            assert status in (403, 404), endpoint.name


async def test_a_body_may_not_name_what_is_not_yours(client: Client, town: Town) -> None:
    """Another company's profile in a body, or in a query, is not there either."""
    theirs, own = town.other["profile"], town.things
    headers = {**bearer(town.tokens["owner"]), "Idempotency-Key": "k"}
    asked = (
        ("PUT", "/numbers/%2B442079460100/profile", {"profile": theirs}),
        ("PUT", f"/accounts/{own['account']}/profile", {"profile": theirs, "move": True}),
        ("POST", "/accounts", {"name": "new", "profile": theirs}),
        ("POST", "/buttons", {"name": "new", "account": town.other["account"]}),
        ("POST", "/numbers", {"country": "GB", "profile": theirs}),
        ("POST", "/users", {"email": "x@example.com", "role": "member", "profile": theirs}),
        ("PATCH", f"/users/{own['user']}", {"role": "member", "profile": theirs}),
        ("POST", "/users", {"email": "x@example.com", "role": "viewer", "company": 2}),
    )
    for method, path, body in asked:
        async with client.request(method, f"/api/v1{path}", json=body, headers=headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (404, "not_found"), path
    for path in (f"/advice?profile={theirs}", f"/rates/price?number=%2B442079460001&profile={theirs}"):
        assert (await client.get(f"/api/v1{path}", headers=headers)).status == 404
    async with client.post(
        "/api/v1/users", json={"email": "x@example.com", "role": "owner", "house": True}, headers=headers
    ) as answer:
        assert answer.status in (403, 409)
    assert not any(view.email == "x@example.com" for view in users.page_of(EVERYTHING, Turn(None, 200)).items)


async def test_lists_show_only_what_is_yours(client: Client, town: Town) -> None:
    """Each list, as each company's owner and as the house: own, own, and all."""
    lists: tuple[tuple[str, str, set[str], set[str]], ...] = (
        ("/companies", "name", {"Acme"}, {"Other"}),
        ("/profiles", "name", {"office"}, {"branch"}),
        ("/numbers", "number", {"+442079460100"}, {"+12025550100"}),
        ("/accounts", "name", {"sales"}, {"ventas"}),
        ("/calls", "id", {"live"}, set()),
        ("/cdrs", "id", {"refused"}, set()),
        ("/trunks", "name", {"carrier"}, {"far"}),
        ("/buttons", "name", {"website"}, {"sitio"}),
    )
    for path, name, own, others in lists:
        for who, wanted in (("owner", own), ("other", others), ("house", own | others)):
            async with client.get(f"/api/v1{path}", headers=bearer(town.tokens[who])) as answer:
                found = await answer.json()
                rows = found["items"] if isinstance(found, dict) else found
                assert {row[name] for row in rows} == wanted, (path, who)
    async with client.get("/api/v1/users", headers=bearer(town.tokens["other"])) as answer:
        assert {row["email"] for row in (await answer.json())["items"]} == {
            "other@example.com",
            "other.member@example.com",
        }


async def test_a_request_that_moves_money_is_done_once(client: Client, town: Town) -> None:
    """The same key: the same answer, and no second movement; other figures: refused; no key: refused; and another
    user's key of the same words is another key.
    """
    path = f"/api/v1/profiles/{town.things['profile']}/credit/add"
    before = credit.balance("Acme").available_micros

    async def add(who: str, key: str | None, micros: int) -> tuple[int, Any, str]:
        """Add credit; status, answer, and whether it was answered before."""
        headers = {**bearer(town.tokens[who]), **({"Idempotency-Key": key} if key else {})}
        async with client.post(path, json={"amount_micros": micros}, headers=headers) as answer:
            return answer.status, await answer.json(), answer.headers.get("Idempotency-Replayed", "")

    first = await add("owner", "k", 5_000_000)
    assert first[0] == 200
    assert await add("owner", "k", 5_000_000) == (200, first[1], "true")
    assert (await add("owner", "k", 6_000_000))[1]["code"] == "key_reused"
    assert (await add("owner", None, 6_000_000))[1]["code"] == "key_missing"
    assert (await add("owner", "\u20ac" * 101, 6_000_000))[1]["code"] == "key_missing"
    assert (await add("finance", "k", 1_000_000))[2] == ""
    assert credit.balance("Acme").available_micros == before - 6_000_000
    broke = await add("owner", "big", 10**15)
    assert (broke[0], broke[1]["code"]) == (409, "insufficient_funds")
    assert (await add("owner", "big", 1_000_000))[0] == 200  # nothing was done before: the key is free


async def test_every_answer_that_is_a_problem_says_so(client: Client, town: Town) -> None:
    """Garbage, wrong types, too much, the wrong method: problem+json with a code of the list."""
    headers = {**bearer(town.tokens["house"]), "Idempotency-Key": "k"}
    path = f"/api/v1/profiles/{town.things['profile']}"
    asked: tuple[tuple[str, str, dict[str, Any], str], ...] = (
        ("POST", f"{path}/credit/add", {"data": b"{"}, "media_type"),
        ("POST", f"{path}/credit/add", {"data": b"{", "headers": {"Content-Type": "application/json"}}, "malformed"),
        ("POST", f"{path}/credit/add", {"json": {"amount_micros": "1"}}, "invalid"),
        ("POST", f"{path}/credit/add", {"json": {"amount_micros": 1.5}}, "invalid"),
        ("POST", f"{path}/credit/add", {"json": {"amount_micros": -1}}, "invalid"),
        ("POST", f"{path}/credit/add", {"json": {"amount_micros": 1, "more": 1}}, "invalid"),
        ("POST", f"{path}/credit/add", {"json": [1]}, "invalid"),
        ("PATCH", path, {"json": {"name": "a\u0000b"}}, "bad_input"),
        ("PATCH", path, {"json": {"name": "x" * 70_000}}, "too_large"),
        ("PATCH", path, {"data": b'{"name":"\\ud800"}', "headers": {"Content-Type": "application/json"}}, "malformed"),
        ("PATCH", path, {"json": {"options": {"codecs": ["mp3"]}}}, "bad_input"),
        ("GET", "/api/v1/profiles?limit=0", {}, "invalid"),
        ("GET", "/api/v1/profiles?limit=1&limit=2", {}, "invalid"),
        ("GET", "/api/v1/profiles?nothing=1", {}, "invalid"),
        ("GET", "/api/v1/profiles?cursor=rubbish", {}, "bad_input"),
        ("GET", "/api/v1/cdrs?since=yesterday", {}, "bad_input"),
        ("GET", "/api/v1/profiles/%00%ff", {}, "not_found"),
        ("GET", "/api/v1/profiles?name=%00", {}, "bad_input"),
        ("GET", "/api/v1/profiles/%ff", {}, "not_found"),
        ("GET", "/api/v1/users/" + "9" * 5000, {}, "not_found"),
        ("GET", "/api/v1/nothing", {}, "not_found"),
        ("POST", "/api/v1/client-profiles", {"json": {"name": "x", "address": "a b"}}, "bad_input"),
        ("PUT", "/api/v1/profiles", {"json": {}}, "method_not_allowed"),
    )
    for method, url, more, code in asked:
        sent = {**headers, **more.pop("headers", {})}
        async with client.request(method, url, headers=sent, **more) as answer:
            said = await answer.json(content_type="application/problem+json")
            assert said["code"] == code, (method, url, said)
            assert answer.status == said["status"] == PROBLEMS[code][0]
            assert "Traceback" not in json.dumps(said)


async def test_a_list_comes_in_pages_that_miss_nothing(client: Client, town: Town) -> None:
    """Page by page, each row once, in order; also where names are the same but for their case."""
    for number in range(7):
        profiles.create_profile(f"{'aA'[number % 2]}-{number}", 0, "asterisk", NOW, "Acme")
    wanted = sorted(view.name for view in profiles.list_profiles() if view.company == "Acme")
    found: list[str] = []
    query = "limit=3"
    while query:
        async with client.get(f"/api/v1/profiles?{query}", headers=bearer(town.tokens["owner"])) as answer:
            page = await answer.json()
        found += [row["name"] for row in page["items"]]
        query = page["next"] and f"limit=3&cursor={page['next']}"
    assert sorted(found) == wanted
    assert len(found) == len(set(found)) == 8


async def test_what_somebody_did_is_in_the_audit_log(client: Client, town: Town) -> None:
    """Who, what, to what, by which address; no secret; a company sees its own."""
    headers = bearer(town.tokens["owner"])
    made = await client.post("/api/v1/profiles", json={"name": "lab"}, headers=headers)
    secret = await made.json()
    await client.patch(f"/api/v1/profiles/{secret['username']}", json={"country": "GB"}, headers=headers)
    await client.post(
        "/api/v1/trunks",
        json={"name": "reg", "host": "sip.example.com", "username": "u", "password": "hush-hush"},
        headers=bearer(town.tokens["house"]),
        params={"company": "1"},
    )
    async with client.get("/api/v1/audit", headers=headers) as answer:
        text = await answer.text()
    rows = json.loads(text)["items"]
    assert [(row["actor"], row["action"]) for row in rows] == [
        ("house@example.com (test)", "trunk.create"),
        ("owner@example.com (test)", "profile.country"),
        ("owner@example.com (test)", "profile.create"),
    ]
    assert {row["address"] for row in rows} == {"127.0.0.1"}
    assert secret["password"] not in text
    assert "hush-hush" not in text
    async with client.get("/api/v1/audit", headers=bearer(town.tokens["other"])) as answer:
        assert (await answer.json())["items"] == []


async def test_a_call_is_hung_up_by_who_may(client: Client, town: Town) -> None:
    """Its legs are ended; one of another node is not; one that is over is not there."""
    async with client.delete("/api/v1/calls/live", headers=bearer(town.tokens["operator"])) as answer:
        assert answer.status == 200
    assert [call.id for call in town.hung_up] == ["live"]
    assert (await client.delete("/api/v1/calls/none", headers=bearer(town.tokens["operator"]))).status == 404


async def test_a_token_ends_with_its_user_its_time_and_its_being_revoked(
    client: Client, town: Town, clock: FixedClock
) -> None:
    """After any of them it is as good as none."""
    user = users.by_email("viewer@example.com").id

    async def status(secret: str) -> int:
        """What asking with it is answered."""
        return (await client.get("/api/v1/me", headers=bearer(secret))).status

    short = tokens.create(user, "short", ("calls.read",), 1, NOW)
    assert await status(short.secret) == 200
    clock.now += 24 * 3_600_000
    assert await status(short.secret) == 401
    other = tokens.create(user, "other", ("calls.read",), None, NOW)
    async with client.delete(f"/api/v1/tokens/{other.token.id}", headers=bearer(other.secret)) as answer:
        assert answer.status == 200
    assert await status(other.secret) == 401
    assert await status(town.tokens["viewer"]) == 200
    async with client.put(
        f"/api/v1/users/{user}/access", json={"allowed": False}, headers=bearer(town.tokens["owner"])
    ) as answer:
        assert answer.status == 200
    assert await status(town.tokens["viewer"]) == 401


async def test_a_token_for_users_makes_nobody_who_may_more(client: Client, town: Town) -> None:
    """Nor a link for somebody who may more, nor an end to its user's other tokens."""
    owner = users.by_email("owner@example.com").id
    scoped = tokens.create(owner, "people", ("users.read", "users.write"), None, NOW).secret
    for method, path, body in (
        ("POST", "/users", {"email": "x@example.com", "role": "owner"}),
        ("POST", "/users", {"email": "x@example.com", "role": "viewer"}),
        ("POST", f"/users/{owner}/link", None),
        ("PATCH", f"/users/{town.things['user']}", {"role": "owner"}),
        ("DELETE", "/tokens/1", None),
    ):
        async with client.request(method, f"/api/v1{path}", json=body, headers=bearer(scoped)) as answer:
            assert (answer.status, (await answer.json())["code"]) == (403, "forbidden"), path
    async with client.get("/api/v1/tokens", headers=bearer(scoped)) as answer:
        assert [row["name"] for row in (await answer.json())["items"]] == ["people"]


async def test_whose_an_address_is_the_house_says(client: Client, town: Town) -> None:
    """Where there are several companies: a PBX that is known by its address is known before any password."""
    body = {"name": "by address", "address": "192.0.2.5"}
    for who, status in (("operator", 403), ("house", 201)):
        async with client.post(
            "/api/v1/profiles", json=body, headers=bearer(town.tokens[who]), params={"company": "1"}
        ) as answer:
            assert answer.status == status


async def test_what_is_said_of_others_is_that_it_is_taken(client: Client, town: Town) -> None:
    """No name of another company's profile in a complaint."""
    async with client.post("/api/v1/accounts", json={"name": "sales"}, headers=bearer(town.tokens["other"])) as answer:
        text = await answer.text()
        assert answer.status == 409
        assert "office" not in text


async def test_the_last_owner_stays(client: Client, town: Town) -> None:
    """Nobody locks a company out: its last owner is neither disabled nor anything less."""
    owner = users.by_email("owner@example.com").id
    headers = bearer(town.tokens["owner"])
    for method, path, body in (
        ("PUT", f"/users/{owner}/access", {"allowed": False}),
        ("PATCH", f"/users/{owner}", {"role": "viewer"}),
    ):
        async with client.request(method, f"/api/v1{path}", json=body, headers=headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (409, "bad_input")


async def test_who_guesses_tokens_is_slowed_down(client: Client, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many wrong ones in a minute: 429; a proxy of somebody's hides nobody, and a right one is still right."""
    monkeypatch.setattr(guard, "_BAD_TOKENS", parse("20/minute"))
    answers = []
    for number in range(22):
        headers = {**bearer(f"conn_{number}"), "X-Forwarded-For": f"10.0.0.{number}"}
        answers.append((await client.get("/api/v1/me", headers=headers)).status)
    assert answers == [401] * 20 + [429] * 2
    assert (await client.get("/api/v1/me", headers=bearer(town.tokens["owner"]))).status == 200


async def test_the_document_and_its_page_are_there(client: Client) -> None:
    """OpenAPI 3.1 with every endpoint, once; and a page that shows each of them, with a strict policy."""
    document = await (await client.get("/api/openapi.json")).json()
    operations = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert sorted(operations) == sorted(IDS)
    assert len(set(IDS)) == len(IDS)
    for path in ("/api/", "/api/problems"):
        answer = await client.get(path)
        text = await answer.text()
        assert answer.status == 200
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert all(name in text for name in (operations if path == "/api/" else PROBLEMS))
    assert (await client.get("/static/manager.css")).status == 200
    assert (await client.get("/static/../rest.py")).status == 404


def test_every_change_is_told_whose_it_is(town: Town) -> None:
    """Every endpoint that changes something takes a permission; what moves money takes a key."""
    for endpoint in ENDPOINTS:
        if endpoint.method != "GET" and not endpoint.path.startswith("/tokens"):
            assert endpoint.permission is not None, endpoint.name
        moves = endpoint.permission in ("money.move", "money.bring")
        unmoved = {
            "set_prices",
            "stop_recharge",
            "stop_auto_recharge",
            "change_limits",
            "set_invoice_address",
            "set_tax",
        }
        assert endpoint.once == (moves and endpoint.name not in unmoved), endpoint.name
    assert calls.live()


async def test_who_may_not_see_calls_has_none_posted(client: Client, town: Town) -> None:
    """A token for alerts alone gets no calls by the way of a webhook."""
    owner = users.by_email("owner@example.com").id
    token = tokens.create(owner, "monitor", ("alerts.write", "calls.read"), None, NOW).secret
    url = {"url": "https://example.com/x"}
    for body, status in (({**url, "calls": True}, 403), (url, 201)):
        answer = await client.post("/api/v1/webhooks", json=body, headers=bearer(token))
        assert answer.status == status, await answer.text()
    headers = bearer(town.tokens["owner"])
    assert (await client.post("/api/v1/webhooks", json={**url, "calls": True}, headers=headers)).status == 201
    path = f"/api/v1/webhooks/{town.things['webhook']}"
    for whose, change, status in (
        (bearer(token), {"calls": True}, 403),
        (headers, {"calls": True}, 200),
        (headers, {"notices": False}, 200),
        (headers, {"calls": False}, 409),
        (bearer(town.tokens["other"]), {"calls": True}, 404),
    ):
        answer = await client.patch(path, json=change, headers=whose)
        assert answer.status == status, await answer.text()
    assert not webhooks.show(int(town.things["webhook"])).notices
