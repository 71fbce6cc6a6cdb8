"""Texts that are kept in English: each is read again by the pattern that it was written by."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from connector.core import kept, reach
from connector.core.kept import Kept
from connector.words import LANGUAGE

# As the ledger, notices and states of PBXs have them -> in German.
READ = [
    ("credit for office", "Guthaben für office"),
    ("3 channels and 1 bundle for office until 2026-12-30", "3 Kanäle und 1 Paket für office bis 2026-12-30"),
    ("1 channel for front desk until 2026-12-30", "1 Kanal für front desk bis 2026-12-30"),
    ("+442079460100 until 2026-12-30", "+442079460100 bis 2026-12-30"),
    ("payment RF56 C000 001, received on 2026-11-30", "Zahlung RF56 C000 001, eingegangen am 2026-11-30"),
    ("payment 7 taken back: typing error", "Zahlung 7 zurückgebucht: typing error"),
    ("owed for payment pay_3", "Schuld aus: Zahlung pay_3"),
    (
        "office has spent £8.10 of its £10.00 for today: at its end calls are refused",
        "office hat £8.10 von £10.00 verbraucht (heute): danach werden Anrufe abgelehnt",
    ),
    ("The trunk carrier cannot be reached from node1: no answer in time (408)",
     "Der Trunk carrier ist von node1 aus nicht erreichbar: keine Antwort in der Zeit (408)"),
    ("registered, at 127.0.0.1 (far-end)", "registriert, unter 127.0.0.1 (far-end)"),
    ("not registered: unknown there (404)", "nicht registriert: dort unbekannt (404)"),
    ("what nobody has written", "what nobody has written"),
    ("", ""),
]  # fmt: skip


@pytest.fixture
def german() -> Iterator[None]:
    """The reader's language is German."""
    before = LANGUAGE.set("de")
    yield
    LANGUAGE.reset(before)


@pytest.mark.parametrize(("text", "translated"), READ)
def test_a_kept_text_is_read_in_the_readers_language(text: str, translated: str, german: None) -> None:
    """With what people have named, sums and times as they are; a text of nobody's pattern stays."""
    assert kept.read(text) == translated


def test_in_english_it_is_as_it_was_kept() -> None:
    """Nothing is looked for."""
    assert kept.read("credit for office") == "credit for office"


@pytest.mark.parametrize("pattern", Kept.all, ids=lambda pattern: pattern.text)
def test_a_text_is_read_by_the_pattern_that_wrote_it(pattern: Kept) -> None:
    """No other pattern takes it for its own."""
    values = {name: f"<{name}>" for name in re.findall(r"\{([a-z_]+)\}", pattern.text)}
    text = pattern.write(**values)
    found = Kept.of(text)
    assert found is not None
    assert (found.text, found.values(text)) == (pattern.text, values)


@pytest.mark.parametrize("status", [0, 401, 403, 404, 408, 486, 488, 499, 503, 603])
def test_every_answer_of_a_trunk_can_be_translated(status: int, german: None) -> None:
    """Whatever Asterisk says of it."""
    text = reach.meaning(status)
    assert Kept.of(text)
    assert kept.read(text) != text
