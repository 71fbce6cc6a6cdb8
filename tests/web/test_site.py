"""The pages: signing in and out, sessions, forms, who sees what. Without script; Chromium is in tests/sipp."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyotp
import pytest
from aiohttp import ClientSession, CookieJar
from limits import parse
from yarl import URL

from connector.billing import calls, credit, ledger, limits, numbers, plans, profiles
from connector.billing import payments as incoming
from connector.billing.payments import Told
from connector.core import payments
from connector.core.access import EVERYTHING, Scope, permissions_of
from connector.core.calls import Attempt, Direction, Progress
from connector.core.money import MICROS
from connector.core.paging import Turn
from connector.core.service_numbers import ServiceNumber
from connector.database import audit
from connector.database.sqlite import FileStore
from connector.notices import webhooks
from connector.people import sessions, users
from connector.routing import emergency, mailboxes, routes, service_numbers
from connector.web import server
from connector.web.guard import Guard
from connector.web.site import PAGES, sign_in
from connector.web.site.frame import SitePage
from tests.conftest import NOW, FixedClock
from tests.web.browsing import PASSWORD, Client, chosen, confirmed, csrf, get, hidden, send, welcomed
from tests.web.conftest import MESSAGE, Town

HOUR_MS = 3_600_000
PART = b'--a\r\nContent-Disposition: form-data; name="email"\r\n%s\r\n\r\nx\r\n--a--\r\n'
IN_PATHS = {
    "token": "1",
    "filter": "1",
    "session": "1",
    "box": "101",
    "e164": "+442079460199",
    "name": "front",
    "message": MESSAGE,
}


async def test_a_link_lets_somebody_in_once(client: Client, town: Town, clock: FixedClock) -> None:
    """Looking at it does not use it up; a second use, a late one, a short password: not in."""
    user = users.by_email("owner@example.com").id
    secret = users.link(user, NOW)
    assert secret in await get(client, f"/welcome?link={secret}")
    answer = await client.post("/welcome", data={"link": secret})
    text = await answer.text()
    assert answer.url.path == "/welcome/password"
    assert await get(client, "/", 303) == "/welcome/password"
    for first, again in (("short", "short"), (PASSWORD, PASSWORD + "x")):
        answer = await client.post("/welcome/password", data={"csrf": csrf(text), "password": first, "again": again})
        assert answer.status == 422
    await client.post("/welcome/password", data={"csrf": csrf(text), "password": PASSWORD, "again": PASSWORD})
    assert "Acme" in await get(client, "/")
    answer = await client.post("/welcome", data={"link": secret})
    assert answer.status == 404
    late = users.link(user, NOW)
    clock.now += 24 * HOUR_MS
    assert (await client.post("/welcome", data={"link": late})).status == 404


async def test_a_password_signs_in_and_out(client: Client, town: Town) -> None:
    """Wrong ones and unknown addresses are told alike; the page that was wanted comes next, and none but ours."""
    await welcomed(client, "owner@example.com")
    text = await get(client, "/")
    await client.post("/sign-out", data={"csrf": csrf(text)})
    assert await get(client, "/numbers?x=1", 303) == "/sign-in?next=/numbers?x%3D1"
    said = set()
    for email, password in (
        ("owner@example.com", "wrong"),
        ("nobody@example.com", PASSWORD),
        ("viewer@example.com", ""),
    ):
        answer = await client.post("/sign-in", data={"email": email, "password": password})
        assert answer.status == 401
        said.add(re.sub(r'value="[^"]*"', "", await answer.text()))
    assert len(said) == 1
    for wanted, to in (
        ("/numbers", "/numbers"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil", "/"),
    ):
        answer = await client.post(
            "/sign-in",
            data={"email": " Owner@Example.com", "password": PASSWORD, "next": wanted},
            allow_redirects=False,
        )
        assert (answer.status, answer.headers["Location"]) == (303, to)
    cookie = answer.cookies["connector"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    actions = [row.action for row in audit.page_of(EVERYTHING, Turn(None, 50)).items]
    assert actions.count("sign-in.failed") == 3
    assert actions.count("sign-in") == 5


async def test_wrong_passwords_are_limited(client: Client, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """By account and network together, even if one would be right."""
    monkeypatch.setattr(sign_in, "_BY_ACCOUNT", parse("3/minute"))
    users.set_password(users.by_email("owner@example.com").id, "none", NOW)
    guesses = [
        (await client.post("/sign-in", data={"email": "owner@example.com", "password": str(n)})).status
        for n in range(5)
    ]
    assert guesses == [401, 401, 401, 429, 429]
    at_once = [client.post("/sign-in", data={"email": "viewer@example.com", "password": "x"}) for _ in range(12)]
    assert sorted(answer.status for answer in await asyncio.gather(*at_once)) == [401] * 3 + [429] * 9
    answer = await client.post("/sign-in", data={"email": "owner@example.com", "password": "5"})
    assert "Traceback" not in await answer.text()
    assert int(answer.headers["Retry-After"]) > 0


async def test_nobody_is_locked_out_by_others(
    client: Client, town: Town, monkeypatch: pytest.MonkeyPatch, clock: FixedClock
) -> None:
    """Somebody's wrong passwords count for their network only, and never for a browser that signed in before."""
    address = ["203.0.113.9"]
    monkeypatch.setattr(Guard, "address", lambda self, request: address[0])
    await welcomed(client, "owner@example.com")
    jar = client.session.cookie_jar.filter_cookies(client.make_url("/"))
    assert [name for name in jar if name.startswith("connector-device-")]
    await client.post("/sign-out", data={"csrf": csrf(await get(client, "/"))})
    right = {"email": "owner@example.com", "password": PASSWORD}
    async with ClientSession(client.make_url("/"), cookie_jar=CookieJar(unsafe=True)) as attacker:
        for who in ("198.51.100.1", "2001:db8:1:2::1", "2001:db8:1:2::2", "203.0.113.9"):
            address[0] = who
            for _ in range(12):
                await attacker.post("/sign-in", data={"email": "owner@example.com", "password": "guess"})
        statuses = {}
        for who in ("198.51.100.1", "2001:db8:1:2::9", "203.0.113.9", "192.0.2.7", "2001:db8:1:3::1"):
            address[0] = who
            answer = await attacker.post("/sign-in", data=right, allow_redirects=False)
            statuses[who] = answer.status
            attacker.cookie_jar.clear()
    assert statuses == {
        "198.51.100.1": 429,  # the attacker's networks
        "2001:db8:1:2::9": 429,
        "203.0.113.9": 429,  # the office's own, but not by the browser that it uses
        "192.0.2.7": 303,
        "2001:db8:1:3::1": 303,
    }
    address[0] = "203.0.113.9"
    assert (await client.post("/sign-in", data=right, allow_redirects=False)).status == 303


async def test_known_browsers_have_one_limit_for_an_account(client: Client, town: Town) -> None:
    """However often it signs in: who has an account cannot guess others' passwords faster than anybody else."""
    await welcomed(client, "viewer@example.com")
    cookies = []
    for _ in range(4):
        client.session.cookie_jar.clear()
        data = {"email": "viewer@example.com", "password": PASSWORD}
        answer = await client.post("/sign-in", data=data, allow_redirects=False)
        assert answer.status == 303
        cookies.append({name: each.value for name, each in answer.cookies.items() if "device" in name})
    assert all(cookies)
    statuses = []
    for n in range(40):
        client.session.cookie_jar.clear()
        data = {"email": f"somebody{n}@example.com", "password": "guess"}
        statuses.append((await client.post("/sign-in", data=data, cookies=cookies[n % 4])).status)
    assert statuses == [401] * 30 + [429] * 10


async def test_the_page_link_makes_no_known_browser(client: Client, town: Town) -> None:
    """It is given to people who may only look, and its token makes no cookies either."""
    answer = await client.get("/sign-in?token=let-me-in", allow_redirects=False)
    assert answer.status == 303
    assert not [name for name in answer.cookies if "device" in name]


@pytest.mark.parametrize("origin", ["http://[", "http://[x]", "http://\u2100.example", "//"])
async def test_an_origin_that_is_no_address_is_refused(client: Client, town: Town, origin: str) -> None:
    """And nothing is logged."""
    answer = await client.post("/sign-in", data={"email": "a", "password": "b"}, headers={"Origin": origin})
    assert answer.status == 403


@pytest.mark.parametrize("name", ["a" * 400, "a" * 1_000, "%00", "..%2f..%2fserver.py", "nothing.js", ""])
async def test_files_that_are_not_there(client: Client, town: Town, name: str) -> None:
    """Whatever name somebody sends."""
    assert (await client.get(URL(f"/static/{name}", encoded=True))).status == (400 if name == "%00" else 404)


@pytest.mark.parametrize(
    ("name", "cookie"), [("", "x"), ("-x", "x"), (f"-{'0' * 16}", "0" * 64), ("-\u00e9", "x"), ("-x", "\u00e9")]
)
async def test_a_made_up_device_is_none(client: Client, town: Town, name: str, cookie: str) -> None:
    """It has no limit of its own."""
    statuses = set()
    for n in range(12):
        headers = {"Cookie": f"connector-device{name}={cookie}{n if cookie == 'x' else ''}"}
        data = {"email": "owner@example.com", "password": "guess"}
        statuses.add((await client.post("/sign-in", data=data, headers=headers)).status)
    assert statuses == {401, 429}


# headers of a form that signs in -> whether it is taken
@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({}, True),
        ({"Origin": "http://{host}"}, True),
        ({"Origin": "https://{host}"}, True),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
        ({"Origin": "http://{host}.evil.example"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://{host}"}, True),
    ],
)
async def test_another_sites_page_signs_nobody_in(
    client: Client, town: Town, headers: dict[str, str], taken: bool
) -> None:
    """Also over plain http, where browsers send no Sec-Fetch-Site: by Origin. A program sends neither."""
    host = f"{client.host}:{client.port}"
    made = {name: value.format(host=host) for name, value in headers.items()}
    link = users.link(users.by_email("owner@example.com").id, NOW)
    answer = await client.post("/sign-in", data={"email": "a", "password": "b"}, headers=made)
    assert answer.status == (401 if taken else 403)
    answer = await client.post("/welcome", data={"link": link}, headers=made, allow_redirects=False)
    assert answer.status == (303 if taken else 403)
    answer = await client.get("/sign-in")
    assert answer.headers["Referrer-Policy"] == "same-origin"  # else browsers say "Origin: null" of our own form


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program writes to the store, and does not come to an end. (Two SQLite libraries of one process would not
    see each other's locks.)
    """
    hold = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN IMMEDIATE')"
    hold += "; print(1, flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        yield
        other.stdin.close()


async def test_health_says_whether_the_store_can_be_written(
    client: Client, town: Town, monkeypatch: pytest.MonkeyPatch, store: FileStore
) -> None:
    """503 when it cannot, however well it can be read."""
    monkeypatch.setattr(server, "HEALTH_EVERY_S", 0)
    monkeypatch.setattr(server, "HEALTH_LIMIT_S", 0.5)
    answer = await client.get("/health")
    assert (answer.status, await answer.json()) == (200, {"ready": True, "store": True, "gate": True})
    with locked(store.path):
        answer = await client.get("/health")
        assert (answer.status, await answer.json()) == (503, {"ready": False, "store": False, "gate": True})
    answer = await client.get("/health")
    assert answer.status == 200


async def test_a_code_is_asked_for_and_is_good_once(client: Client, town: Town, clock: FixedClock) -> None:
    """After it is set up; not twice, not an old one; and it is taken away by the password only."""
    await welcomed(client, "owner@example.com")
    text = await get(client, "/me/code")
    found = re.search(r'name="secret" value="([A-Z2-7]+)"', text)
    assert found
    codes = pyotp.TOTP(found.group(1))
    code = codes.at(clock.now // 1000)
    for wrong in ({"code": "000000", "password": PASSWORD}, {"code": code, "password": "wrong"}, {"code": code}):
        answer = await client.post("/me/code", data={"csrf": csrf(text), "secret": found.group(1), **wrong})
        assert answer.status == 422
    sent = {"csrf": csrf(text), "secret": found.group(1), "code": code, "password": PASSWORD}
    await client.post("/me/code", data=sent)
    assert users.by_email("owner@example.com").totp
    assert found.group(1) not in await get(client, "/me")
    client.session.cookie_jar.clear()
    answer = await client.post("/sign-in", data={"email": "owner@example.com", "password": PASSWORD})
    text = await answer.text()
    assert answer.url.path == "/sign-in/code"
    assert await get(client, "/", 303) == "/sign-in/code"
    assert (await client.post("/sign-in/code", data={"csrf": csrf(text), "code": code})).status == 401
    clock.now += 60_000
    old = codes.at(clock.now // 1000 - 90)
    assert (await client.post("/sign-in/code", data={"csrf": csrf(text), "code": old})).status == 401
    await client.post("/sign-in/code", data={"csrf": csrf(text), "code": codes.at(clock.now // 1000)})
    page = await get(client, "/me")
    answer = await client.post("/me/code", data={"csrf": csrf(page), "off": "yes", "password": "wrong"})
    assert answer.status == 403
    await client.post("/me/code", data={"csrf": csrf(page), "off": "yes", "password": PASSWORD})
    assert not users.by_email("owner@example.com").totp


async def test_a_session_is_rotated_and_ends(client: Client, town: Town, clock: FixedClock) -> None:
    """Every hour another secret, the old one for a minute more; over after twelve hours of nothing, or seven days."""
    await welcomed(client, "owner@example.com")

    def secret() -> str:
        """What the browser has."""
        return next(cookie.value for cookie in client.session.cookie_jar if cookie.key == "connector")

    first = secret()
    clock.now += HOUR_MS + 1
    await get(client, "/")
    second = secret()
    assert second != first
    assert sessions.find(first, clock.now) is not None
    assert sessions.find(first, clock.now + 60_000) is None
    assert sessions.find(second, clock.now + 11 * HOUR_MS) is not None
    assert sessions.find(second, clock.now + 12 * HOUR_MS) is None
    for _ in range(7 * 3):
        clock.now += 8 * HOUR_MS
        answer = await client.get("/", allow_redirects=False)
    assert answer.status == 303
    await welcomed(client, "viewer@example.com", clock.now)
    users.disable(users.by_email("viewer@example.com").id, clock.now)
    assert await get(client, "/", 303) == "/sign-in"


async def test_a_form_that_is_not_ours_does_nothing(client: Client, town: Town) -> None:
    """Without the session's secret, or with another's: 403, and nothing has changed. For scripts the same."""
    await welcomed(client, "owner@example.com")
    for given in ({}, {"csrf": "wrong"}):
        answer = await client.post("/profiles/new", data={**given, "name": "stolen", "auth": "registration"})
        assert answer.status == 403
        answer = await client.post("/sign-out", data=given)
        assert answer.status == 403
        answer = await client.post("/api/v1/profiles", json={"name": "stolen"}, headers={"X-CSRF-Token": "wrong"})
        assert (answer.status, (await answer.json())["code"]) == (403, "csrf")
    answer = await client.post(
        "/sign-in",
        data={"email": "owner@example.com", "password": PASSWORD},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status == 403
    assert "stolen" not in [view.name for view in profiles.list_profiles()]
    token = csrf(await get(client, "/"))
    answer = await client.post("/api/v1/profiles", json={"name": "ours"}, headers={"X-CSRF-Token": token})
    assert answer.status == 201


def path_of(page: SitePage, things: dict[str, str]) -> str:
    """A page's path, of somebody's things."""
    return page.path.format(**{**IN_PATHS, **things}).replace("+", "%2B")


async def test_every_page_is_shown_to_who_may_see_it_and_to_nobody_else(client: Client, town: Town) -> None:
    """Each page, as each role: 200, or 403; without a session the sign-in; and never a defect."""
    for page in PAGES:
        where = await get(client, path_of(page, town.things), 303)
        assert where.startswith("/sign-in"), page.path
    for role in ("owner", "finance", "operator", "viewer", "member"):
        client.session.cookie_jar.clear()
        await welcomed(client, f"{role}@example.com")
        allowed = permissions_of(role, of_house=False)
        for page in PAGES:
            answer = await client.get(path_of(page, town.things), allow_redirects=False)
            may = page.permission is None or page.permission in allowed
            wanted = (200, 403, 404) if role == "member" and may else (200,) if may else (403,)
            assert answer.status in wanted, (role, page.path, answer.status, (await answer.text())[:500])
            if not may and page.form is not None:
                answer = await client.post(path_of(page, town.things), data={})
                assert answer.status == 403


async def test_what_is_another_companys_is_no_page(client: Client, town: Town) -> None:
    """Each page about a thing, as another company's owner: 404 or 403, seen and sent; and no word of it anywhere."""
    await welcomed(client, "other@example.com")
    token = csrf(await get(client, "/"))
    profiles.rename("office", "zebra")
    before = ledger.last_number(1)
    for page in PAGES:
        answer = await client.get(path_of(page, town.things), allow_redirects=False)
        text = await answer.text()
        assert "zebra" not in text, page.path
        assert "Acme" not in text, page.path
        if page.thing({**IN_PATHS, **town.things}, 2) not in (None, ("company", "2")):
            assert answer.status in (403, 404), page.path
            if page.form is not None:
                fields = dict.fromkeys(page.form.model_fields, "1")
                answer = await client.post(
                    path_of(page, town.things), data={"csrf": token, "key": "k", "looked_at": "2", **fields}
                )
                assert answer.status in (403, 404, 409, 422), page.path
    assert ledger.last_number(1) == before
    assert profiles.show_profile(town.things["profile"]).name == "zebra"


async def test_money_is_asked_back_and_moves_once(client: Client, town: Town) -> None:
    """The sums before and after are shown first; the confirmation sent twice moves it once; too much is said so."""
    await welcomed(client, "finance@example.com")
    path = f"/profiles/{town.things['profile']}/credit/add"
    before = credit.balance("Acme").available_micros
    status, text = await send(client, path, amount="1000000")
    assert status == 422
    assert "Traceback" not in text
    asked, said = await confirmed(client, path, amount="12.50")
    assert "£12.50" in asked
    assert "£12.50 were added" in said
    again = await client.post(path, data=hidden(asked))
    assert again.status == 200
    assert credit.balance("Acme").available_micros == before - 12_500_000
    other = await client.post(path, data={**hidden(asked), "amount": "13"})
    assert "another request" in await other.text()
    assert credit.balance("Acme").available_micros == before - 12_500_000


def test_no_field_that_is_needed_is_folded_away() -> None:
    """A browser sends nothing while such a field is empty, and does not show it."""
    for page in PAGES:
        if page.form is not None and page.form.folded[0]:
            names = list(page.form.model_fields)
            folded = names[names.index(page.form.folded[0]) :]
            assert not [name for name in folded if page.form.model_fields[name].is_required()], page.path


async def test_numbers_are_searched_chosen_and_bought(client: Client, town: Town) -> None:
    """By country, area and digits; one by its button, several by their ticks, each at its price, all or none; who may
    buy none sees what there is.
    """
    sheet = "".join(f"+44207946011{n},{n + 1}.50,GB,GBP\n" for n in range(4)) + "+12125550101,3,US,USD\n"
    numbers.import_stock(f"number,monthly_fee,country,currency\n{sheet}", NOW)
    await welcomed(client, "owner@example.com")
    text = await get(client, "/stock")
    assert '<option value="GB">United Kingdom</option>' in text
    assert text.count(">Buy</a>") == 4
    assert "In another currency" in text
    text = await get(client, "/stock?country=GB&number=794+6011-3")
    assert ("+442079460113" in text, "+442079460112" in text) == (True, False)
    assert "+442079460113" in await get(client, "/stock?number=020%20794%2060113")
    assert "+442079460113" in await get(client, "/stock?number=60113")
    assert "+442079460113" in await get(client, "/stock?number=020794")
    assert "Type digits of a number" in await get(client, "/stock?number=%25")
    assert "No number for sale matches" in await get(client, "/stock?number=99999999999999")
    profile = town.things["profile"]
    text = await get(client, f"/stock?profile={profile}")
    assert f'href="/stock/buy?chosen=%2B442079460110&amp;profile={profile}"' in text
    await get(client, f"/stock?profile={town.other['profile']}", 404)
    text = await get(client, f"/stock?profile={profile}&number=60113&chosen=%2B442079460110&chosen=%2B442079460113")
    assert "Chosen before" in text
    stale = "cursor=WyIrNDQyMDc5NDYwMTEwIl0&of=country%3D%26area%3D%26number%3D"  # of the list without a filter
    assert "+442079460113" in await get(client, f"/stock?number=60113&{stale}")
    assert "chosen=%2B442079460110" in await get(client, "/stock/buy?chosen=%2B442079460110")  # and back
    assert text.count(" checked>") == 1  # what is ticked and not in this part of the list
    assert 'value="+442079460113" checked aria-label' in text
    address = f"/stock/buy?chosen=%2B442079460110&chosen=%2B442079460112&profile={profile}"
    form = await get(client, address)
    assert ">+442079460110\n+442079460112</textarea>" in form
    assert f'<option value="{profile}" selected>' in form
    fields = {"numbers": "+442079460110\r\n+442079460112", "profile": profile, "periods": "1"}
    asked, said = await confirmed(client, address, **fields)
    assert all(found in asked for found in ("£1.50", "£3.50", "£5.00"))
    assert "2 numbers were bought" in said
    assert numbers.show("+442079460112").profile == "office"
    before = credit.balance("Acme").available_micros
    for wrong, words in (
        ("+442079460111\n+442079460110", "is not for sale"),
        ("", "Choose 1 to 50 numbers"),
        (" ", "Choose 1 to 50 numbers"),
        ("\n".join(f"+4420794{n:05d}" for n in range(51)), "Choose 1 to 50 numbers"),
        ("+12125550101", "but the company pays in GBP"),
        ("number", "is not"),
    ):
        answer = await client.post("/stock/buy", data={**hidden(form), **fields, "numbers": wrong})
        text = await answer.text()
        assert answer.status == 422, wrong
        assert words in text, wrong
        assert wrong.strip() in text, wrong
    answer = await client.post(
        "/stock/buy", data={**hidden(form), **fields, "numbers": "+442079460111", "profile": town.other["profile"]}
    )
    assert answer.status == 404
    assert credit.balance("Acme").available_micros == before
    client.session.cookie_jar.clear()
    await welcomed(client, "viewer@example.com")
    text = await get(client, "/stock")
    assert "+442079460111" in text
    assert ">Buy</a>" not in text
    assert "checkbox" not in text


async def test_what_was_shown_is_what_is_done(client: Client, town: Town) -> None:
    """The very number, at the very price; and a form that was sent twice is done once."""
    numbers.import_stock("number,monthly_fee,country,currency\n+442079460110,2,GB,GBP\n+442079460111,9,GB,GBP\n", NOW)
    await welcomed(client, "owner@example.com")
    profile = f"/profiles/{town.things['profile']}"
    status, asked = await send(client, f"{profile}/numbers/buy", country="GB", area="", periods="1")
    assert (status, "+442079460110" in asked) == (200, True)
    numbers.buy("+442079460110", 1, NOW, company="Acme")
    answer = await client.post(f"{profile}/numbers/buy", data=hidden(asked))
    assert answer.status in (404, 422)
    assert {view.number for view in numbers.list_numbers("Acme")} == {"+442079460100", "+442079460110"}
    status, asked = await send(client, f"{profile}/channels/change", channels="5", bundles="0")
    plans.set_prices(9_000_000, None, "Acme")
    answer = await client.post(f"{profile}/channels/change", data=hidden(asked))
    assert "The price has changed" in await answer.text()
    assert plans.show(town.things["profile"]).channels == 3
    text = await get(client, f"{profile}/channels/cancel")
    for _ in range(2):
        assert (await client.post(f"{profile}/channels/cancel", data=hidden(text))).status == 200


async def test_advice_leads_to_what_can_be_bought(client: Client, town: Town) -> None:
    """By a profile's calls, with what they were; by traffic; above 100 in tens; the form has what was advised."""
    await welcomed(client, "owner@example.com")
    username = town.things["profile"]
    text = await get(client, f"/advice?profile={username}")
    assert "has had no calls yet" in text
    over = Progress("leg-live")
    over.leg_ended("leg-live", NOW + 60_000, 16)
    calls.ended("live", over, NOW + 60_000)
    text = await get(client, f"/advice?profile={username}")
    assert "Busiest hour" in text
    assert f'href="/profiles/{username}/channels/change?channels=2"' in text
    text = await get(client, f"/advice?profile={username}&erlangs=84.07")
    assert "101 are enough; above 100 they are sold in tens." in text
    assert f'href="/profiles/{username}/channels/change?channels=110"' in text
    form = await get(client, f"/profiles/{username}/channels/change?channels=110")
    assert 'name="channels" type="number" value="110"' in form
    answer = await client.post(
        f"/profiles/{username}/channels/change?channels=110", data={**hidden(form), "channels": "110", "bundles": "0"}
    )
    assert answer.status == 200
    asked = await answer.text()
    assert "Both together" in asked
    assert "By its calls it needs 2 channels." in form
    for wrong in ("0", "301", "x", "-1", "9" * 40, "0001" + "0" * 4_400, "0300999999", "١"):
        form = await get(client, f"/profiles/{username}/channels/change?channels={wrong}")
        assert 'name="channels" type="number" value="3"' in form, wrong
    for wrong in ("x", "0", "1e9", "NaN"):
        assert 'role="alert"' in await get(client, f"/advice?erlangs={wrong}")
    await get(client, f"/advice?profile={town.other['profile']}", 404)


async def test_money_goes_to_the_company_that_was_shown(client: Client, town: Town) -> None:
    """Who has chosen another company in another window is asked to begin again."""
    await welcomed(client, "house@example.com")
    text = await get(client, "/companies")
    await client.post("/companies", data={"csrf": csrf(text), "company": "1"})
    status, asked = await send(client, "/money/top-up", amount="50")
    assert (status, "Acme" in asked) == (200, True)
    await client.post("/companies", data={"csrf": csrf(text), "company": "2"})
    answer = await client.post("/money/top-up", data=hidden(asked))
    assert answer.status == 409
    assert credit.balance("Other").available_micros < 100_000_000


async def test_garbage_is_told_to_be_garbage(client: Client, town: Town) -> None:
    """Bytes that are no text, boundaries that are none, cookies and hosts that are none: never a defect."""
    form = "application/x-www-form-urlencoded"
    sent: tuple[tuple[str, dict[str, str], bytes], ...] = (
        ("/sign-in", {"Content-Type": f"{form}; charset=nope"}, b"a=b"),
        ("/sign-in", {"Content-Type": form}, b"email=\xff&password=%ff"),
        ("/sign-in", {"Content-Type": form}, b"email=%00"),
        ("/welcome", {"Content-Type": "multipart/form-data"}, b"x"),
        ("/welcome", {"Content-Type": "multipart/form-data; boundary=a"}, b"--b\r\n\r\n"),
        ("/sign-in", {"Content-Type": "multipart/form-data; boundary=a"}, PART % b"Content-Transfer-Encoding: foo"),
        ("/sign-in", {"Content-Type": "multipart/form-data; boundary=a"}, PART % b"Content-Type: text/x; charset=nope"),
        ("/sign-in", {"Content-Type": f"{form}; charset=unicode_escape"}, b"email=\\ud800"),
        ("/sign-in", {"Content-Type": f"{form}; charset=utf-7"}, b"email=+2AA-"),
        ("/welcome", {"Content-Type": "multipart/form-data; boundary=a"}, b"--a\r\nContent-Type: x\r\n\r\ny\r\n--a--"),
    )
    for path, headers, body in sent:
        answer = await client.post(path, data=body, headers=headers, allow_redirects=False)
        assert answer.status in (303, 400, 401, 404, 409, 415, 422), (path, body, await answer.text())
    for headers in ({"Authorization": "Bearer \udcff"}, {"Cookie": "connector=\udcff"}, {"X-CSRF-Token": "\udcff"}):
        answer = await client.get("/api/v1/me", headers=headers)
        assert answer.status == 401
        assert (await client.get("/", headers=headers, allow_redirects=False)).status == 303
    for host in ("[", "x:99999", "::"):
        assert (await client.get("/api/", headers={"Host": host})).status in (200, 400)


async def test_the_house_chooses_a_company(client: Client, town: Town) -> None:
    """With several companies there is nothing to see before; then it is that one's; a company's user has no choice."""
    await welcomed(client, "house@example.com")
    assert await get(client, "/", 303) == "/companies"
    text = await get(client, "/companies")
    await client.post("/companies", data={"csrf": csrf(text), "company": "2"})
    page = await get(client, "/")
    assert "branch" in page
    assert "office" not in page
    assert (await client.get(f"/profiles/{town.things['profile']}")).status == 404
    client.session.cookie_jar.clear()
    await welcomed(client, "owner@example.com")
    text = await get(client, "/companies")
    assert "Other" not in text
    assert (await client.post("/companies", data={"csrf": csrf(text), "company": "2"})).status == 404


async def test_what_the_network_said_is_text(client: Client, town: Town) -> None:
    """A caller's name is no markup, and a strict policy stands behind every page."""
    await welcomed(client, "owner@example.com")
    profiles.rename("office", "<script>alert(1)</script>")
    for path in ("/", "/profiles", f"/profiles/{town.things['profile']}", "/calls", "/history", "/nothing"):
        answer = await client.get(path)
        text = await answer.text()
        assert "<script>alert" not in text
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] == "no-store"


async def test_the_token_of_the_settings_looks_and_changes_nothing(client: Client, town: Town) -> None:
    """It is on the machine already; a wrong one is refused."""
    assert (await client.get("/sign-in?token=wrong")).status == 403
    assert (await client.get("/sign-in?token=let-me-in")).status == 200
    text = await get(client, "/companies")
    await client.post("/companies", data={"csrf": csrf(text), "company": "1"})
    page = await get(client, "/")
    assert "office" in page
    assert "Set up a SIP profile" not in page
    assert (await client.get("/profiles/new")).status == 403


async def test_live_figures_come_by_themselves(client: Client, town: Town) -> None:
    """The first event says what goes on; who has not signed in hears nothing; another company hears of its own."""
    assert (await client.get("/api/v1/events")).status == 401
    for email, total in (("owner@example.com", 1), ("other@example.com", 0)):
        client.session.cookie_jar.clear()
        await welcomed(client, email)
        async with client.get("/api/v1/events") as answer:
            assert answer.headers["Content-Type"] == "text/event-stream"
            await answer.content.readuntil(b"data: ")
            text = (await answer.content.readline()).decode()
        assert f'"total": {total}' in text
        assert ("office" in text) == (total == 1)


async def test_what_a_profile_may_dial_and_show_is_set(client: Client, town: Town) -> None:
    """Limits, caller ID, country: what stands in the form is what is, and what is sent is what is from then on."""
    await welcomed(client, "owner@example.com")
    profile = town.things["profile"]
    base = f"/profiles/{profile}"
    _, text = await send(
        client, f"{base}/limits", price_per_minute="0.50", call="", day="12.5", calls_per_second="5",
        allowed="+4490\n+4491", blocked="+881",
    )  # fmt: skip
    assert "The limits are set" in text
    found = limits.show(profile)
    assert (found.price_per_minute_micros, found.day_micros, found.call_micros) == (500_000, 12_500_000, None)
    assert (found.calls_per_second, found.uses_company_balance) == (5, False)
    assert (found.allowed, found.blocked) == (["+4490", "+4491"], ["+881"])
    shown = await get(client, f"{base}/limits")
    assert 'value="12.50"' in shown
    assert "+4490\n+4491" in shown
    for wrong in ({"allowed": "+44", "blocked": "+44"}, {"allowed": "44"}, {"day": "-1"}, {"calls_per_second": "0"}):
        status, text = await send(client, f"{base}/limits", **wrong)
        assert status == 422
        assert "Traceback" not in text
    assert limits.show(profile) == found
    await send(client, f"{base}/limits", call="0")
    assert 'value="0.00"' in await get(client, f"{base}/limits")
    assert limits.show(profile).call_micros == 0
    _, text = await send(client, f"{base}/limits", allowed="", blocked="", day="")
    assert (limits.show(profile).allowed, limits.show(profile).day_micros) == ([], None)
    await send(client, f"{base}/caller-id", policy="fixed", number="+442079460100", foreign="refuse")
    caller = profiles.show_profile(profile).caller_id
    assert (caller.policy, caller.number, caller.foreign) == ("fixed", "+442079460100", "refuse")
    status, text = await send(client, f"{base}/caller-id", policy="fixed", number="+12025550100")
    assert (status, "not one of the company&#39;s numbers" in text) == (422, True)
    await send(client, f"{base}/caller-id", policy="pass", number="", foreign="replace", withhold="*67 #31#")
    assert profiles.show_profile(profile).caller_id.withhold == ("*67", "#31#")
    assert 'value="*67 #31#"' in await get(client, f"{base}/caller-id")
    assert "service-numbers" not in await get(client, base)
    await get(client, f"{base}/service-numbers", 403)
    await send(client, f"{base}/contact", billing_address="1 High Street\r\nLondon", contact="Ada, +442079460100")
    assert profiles.show_profile(profile).billing_address == "1 High Street\nLondon"
    assert "Ada, +442079460100" in await get(client, base)
    assert (await send(client, f"{base}/contact", contact="x" * 501))[0] == 422
    await send(client, f"{base}/country", country="DE", emergency="")
    assert profiles.show_profile(profile).emergency == ("110", "112")
    await send(client, f"{base}/country", country="DE", emergency="112, 999")
    assert profiles.show_profile(profile).emergency == ("112", "999")
    assert (await send(client, f"{base}/country", country="Germany"))[0] == 422


async def test_service_numbers_are_priced_by_the_house(client: Client, town: Town) -> None:
    """One a line; all of them or nothing. A company's own people cannot price what they call."""
    await welcomed(client, "house@example.com")
    await client.post("/companies", data={"csrf": csrf(await get(client, "/companies")), "company": "1"})
    profile = town.things["profile"]
    base = f"/profiles/{profile}"
    assert "service-numbers" in await get(client, base)
    _, text = await send(client, f"{base}/service-numbers", numbers="101; 0.15; 0; Police\r\n\r\n123")
    assert "The service numbers are set" in text
    assert service_numbers.show(profile).numbers == [
        ServiceNumber("101", "Police", 0, 150_000),
        ServiceNumber("123"),
    ]
    assert "101; 0.15; 0.00; Police\n123; 0.00; 0.00</textarea>" in await get(client, f"{base}/service-numbers")
    for wrong_line in ("1", "101; x", "101; -1", "999", "101\n+44", "101\n101; 1"):
        status, text = await send(client, f"{base}/service-numbers", numbers=wrong_line)
        assert (status, "Traceback" in text) == (422, False)
    assert len(service_numbers.show(profile).numbers) == 2
    await send(client, f"{base}/service-numbers", numbers="")
    assert service_numbers.show(profile).numbers == []


async def test_a_mailbox_comes_and_goes(client: Client, town: Town) -> None:
    """Its PIN is shown once; one that a route leads to stays."""
    await welcomed(client, "operator@example.com")
    _, text = await send(client, "/mailboxes/new", box="102", name="Desk", email="desk@example.com")
    assert re.search(r"<dd[^>]*>(<code[^>]*>)?[0-9]{6}", text), text
    assert "/mailboxes/102/remove" in await get(client, "/numbers")
    await send(client, "/mailboxes/102", name="Front desk", email="")
    assert (mailboxes.show("102", "Acme").name, mailboxes.show("102", "Acme").email) == ("Front desk", "")
    routes.set_route("+442079460100", "voicemail 102")
    status, text = await send(client, "/mailboxes/102/remove")
    assert status == 422
    routes.set_route("+442079460100", "")
    await confirmed(client, "/mailboxes/102/remove")
    assert [view.box for view in mailboxes.listed("Acme")] == ["101"]
    assert (await send(client, "/mailboxes/new", box="1", name="Desk"))[0] == 422


async def test_departments_and_hours_change_and_go(client: Client, town: Town) -> None:
    """What a route leads to stays; one that is not there is not made by changing it; removal is asked back."""
    await welcomed(client, "operator@example.com")
    number = town.things["number"]
    routes.set_route(number, "front: department front; else: busy")
    text = await get(client, "/numbers")
    assert "/departments/front/change" in text
    assert 'name="which_0" value="101"' in await get(client, "/departments/front/change")
    assert (await send(client, "/departments/front/change", route="department front"))[0] == 422
    await send(client, "/departments/front/change", route="extension 102")
    assert [view.text for view in routes.named("department", "Acme")] == ["extension 102"]
    await send(client, "/hours/front/change", periods="sat 10:00-12:00")
    assert [view.text for view in routes.named("hours", "Acme")] == ["sat 10:00-12:00"]
    await get(client, "/departments/back/change", 404)
    for path in ("/departments/front/remove", "/hours/front/remove"):
        assert (await send(client, path))[0] == 422
    routes.set_route(number, "")
    for path in ("/departments/front/remove", "/hours/front/remove"):
        await confirmed(client, path)
    assert routes.named("department", "Acme") == routes.named("hours", "Acme") == []


async def test_a_path_is_shown_without_a_call(client: Client, town: Town) -> None:
    """Of a number and of an account, at any time by the company's clock; an account is moved, never to another's."""
    await welcomed(client, "operator@example.com")
    path = f"/numbers/{town.things['number']}/test".replace("+", "%2B")
    routes.set_route(town.things["number"], "front: extension 101 for 5; else: voicemail 101")
    text = await get(client, f"{path}?at=2026-11-23T10:00")  # a Monday
    assert "rings" in text
    assert "voice mail takes it" not in text
    assert "voice mail takes it" in await get(client, f"{path}?at=2026-11-22T10:00")
    assert "Invalid time" in await get(client, f"{path}?at=%3Cscript%3E")
    assert "the PBX" in await get(client, "/accounts/sales/test")
    await send(client, "/accounts/sales/attach", profile="")
    assert routes.show_account("sales").profile is None
    assert (await send(client, "/accounts/sales/attach", profile=town.other["profile"]))[0] == 404
    await send(client, "/accounts/sales/attach", profile=town.things["profile"])
    assert routes.show_account("sales").profile == "office"


async def test_emergency_calls_are_shown(client: Client, town: Town) -> None:
    """To who sees calls, with what became of them, of their own company only."""
    emergency.record("leg-1", "node", town.things["profile"], "999", "local", NOW)
    emergency.record("leg-2", "node", town.other["profile"], "911", "unavailable", NOW)
    await welcomed(client, "viewer@example.com")
    text = await get(client, "/emergency-calls")
    assert "the local route" in text
    assert "911" not in text


async def test_sheets_and_webhooks_are_asked_for_by_a_page(client: Client, town: Town) -> None:
    """An export is there at once, waiting; a sheet that is done is saved, and never shown; a secret is shown once."""
    await welcomed(client, "owner@example.com")
    _, text = await send(client, "/exports/new", kind="usage", month="")
    assert "acme-usage-all.csv is being written" in text
    assert "data-again" in text
    answer = await client.get(f"/exports/{town.things['export']}/file")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="office-calls-all.csv"'
    assert (answer.content_type, await answer.text()) == ("text/csv", "id\r\n")
    answer = await client.get(f"/exports/{town.other['export']}/file")
    assert answer.status == 404
    status, text = await send(client, "/exports/new", kind="everything")
    assert status == 422
    _, text = await send(client, "/alerts/webhooks/new", url="https://example.com/more")
    assert "shown now and never again" in text
    assert (await send(client, "/alerts/webhooks/new", url="file:///etc/passwd"))[0] == 422
    text = await get(client, "/alerts")
    assert "https://example.com/more" in text
    assert "https://example.com/others" not in text
    status, text = await send(client, f"/alerts/webhooks/{town.things['webhook']}/change", posts="both")
    assert (status, "Notices and events of calls are posted to https://example.com/notices" in text) == (200, True)
    await get(client, f"/alerts/webhooks/{town.other['webhook']}/change", 404)
    await confirmed(client, f"/alerts/webhooks/{town.things['webhook']}/remove")
    assert [view.url for view in webhooks.views(Scope(1))] == ["https://example.com/more"]


async def test_reports_are_shown_by_month(client: Client, town: Town) -> None:
    """The month that is asked for; one that is none is said so, and the one that runs is shown."""
    await welcomed(client, "viewer@example.com")
    text = await get(client, "/reports?month=2026-11")
    assert "destination_blocked" in text
    assert "Calls of each day" in text
    assert "No call was booked" in await get(client, "/reports?month=2026-10")
    for wrong in ("2026-13", "'", "<script>"):
        text = await get(client, f"/reports?month={wrong}")
        assert "Invalid month" in text
        assert "<script>alert" not in text
    assert "It adds up." in await get(client, "/statement")
    assert "It adds up." in await get(client, "/statement?month=2026-11")
    client.session.cookie_jar.clear()
    await welcomed(client, "member@example.com")
    assert "office" in await get(client, f"/profiles/{town.things['profile']}/report")
    await get(client, "/statement", 403)


async def test_a_call_is_tested_on_a_page(client: Client, town: Town) -> None:
    """Whether it would be carried; every reason if not, with its cure; nothing that was typed is markup."""
    await welcomed(client, "operator@example.com")
    path = f"/profiles/{town.things['profile']}/test"
    assert "Nobody is called" in await get(client, path)
    assert "It would be carried" in await get(client, f"{path}?number=%2B442079460001")
    profiles.set_state("office", "draining")
    text = await get(client, f"{path}?number=%3Cscript%3E&at=2026-11-23T10:00")
    assert "<script>" not in text.partition("<main")[2].partition("</main")[0]
    assert text.index("is draining") < text.index("not a valid phone number")
    assert "Resume the profile." in text
    assert "Invalid time" in await get(client, f"{path}?number=1&at=noon")
    async with client.get(f"/profiles/{town.other['profile']}/test?number=1") as answer:
        assert answer.status == 404


async def test_the_history_is_filtered_and_taken_away(client: Client, town: Town) -> None:
    """Each filter shows the calls that match, on the page and in the CSV file. No cell of the file is a formula."""
    profile = town.things["profile"]
    for name, caller, dialled in (("one", "=1+1", "+442079460001"), ("two", "+442079460100", "+449000000000")):
        calls.admit(Attempt(name, Direction.OUT, f"leg-{name}", profile, dialled, caller, NOW, NOW), "node")
    progress = Progress("leg-one")
    progress.answered_at = NOW
    progress.leg_ended("leg-one", NOW + 90_000, 16)
    calls.ended("one", progress, NOW + 90_000)
    await welcomed(client, "owner@example.com")
    everything = ["one", "two", "refused"]  # newest first, of one instant by id
    cases: list[tuple[str, list[str]]] = [
        ("", everything),
        (f"profile={profile}", everything),
        ("refusal=destination_blocked", ["two", "refused"]),
        ("caller=%2B4420", ["two"]),
        ("called=%2B4490", ["two", "refused"]),
        ("called=%2B4420", ["one"]),
        ("number=%2B4420", ["one", "two"]),
        ("price=0.01", ["one"]),
        ("price=%C2%A31,000.00", []),
        ("since=2026-11-18T11:07", ["one"]),
        ("until=2026-11-18T11:06", ["two", "refused"]),
        ("since=2026-11-18&until=2026-11-18", everything),
        ("since=2026-11-19", []),
    ]
    for query, ids in cases:
        text = await get(client, f"/history?{query}")
        assert re.findall(r'href="/history/(\w+)">\d', text) == ids, query
        answer = await client.get(f"/history/sheet?{query}")
        rows = list(csv.DictReader(io.StringIO((await answer.read()).decode("utf-8-sig"))))
        assert [row["id"] for row in rows] == ids, query
    assert "On this page: 3 calls, 1:30 talked, £0." in await get(client, "/history")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="calls.csv"'
    rows = list(
        csv.DictReader(io.StringIO((await (await client.get("/history/sheet?price=0.01")).read()).decode("utf-8-sig")))
    )
    assert (rows[0]["from"], rows[0]["talked_s"], rows[0]["currency"]) == ("'=1+1", "90.000", "GBP")
    for query in ("since=soon", "price=much", "price=%E2%82%AC5"):
        assert 'class="notice bad"' in await get(client, f"/history?{query}")
        assert (await client.get(f"/history/sheet?{query}")).status == 409
    client.session.cookie_jar.clear()
    await welcomed(client, "other@example.com")
    assert "Acme" not in await get(client, "/history")
    assert "+442079460001" not in await (await client.get(f"/history/sheet?profile={profile}")).text()


async def test_an_owner_is_told_how_to_pay_and_the_platform_records_it(client: Client, town: Town) -> None:
    """The reference is on the owner's page, and where there is too little money; the platform's record takes it, and no
    other company's; the statement has it.
    """
    await welcomed(client, "owner@example.com")
    text = await get(client, "/")
    assert 'href="/money/add">Add money</a>' in text
    assert "/money/top-up" not in text
    text = await get(client, "/money/add")
    reference = payments.reference(1)
    assert payments.spaced(reference) in text
    assert "has not entered payment instructions" in text
    assert (await client.get("/money/top-up", allow_redirects=False)).status == 403
    _, text = await send(client, f"/profiles/{town.things['profile']}/credit/add", amount="1,000,000.00")
    assert '<a href="/money/add">Add money</a>' in text
    client.session.cookie_jar.clear()
    await welcomed(client, "house@example.com")
    await chosen(client)
    before = credit.balance("Acme").available_micros
    for wrong in (payments.reference(2), "RF99C000001", "soon"):
        status, text = await send(client, "/money/top-up", amount="50", reference=wrong)
        assert (status, 'class="notice bad"' in text) == (422, True), wrong
    assert credit.balance("Acme").available_micros == before
    asked, _ = await confirmed(
        client, "/money/top-up", amount="£50.00", reference=reference.lower(), received_on="2026-11-17"
    )
    assert "£50.00" in asked
    assert credit.balance("Acme").available_micros == before + 50 * MICROS
    assert f"payment {payments.spaced(reference)}, received on 2026-11-17" in await get(client, "/money")


async def test_a_payment_is_taken_back_where_it_is_shown(client: Client, town: Town) -> None:
    """An owner sees what is on its way and what came, and takes nothing back; the platform does, in parts. What the
    balance does not have is owed, and both pages say so.
    """
    told = Told("bank", "evt_1", "pay_1")
    incoming.announced(told, payments.reference(1), 20 * MICROS, "GBP", NOW)
    await welcomed(client, "owner@example.com")
    text = await get(client, "/money/add")
    assert "On its way" in text
    assert "Take back" not in text
    path = f"/money/payments/{town.things['payment']}/reverse"
    await get(client, path, 403)
    client.session.cookie_jar.clear()
    await welcomed(client, "house@example.com")
    await chosen(client)
    before = credit.balance("Acme").available_micros
    status, text = await send(client, path, amount="5", why="too much")
    assert (status, "The amount to take back is more" in text) == (422, True)
    assert (await send(client, path, amount="0.40", why=" "))[0] == 422
    asked, _ = await confirmed(client, path, amount="0.40", why="recorded twice")
    assert "£0.40, at once" in asked
    assert credit.balance("Acme").available_micros == before - 400_000
    assert "£0.40 taken back" in await get(client, "/money/add")
    assert "Payment taken back" in await get(client, "/money")
    credit.add(town.things["profile"], before - 500_000, "all", NOW)
    asked, _ = await confirmed(client, path, amount="0.60", why="the rest")
    assert "£0.10, at once" in asked
    assert "£0.50, taken from the next money that comes in" in asked
    for page in ("/money", "/money/add"):
        assert "£0.50 is owed for payments that were taken back" in await get(client, page)
    assert "Payments taken back" in await get(client, "/statement")
    await get(client, "/money/payments/999/reverse", 404)


async def test_somebody_sees_where_they_are_signed_in_and_ends_it(
    client: Client, make_client: Callable[[], Client], town: Town
) -> None:
    """Another browser's session is on the page, with its own marked; ended, that browser has to sign in again. Nobody
    ends another's.
    """
    await welcomed(client, "owner@example.com")
    async with make_client() as second:
        await second.post("/sign-in", data={"email": "owner@example.com", "password": PASSWORD})
        page = await get(client, "/me")
        (other,) = re.findall(r"/me/sessions/(\d+)/end", page)
        assert page.count("This one") == 1
        async with make_client() as third:
            await welcomed(third, "finance@example.com")
            status, said = await send(third, f"/me/sessions/{other}/end")
            assert (status, "over already" in said) == (404, True)
        await get(second, "/me")
        await send(client, f"/me/sessions/{other}/end")
        assert "/end" not in await get(client, "/me")
        async with second.get("/me", allow_redirects=False) as answer:
            assert answer.status == 303


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge, Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari, iPhone"),
        ("curl/8", "curl/8"),
        ("", "not known"),
    ],
)
def test_a_browser_in_words(agent: str, words: str) -> None:
    """Of those that people use, by what they say of themselves."""
    assert sessions.browser(agent) == words
