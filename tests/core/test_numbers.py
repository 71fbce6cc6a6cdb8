"""What is a number, and what only looks like one."""

from __future__ import annotations

import pytest

from connector.core.numbers import e164, recorded

TAKEN = """
+442079460001      -> +442079460001
00442079460001     -> +442079460001
+12025550123       -> +12025550123
+999999999999999   -> +999999999999999
"""
REFUSED = [
    "",
    "+",
    "00",
    "442079460001",
    "+0442079460001",
    "000442079460001",
    "+4420794600011111",
    "+44 2079460001",
    "+44-20-7946",
    "+442079460001;phone-context=x",
    "+442079460001&PJSIP/evil",
    "${SHELL(id)}",
    "+44207946000\uff11",
    "+44207946000\u0661",
    "+442079460001\n",
    "sip:+442079460001@host",
    "s",
    "h",
    "T",
    "+44207",
    "x" * 9000,
]


@pytest.mark.parametrize("line", TAKEN.strip().splitlines())
def test_international_forms_become_e164(line: str) -> None:
    """`+` and `00` lead an international number; it is kept with `+`."""
    dialled, kept = line.split("->")
    assert e164(dialled.strip()) == kept.strip()


@pytest.mark.parametrize("dialled", REFUSED)
def test_everything_else_is_no_number(dialled: str) -> None:
    """Other forms, other scripts, separators, and whatever could mean something to a dialplan, are refused."""
    assert e164(dialled) is None


def test_what_the_network_sent_is_kept_harmless() -> None:
    """Control characters become `?`, and 64 characters are enough."""
    assert recorded("a\x00b\x1b[31mc\nd") == "a?b?[31mc?d"
    assert len(recorded("x" * 9000)) == 64
