"""The page that finds things by what somebody remembers of them."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from connector.billing import search
from connector.billing.search import Found
from connector.web.endpoint import Ask
from connector.web.site.frame import Shown, SitePages
from connector.words import marked, tr

pages = SitePages()

MOST_LENGTH = 80
HEADINGS = {
    "profile": marked("SIP profiles"),
    "number": marked("Numbers"),
    "call": marked("Calls"),
    "invoice": marked("Invoices"),
    "trunk": marked("Trunks"),
}
_PATHS = {
    "profile": "/profiles/{}",
    "number": "/numbers?number={}",
    "call": "/history/{}",
    "invoice": "/invoices/{}/file",
    "trunk": "/trunks/{}",
}


@pages.get("/search", None)
def search_page(ask: Ask) -> Shown:
    """What was found, by kind; for a number the calls to it and from it besides."""
    text = ask.query.get("q", "").strip()[:MOST_LENGTH]
    found = search.found(ask.scope, text, ask.actor.permissions)
    groups = [(words, [(each, _path(each)) for each in found if each.kind == kind]) for kind, words in HEADINGS.items()]
    values = {"text": text, "results": [group for group in groups if group[1]], "calls": _calls(ask, text)}
    return Shown("search.html", values)


def _path(found: Found) -> str:
    return _PATHS[found.kind].format(quote(found.key, safe=""))


def _calls(ask: Ask, text: str) -> list[tuple[str, str]]:
    """Where the calls to and from a number are, if a text is one."""
    digits = [char for char in text if char.isdigit()]
    if text.strip("+0123456789()-./ ") or len(digits) < search.LEAST_DIGITS:
        return []
    if "calls.read" not in ask.actor.permissions:
        return []
    return [
        (words, f"/history?{urlencode({name: text})}")
        for words, name in (
            (tr("Calls to {number}", number=text), "called"),
            (tr("Calls from {number}", number=text), "caller"),
        )
    ]
