"""Instants, read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.times import from_asterisk, iso


def test_asterisks_spelling_is_read_to_the_millisecond() -> None:
    """`+0000` and other offsets, milliseconds kept."""
    assert from_asterisk("1970-01-01T00:00:01.234+0000") == 1234
    assert from_asterisk("2026-11-22T20:01:34.123+0100") == from_asterisk("2026-11-22T19:01:34.123+0000")


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-22", "2026-11-22T19:01:34.123"])
def test_another_spelling_is_an_error(text: str) -> None:
    """What is not Asterisk's spelling is not guessed at."""
    with pytest.raises(ValueError, match=r"isoformat|without its offset"):
        from_asterisk(text)


@given(st.integers(0, 4_000_000_000_000))
def test_writing_and_reading_agree(at: int) -> None:
    """Not one millisecond is lost on the way."""
    written = iso(at)
    assert written is not None
    assert from_asterisk(written.replace("Z", "+0000")) == at


def test_nothing_stays_nothing() -> None:
    """A call that nobody answered has no time of answer."""
    assert iso(None) is None
