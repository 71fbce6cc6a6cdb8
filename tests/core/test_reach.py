"""What is said of the contact of a PBX."""

from __future__ import annotations

import pytest

from connector.core import reach


@pytest.mark.parametrize(
    ("address", "agent", "words"),
    [
        ("192.0.2.7", "FPBX-17", "registered, from 192.0.2.7 (FPBX-17)"),
        ("192.0.2.7", "", "registered, from 192.0.2.7"),
        ("", "FPBX-17", "registered"),  # a contact of the configuration, which nobody registered
        ("192.0.2.7", "a\r\nb\x1b[31m" + "x" * 100, "registered, from 192.0.2.7 (a??b?[31m" + "x" * 55 + ")"),
    ],
)
def test_where_a_pbx_registered_from(address: str, agent: str, words: str) -> None:
    """Its address and what it calls itself, which is from the network: printable, and not too long."""
    contact = {"Endpoint": "pabc", "Status": "NonQualified", "ViaAddr": address, "UserAgent": agent}
    found = reach.states([contact], [], {}, (), {}, {})
    assert found == {"pabc": reach.State("up", words)}
