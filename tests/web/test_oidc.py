"""Sign-in at a provider by OpenID Connect: at one that is not ours (oidc-provider-mock), and at one of the tests' own
that says what no honest one says.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar, web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from pydantic import SecretStr, ValidationError
from yarl import URL

from connector.config import OidcSettings, WebSettings
from connector.core.access import EVERYTHING
from connector.core.paging import Turn
from connector.database import audit
from connector.errors import BadInput
from connector.people import users
from connector.web.oidc import (
    ATTEMPT_MS,
    FAILED_MS,
    KEYS_AGAIN_MS,
    KNOWN_MS,
    Attempt,
    Attempts,
    Provider,
    ProviderError,
)
from tests.conftest import NOW, FixedClock
from tests.web.browsing import Client, get, welcomed
from tests.web.conftest import Town

CLIENT, SECRET = "connector", "a secret: of 100 %"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})  # it takes a while


@dataclass
class Liar:
    """A provider that says what a test wants. `claims`: what is other in its ID token; `token`: what makes the whole of
    it from the honest claims.
    """

    url: str = ""
    key: Any = field(default_factory=lambda: KEY)
    claims: dict[str, Any] = field(default_factory=dict)
    token: Callable[[dict[str, Any]], str] | None = None
    userinfo: dict[str, Any] | None = None
    configuration: dict[str, Any] = field(default_factory=dict)
    keys_before: list[Any] = field(default_factory=list)
    in_pieces: bool = False
    away: bool = False
    times_asked: int = 0
    asked: dict[str, str] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    authorization: str = ""

    async def configured(self, request: web.Request) -> web.Response:
        """Where it is asked."""
        self.times_asked += 1
        if self.away:
            return web.Response(status=503)
        found = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }
        if self.userinfo is not None:
            found["userinfo_endpoint"] = f"{self.url}/userinfo"
        return web.json_response({**found, **self.configuration})

    async def keys(self, request: web.Request) -> web.Response:
        """The public ones."""
        text = json.dumps({"keys": [*self.keys_before, self.key.as_dict(private=False)]})
        # What is so long comes in several pieces, of which the first has nothing of the text.
        return web.Response(text=" " * (900_000 if self.in_pieces else 0) + text, content_type="application/json")

    async def authorize(self, request: web.Request) -> web.Response:
        """Nobody is asked for a password here."""
        self.asked = dict(request.query)
        back = URL(self.asked["redirect_uri"]).with_query(code="the code", state=self.asked["state"])
        return web.Response(status=303, headers={"Location": str(back)})

    async def tokens(self, request: web.Request) -> web.Response:
        """The ID token for the code."""
        self.given = {name: str(value) for name, value in (await request.post()).items()}
        self.authorization = request.headers.get("Authorization", "")
        now = NOW // 1000
        honest = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": "7",
            "iat": now,
            "exp": now + 300,
            "nonce": self.asked["nonce"],
        }
        honest |= {"email": "owner@example.com", "email_verified": True}
        claims = {name: value for name, value in {**honest, **self.claims}.items() if value is not None}
        token = self.token(claims) if self.token else jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)
        return web.json_response({"id_token": token, "access_token": "t", "token_type": "Bearer"})

    async def who(self, request: web.Request) -> web.Response:
        """Who has the access token."""
        assert request.headers["Authorization"] == "Bearer t"
        return web.json_response(self.userinfo)


@pytest.fixture
async def liar() -> AsyncIterator[Liar]:
    """A provider of the tests' own."""
    made, app = Liar(), web.Application()
    app.router.add_get("/.well-known/openid-configuration", made.configured)
    app.router.add_get("/keys", made.keys)
    app.router.add_get("/authorize", made.authorize)
    app.router.add_post("/token", made.tokens)
    app.router.add_get("/userinfo", made.who)
    async with TestServer(app) as server:
        made.url = str(server.make_url("")).rstrip("/")
        yield made


@pytest.fixture
def signing_in(liar: Liar) -> OidcSettings:
    """At the liar."""
    return OidcSettings(issuer=liar.url, client_id=CLIENT, client_secret=SecretStr(SECRET), name="Example login")


async def begun(client: Client, path: str = "/sign-in/provider") -> URL:
    """To the provider; where that sends the browser back to, as seen from the test's own server."""
    answer = await client.get(path, allow_redirects=False)
    assert answer.status == 303, await answer.text()
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as elsewhere:
        there = await elsewhere.get(answer.headers["Location"], allow_redirects=False)
        assert there.status == 303, await there.text()
        back = URL(there.headers["Location"])
    assert back.path == "/sign-in/provider/back"
    return back.relative()


async def test_a_user_signs_in_at_the_provider(client: Client, town: Town, liar: Liar) -> None:
    """By the code flow with PKCE, state and nonce; and goes on to the page that was asked for."""
    assert "Sign in with Example login" in await get(client, "/sign-in?next=/history")
    back = await begun(client, "/sign-in/provider?next=/history")
    answer = await client.get(back, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/history")
    assert "<h1>History</h1>" in await get(client, "/history")
    assert liar.asked["scope"] == "openid email"
    assert (liar.asked["response_type"], liar.asked["code_challenge_method"]) == ("code", "S256")
    assert liar.given["code"] == "the code"
    assert len(liar.given["code_verifier"]) >= 43
    assert liar.authorization.startswith("Basic ")
    assert SECRET not in str(liar.given)
    last = audit.page_of(EVERYTHING, Turn(None, 50)).items[0]
    assert (last.action, last.actor) == ("sign-in.provider", "owner@example.com")
    answer = await client.get(back, allow_redirects=False)
    assert answer.status == 403  # the attempt is used up


LIES: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://login.example.org"},
    "another client": {"aud": "somebody else"},
    "several clients, issued to another": {"aud": [CLIENT, "other"], "azp": "other"},
    "several clients, and not said to which": {"aud": [CLIENT, "other"]},
    "another attempt": {"nonce": "of another attempt"},
    "no attempt": {"nonce": None},
    "an hour ago": {"exp": NOW // 1000 - 3600},
    "for ever": {"exp": None},
    "from the future": {"iat": NOW // 1000 + 3600},
    "an address that is not verified": {"email_verified": False},
    "an address of which nothing is said": {"email_verified": None},
    "no address": {"email": None},
    "an address that is a list": {"email": ["owner@example.com"]},
    "an address that lowers to another's": {"email": "fınance@example.com"},
    "a sign that lowers to another": {"email": "owner@e\u212aample.com"},
    "half a sign": {"email": "owner\ud800@example.com"},
    "a line break": {"email": "owner@example.com\n"},
    "nothing in it": {"email": "owner\x00@example.com"},
    "a domain that nobody verified": {"email_verified": None, "xms_edov": "0"},
}


@pytest.mark.parametrize("lie", LIES)
async def test_what_is_not_proven_signs_nobody_in(client: Client, town: Town, liar: Liar, lie: str) -> None:
    """Whatever is wrong with the token: nobody is signed in, the page says so in a sentence, and the log why."""
    liar.claims = LIES[lie]
    answer = await client.get(await begun(client), allow_redirects=False)
    assert answer.status == 502
    assert "Example login did not sign you in" in await answer.text()
    assert (await client.get("/", allow_redirects=False)).headers["Location"].startswith("/sign-in")


async def test_a_token_signed_otherwise_signs_nobody_in(client: Client, town: Town, liar: Liar) -> None:
    """By another's key, by nobody, or by the client's own secret or the public key, as if that was one."""
    public = liar.key.as_pem(private=False)
    other = RSAKey.generate_key(2048, {"kid": "one"})
    forged: list[Callable[[dict[str, Any]], str]] = [
        lambda claims: jwt.encode({"alg": "RS256", "kid": "one"}, claims, other),
        lambda claims: jwt.encode({"alg": "none"}, claims, OctKey.import_key("x"), algorithms=["none"]),
        lambda claims: jwt.encode({"alg": "HS256", "kid": "one"}, claims, OctKey.import_key(SECRET)),
        lambda claims: jwt.encode({"alg": "HS256", "kid": "one"}, claims, OctKey.import_key(public)),
        lambda claims: "",
        lambda claims: "a.b.c",
    ]
    for token in forged:
        liar.token = token
        answer = await client.get(await begun(client), allow_redirects=False)
        assert answer.status == 502, await answer.text()
    assert (await client.get("/", allow_redirects=False)).status == 303


async def test_a_new_key_of_the_provider_is_found(client: Client, town: Town, liar: Liar, clock: FixedClock) -> None:
    """It signs by another one from one moment to the next: its keys are asked for again, but not at once."""
    liar.key, first = RSAKey.generate_key(2048, {"kid": "other"}), liar.key
    await begun(client)
    liar.key = first
    for _ in range(3):
        assert (await client.get(await begun(client), allow_redirects=False)).status == 502
    assert liar.times_asked == 1
    clock.now += KEYS_AGAIN_MS
    liar.key = ECKey.generate_key("P-256", {"kid": "two", "use": "sig"})
    liar.token = lambda claims: jwt.encode({"alg": "ES256", "kid": "two"}, claims, liar.key)
    assert (await client.get(await begun(client), allow_redirects=False)).status == 303
    await get(client, "/")


@pytest.mark.parametrize(("sub", "status"), [("7", 303), ("8", 502)])
async def test_an_address_may_stand_in_the_user_info(
    client: Client, town: Town, liar: Liar, sub: str, status: int
) -> None:
    """Where the token has none; of the same person only."""
    liar.claims = {"email": None, "email_verified": None}
    liar.userinfo = {"sub": sub, "email": "Owner@Example.com", "email_verified": "true"}
    assert (await client.get(await begun(client), allow_redirects=False)).status == status


async def test_who_has_no_account_is_told_so(client: Client, town: Town, liar: Liar) -> None:
    """Nobody gets one by signing in; who is disabled has none; nor the one that looks at pages by a token."""
    users.disable(users.by_email("viewer@example.com").id, NOW)
    for email in ("stranger@example.com", "viewer@example.com", users.PAGE_VIEWER):
        liar.claims = {"email": email}
        answer = await client.get(await begun(client), allow_redirects=False)
        assert (answer.status, "has no account here" in await answer.text()) == (403, True), email
    assert (await client.get("/", allow_redirects=False)).status == 303


async def test_a_code_is_asked_for_besides(client: Client, town: Town, liar: Liar) -> None:
    """Where a user has set one."""
    users.set_totp(users.by_email("owner@example.com").id, "JBSWY3DPEHPK3PXP")
    answer = await client.get(await begun(client), allow_redirects=False)
    assert answer.headers["Location"] == "/sign-in/code"
    assert (await client.get("/history", allow_redirects=False)).status == 303


async def test_an_answer_comes_in_how_many_pieces_it_wants(client: Client, town: Town, liar: Liar) -> None:
    """As over a network; and keys that nobody here can use are passed over."""
    liar.in_pieces = True
    liar.keys_before = [
        {"kty": "EC", "crv": "P-0", "kid": "a", "x": "AA", "y": "AA"},
        {"kty": "future", "kid": "b"},
        {"kty": "RSA", "use": "what", "kid": "c", "n": "AQAB", "e": "AQAB"},
        "no key",
        {"kty": "oct", "k": "c2VjcmV0", "kid": "one"},
    ]
    assert (await client.get(await begun(client), allow_redirects=False)).status == 303


async def test_a_provider_that_is_away_is_not_asked_again_at_once(
    client: Client, town: Town, liar: Liar, clock: FixedClock
) -> None:
    """However many want to sign in; and what it said an hour ago is good until it is back."""
    liar.away = True
    answers = await asyncio.gather(*(client.get("/sign-in/provider", allow_redirects=False) for _ in range(5)))
    assert ([each.status for each in answers], liar.times_asked) == ([502] * 5, 1)
    clock.now += FAILED_MS
    liar.away = False
    await begun(client)
    assert liar.times_asked == 2
    clock.now += KNOWN_MS
    liar.away = True
    for _ in range(2):
        await begun(client)
    assert liar.times_asked == 3


VERIFIED = """
email_verified=true     setting=off  303
email_verified=true     setting=on   303
email_verified=false    setting=on   502
email_verified="false"  setting=on   502
nothing                 setting=on   303
nothing                 setting=off  502
xms_edov=1              setting=off  303
xms_edov=true           setting=off  303
xms_edov="0"            setting=on   502
"""


@pytest.mark.parametrize("row", VERIFIED.strip().splitlines())
async def test_an_address_has_to_be_verified(
    make_client: Callable[[], Client], town: Town, liar: Liar, signing_in: OidcSettings, row: str
) -> None:
    """The setting stands in where nothing is said, and never against what is said."""
    said, setting, status = row.split()
    name, _, value = said.partition("=")
    liar.claims = {"email_verified": None} | ({name: json.loads(value)} if value else {})
    made = signing_in.model_copy(update={"email_is_verified": setting == "setting=on"})
    provider = Provider(made, "http://127.0.0.1/back", FixedClock(NOW))
    attempt = Attempt.begun("/", NOW)
    liar.asked = {"nonce": attempt.nonce}
    if status == "303":
        assert await provider.email(attempt, "the code") == "owner@example.com"
    else:
        with pytest.raises(ProviderError, match="verified"):
            await provider.email(attempt, "the code")


async def test_a_client_says_its_secret_as_it_was_registered(town: Town, liar: Liar, signing_in: OidcSettings) -> None:
    """In a header or in the body, where the provider wants it so."""
    made = signing_in.model_copy(update={"client_authentication": "post"})
    attempt = Attempt.begun("/", NOW)
    liar.asked = {"nonce": attempt.nonce}
    await Provider(made, "http://127.0.0.1/back", FixedClock(NOW)).email(attempt, "the code")
    assert (liar.given["client_secret"], liar.given["client_id"], liar.authorization) == (SECRET, CLIENT, "")


async def test_a_foreign_page_uses_up_nothing(client: Client, town: Town, liar: Liar) -> None:
    """It may show our address as a picture: that begins nothing."""
    for _ in range(70):
        answer = await client.get("/sign-in/provider", headers={"Sec-Fetch-Dest": "image"}, allow_redirects=False)
        assert answer.status == 403
    await begun(client)
    assert "Sign in with" in await get(client, "/sign-in")


async def test_over_https_a_browser_keeps_the_attempt(
    make_client: Callable[[], Client], town: Town, liar: Liar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cookie whose name begins with __Host- is secure, of the whole site, and of no domain (RFC 6265bis)."""
    secure = WebSettings(token=SecretStr("let-me-in"), public_url="https://pbx.example.com", requests_per_minute=10**6)
    monkeypatch.setattr("tests.web.conftest.SETTINGS", secure)
    async with make_client() as client:
        answer = await client.get("/sign-in/provider", allow_redirects=False)
        (cookie,) = answer.headers.getall("Set-Cookie")
    assert URL(answer.headers["Location"]).query["redirect_uri"] == "https://pbx.example.com/sign-in/provider/back"
    words = {each.strip() for each in cookie.split(";")[1:]}
    assert cookie.startswith("__Host-connector-attempt=")
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= words
    assert not any(each.startswith("Domain") for each in words)


async def test_why_the_provider_refused_is_in_the_log(
    client: Client, town: Town, liar: Liar, caplog: pytest.LogCaptureFixture
) -> None:
    """What it says is for the operator; a few times a minute, whoever sends it."""
    for _ in range(15):
        back = (await begun(client)).with_query(state=liar.asked["state"], error="invalid_scope")
        assert (await client.get(back, allow_redirects=False)).status == 403
    assert 1 <= caplog.text.count("'error': 'invalid_scope'") <= 10


async def test_a_long_page_to_go_on_to_is_left_out(client: Client, town: Town, liar: Liar) -> None:
    """A browser would not keep the cookie, and the sign-in would fail for that."""
    back = await begun(client, str(URL("/sign-in/provider").with_query(next="/history?number=" + "1" * 4_000)))
    assert (await client.get(back, allow_redirects=False)).headers["Location"] == "/"


async def test_a_password_that_was_chosen_meanwhile_stays(client: Client, town: Town) -> None:
    """Whoever was first: signing in at the provider takes no password away, and ends no session."""
    user = users.by_email("finance@example.com").id
    await welcomed(client, "finance@example.com")
    before = users.proof("finance@example.com")
    users.came_by_provider(user, "of nobody", NOW)
    assert users.proof("finance@example.com") == before
    await get(client, "/")
    other = users.by_email("operator@example.com").id
    link = users.link(other, NOW)
    users.came_by_provider(other, "of nobody", NOW)
    assert users.by_email("operator@example.com").ready
    assert users.redeem(link, NOW) == other


async def test_who_signs_in_so_is_here(client: Client, town: Town, liar: Liar) -> None:
    """As somebody who has chosen a password: notices are mailed to them; and another password still is theirs alone."""
    owner = users.by_email("owner@example.com")
    assert not owner.ready
    await client.get(await begun(client))
    assert users.by_email("owner@example.com").ready
    await welcomed(client, "finance@example.com")
    before = users.proof("finance@example.com")
    liar.claims = {"email": "finance@example.com"}
    await client.get(await begun(client))
    assert users.proof("finance@example.com") == before


async def test_an_answer_that_nobody_asked_for_signs_nobody_in(
    client: Client, town: Town, liar: Liar, clock: FixedClock
) -> None:
    """Of another browser, with another state, without a cookie, with another's cookie, too late, or a refusal."""
    back = await begun(client)
    state = back.query["state"]
    for query in ({"code": "c", "state": "other"}, {"code": "c"}, {"state": state, "error": "access_denied"}):
        await begun(client)
        answer = await client.get(back.with_query(query), allow_redirects=False)
        assert answer.status == 403, query
    back = await begun(client)
    client.session.cookie_jar.clear()
    assert (await client.get(back, allow_redirects=False)).status == 403
    back = await begun(client)
    clock.now += ATTEMPT_MS + 1
    assert "took too long" in await (await client.get(back, allow_redirects=False)).text()
    made = Attempts()
    attempt = Attempt.begun("/", NOW)
    good = made.cookie(attempt)
    assert made.opened(good, attempt.state, NOW) == attempt
    for bad in ("", ".", "x.y", good[:-1], "x" + good, Attempts().cookie(attempt)[:-2] + "00", "é.é"):
        with pytest.raises(BadInput):
            made.opened(bad, attempt.state, NOW)


async def test_a_next_page_is_ours(client: Client, town: Town, liar: Liar) -> None:
    """Nobody is sent elsewhere after signing in."""
    for wanted in ("https://evil.example", "//evil.example", "/\\evil.example"):
        back = await begun(client, str(URL("/sign-in/provider").with_query(next=wanted)))
        answer = await client.get(back, allow_redirects=False)
        assert answer.headers["Location"] == "/"


CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "another name": {"issuer": "https://login.example.org"},
    "no token endpoint": {"token_endpoint": None},
    "a file": {"jwks_uri": "file:///etc/passwd"},
}


@pytest.mark.parametrize("what", CONFIGURATIONS)
async def test_a_provider_that_is_set_up_wrongly_is_told_of(
    client: Client, town: Town, liar: Liar, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In the log, for the operator; the page has a sentence, and passwords go on."""
    liar.configuration = CONFIGURATIONS[what]
    answer = await client.get("/sign-in/provider", allow_redirects=False)
    assert (answer.status, "Example login cannot be asked now." in await answer.text()) == (502, True)
    assert "sign-in by Example login" in caplog.text
    await welcomed(client, "owner@example.com")


@pytest.fixture
def foreign() -> Iterator[str]:
    """A provider that is not ours, on loopback; where it is."""
    from oidc_provider_mock import User, run_server_in_thread  # here: it loads a web framework of its own

    somebody = User(sub="owner", claims={"email": "owner@example.com", "email_verified": True})
    with run_server_in_thread(user_claims=[somebody], require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


class TestForeign:
    """The same at a provider that others wrote."""

    @pytest.fixture
    def signing_in(self, foreign: str) -> OidcSettings:
        """There, as a client that it does not know before."""
        return OidcSettings(issuer=foreign, client_id=CLIENT, client_secret=SecretStr(SECRET))

    @pytest.fixture
    def clock(self, clock: FixedClock) -> FixedClock:
        """The provider has a clock of its own."""
        clock.now = int(time.time()) * 1000
        return clock

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the provider's own libraries
    async def test_a_user_signs_in_at_a_foreign_provider(self, client: Client, town: Town) -> None:
        """Who is authorised there is signed in here."""
        answer = await client.get("/sign-in/provider", allow_redirects=False)
        async with ClientSession() as elsewhere:
            there = await elsewhere.post(answer.headers["Location"], data={"sub": "owner"}, allow_redirects=False)
            assert there.status == 302, await there.text()
            back = URL(there.headers["Location"]).relative()
        answer = await client.get(back, allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, "/"), await answer.text()
        await get(client, "/")


@pytest.mark.parametrize(
    "issuer", ["http://login.example.com", "ftp://x", "https://", "https://login.example.com/?x=1", "login.example.com"]
)
def test_a_provider_is_asked_by_https(issuer: str) -> None:
    """But for one on this machine."""
    with pytest.raises(ValidationError):
        OidcSettings(issuer=issuer, client_id="x")
