"""Call buttons: the names that they may have, and what is put on a web page or into an e-mail. Pure."""

from __future__ import annotations

from html import escape

from connector.core.plans import MOST_CHANNELS
from connector.errors import BadInput

MOST_NAME = 40
# What the account and the button begin with by which a browser rings a PBX, to test it.
TEST = "test"
# A name is what the PBX shows of who calls: nothing in it may mean more than itself to Asterisk.
_NAME_MARKS = " .-_"
# Mail programs know no style sheets, and some of them not even a button: a link that looks like one is shown by all.
_STYLE = (
    "display:inline-block;padding:10px 18px;border-radius:6px;background:#0b57a4;color:#ffffff;"
    "font:600 16px sans-serif;text-decoration:none"
)


def checked_name(name: str) -> str:
    """A name, without blanks around it. BadInput if it is unfit."""
    found = name.strip()
    if not 1 <= len(found) <= MOST_NAME or not all(char.isalnum() or char in _NAME_MARKS for char in found):
        raise BadInput(
            "a call button's name has 1 to {most_name} letters, digits, spaces, '.', '-' and '_'", most_name=MOST_NAME
        )
    return found


def checked_most(most: int) -> int:
    """So many visitors at once. BadInput if they cannot be."""
    if not 1 <= most <= MOST_CHANNELS:
        raise BadInput(
            "1 to {most_channels} visitors can call at once, not {most}.", most_channels=MOST_CHANNELS, most=most
        )
    return most


def link(url: str, token: str) -> str:
    """What opens the page with the button. `url`: where people find the pages."""
    return f"{url}/call/{token}"


def html(url: str, token: str, company: str) -> str:
    """The button, for a web page or an e-mail."""
    to, words = escape(link(url, token)), escape(f"Call {company}")
    return f'<a href="{to}" target="_blank" rel="noopener" style="{_STYLE}">{words}</a>'
