"""What pages say: no commands, no paths of files, no times for programs, no micros, and none of the words that must not
come back.
"""

from __future__ import annotations

import html
import re

import pytest

from connector.billing import calls, plans, profiles
from connector.core import refusals
from connector.core.access import PERMISSIONS
from connector.core.calls import Attempt, Direction
from connector.web.site import PAGES, cures
from connector.web.site.serve import may_open
from tests.conftest import NOW
from tests.test_words import WORDS
from tests.web.browsing import Client, chosen, get, hidden, send, welcomed
from tests.web.conftest import Town
from tests.web.test_site import path_of

# By what it is: a pattern that no page may have.
UNFIT = {
    "a command": re.compile(
        r"\bconnector (?:[a-z-]+ )?(?:add|apply|buy|change|create|init|load|rotate|serve|set|show|verify)\b"
    ),
    "the path of a file": re.compile(r"\bdocs/\w|\w+\.(?:md|py|toml)\b|/etc/\w"),
    "a time for programs": re.compile(r"\b20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}"),
    "micros": re.compile(r"\bmicros\b|\b[1-9][0-9]+0{5}\b"),
    "a plural of one": re.compile(r"(?<![0-9.,:])\b1 (?!is\b|this\b|was\b|has\b|us\b|plus\b)[a-z]{2,}s\b"),
    "a word of the list": WORDS,
}


def words_of(page: str) -> str:
    """What somebody reads on a page: its text, its labels, and what its fields hold."""
    body = page[page.index("<body") :]
    body = re.sub(r"<(script|style|pre)\b.*?</\1>", " ", body, flags=re.DOTALL)
    said = re.findall(r'(?:aria-label|title|placeholder|alt)="([^"]*)"', body)
    return html.unescape(" ".join([*said, re.sub(r"<[^>]+>", " ", body)]))


def unfit(page: str) -> list[tuple[str, str]]:
    """What a page says and should not, with its kind."""
    text = re.sub(r"\+[0-9]+", "+", words_of(page))  # phone numbers
    return [(kind, found[0]) for kind, pattern in UNFIT.items() for found in [pattern.search(text)] if found]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("run 'connector ledger verify'", "a command"),
        ("see docs/refusals.md", "the path of a file"),
        ("since 2026-11-29T10:00:00Z", "a time for programs"),
        ("1250000000 due", "micros"),
        ("1 bundles", "a plural of one"),
        ("the house", "a word of the list"),
    ],
)
def test_what_does_not_belong_on_a_page_is_found(said: str, kind: str) -> None:
    """Each pattern finds what it is for, also in a label, and not what looks like it."""
    assert kind in {found for found, _ in unfit(f"<body><p>{said}</p>")}
    assert unfit(f'<body><p aria-label="{said}"></p>')
    assert not unfit("<body><p>+442079460001, 11 bundles, 1.5 calls, 29 Nov 2026, 1 channel</p>")


async def test_no_page_says_what_does_not_belong_there(client: Client, town: Town) -> None:
    """All pages and forms, as a user of the platform and as an owner, with a company that has had calls, one of them of
    a profile that was deleted.
    """
    found = []
    gone = profiles.create_profile("gone", 0, "asterisk", NOW, "Acme").username
    calls.admit(Attempt("gone", Direction.OUT, "leg-gone", gone, "+442079460001", "101", NOW, NOW), "node")
    plans.delete_profile(gone, NOW)
    for email in ("house@example.com", "owner@example.com"):
        client.session.cookie_jar.clear()
        await welcomed(client, email)
        if email.startswith("house"):
            await chosen(client)
        for page in PAGES:
            answer = await client.get(path_of(page, town.things), allow_redirects=False)
            if answer.status == 200 and answer.content_type == "text/html":
                found += [(page.path, *each) for each in unfit(await answer.text())]
    for path in ("/api/", "/api/problems"):
        # What is for programmers says micros and limits of figures.
        found += [(path, *each) for each in unfit(await get(client, path)) if each[0] != "micros"]
    assert sorted(set(found)) == []


async def test_an_error_leads_to_the_page_that_cures_it(client: Client, town: Town) -> None:
    """A form that cannot be done says why, and links to the page that helps; a command is not named."""
    await welcomed(client, "owner@example.com")
    _, text = await send(client, f"/numbers/{town.things['number']}/route".replace("+", "%2B"), route="voicemail 999")
    assert '<a href="/mailboxes/new">Add a mailbox</a>' in text
    assert "connector voicemail" not in text
    made = profiles.create_profile("new", 0, "asterisk", NOW, "Acme").username
    path = f"/profiles/{made}/channels/change"
    _, asked = await send(client, path, channels="3", bundles="0")
    text = await (await client.post(path, data=hidden(asked))).text()
    notice = re.search(r'<p class="notice bad" role="alert">(.*?)</p>', text)
    assert notice
    assert notice[1] == f'new has no subscription. <a href="/profiles/{made}/channels">Buy channels</a>'


def test_every_refusal_has_its_page_or_is_said_to_have_none() -> None:
    """Each refusal is in one list, each page exists, and takes the permission that is named."""
    assert cures.CURES.keys() | cures.WITHOUT == {each.code for each in refusals.ALL}
    assert not cures.CURES.keys() & cures.WITHOUT
    for code, cure in cures.CURES.items():
        path = cure.path.format(profile="p1")
        assert may_open(path, {cure.permission}, PAGES), code
        assert not may_open(path, PERMISSIONS.keys() - {cure.permission}, PAGES), code
    assert not may_open("/profiles/new", {"profiles.read"}, PAGES), "it is not the page of a profile called new"
