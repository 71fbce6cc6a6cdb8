"""What a client may send with a request: what is read, and what is refused before it costs anything."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from aiohttp import FormData
from aiohttp.test_utils import TestClient

from connector.billing import profiles
from tests.web.browsing import csrf, get, hidden, welcomed
from tests.web.conftest import Town, bearer

Client = TestClient[Any, Any]
HALF = "\\ud800"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_a_compressed_body_is_refused_unread(client: Client) -> None:
    """Whatever the URL, the method and the coding: 415, and the connection is closed."""
    for method in ("GET", "POST", "PUT", "DELETE"):
        for path in ("/", "/sign-in", "/health", "/nothing", "/api/v1/profiles", "/static/manager.js"):
            for coding in ("gzip", "deflate", "br", "identity", "x"):
                answer = await client.request(method, path, data=b"\x1f\x8b", headers={"Content-Encoding": coding})
                found = (method, path, coding, answer.status, answer.headers["Connection"])
                assert found[3:] == (415, "close"), found


# body of POST /api/v1/..., status, code
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ('{"name": "a", "name": "b", "port": 1}', 400, "malformed"),
        ('{"name": "a", "port": 1, "options": {"nat": true, "nat": true}}', 400, "malformed"),
        (f'{{"name": "{HALF}", "port": 1}}', 400, "malformed"),
        (f'{{"{HALF}": 1}}', 400, "malformed"),
        ('{"name": NaN}', 400, "malformed"),
        ('{"name": Infinity}', 400, "malformed"),
        ('{"name": ' + "[" * 30 + "]" * 30 + "}", 400, "malformed"),
        ("[" * 30_000, 400, "malformed"),
        ('{"a":' * 5_000, 400, "malformed"),
        ("", 400, "malformed"),
        ("{", 400, "malformed"),
        ('{"name": "a", "port": 1e400}', 422, "invalid"),
        ('{"name": "front", "port": 5060.0}', 201, ""),
    ],
)
async def test_json_is_bounded_and_says_each_thing_once(
    client: Client, town: Town, body: str, status: int, code: str
) -> None:
    """Nested too deep, a key twice, half a character, no number: refused, and nothing is made."""
    headers = {**bearer(town.tokens["owner"]), "Idempotency-Key": "k", "Content-Type": "application/json"}
    before = len(profiles.list_profiles())
    answer = await client.post("/api/v1/profiles", data=body.encode(), headers=headers)
    assert (answer.status, (await answer.json()).get("code", "")) == (status, code), await answer.text()
    assert len(profiles.list_profiles()) == before + (status == 201)


async def test_half_a_character_is_refused_wherever_it_stands(client: Client, town: Town) -> None:
    """In a cursor, a query, a path or a form: 400, and no 500."""
    headers = bearer(town.tokens["owner"])
    cursors = [json.dumps(key).encode() for key in (["\ud800"], [1, "\ud800"], ["\ud800", 1], ["a\0"])]
    for path in ("/profiles", "/numbers", "/cdrs", "/audit", "/users", "/ledger/accounts"):
        for key in cursors:
            cursor = base64.urlsafe_b64encode(key).decode().rstrip("=")
            answer = await client.get(f"/api/v1{path}?cursor={cursor}", headers=headers)
            assert answer.status in (404, 409, 422), (path, key, await answer.text())
    for path in ("/sign-in?next=%ED%A0%80", "/%ED%A0%80", "/welcome?link=%ED%A0%80"):
        answer = await client.get(path, allow_redirects=False)
        assert answer.status < 500
    answer = await client.post("/sign-in", data=b"email=%ED%A0%80&password=x", headers=FORM)
    assert answer.status == 400


async def test_a_form_is_bounded(client: Client, town: Town) -> None:
    """Fields, bytes, charset; and multipart only where a page takes a file, of a few parts with short heads."""
    for sent, status in (
        (b"&".join(b"a%d=x" % n for n in range(300)), 400),
        (b"&" * 100_000, 400),
        (b"email=" + b"x" * 300_000, 413),
        (b"email=%ff", 400),
        (b"email=\xff", 400),
        (b"email=a%00b", 400),
        (b"email=a&password=b", 401),
    ):
        answer = await client.post("/sign-in", data=sent, headers=FORM)
        assert answer.status == status, (sent[:40], await answer.text())
    form = FormData({"email": "a", "password": "b"}, default_to_multipart=True)
    assert (await client.post("/sign-in", data=form)).status == 415
    await welcomed(client, "house@example.com")
    await client.post("/companies", data={"csrf": csrf(await get(client, "/companies")), "company": "1"})
    fields = hidden(await get(client, "/money/decks/new"))
    for count, header, status in ((60, "", 422), (70, "", 400), (10, "y" * 3_000, 400)):
        parts = [(name, value) for name, value in fields.items()] + [(f"a{n}", "x") for n in range(count - len(fields))]
        body = "".join(
            f'--b\r\nContent-Disposition: form-data; name="{name}{header}"\r\n\r\n{value}\r\n' for name, value in parts
        )
        answer = await client.post(
            "/money/decks/new",
            data=f"{body}--b--\r\n".encode(),
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        )
        assert answer.status == status, (count, len(header), await answer.text())


async def test_too_many_tries_are_refused_before_the_form_is_read(client: Client, town: Town) -> None:
    """A form that never arrives whole does not keep the limit from counting."""
    statuses = []
    for _ in range(31):
        answer = await client.post("/sign-in", data=b"&" * 1_000, headers=FORM)
        statuses.append(answer.status)
    assert statuses == [400] * 30 + [429]
