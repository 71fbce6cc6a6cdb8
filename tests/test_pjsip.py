"""From profiles to pjsip config: same input, same bytes, and nothing escapes."""

from __future__ import annotations

import pytest

from connector import pjsip
from connector.core.sip import CarrierTrunk, SipAccount
from connector.errors import BadInput

LOCAL = pjsip.Local("connector-udp", "127.0.0.1", 300)
ACCOUNT = SipAccount("pabc", "asterisk", "0" * 32)
CARRIER = CarrierTrunk("carrier", "192.0.2.1", 5070)

HOSTILE = [
    "",
    "a b",
    "a\nb",
    "a]\n[evil",
    "a;b",
    "#include x",
    "${SHELL(id)}",
    "a&b",
    "a,b",
    "a\x00b",
    "x" * 9000,
    "ж",
    "A",
]


def test_same_input_same_bytes() -> None:
    """Nothing of the moment or of the machine is in the text."""
    assert pjsip.render([ACCOUNT], [CARRIER], LOCAL) == pjsip.render([ACCOUNT], [CARRIER], LOCAL)


def test_the_text_has_what_each_object_needs() -> None:
    """A profile is endpoint, auth and aor; a carrier endpoint, aor and identify; media stays with Asterisk."""
    text = pjsip.render([ACCOUNT], [CARRIER], LOCAL)
    assert text.count("[pabc]") == 3
    assert text.count("[carrier]") == 3
    assert text.count("direct_media = no") == 2
    assert "password_digest = MD5:" + "0" * 32 in text
    assert "match = 192.0.2.1:5070" in text
    assert pjsip.endpoints([ACCOUNT], [CARRIER]) == {"pabc", "carrier"}


@pytest.mark.parametrize("word", HOSTILE)
def test_no_word_makes_objects_of_its_own(word: str) -> None:
    """What could mean something else to Asterisk is refused, and not quoted in the error: it may be a secret."""
    for account in (
        SipAccount(word, "asterisk", "0" * 32),
        SipAccount("pabc", word + " ", "0" * 32),
        SipAccount("pabc", "asterisk", word),
    ):
        with pytest.raises(BadInput) as said:
            pjsip.render([account], [], LOCAL)
        assert not word or len(word) < 3 or word not in str(said.value)
    for carrier in (CarrierTrunk(word, "192.0.2.1", 5070), CarrierTrunk("carrier", word + "\n", 5070)):
        with pytest.raises(BadInput):
            pjsip.render([], [carrier], LOCAL)


def test_a_digest_is_in_no_repr() -> None:
    """An account in a log line does not tell its secret."""
    assert "0000" not in repr(ACCOUNT)
