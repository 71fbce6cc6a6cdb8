"""Pages in the reader's language: no text stays in English, and sums and times are written as people there do."""

from __future__ import annotations

import gettext
import html
import re
from pathlib import Path
from urllib.parse import quote as quoted

import pytest
from markupsafe import escape

from connector import words
from connector.billing import ledger, profiles
from connector.core.formats import countries, shown
from connector.core.paging import Turn
from connector.database.store import rows
from connector.web import render
from connector.web.site import PAGES
from connector.words import LANGUAGES
from tests.lab.test_catalogue import messages, pairs
from tests.web.browsing import Client, chosen, confirmed, csrf, get, hidden, send, welcomed
from tests.web.conftest import Town, bearer
from tests.web.test_site import path_of

# What stands on pages and is not ours to translate: what people have named, and codes that programs know too.
_NAMES = (
    "Acme Ltd|Acme|Other|office|pbx|sales|front|Reception|website|carrier|test rates|test|reads|house viewer|house"
    "|refused|p[0-9a-z]{10}|member|finance|operator|other member|other|owner|viewer|Connector|FreePBX|Asterisk"
    "|English|Deutsch|Español"
    "|Hauptstraße 1|10115 Berlin|Deutschland"
)
DATA = re.compile(
    rf"""
    [\w.+-]+@example\.com | https?://\S+ | Python/\S+\ aiohttp/\S+ | \bUTC\b | Europe/\w+ | America/\w+ | GBP | USD
    | (?:{_NAMES.replace(" ", "[ ]")})(?!\w) | \S+\.csv | INV-[0-9]+ | RF56\ C000
    | [0-9]+\.\ (?:Nov\.|November|Dez\.) | November\ 2026
    | (?:extension|number|account)\ [+0-9]* | mon-fri                  # the language in which routes are typed
    | destination_blocked | \w+\.\w+(?=\ |$) | sign-in\S*             # codes of refusals, scopes, the audit log
    | money\ from\ outside | [0-9]+\ channels\ for.* | credit\ for.*  # notes in the ledger are kept in English
    | ^(?:rfc4733|info|inband|auto|auto_info|no|required|always)$       # what Asterisk calls it
    | Jo,\ \+[0-9]+                                                 # who left a message
    | \ ms\) | ID | URL | Esc | udp | tls | DTMF
    """,
    re.VERBOSE,
)
# The ledger is shown as it is kept, for auditors: its kinds, accounts and notes are in English.
AS_IT_IS_KEPT = ("/money/ledger",)


class Marks(gettext.NullTranslations):
    """A language in which each text of the catalogue stands between two marks."""

    def __init__(self) -> None:
        super().__init__()
        self._known = {text for each in messages("de") for text, _ in pairs(each)}

    def gettext(self, message: str) -> str:
        """Between the marks, if it is there."""
        return f"⟦{message}⟧" if message in self._known else message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Of one, or of many."""
        return self.gettext(msgid1 if n == 1 else msgid2)


def untranslated(page: str) -> list[str]:
    """What is read on a page and stands between no marks."""
    body = page[page.index("<title>") :]
    body = re.sub(r"<(script|style|pre|code|textarea)\b.*?</\1>", "|", body, flags=re.DOTALL)
    said = re.findall(r'(?:aria-label|title|placeholder|alt|data-label)="([^"]*)"', body)
    text = html.unescape("|".join([*said, re.sub(r"<[^>]+>", "|", body)]))
    depth, plain = 0, []
    for sign in text:
        depth += {"⟦": 1, "⟧": -1}.get(sign, 0)
        plain.append("|" if depth or sign == "⟧" else sign)
    named = set(countries("de_DE").values())
    said = [each.strip() for each in "".join(plain).split("|") if re.search(r"[^\W\d_]{2}", DATA.sub("", each))]
    return [each for each in said if each not in named]


async def test_nothing_of_ours_is_left_in_english(client: Client, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """All pages and forms, as a user of the platform and as an owner: each text of ours passes the catalogue."""
    usual, marks = words._catalogue, Marks()
    monkeypatch.setattr(words, "_catalogue", lambda language: marks if language == "de" else usual(language))
    found: dict[str, str] = {}
    for email in ("house@example.com", "owner@example.com"):
        client.session.cookie_jar.clear()
        await welcomed(client, email)
        if email.startswith("house"):
            await chosen(client)
        client.session.cookie_jar.update_cookies({"connector_language": "de"})
        for page in PAGES:
            answer = await client.get(path_of(page, town.things), allow_redirects=False)
            if answer.content_type == "text/html" and page.path not in AS_IT_IS_KEPT:
                found |= dict.fromkeys(untranslated(await answer.text()), page.path)
    assert "\n".join(f"{page}: {text}" for text, page in found.items()) == ""


async def test_a_browser_has_pages_in_its_language(client: Client, town: Town) -> None:
    """In what it asks for, before anybody signs in; then in what was chosen. The API stays in English."""
    german = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}
    text = await (await client.get("/sign-in", headers=german)).text()
    assert '<html lang="de"' in text
    assert "Anmelden" in text
    await welcomed(client, "owner@example.com")
    assert '<html lang="en"' in await get(client, "/")
    token = csrf(await get(client, "/me"))
    answer = await client.post("/me/language", data={"csrf": token, "language": "es"})
    assert answer.url.path == "/me"
    text = await answer.text()
    assert '<html lang="es"' in text
    assert '<button name="language" value="es" lang="es" aria-pressed="true">Español</button>' in text
    assert '<html lang="es"' in await (await client.get("/", headers=german)).text()
    assert rows("SELECT email FROM users WHERE language = 'es'") == [("owner@example.com",)]  # mails to them too
    answer = await client.post("/me/language", data={"csrf": token, "language": "tlh"})
    assert answer.status == 409
    assert '<html lang="es"' in await answer.text()
    answer = await client.get("/api/v1/profiles/nobody", headers=german | bearer(town.tokens["owner"]))
    assert (answer.status, (await answer.json())["title"]) == (404, "Not found")


async def test_a_page_that_was_shown_in_one_language_is_shown_in_another(client: Client, town: Town) -> None:
    """Nothing of a template is kept in the language of its first reader."""
    await welcomed(client, "owner@example.com")
    for language, rings, ends in (
        ("de", "klingelt", "Auflegen"),
        ("en", "ringing", "Hang up"),
        ("es", "sonando", "Colgar"),
    ):
        client.session.cookie_jar.update_cookies({"connector_language": language})
        text = await get(client, "/calls")
        assert f'data-ringing="{rings}"' in text
        assert f'data-end="{ends}"' in text


async def test_a_german_types_sums_and_reads_errors_in_german(client: Client, town: Town) -> None:
    """What is asked, what is done and what is wrong: in German. What is kept of it is in English."""
    await welcomed(client, "owner@example.com")
    client.session.cookie_jar.update_cookies({"connector_language": "de"})
    path = f"/profiles/{town.things['profile']}/credit/add"
    status, text = await send(client, path, amount="12.50")
    assert status == 422
    assert "1.000,50" in text
    asked, _ = await confirmed(client, path, amount="12,50")
    assert "12,50\xa0£" in asked
    status, text = await send(client, path, amount="1.000.000")
    assert status == 422
    assert '<a href="/money/add">Geld einzahlen</a>' in text
    newest = ledger.page_of("Acme", Turn(None, 1)).items[0]
    assert (newest.kind, newest.about) == ("add", "credit for office")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["<script src=/static/call.js>", "100%", "%(name)s", "%s{}", "{0}", "⟦"])
async def test_what_was_not_found_is_text(client: Client, town: Town, language: str, name: str) -> None:
    """Whatever stands in the address: no tag of it is one, and no sign of it a value's place."""
    await welcomed(client, "owner@example.com")
    client.session.cookie_jar.update_cookies({"connector_language": language})
    for path in ("/profiles/", "/trunks/", "/nothing/of/this/kind/"):
        answer = await client.get(path + quoted(name, safe=""))
        text = await answer.text()
        assert answer.status in (403, 404)
        assert "<h1>" in text
        assert "<script src=/static/call.js>" not in text
    token = csrf(await get(client, "/me"))
    answer = await client.post("/me/language", data={"csrf": token, "language": name})
    assert str(escape(repr(name[:20]))) in await answer.text()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_nobody_learns_what_another_company_has(client: Client, town: Town, language: str) -> None:
    """A thing of another company's is not found in the same words as one that is not there."""
    await welcomed(client, "owner@example.com")
    client.session.cookie_jar.update_cookies({"connector_language": language})
    for kind, path, nobodys in (
        ("profile", "/profiles/{}", "none"),
        ("number", "/numbers/{}/route", "+4499"),
        ("webhook", "/alerts/webhooks/{}/test", "99999"),
        ("invoice", "/invoices/{}/file", "99999"),
        ("button", "/buttons/{}", "99999"),
    ):
        seen = []
        for name in (town.other[kind], nobodys):
            answer = await client.get(path.format(quoted(name, safe="")))
            seen.append((answer.status, (await answer.text()).replace(str(escape(repr(name))), "it")))
        assert seen[0] == seen[1], kind
        assert seen[0][0] == 404, kind
        assert "it</p>" in seen[0][1], kind


async def test_tries_of_a_password_are_counted_in_every_language(client: Client, town: Town) -> None:
    """From a known browser too: another language gives no more of them."""
    await welcomed(client, "owner@example.com")
    token = csrf(await get(client, "/"))
    await client.post("/sign-out", data={"csrf": token})
    wrong = {"email": "owner@example.com", "password": "wrong"}
    seen = []
    for language in ("en", "de", "es"):
        client.session.cookie_jar.update_cookies({"connector_language": language})
        seen += [(await client.post("/sign-in", data=wrong)).status for _ in range(10)]
    assert seen[0] == 401
    assert set(seen[10:]) == {429}


async def test_a_new_password_comes_with_its_data_in_german(client: Client, town: Town) -> None:
    """Also when the same form comes again, and is answered as it was."""
    await welcomed(client, "owner@example.com")
    client.session.cookie_jar.update_cookies({"connector_language": "de"})
    path = f"/profiles/{town.things['profile']}/rotate"
    form = hidden(await get(client, path))
    for _ in range(2):
        text = await (await client.post(path, data={**form, "hours": "24"})).text()
        assert "ja, alle 300 s" in text
        assert "yes, every" not in text


async def test_names_of_people_are_nobodys_words(client: Client, town: Town) -> None:
    """A profile may be called as a word or a note of ours: its name stays."""
    profiles.rename(town.things["profile"], "busy")
    await welcomed(client, "owner@example.com")
    client.session.cookie_jar.update_cookies({"connector_language": "de"})
    assert '<td data-label="Profil">busy</td>' in await get(client, "/history")


def test_a_value_within_a_sentence_is_translated_and_escaped() -> None:
    """Of a template too: a text of ours in the reader's language, anything else as text."""
    before = words.LANGUAGE.set("de")
    try:
        made = render._templates.from_string(
            "{% trans a=one, b=two %}From {{ a }} to {{ b }}, {{ c }}; sums in {{ d }}.{% endtrans %}"
        )
        text = made.render(one=words.marked("Cancel"), two="<b>", c=shown(5_000_000, "EUR"), d="100%")
    finally:
        words.LANGUAGE.reset(before)
    assert "Abbrechen" in text
    assert "&lt;b&gt;" in text
    assert "100%" in text


@pytest.mark.parametrize("name", ["{{ _(name) }}", "{{ _(page.title) }}"])
def test_only_fixed_texts_are_markup(name: str) -> None:
    """`_` takes a text as it stands in the template for markup: no template gives it a value (use `tr`)."""
    pattern = re.compile(r"(?<!\w)_\((?![\"'])")
    assert pattern.search(name)
    for path in (Path(render.__file__).parent / "templates").iterdir():
        assert not pattern.search(path.read_text()), path.name
