"""The translators' files: they have every text of the code, each translated, with the values that the text has."""

from __future__ import annotations

import re

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from connector.words import LANGUAGES, USUAL
from lab.catalogue import LANGUAGE_FILES, Text, of_module, of_template, updated, written

OTHERS = [language for language in LANGUAGES if language != USUAL]
# What a translation keeps: a value's name, a tag with its attributes, an entity of HTML.
KEPT = re.compile(r"\{[^{}]*\}|%\([a-z_0-9]+\)s|%%|</?[a-z][^>]*>|&\w+;")


def messages(language: str) -> list[Message]:
    """Those of a language's file."""
    with (LANGUAGE_FILES / f"{language}.po").open("rb") as file:
        return [each for each in read_po(file, locale=language) if each.id]


def pairs(message: Message) -> list[tuple[str, str]]:
    """Each form of a text beside its translation."""
    if isinstance(message.id, str):
        return [(message.id, str(message.string))]
    assert isinstance(message.string, tuple)
    return list(zip(message.id, message.string, strict=True))


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_has_every_text_of_the_code(language: str) -> None:
    """`make catalogue` would change nothing."""
    assert (LANGUAGE_FILES / f"{language}.po").read_bytes() == written(updated(language)), "run `make catalogue`"


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated(language: str) -> None:
    """None is empty, and none is only guessed."""
    assert [each.id for each in messages(language) if each.fuzzy or not all(text for _, text in pairs(each))] == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_values_and_tags_of_its_text(language: str) -> None:
    """The same, each as often; one of a single thing may leave the number out."""
    wrong = []
    for message in messages(language):
        for text, translation in pairs(message):
            wanted, found = sorted(KEPT.findall(text)), sorted(KEPT.findall(translation))
            if found != wanted and not (isinstance(message.id, tuple) and set(found) ^ set(wanted) <= {"{count}"}):
                wrong.append((text, translation))
    assert wrong == []


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ('tr("Hello")', ["Hello"]),
        ('tr("Hello {name}", name=tr("you"))', ["Hello {name}", "you"]),
        ('tr_n("{count} call", "{count} calls", n)', [("{count} call", "{count} calls")]),
        ('raise BadInput("No trunk {name}.", name=name)', ["No trunk {name}."]),
        ('raise errors.NotFound("No " "trunk.")', ["No trunk."]),
        ('raise BadInput("One." if one else "Many.")', ["One.", "Many."]),
        ('x = entry("Amount", hint="In pounds.", kind="number")', ["Amount", "In pounds."]),
        ('@pages.form("/a", "money.move", "Add credit")\nclass A: ...', ["Add credit"]),
        ('class A:\n    button: ClassVar[str] = "Save"\n    folded: ClassVar[Line] = ("x", "More")', ["Save", "More"]),
        ('log.info("Hello"); print("Hello"); tr(text)', []),
    ],
)
def test_texts_of_a_module_are_found(code: str, texts: list[Text]) -> None:
    """By what they are given to; nothing else is taken for one."""
    assert sorted(map(str, of_module(code))) == sorted(map(str, texts))


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ('<p>{{ _("Hello") }}</p>', ["Hello"]),
        ("{% trans name=user %}Hello {{ name }}{% endtrans %}", ["Hello %(name)s"]),
        ('{{ tr_n("{count} call", "{count} calls", n) }}', [("{count} call", "{count} calls")]),
        ("<p>Hello</p>", []),
    ],
)
def test_texts_of_a_template_are_found(code: str, texts: list[Text]) -> None:
    """Those that pass the catalogue."""
    assert list(of_template(code.encode())) == texts
