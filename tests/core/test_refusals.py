"""The table of refusals, and the page that tells operators of it."""

from __future__ import annotations

import re
from pathlib import Path

from connector.core import refusals

PAGE = Path(__file__).parent.parent.parent / "docs" / "refusals.md"
# What Asterisk 22.10 answers to an INVITE for a Hangup(cause), measured; 482 is sent by the dialplan's PJSIPHangup.
SIP_OF_CAUSE = {1: 404, 17: 486, 20: 480, 21: 403, 25: 482, 28: 484, 34: 503, 38: 500, 42: 503, 58: 488}


def test_each_refusal_has_one_code() -> None:
    """No code stands for two reasons."""
    assert len(refusals.BY_CODE) == len(refusals.ALL)


def test_the_sip_answer_is_the_one_that_asterisk_gives_for_the_cause() -> None:
    """The table promises what Asterisk really sends."""
    for refusal in refusals.ALL:
        assert SIP_OF_CAUSE[refusal.cause] == refusal.sip_status, refusal.code


def test_the_page_for_operators_says_the_same() -> None:
    """docs/refusals.md has each refusal, with its answers, words and cure, in this order, and no other."""
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (\d+) \| (.+?) \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
    wanted = [(r.code, str(r.cause), str(r.sip_status), str(r.http_status), r.words, r.cure) for r in refusals.ALL]
    assert rows == wanted
