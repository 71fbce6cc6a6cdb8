"""The page of one call: how it sounded, and who ended it."""

from __future__ import annotations

import html
import re

import pytest

from connector.billing import calls, media
from connector.billing.media import Measured
from connector.core import terms
from connector.core.access import EVERYTHING
from connector.core.calls import Progress
from connector.core.media import Leg, Stream
from connector.core.paging import Turn
from connector.routing import buttons
from tests.conftest import NOW
from tests.web.browsing import Client, get, send, welcomed
from tests.web.conftest import Town


async def test_the_page_of_a_call_says_how_it_sounded_and_who_ended_it(client: Client, town: Town) -> None:
    """The far end's answer by SIP, who hung up and why, each leg's codec, loss and jitter; in the reader's language."""
    progress = Progress("A")
    progress.answered_at = NOW + 10
    progress.leg_ended("leg-live", NOW + 20_000, 16)
    progress.sip_status = 200
    calls.ended("live", progress, NOW + 20_000)
    heard = Leg("pbx", "alaw", Stream(1_900, 100, 4_260), None, None)
    far = Leg("trunk", "g722", Stream(2_000, 0, 1_000), Stream(1_990, 10, 2_000), 50_400)
    media.keep([Measured("live", NOW + 19_000, (heard, far))])
    await welcomed(client, "owner@example.com")
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", await get(client, "/history/live")))
    assert f"It sounded fair (MOS {heard.mos / 100:.1f})" in page
    assert "The PBX's side alaw 5.0 % 4.3 ms – – – 3.9" in html.unescape(page)
    assert "The trunk's side g722 0.0 % 1.0 ms 0.5 % 2.0 ms 50.4 ms" in html.unescape(page)
    assert "Answer of the far end 200 OK" in page
    client.session.cookie_jar.update_cookies({"connector_language": "de"})
    german = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", await get(client, "/history/live")))
    assert "Seite der Telefonanlage alaw 5,0 % 4,3 ms" in german
    assert "It sounded" not in await get(client, "/history/refused")


@pytest.mark.parametrize(
    ("by", "words"),
    [("caller", "the caller"), ("us: time limit", "Asterisk, because the money"), ("us: no_credit", ""), ("", "")],
)
def test_who_hung_up_is_said_in_words(by: str, words: str) -> None:
    """A refusal was hung up by nobody: its reason stands above."""
    assert terms.hung_up(by).startswith(words)
    assert bool(terms.hung_up(by)) == bool(words)


async def test_a_pbx_is_rung_from_the_browser(client: Client, town: Town) -> None:
    """One form from the profile's page to the page that calls; who may not make numbers ring is not offered it."""
    await welcomed(client, "owner@example.com")
    path = f"/profiles/{town.things['profile']}"
    assert f'href="{path}/ring"' in await get(client, path)
    for _ in range(2):
        status, text = await send(client, f"{path}/ring")
        assert (status, "<h1>Call Acme</h1>" in text) == (200, True)
        assert f'<a href="{path}">Back to the profile</a>' in text
    (test,) = (each for each in buttons.page_of(EVERYTHING, Turn()).items if each.company == "Acme" and each.id > 2)
    for back in ("", "?back=//evil.example", "?back=%22%3E"):
        assert "Back to" not in await get(client, f"/call/{test.token}{back}")
    assert len(buttons.page_of(EVERYTHING, Turn()).items) == 3  # of two companies, and this one
    client.session.cookie_jar.clear()
    await welcomed(client, "viewer@example.com")
    assert f'href="{path}/ring"' not in await get(client, path)
    assert (await client.get(f"{path}/ring")).status == 403
