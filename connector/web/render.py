"""Pages made from templates, and the files beside them: style sheets and scripts of our own, and nobody else's."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from connector.core import money
from connector.core.times import iso

STATIC_FILES = {path.name: path for path in (Path(__file__).parent / "static").iterdir() if path.is_file()}
# Nothing from elsewhere, nothing inline: what the network said can be shown, and cannot run.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


NONE = "\u2013"


def when(at: int | None, zone: str, form: str = "%d %b %Y, %H:%M") -> str:
    """An instant by the clock of a time zone; a dash for none."""
    return NONE if at is None else f"{datetime.fromtimestamp(at // 1000, ZoneInfo(zone)):{form}}"


def length(ms: int | None) -> str:
    """A length of time as `1:02:03` or `2:03`."""
    if ms is None:
        return NONE
    seconds = ms // 1000
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def _money(micros: int | None, currency: str) -> str:
    """A sum of money; a dash for none."""
    return NONE if micros is None else money.shown(micros, currency)


_templates = Environment(
    loader=PackageLoader("connector.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {"when": when, "talked": length, "money": _money, "iso": iso}


def text(name: str, values: dict[str, Any]) -> str:
    """A page's text."""
    return _templates.get_template(name).render(**values)


def response(body: str, status: int = 200) -> web.Response:
    """A page as an answer."""
    headers = {"Content-Security-Policy": POLICY}
    return web.Response(text=body, status=status, content_type="text/html", headers=headers)


def rendered(name: str, status: int = 200, **values: Any) -> web.Response:
    """A page."""
    return response(text(name, values), status)
