"""The language of what people read: texts are English in the code, and are translated when somebody reads them.

    tr("{channels} channels were bought for {paid}", channels=3, paid="£15.00")

Which language that is belongs to the request (`LANGUAGE`). The command line, the API and logs are in English, so that
what an admin reports and what a program reads are the same everywhere. The translations are GNU gettext's catalogues,
`connector/languages/*.po` (`make catalogue`, docs/translating.md).
"""

from __future__ import annotations

import gettext
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

# Each language by its own name, as a list of languages shows it, and the locale of its numbers, money and dates.
LANGUAGES = {"en": "English", "de": "Deutsch", "es": "Español"}
LOCALES = {"en": "en_GB", "de": "de_DE", "es": "es_ES"}
USUAL = "en"
# Of the request that is answered. Threads that answer for it run in a copy of its context.
LANGUAGE: ContextVar[str] = ContextVar("language", default=USUAL)
_CATALOGUES = Path(__file__).parent / "languages"


def locale() -> str:
    """The locale of numbers, money and dates, as Babel names it."""
    return LOCALES[LANGUAGE.get()]


class Translated:
    """What has a text in the reader's language; pages show that (connector/web/render.py)."""

    def translated(self) -> str:
        """The text."""
        raise NotImplementedError


class Words(str, Translated):
    """A text that is translated where it is shown, as a value of another text too. It is kept and logged in English."""

    def translated(self) -> str:
        """The text in the reader's language."""
        return tr(self)


class Phrase(Words):
    """The same with values: `phrase("Balance below {limit}", limit=...)`."""

    _text: str
    _values: dict[str, object]

    def translated(self) -> str:
        """The text in the reader's language, with its values."""
        return tr(self._text, **self._values)


def phrase(text: str, /, **values: object) -> Phrase:
    """A text of the core with its values. It is kept in English, and translated where it is shown."""
    made = Phrase(text.format(**values))
    made._text, made._values = text, values
    return made


class Amount(Words):
    """A number as it is kept in texts: `1,200`."""

    _count: int

    def translated(self) -> str:
        """As people of the reader's language write it."""
        return grouped(self._count)


def amount(count: int) -> Amount:
    """A number that is a value of a text."""
    made = Amount(f"{count:,}")
    made._count = count
    return made


class Listed(Words):
    """Texts of ours in a row, with something between them."""

    _each: list[Words]
    _between: str

    def translated(self) -> str:
        """Each in the reader's language."""
        return self._between.join(each.translated() for each in self._each)


def listed(texts: Iterable[Words], between: str = ", ") -> Listed:
    """Texts in a row."""
    each = list(texts)
    made = Listed(between.join(each))
    made._each, made._between = each, between
    return made


def tr(text: str, /, **values: object) -> str:
    """A text in the reader's language, with its values. Without values its braces stay as they are."""
    found = translations().gettext(str(text)) if text else ""
    return found.format(**{name: translated(value) for name, value in values.items()}) if values else found


def tr_n(one: str, many: str, count: int, /, **values: object) -> str:
    """The same for so many things; `{count}` is their number, as people write it."""
    found = translations().ngettext(one, many, count)
    return found.format(count=grouped(count), **{name: translated(value) for name, value in values.items()})


def said(text: str) -> str:
    """A text of ours, marked or not, in the reader's language."""
    return text.translated() if isinstance(text, Words) else tr(text)


def translated(value: Any) -> Any:
    """A value in the reader's language if it is a text of ours; what people have named stays."""
    return value.translated() if isinstance(value, Translated) else value


def marked(text: str) -> Words:
    """The text as it is. It is translated where it is shown; this says so to `make catalogue`."""
    return Words(text)


def grouped(count: int) -> str:
    """A number as people write it: `1,200`."""
    if LANGUAGE.get() == USUAL:
        return f"{count:,}"
    from babel.numbers import format_decimal  # the command line needs it for sums only

    return str(format_decimal(count, locale=locale()))


def in_language(function: Callable[P, R]) -> Callable[P, R]:
    """A function that another thread runs, in the language of the request that is answered now."""
    language = LANGUAGE.get()
    return function if language == USUAL else partial(speaking, language, function)


def speaking(language: str, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """What a function gives in a language, one of LANGUAGES."""
    before = LANGUAGE.set(language)
    try:
        return function(*args, **kwargs)
    finally:
        LANGUAGE.reset(before)


def translations() -> gettext.NullTranslations:
    """The catalogue of the reader's language."""
    return _catalogue(LANGUAGE.get())


def best(accepted: str) -> str:
    """The language of a browser by its header Accept-Language: the first of ours by its weights."""
    wanted = []
    for each in accepted[:200].split(","):
        name, _, weight = each.partition(";")
        try:
            wanted.append((-float(weight.strip().removeprefix("q=") or 1), name.strip().lower().split("-")[0]))
        except ValueError:
            continue
    return next((name for weight, name in sorted(wanted, key=lambda each: each[0]) if name in LANGUAGES), USUAL)


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    """Read once, from the text that translators write: nothing has to be compiled before it runs."""
    if language == USUAL:
        return gettext.NullTranslations()
    from babel.messages.mofile import write_mo  # only a process that shows pages needs them
    from babel.messages.pofile import read_po

    with (_CATALOGUES / f"{language}.po").open("rb") as file:
        found = read_po(file, locale=language)
    compiled = BytesIO()
    write_mo(compiled, found)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
