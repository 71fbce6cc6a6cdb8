"""`make catalogue`: brings the translators' files (connector/languages/*.po) up to date with the texts in the code.

Babel finds the texts of templates by Jinja's own rules, and those of modules by `KEYWORDS`: which arguments of which
function are texts. docs/translating.md says how a translator works.
"""

from __future__ import annotations

import ast
import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from connector.words import LANGUAGES, USUAL
from lab.instance import PROJECT

CODE = PROJECT / "connector"
LANGUAGE_FILES = CODE / "languages"
_ERRORS = (
    "BadInput", "InsufficientFunds", "KeyReused", "SeveralCompanies", "NotFound", "Forbidden", "StoreUnavailable",
    "StoreUnreachable", "StoreBusy", "SecretsLocked", "GateUnavailable", "AriUnavailable", "AmiUnavailable",
    "ConfigRefused", "ConfigBusy", "JournalUnavailable", "_Changed",
)  # fmt: skip
# By the name of a function: which of its arguments are texts, by their places or names.
KEYWORDS: dict[str, tuple[int | str, ...]] = {
    "tr": (0,),
    "tr_n": (0, 1),
    "marked": (0,),
    "phrase": (0,),
    "Kept": (0,),
    "ThresholdKind": (0,),
    "entry": (0, "hint"),
    "form": (2,),
    "Cure": (0,),
    "NextStep": (0,),
    "Problem": (1,),
    "Refusal": (4, 5),
    "_Entry": (1, "short"),
    **dict.fromkeys(_ERRORS, (0,)),
}
# By their names, of the classes of forms (connector/web/site/frame.py).
_OF_FORMS = ("button", "warning", "folded")
_IN_TEMPLATES = ("_", "gettext", "ngettext", "tr_n")
# A page for programmers is in English, as the API is.
_NOT_TRANSLATED = ("api.html", "problems.html")

# Of the header: dates that would change each time, and names that nobody has filled in.
_NOT_KEPT = tuple(
    f'"{name}:'.encode()
    for name in ("POT-Creation-Date", "PO-Revision-Date", "Last-Translator", "Language-Team", "Report-Msgid-Bugs-To",
                 "Project-Id-Version", "Generated-By")
)  # fmt: skip
# What only the command line and the programs around Asterisk say: they speak English. But not invoices.
_ENGLISH = ("cli", "service", "agi", "asterisk")
_BUT = ("invoice_pdf.py",)

# One thing, or any other number of them: so in each of our languages, where CLDR has a form for millions too.
_PLURALS = ("Plural-Forms", "nplurals=2; plural=(n != 1);")
Text = str | tuple[str, str]  # a text, or of one thing and of many


def of_module(code: str) -> Iterator[Text]:
    """The texts of a module."""
    nodes = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call | ast.AnnAssign)]
    for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)):
        if isinstance(node, ast.Call):
            yield from _of_call(node)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id in _OF_FORMS:
            yield from _texts(node.value)


def of_template(code: bytes) -> Iterator[Text]:
    """The texts of a template."""
    options = {"extensions": "jinja2.ext.i18n", "trimmed": "true", "newstyle_gettext": "true",
               "trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}  # fmt: skip
    for _, _, found, _ in babel_extract(io.BytesIO(code), _IN_TEMPLATES, (), options):
        texts = [found] if isinstance(found, str) else [each for each in found or () if isinstance(each, str)]
        if texts and texts[0]:
            yield texts[0] if len(texts) == 1 else (texts[0], texts[1])


def _of_call(node: ast.Call) -> Iterator[Text]:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    places = KEYWORDS.get(name, ())
    named = {each.arg: each.value for each in node.keywords}
    given = [node.args[place] if isinstance(place, int) else named.get(place)
             for place in places if not isinstance(place, int) or place < len(node.args)]  # fmt: skip
    texts = [text for value in given for text in _texts(value)]
    if name == "tr_n" and len(texts) == 2:
        yield texts[0], texts[1]
    else:
        yield from texts


def _texts(value: ast.expr | None) -> list[str]:
    """The texts that an expression may have: itself, both sides of a choice, the second of a fold's pair."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return [value.value] if value.value else []
    if isinstance(value, ast.IfExp):
        return [*_texts(value.body), *_texts(value.orelse)]
    if isinstance(value, ast.Tuple) and len(value.elts) == 2:
        return _texts(value.elts[1])
    return []


def extracted() -> Catalog:
    """All texts of the code, each with the files that have it."""
    found = Catalog(project="Connector for Asterisk", charset="utf-8", fuzzy=False)
    for path in sorted(CODE.rglob("*")):
        if path.relative_to(CODE).parts[0] in _ENGLISH and path.name not in _BUT:
            continue
        texts: Iterable[Text] = ()
        if path.suffix == ".py":
            texts = of_module(path.read_text())
        elif path.suffix == ".html" and path.name not in _NOT_TRANSLATED:
            texts = of_template(path.read_bytes())
        for text in texts:
            found.add(text, locations=[(path.relative_to(PROJECT).as_posix(), 0)])
    return found


def updated(language: str) -> Catalog:
    """A language's catalogue with all texts of the code, those that are new without a translation."""
    path = LANGUAGE_FILES / f"{language}.po"
    kept = Catalog(locale=language)
    kept.mime_headers = [_PLURALS]
    if path.is_file():
        with path.open("rb") as file:
            kept = read_po(file, locale=language)
    kept.update(extracted(), no_fuzzy_matching=True, update_header_comment=False)
    kept.obsolete.clear()
    kept.fuzzy = False
    kept.header_comment = (
        f"# Connector for Asterisk: {LANGUAGES[language]}. docs/translating.md says how to work on it."
    )
    return kept


def written(catalogue: Catalog) -> bytes:
    """A catalogue as its file has it."""
    file = io.BytesIO()
    write_po(file, catalogue, width=120, sort_by_file=True, include_lineno=False)
    lines = file.getvalue().splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(_NOT_KEPT))


def main() -> int:
    """Bring all of them up to date; tells how many texts wait for a translation."""
    LANGUAGE_FILES.mkdir(exist_ok=True)
    for language in LANGUAGES:
        if language != USUAL:
            found = updated(language)
            Path(LANGUAGE_FILES / f"{language}.po").write_bytes(written(found))
            missing = sum(1 for each in found if each.id and not _translated(each.string))
            print(f"{language}: {len(found)} texts, {missing} without a translation")
    return 0


def _translated(text: Any) -> bool:
    return all(text) if isinstance(text, tuple | list) else bool(text)


if __name__ == "__main__":
    sys.exit(main())
