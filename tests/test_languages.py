"""Texts in the reader's language: which language that is, and what becomes of their values."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Iterator

import pytest

from connector import words
from connector.core.formats import day, shown
from connector.errors import BadInput
from connector.storage.readers import Readers
from connector.words import LANGUAGE, grouped, in_language, marked, phrase, tr, tr_n


@pytest.fixture
def german() -> Iterator[None]:
    """The reader's language is German."""
    before = LANGUAGE.set("de")
    yield
    LANGUAGE.reset(before)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("fr-FR,fr;q=0.9,es;q=0.5,en;q=0.4", "es"),
        ("en-US,en;q=0.9,de;q=0.8", "en"),
        ("en;q=0.1,ES-mx;q=0.7", "es"),
        ("fr", "en"),
        ("*", "en"),
        ("de;q=x,es", "es"),
        (",;q=;;,", "en"),
        ("x" * 100_000 + ",de", "en"),
    ],
)
def test_a_browser_gets_the_first_language_that_it_asks_for(accepted: str, language: str) -> None:
    """By its weights, whatever the country; English if it asks for none of ours, or for nothing that can be read."""
    assert words.best(accepted) == language


def test_a_text_and_its_values_are_translated(german: None) -> None:
    """A value that is a text of ours, a sum or a day too; what people have named is not."""
    assert tr("Cancel") == "Abbrechen"
    text = tr("{before}, then {after}", before=shown(1_500_000, "GBP"), after=shown(1_234_000_000, "GBP"))
    assert "1,50\xa0£" in text
    assert "1.234,00\xa0£" in text
    assert tr("{name}", name="Cancel") == "Cancel"
    assert tr("{name}", name=marked("Cancel")) == "Abbrechen"
    assert day("2026-11-30").translated() == "30. November 2026"
    assert tr_n("{count} call", "{count} calls", 1).startswith("1 ")
    assert tr_n("{count} call", "{count} calls", 1_200).startswith("1.200 ")
    assert grouped(1_200_000) == "1.200.000"


def test_what_is_kept_is_in_english(german: None) -> None:
    """A ledger's note, a log, an error's text for programs: the same whoever caused it."""
    assert f"for {shown(1_500_000, 'GBP')} on {day('2026-11-30')}" == "for £1.50 on 30 November 2026"
    assert str(phrase("Balance below {limit}", limit=shown(5_000_000, "GBP"))) == "Balance below £5.00"
    error = BadInput("{name} has no subscription.", name="office")
    assert str(error) == "office has no subscription."
    assert error.translated() != str(error)
    assert "office" in error.translated()


@pytest.mark.parametrize(
    "text", [shown(1_500_000, "GBP"), day("2026-11-30"), phrase("{name}", name=marked("Cancel")), marked("Cancel")]
)
def test_a_text_of_ours_can_be_copied_and_sent_to_another_process(text: words.Words, german: None) -> None:
    """It is English and translated afterwards too: views are copied, and long work is done elsewhere."""
    for other in (copy.deepcopy(text), pickle.loads(pickle.dumps(text))):
        assert (str(other), other.translated()) == (str(text), text.translated())
    error = pickle.loads(pickle.dumps(BadInput("{name} has no subscription.", name=text)))
    assert error.translated() == BadInput("{name} has no subscription.", name=text).translated()


def test_a_text_that_is_in_no_catalogue_stays(german: None) -> None:
    """As it is, with its braces if it has no values."""
    assert tr("nobody has written {this}") == "nobody has written {this}"
    assert tr("") == ""


def test_another_thread_answers_in_the_same_language(german: None) -> None:
    """What it reads is said in the language of the request, and the next request has its own."""
    readers = Readers(1)

    async def asked() -> tuple[str, str]:
        """In German, and then in English."""
        first = await readers(tr, "Cancel")
        LANGUAGE.set("en")
        return first, await readers(tr, "Cancel")

    try:
        assert asyncio.run(asked()) == ("Abbrechen", "Cancel")
    finally:
        readers.close()


def test_in_english_a_function_stays_what_it_is() -> None:
    """The writer knows some functions by what they are."""
    assert in_language(tr) is tr
