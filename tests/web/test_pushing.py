"""The page of a call button and its sound, over a real HTTP server; an echo is in Asterisk's place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from aiohttp.test_utils import TestClient

from connector.billing import buttons, calls
from connector.core.calls import Admitted, Attempt, Direction, Progress
from connector.web import pushing
from tests.ari_app.conftest import until
from tests.conftest import NOW
from tests.web.conftest import Town

Client = TestClient[Any, Any]
FRAME = bytes(range(160))
SILENCE = bytes(160)


@pytest.fixture
def token(town: Town) -> str:
    """What the link of the website's button ends with."""
    return buttons.named("website", "Acme").token


@asynccontextmanager
async def calling(client: Client, token: str, **more: Any) -> AsyncIterator[ClientWebSocketResponse]:
    """Somebody's browser, calling."""
    async with client.ws_connect(f"/call/{token}/sound", protocols=("call",), **more) as found:
        yield found


async def until_said(browser: ClientWebSocketResponse, state: str) -> dict[str, str]:
    """What is told of a state, once it is."""
    async with asyncio.timeout(20):
        async for message in browser:
            if message.type is WSMsgType.TEXT and message.json()["state"] == state:
                found: dict[str, str] = message.json()
                return found
    raise AssertionError(f"{state} was never told")


async def made(town: Town, count: int = 1) -> Any:
    """The last of so many legs that were made for browsers."""
    await until(lambda: len(town.pushed) >= count)
    return town.pushed[-1]


async def test_everybody_who_has_the_link_sees_the_page(client: Client, token: str) -> None:
    """Without signing in; it may use the microphone, and nothing else than our own scripts."""
    async with client.get(f"/call/{token}") as answer:
        text = await answer.text()
        assert answer.status == 200
        assert "<h1>Call Acme</h1>" in text
        assert "website" not in text
        assert answer.headers["Permissions-Policy"] == "microphone=(self)"
        assert answer.headers["X-Robots-Tag"] == "noindex"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "Set-Cookie" not in answer.headers
    for script in ("call.js", "sound.js"):
        async with client.get(f"/static/{script}") as answer:
            assert answer.status == 200
    buttons.remove(buttons.named("website", "Acme").id)
    for link in (token, "x", token + "x", "%00", "%F0%9F%92%A9"):
        async with client.get(f"/call/{link}") as answer:
            assert answer.status in (400, 404), link
            assert "Traceback" not in await answer.text()


async def test_sound_goes_both_ways_and_states_are_told(client: Client, town: Town, token: str) -> None:
    """Frames come back as they went; the call's own row says that it rings and talks, its CDR why it is over; a key is
    pressed at the leg.
    """
    async with calling(client, token) as browser:
        await browser.send_bytes(FRAME)
        assert (await browser.receive(20)).data == FRAME
        echo = await made(town)
        call_id, button, name, account = echo.asked
        assert (button, name, account) == (int(town.things["button"]), "website", "sales")
        attempt = Attempt(call_id, Direction.IN, "leg", str(button), account, "", NOW, NOW, by_button=True)
        assert isinstance(calls.admit(attempt, "node"), Admitted)
        assert await until_said(browser, "ringing")
        calls.answered(call_id, NOW, None)
        assert await until_said(browser, "talking")
        for key in "5#":
            await browser.send_str(key)
        await browser.send_bytes(FRAME * 2)
        assert (await browser.receive(20)).data == FRAME * 2
        assert echo.keys == ["5", "#"]
        progress = Progress("leg")
        progress.answered_at = NOW
        progress.leg_ended("leg", NOW + 1, 16)
        calls.ended(call_id, progress, NOW + 1)
        echo.said.put_nowait(None)
        assert (await until_said(browser, "over"))["why"] == "The call is over."
        assert (await browser.receive(20)).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)


@pytest.mark.parametrize(
    ("cause", "why"),
    [
        (17, "The line is busy. Please try again in a few minutes."),
        (19, "Nobody answered. Please try again later."),
        (38, "The call could not be put through. Please try again later."),
    ],
)
async def test_a_visitor_is_told_no_more_than_they_need(
    client: Client, town: Town, token: str, cause: int, why: str
) -> None:
    """Busy, unanswered, or not now: why it failed is the company's to know."""
    async with calling(client, token) as browser:
        echo = await made(town)
        call_id, button, _, account = echo.asked
        calls.admit(Attempt(call_id, Direction.IN, "leg", str(button), account, "", NOW, NOW, by_button=True), "node")
        progress = Progress("leg")
        progress.leg_ended("leg", NOW + 1, cause)
        calls.ended(call_id, progress, NOW + 1)
        echo.said.put_nowait(None)
        assert (await until_said(browser, "over"))["why"] == why


async def test_all_channels_taken_is_a_busy_line(client: Client, town: Town, token: str) -> None:
    """So is a button by which as many call as may."""
    buttons.change(int(town.things["button"]), 1)
    for number in range(2):
        async with calling(client, token) as browser:
            echo = await made(town, number + 1)
            call_id, button, _, account = echo.asked
            attempt = Attempt(call_id, Direction.IN, "l", str(button), account, "", NOW, NOW, by_button=True)
            calls.admit(attempt, "node")
            if number:
                echo.said.put_nowait(None)
                assert (await until_said(browser, "over"))["why"].startswith("The line is busy.")
    progress = Progress("l")
    progress.leg_ended("l", NOW, 16)
    calls.ended(town.pushed[0].asked[0], progress, NOW)


async def test_what_comes_in_a_burst_is_not_played_late(client: Client, town: Town, token: str) -> None:
    """After a stall of two seconds the sound is not two seconds late for the rest of the call."""
    async with calling(client, token) as browser:
        for _ in range(100):
            await browser.send_bytes(SILENCE)
        await browser.send_str("1")
        echo = await made(town)
        await until(lambda: bool(echo.keys))
        assert 10 <= len(echo.played) <= 30


@pytest.mark.parametrize("wrong", [b"", b"x", bytes(161), bytes(160 * 26), "A", "11", "HANGUP"])
async def test_what_is_no_sound_ends_the_call(client: Client, town: Town, token: str, wrong: bytes | str) -> None:
    """Asterisk sees whole frames and single keys, whatever a program sends in a browser's name."""
    async with calling(client, token) as browser:
        await (browser.send_bytes(wrong) if isinstance(wrong, bytes) else browser.send_str(wrong))
        async with asyncio.timeout(20):
            async for _ in browser:
                pass
    assert all((echo.played, echo.keys) == ([], []) for echo in town.pushed)


async def test_who_sends_faster_than_a_microphone_is_cut_off(
    client: Client, town: Town, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood costs its sender the call."""
    monkeypatch.setattr(pushing, "MOST_DROPPED", 100)
    async with calling(client, token) as browser:
        for _ in range(40):
            await browser.send_bytes(SILENCE * 10)
        async with asyncio.timeout(20):
            async for _ in browser:
                pass
    assert len(town.pushed[0].played) < 10


async def test_other_sites_and_too_many_are_turned_away(client: Client, town: Town, token: str) -> None:
    """Another site's page calls nobody in its reader's name; two at once from one address, ten a minute."""

    async def refused(**more: Any) -> int:
        """The status that a browser gets."""
        with pytest.raises(WSServerHandshakeError) as error:
            await client.ws_connect(f"/call/{token}/sound", protocols=("call",), **more)
        return error.value.status

    assert await refused(origin="https://evil.example.com") == 403
    assert await refused(origin="null") == 403
    async with calling(client, token), calling(client, token):
        await made(town, 2)
        assert await refused() == 429
    async with asyncio.timeout(20):
        while True:  # the two are gone, and others may call
            async with client.get(f"/call/{token}/sound") as answer:
                if answer.status == 400:
                    break
            await asyncio.sleep(0.05)
    for _ in range(10):
        last = (await client.get(f"/call/{token}/sound")).status
    assert last == 429
    assert (await client.get(f"/call/{token}")).status == 200


async def test_where_asterisk_cannot_be_asked_the_visitor_hears_so(client: Client, town: Town, token: str) -> None:
    """Nobody waits for nothing."""
    town.asterisk_away = True
    async with calling(client, token) as browser:
        found = await until_said(browser, "over")
    assert found["why"] == "The call could not be put through. Please try again later."
