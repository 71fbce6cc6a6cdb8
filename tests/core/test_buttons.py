"""Call buttons: their names, and what is copied to where they are wanted."""

from __future__ import annotations

import pytest

from connector.core import buttons
from connector.errors import BadInput


def test_a_name_means_nothing_to_asterisk() -> None:
    """Letters of any language, digits and few marks: it is shown by the PBX as who calls."""
    for name in ("website", " Büro 2 ", "shop.example_page-1", "x" * 40):
        assert buttons.checked_name(name) == name.strip()
    for name in ("", "  ", "x" * 41, "a,b", "${X}", 'a"b', "a<b>", "a\nb", "a;b", "a&b", "a\0b"):
        with pytest.raises(BadInput, match="name"):
            buttons.checked_name(name)


def test_so_many_visitors_at_once_as_there_can_be_channels() -> None:
    """1 to 300."""
    assert [buttons.checked_most(most) for most in (1, 300)] == [1, 300]
    for most in (0, -1, 301):
        with pytest.raises(BadInput):
            buttons.checked_most(most)


def test_the_button_is_a_link_that_every_mail_program_shows() -> None:
    """One element, its looks in itself, and nothing in the company's name ends it."""
    made = buttons.html("https://tel.example.com", "t0k-en_", 'Smith & "Sons" <b>')
    assert made.startswith('<a href="https://tel.example.com/call/t0k-en_" target="_blank" rel="noopener" style="')
    assert made.endswith('">Call Smith &amp; &quot;Sons&quot; &lt;b&gt;</a>')
    assert made.count("<") == 2
    assert buttons.link("https://tel.example.com", "t") == "https://tel.example.com/call/t"
