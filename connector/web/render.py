"""Pages made from templates, and the files beside them: style sheets and scripts of our own, and nobody else's."""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from connector.core import formats
from connector.core.times import instant, iso
from connector.errors import BadInput
from connector.web import brand
from connector.web.brand import Brand

STATIC_FILES = {path.name: path for path in (Path(__file__).parent / "static").iterdir() if path.is_file()}
# Nothing from elsewhere, nothing inline: what the network said can be shown, and cannot run.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

_INSTANT = re.compile(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{3})?Z")
THEMES = ("", "light", "dark")


@dataclass(frozen=True)
class Look:
    """How pages look: the installation's brand, and the theme that this browser chose; "": as its system."""

    brand: Brand
    theme: str


_USUAL = Look(brand.USUAL, "")
# Of the request that is answered; a thread that renders is given it among the values of the page.
LOOK: ContextVar[Look] = ContextVar("look", default=_USUAL)
NONE = "\u2013"


def when(at: int | None, zone: str, form: str = "%d %b %Y, %H:%M") -> str:
    """An instant by the clock of a time zone; a dash for none."""
    return NONE if at is None else f"{datetime.fromtimestamp(at // 1000, ZoneInfo(zone)):{form}}"


def dated(text: str, zone: str) -> str:
    """A text whose instants (`2026-12-29T19:46:41.596Z`) are written as `when` does."""

    def written(found: re.Match[str]) -> str:
        """The instant, or the digits as they are: somebody may have named something so."""
        try:
            return when(instant(found[0], zone), zone)
        except BadInput:
            return found[0]

    return _INSTANT.sub(written, text)


def length(ms: int | None) -> str:
    """A length of time as `1:02:03` or `2:03`."""
    if ms is None:
        return NONE
    seconds = ms // 1000
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def _money(micros: int | None, currency: str) -> str:
    """A sum of money, to the smallest coin, and exactly on hover; a dash for none."""
    if micros is None:
        return NONE
    exact, found = formats.shown(micros, currency), formats.rounded(micros, currency)
    return found if found == exact else Markup('<span title="{}">{}</span>').format(exact, found)


def _price(micros: int | None, currency: str) -> str:
    """A price, exactly: of a minute, say; a dash for none."""
    return NONE if micros is None else formats.shown(micros, currency)


_templates = Environment(
    loader=PackageLoader("connector.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {"when": when, "talked": length, "money": _money, "price": _price, "dated": dated, "iso": iso,
                       "day": formats.day,                       "counted": formats.counted}  # fmt: skip


def text(name: str, values: dict[str, Any]) -> str:
    """A page's text."""
    return _templates.get_template(name).render(**{"look": LOOK.get(), **values})


def response(body: str, status: int = 200) -> web.Response:
    """A page as an answer."""
    headers = {"Content-Security-Policy": POLICY}
    return web.Response(text=body, status=status, content_type="text/html", headers=headers)


def rendered(name: str, status: int = 200, **values: Any) -> web.Response:
    """A page."""
    return response(text(name, values), status)
