"""How the pages look: the installation's name, logo and colour, and light or dark by choice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connector.config import WebSettings
from connector.web import brand, render, server
from connector.web.site import PAGES, menu
from tests.web.browsing import Client, csrf, get, welcomed
from tests.web.conftest import Town

_PART = st.integers(min_value=0, max_value=255)
# As manager.css has them: pages and cards, light and dark.
LIGHT = [(0xF5, 0xF6, 0xF8), (0xFF, 0xFF, 0xFF)]
DARK = [(0x0F, 0x12, 0x16), (0x17, 0x1B, 0x21)]


def settings(**more: object) -> WebSettings:
    """Settings of the pages."""
    return WebSettings.model_validate({"token": "let-me-in", **more})


@given(st.tuples(_PART, _PART, _PART))
def test_every_colour_can_be_read(wanted: brand.Colour) -> None:
    """As text on every ground, and as the ground of a button under its own text: 4.5 and more (WCAG 2.2, 1.4.3)."""
    sheet = brand.sheet_of("#{:02x}{:02x}{:02x}".format(*wanted))
    found = [tuple(bytes.fromhex(each[1:7])) for each in sheet.replace("(", " ").split() if each.startswith("#")]
    (light, dark), inks = found[:2], found[2:]
    assert all(brand.contrast(light, ground) >= 4.5 for ground in LIGHT)  # type: ignore[arg-type]
    assert all(brand.contrast(dark, ground) >= 4.5 for ground in DARK)  # type: ignore[arg-type]
    assert brand.contrast(light, inks[0]) >= 4.5  # type: ignore[arg-type]
    assert brand.contrast(dark, inks[1]) >= 4.5  # type: ignore[arg-type]


def test_a_colour_that_can_be_read_stays() -> None:
    """Only one that has too little contrast is changed."""
    assert brand.readable((0x1D, 0x5B, 0xC4), (0xFF, 0xFF, 0xFF)) == (0x1D, 0x5B, 0xC4)
    assert brand.readable((0xFF, 0xE0, 0x00), (0xFF, 0xFF, 0xFF)) != (0xFF, 0xE0, 0x00)


@pytest.mark.parametrize(
    "wrong",
    [{"brand_color": "blue"}, {"brand_color": "#12345"}, {"brand_logo": "/logo.exe"}, {"brand_name": "a\nb"}],
    ids=lambda wrong: next(iter(wrong.values())),
)
def test_what_is_not_a_brand_is_refused(wrong: dict[str, str]) -> None:
    """With the settings, before anything begins."""
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_the_brand_of_the_settings_is_used(tmp_path: Path) -> None:
    """Its name and logo; without any, the usual ones."""
    logo = tmp_path / "logo.svg"
    found = brand.of(settings(brand_name="Acme Telephony", brand_logo=str(logo), brand_color="#aa0000"))
    assert (found.name, found.icon, found.logo) == ("Acme Telephony", "/brand/logo", logo)
    assert "--accent: light-dark(#aa0000, " in found.sheet
    assert brand.of(settings()) == brand.USUAL


async def test_everybody_gets_the_sheet_and_a_page_names_it(client: Client) -> None:
    """Before anybody has signed in; a logo that is not there is not found."""
    answer = await client.get("/brand.css")
    assert (answer.status, answer.content_type) == (200, "text/css")
    assert (await client.get("/brand/logo")).status == 404
    text = await get(client, "/sign-in")
    assert '<link rel="stylesheet" href="/brand.css">' in text
    assert "· Connector</title>" in text


@pytest.mark.parametrize(("name", "kind"), [("logo.svg", "image/svg+xml"), ("Logo.PNG", "image/png")])
async def test_a_logo_is_sent_as_what_it_is_and_runs_nothing(tmp_path: Path, name: str, kind: str) -> None:
    """By the ending of its file, with a policy that lets no script in it run."""
    (tmp_path / name).write_bytes(b"a drawing")
    named = brand.of(settings(brand_logo=str(tmp_path / name)))

    async def shown(request: web.Request) -> web.StreamResponse:
        """The logo, where the settings name one."""
        render.LOOK.set(render.Look(named, ""))
        return await server._logo(request)

    app = web.Application()
    app.router.add_get(named.icon, shown)
    async with TestClient(TestServer(app)) as client:
        answer = await client.get(named.icon)
        assert (answer.status, answer.content_type, await answer.read()) == (200, kind, b"a drawing")
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'"


async def test_billing_shows_the_month_and_the_ledger_is_one_step_further(client: Client, town: Town) -> None:
    """Payments and purchases in words, with times as people read them; every entry of the ledger on its own page."""
    await welcomed(client, "owner@example.com")
    text = await get(client, "/money")
    for words in ("Balance", "Payments received", "Channels and bundles", "Rate decks", 'href="/money/ledger"'):
        assert words in text, words
    assert not re.search(r"20\d\d-\d\d-\d\dT", text), "an instant for programs"
    assert "company:1:balance" in await get(client, "/money/ledger")
    assert "company:1:balance" not in text


def test_a_name_like_an_instant_is_left_as_it_is() -> None:
    """Real instants are written for people; what only looks like one is not touched, and is no error."""
    assert render.dated("to 2026-12-29T19:46:41.596Z.", "Europe/London") == "to 29 Dec 2026, 19:46."
    assert render.dated("2026-19-39T29:59:59Z", "UTC") == "2026-19-39T29:59:59Z"


async def test_a_theme_is_this_browsers(client: Client, town: Town) -> None:
    """It is chosen by a button, and each page has it from then on, also when nobody is signed in."""
    await welcomed(client, "owner@example.com")
    assert "data-theme" not in await get(client, "/")
    sent = {"csrf": csrf(await get(client, "/me")), "theme": "dark"}
    answer = await client.post("/me/theme", data=sent)
    assert 'data-theme="dark"' in await answer.text()
    assert 'data-theme="dark"' in await get(client, "/")
    assert (await client.post("/me/theme", data={**sent, "theme": 'x" onload="'})).status == 409
    assert (await client.post("/me/theme", data={"theme": "light"})).status == 403
    client.session.cookie_jar.update_cookies({"connector_theme": 'x"><script>'}, client.make_url("/"))
    text = await get(client, "/")
    assert "data-theme" not in text and "<script>" not in text


def test_each_entry_of_the_menu_is_a_page_and_each_page_has_its_entry() -> None:
    """A user with every permission is somewhere in the menu on each page, but on those for the whole installation."""
    paths = {page.path for page in PAGES}
    may = {page.permission for page in PAGES if page.permission is not None}
    entries = [path for _, links in menu.groups("/", may) for path, _, _, _ in links]
    assert set(entries) <= paths
    lost = {path for path in paths if not any(here for _, links in menu.groups(path, may) for _, _, here, _ in links)}
    assert lost == {"/companies", "/companies/new", "/search"}
    assert [words for _, words, _, _ in menu.first("/", set())] == ["Overview"]
