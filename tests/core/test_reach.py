"""What is said of the contact of a PBX."""

from __future__ import annotations

import pytest

from connector.core import reach


@pytest.mark.parametrize(
    ("uri", "via", "agent", "words"),
    [
        # Behind NAT: Asterisk rewrote the contact, the Via is what the PBX says of itself (PJSIPShowContacts, 22.10).
        ("sip:pbx@203.0.113.9:40112", "192.168.1.10", "FPBX-17", "registered, at 203.0.113.9 (FPBX-17)"),
        ("sip:pbx@203.0.113.9:40112;transport=tcp", "192.168.1.10", "", "registered, at 203.0.113.9"),
        ("sips:[2001:db8::1]:5061", "2001:db8::1", "", "registered, at [2001:db8::1]"),
        ("sip:pbx@192.0.2.7", "", "FPBX-17", "registered"),  # a contact of the configuration, which nobody registered
        ("nonsense", "192.0.2.7", "x", "registered, (x)"),
        ("sip:a@" + "y" * 100, "z", "a\r\nb\x1b[31m" + "x" * 100,
         "registered, at " + "y" * 64 + " (a??b?[31m" + "x" * 55 + ")"),
    ],
)  # fmt: skip
def test_where_a_pbx_is_registered(uri: str, via: str, agent: str, words: str) -> None:
    """Where calls to it are sent, and what it calls itself, which is from the network: printable, and not too long."""
    contact = {"Endpoint": "pabc", "Status": "NonQualified", "Uri": uri, "ViaAddr": via, "UserAgent": agent}
    found = reach.states([contact], [], {}, (), {}, {})["pabc"]
    assert (found.word, found.words) == ("up", words)
    assert found == reach.State("up", "registered"), "another address does not change the state"
