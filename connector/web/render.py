"""Pages made from templates, and the files beside them: style sheets and scripts of our own, and nobody else's."""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from gettext import NullTranslations
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web
from babel.dates import format_datetime
from babel.numbers import format_decimal
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from connector.core import formats, kept, route_rows, routes
from connector.core.terms import term
from connector.core.times import instant, iso
from connector.errors import BadInput
from connector.web import brand
from connector.web.brand import Brand
from connector.words import LANGUAGE, LANGUAGES, grouped, locale, said, tr, tr_n, translated, translations

STATIC_FILES = {path.name: path for path in (Path(__file__).parent / "static").iterdir() if path.is_file()}
# Nothing from elsewhere, nothing inline: what the network said can be shown, and cannot run.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " media-src 'self';"
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


# How an instant is written, by what it is for, in each language: as strftime has it, or as Unicode has it (TR 35).
_FORMS = {
    "minute": ("%d %b %Y, %H:%M", {"de": "d. MMM y, HH:mm", "es": "d MMM y, H:mm"}),
    "second": ("%d %b %Y, %H:%M:%S", {"de": "d. MMM y, HH:mm:ss", "es": "d MMM y, H:mm:ss"}),
    "of the year": ("%d %b, %H:%M:%S", {"de": "d. MMM, HH:mm:ss", "es": "d MMM, H:mm:ss"}),
    "day": ("%d %b %Y", {"de": "d. MMM y", "es": "d MMM y"}),
    "month": ("%B %Y", {"de": "MMMM y", "es": "MMMM 'de' y"}),
    "sheet": ("%Y-%m-%d %H:%M:%S", {}),
    "clock": ("%H:%M", {"de": "HH:mm", "es": "H:mm"}),
}


def when(at: int | None, zone: str, form: str = "minute") -> str:
    """An instant by the clock of a time zone, in the reader's language; a dash for none."""
    if at is None:
        return NONE
    usual, others = _FORMS[form]
    found, language = datetime.fromtimestamp(at // 1000, ZoneInfo(zone)), LANGUAGE.get()
    return str(format_datetime(found, others[language], locale=locale())) if language in others else f"{found:{usual}}"


def dated(text: str, zone: str) -> str:
    """A text whose instants (`2026-12-29T19:46:41.596Z`) are written as `when` does."""

    def written(found: re.Match[str]) -> str:
        """The instant, or the digits as they are: somebody may have named something so."""
        try:
            return when(instant(found[0], zone), zone)
        except BadInput:
            return found[0]

    return _INSTANT.sub(written, text)


def spoken(text: str, zone: str) -> str:
    """A text that is kept (core/kept.py) in the reader's language, with its instants as `when` writes them."""
    return dated(kept.read(text), zone)


def route_words(text: str) -> str:
    """Where calls ring, for a table: a route without the words that its text form has for programs."""
    try:
        route = routes.parse(text)
    except BadInput:
        return text.replace("\n", "; ")
    parts: dict[str, list[str]] = {}
    for row in route_rows.rows_of(route):
        parts.setdefault(row.hours, []).append(_rings(row))
    named = [tr("{hours}: {rings}", hours=hours, rings=", ".join(parts[hours])) for hours in parts if hours]
    last = ", ".join(parts.get("", []))
    words = [*named, tr("otherwise: {rings}", rings=last) if named else last]
    if route.within_s != routes.USUAL_WITHIN_S:
        words.append(tr("{seconds} s at most", seconds=route.within_s))
    return "; ".join(words)


def _rings(row: route_rows.Row) -> str:
    kind, _, name = row.what.partition(" ")
    name = row.which or name
    words = {
        "pbx": tr("the PBX"),
        "extension": tr("extension {name}", name=name),
        "group": tr("extensions {name}", name=name),
        "department": tr("department {name}", name=name),
        "account": tr("account {name}", name=name),
        "voicemail": tr("voice mail {name}", name=name),
        "busy": tr("busy tone"),
    }.get(kind, name)
    return tr("{rings} for {seconds} s", rings=words, seconds=row.seconds) if row.seconds else words


def length(ms: int | None) -> str:
    """A length of time as `1:02:03` or `2:03`."""
    if ms is None:
        return NONE
    seconds = ms // 1000
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


@pass_context
def _gettext(context: Context, text: str, **values: object) -> Markup:
    """A text of a template, which may have tags, with its values, which are escaped. Jinja's own would translate none
    of the values.
    """
    if not values:
        return _fixed(text, translations())
    return Markup(translations().gettext(text)) % {name: translated(value) for name, value in values.items()}


@lru_cache(maxsize=8192)  # a table of a thousand rows has its headings in each cell
def _fixed(text: str, catalogue: NullTranslations) -> Markup:
    return Markup(catalogue.gettext(text)) % {}


@pass_context
def _ngettext(context: Context, one: str, many: str, num: int, **values: object) -> Markup:
    """The same for so many things."""
    found = Markup(translations().ngettext(one, many, num))
    return found % {"num": grouped(num), **{name: translated(value) for name, value in values.items()}}


@pass_context  # or Jinja would work out the term of a fixed word once, in the language of the first reader
def _term(context: Context, word: str) -> str:
    """A word of the core in the reader's language."""
    return term(word)


def _day(text: str) -> str:
    """A day in the reader's language."""
    return formats.day(text).translated()


def _decimal(text: str) -> str:
    """A decimal number as people write it, with all its digits."""
    return str(format_decimal(text, locale=locale(), decimal_quantization=False))


def _share(percent: float) -> str:
    """A percentage to two digits after the point: `1.25`."""
    return str(format_decimal(percent, "0.00", locale=locale()))


def tenths(value: float) -> str:
    """A figure with one decimal, as people write it: `4.4`, in German `4,4`."""
    return str(format_decimal(value, "0.0", locale=locale()))


def percent(hundredths: int | None) -> str:
    """Hundredths of a percent with one decimal; a dash for none."""
    return NONE if hundredths is None else f"{tenths(hundredths / 100)} %"


def _money(micros: int | None, currency: str) -> str:
    """A sum of money, to the smallest coin, and exactly on hover; a dash for none."""
    if micros is None:
        return NONE
    exact = formats.shown(micros, currency).translated()
    found = formats.rounded(micros, currency).translated()
    return found if found == exact else Markup('<span title="{}">{}</span>').format(exact, found)


def _price(micros: int | None, currency: str) -> str:
    """A price, exactly: of a minute, say; a dash for none."""
    return NONE if micros is None else formats.shown(micros, currency).translated()


_templates = Environment(
    loader=PackageLoader("connector.web"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=translated,
    extensions=["jinja2.ext.i18n"],
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {
    "when": when,
    "talked": length,
    "route": route_words,
    "money": _money,
    "price": _price,
    "dated": dated,
    "spoken": spoken,
    "iso": iso,
    "day": _day,
    "grouped": grouped,
    "term": _term,
    "share": _share,
    "decimal": _decimal,
}
_templates.policies["ext.i18n.trimmed"] = True
_templates.globals["tr_n"] = tr_n
_templates.globals |= {"_": _gettext, "gettext": _gettext, "ngettext": _ngettext, "tr": said}
_templates.newstyle_gettext = True  # type: ignore[attr-defined]  # of the extension: it leaves the values to us


def text(name: str, values: dict[str, Any]) -> str:
    """A page's text."""
    usual = {"look": LOOK.get(), "language": LANGUAGE.get(), "languages": LANGUAGES}
    return _templates.get_template(name).render(**{**usual, **values})


def response(body: str, status: int = 200) -> web.Response:
    """A page as an answer."""
    headers = {"Content-Security-Policy": POLICY}
    return web.Response(text=body, status=status, content_type="text/html", headers=headers)


def rendered(name: str, status: int = 200, **values: Any) -> web.Response:
    """A page."""
    return response(text(name, values), status)
