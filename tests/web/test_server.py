"""The page: who sees it, and what the network's strings do in it."""

from __future__ import annotations

from dataclasses import replace

from aiohttp.test_utils import TestClient, TestServer

from connector.billing.calls import CdrView
from connector.billing.profiles import ProfileView
from connector.config import WebSettings
from connector.core.sip import Options
from connector.errors import StoreUnavailable
from connector.web.server import Overview, make_app

PROFILE = ProfileView(
    name="office",
    username="pabc",
    company="Acme",
    role="server",
    auth="registration",
    status="active",
    state="open",
    channels=300,
    channels_in_use=2,
    numbers=["+442079460100"],
    address=None,
    port=None,
    old_until=None,
    options=Options(),
    created_at=0,
)
CDR = CdrView(
    "id",
    "node",
    "office",
    "out",
    "<script>alert(1)</script>",
    "+442079460001",
    "+442079460001",
    "carrier",
    0,
    10,
    2020,
    2010,
    16,
    "ok",
    None,
    "A",
    "B",
    None,
)
OVERVIEW = Overview(True, [PROFILE], [], [CDR])
SETTINGS = WebSettings(token="let-me-in")  # type: ignore[arg-type]


def client(shown: Overview | Exception = OVERVIEW, ready: bool = True) -> TestClient:  # type: ignore[type-arg]
    """A browser without script, before a real server."""

    async def overview() -> Overview:
        if isinstance(shown, Exception):
            raise shown
        return shown

    return TestClient(TestServer(make_app(SETTINGS, overview, lambda: ready)))


async def test_health_tells_whether_calls_are_decided() -> None:
    """200 and 503, for programs."""
    for ready, status in ((True, 200), (False, 503)):
        async with client(ready=ready) as browser:
            assert (await browser.get("/health")).status == status


async def test_without_the_link_nothing_is_shown() -> None:
    """No cookie, a wrong cookie, a wrong token: 401 or 403 and no data."""
    async with client() as browser:
        for path, cookie in (("/", ""), ("/", "wrong"), ("/sign-in?token=wrong", ""), ("/sign-in", "")):
            answer = await browser.get(path, headers={"Cookie": f"connector_session={cookie}"})
            assert answer.status in (401, 403)
            assert "office" not in await answer.text()


async def test_the_link_signs_in_and_the_page_is_safe() -> None:
    """What came from the network is text in it, and a strict policy stands behind."""
    async with client() as browser:
        answer = await browser.get("/sign-in?token=let-me-in")
        text = await answer.text()
        assert answer.status == 200
        assert answer.url.path == "/"
        assert "office" in text
        assert "2.010 s" in text
        assert "<script>" not in text
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        cookie = answer.history[0].cookies["connector_session"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"


async def test_an_empty_page_says_the_next_thing() -> None:
    """No profile, no call: words, not an empty table."""
    async with client(replace(OVERVIEW, profiles=[], cdrs=[], ready=False)) as browser:
        text = await (await browser.get("/sign-in?token=let-me-in")).text()
        assert "No profile yet" in text
        assert "Not ready" in text


async def test_a_store_that_cannot_be_read_is_a_page_that_says_so() -> None:
    """503, in words, without a Traceback."""
    async with client(StoreUnavailable("the store x cannot be used: disk")) as browser:
        answer = await browser.get("/sign-in?token=let-me-in")
        assert answer.status == 503
        assert "cannot be used" in await answer.text()
