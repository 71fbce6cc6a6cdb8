"""The page of a call button and its sound, over a real HTTP server; an echo is in Asterisk's place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import SO_RCVBUF, SOL_SOCKET
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from aiohttp.test_utils import TestClient, make_mocked_request
from limits import parse

from connector.billing import calls
from connector.core.calls import Admitted, Attempt, Direction, Progress
from connector.routing import buttons
from connector.web import pushing
from connector.web.guard import Guard
from connector.web.pushing import Pushing
from connector.web.rest import World
from tests.ari_app.conftest import until
from tests.conftest import NOW
from tests.web.conftest import SETTINGS, Town

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
        calls.dialled(call_id, "phone")
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
        await made(town)
        await (browser.send_bytes(wrong) if isinstance(wrong, bytes) else browser.send_str(wrong))
        async with asyncio.timeout(20):
            async for _ in browser:
                pass
    (echo,) = town.pushed
    assert (echo.played, echo.keys, browser.close_code) == ([], [], 1009 if len(wrong) > 4000 else 1000)


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


async def refused(client: Client, token: str, **more: Any) -> int:
    """The status that a browser gets; 101 if it is none of those that refuse."""
    try:
        found = await client.ws_connect(f"/call/{token}/sound", protocols=more.pop("protocols", ("call",)), **more)
    except WSServerHandshakeError as error:
        return error.status
    await found.close()
    return 101


async def test_other_sites_are_turned_away(client: Client, token: str) -> None:
    """Another site's page calls nobody in its reader's name; what is no call of ours is none."""
    assert await refused(client, token, origin="https://evil.example.com") == 403
    assert await refused(client, token, origin="null") == 403
    assert await refused(client, token, protocols=("sip",)) == 400
    assert (await client.get(f"/call/{token}/sound")).status == 400


async def test_two_at_once_from_one_address(
    client: Client, town: Town, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third is turned away, as long as two call."""
    monkeypatch.setattr(pushing, "_CALLS", parse("1000/minute"))
    async with calling(client, token), calling(client, token):
        await made(town, 2)
        assert await refused(client, token) == 429
    await until(lambda: not client.app[pushing.PUSHING].unsent(), 20)
    assert await refused(client, token) == 101


async def test_so_often_in_a_minute_and_no_more(
    client: Client, town: Town, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times from an address; by one button so often as it may be busy, whoever calls: each try is a CDR."""
    assert [await refused(client, "nothing") for _ in range(11)] == [404] * 10 + [429]
    assert (await client.get(f"/call/{token}")).status == 200
    monkeypatch.setattr(pushing, "_CALLS", parse("1000/minute"))
    monkeypatch.setattr(pushing, "MOST_AT_ONCE", (100, 100))
    buttons.change(int(town.things["button"]), 1)
    assert [await refused(client, token) for _ in range(16)] == [101] * 15 + [429]


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.5", ("203.0.113.5",)),
        ("203.0.113.5:4711", ("203.0.113.5",)),
        ("::ffff:203.0.113.5", ("203.0.113.5",)),
        ("[2001:db8:1:2::7]:4711", ("2001:db8:1:2::/64", "2001:db8:1::/48")),
        ("2001:db8:1:2:3:4:5:6", ("2001:db8:1:2::/64", "2001:db8:1::/48")),
        ("unknown", ("unknown",)),
    ],
)
def test_who_is_counted_as_one(address: str, counted: tuple[str, ...]) -> None:
    """IPv4 as itself, however a proxy writes it; of IPv6 the networks of a subscriber."""
    guard = Guard(SETTINGS.model_copy(update={"proxies": ("127.0.0.1",)}), None, None, None)  # type: ignore[arg-type]
    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": address}).clone(remote="127.0.0.1")
    world = World(None, None, None, guard, None, None, None, None, None, None)  # type: ignore[arg-type]
    assert Pushing(world, SETTINGS)._from(request) == counted


async def test_who_reads_nothing_keeps_nobody_waiting(client: Client, town: Town, token: str) -> None:
    """What they do not read is not kept for them, and when the other side hangs up their place is free."""
    reader, writer = await asyncio.open_connection(client.host, client.port, limit=1024)
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_RCVBUF, 2048)
    writer.write(
        f"GET /call/{token}/sound HTTP/1.1\r\nHost: {client.host}:{client.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: call\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert b"101" in await reader.readline()
    echo = await made(town)
    transports = client.app[pushing.PUSHING].unsent
    for _ in range(20_000):  # six minutes of sound
        echo.said.put_nowait(SILENCE)
    await until(echo.said.empty, 20)
    assert max(transports()) < 16_000
    echo.said.put_nowait(None)
    await until(lambda: not transports(), 20)
    writer.close()


async def test_who_talked_is_not_told_that_nobody_was_reached(
    client: Client, town: Town, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the books do not know the end yet, what was told before is still true."""
    monkeypatch.setattr(pushing, "OVER_WITHIN_S", 0.3)
    async with calling(client, token) as browser:
        echo = await made(town)
        call_id, button, _, account = echo.asked
        calls.admit(Attempt(call_id, Direction.IN, "l", str(button), account, "", NOW, NOW, by_button=True), "node")
        calls.answered(call_id, NOW, None)
        assert await until_said(browser, "talking")
        echo.said.put_nowait(None)
        assert (await until_said(browser, "over"))["why"] == "The call is over."
    progress = Progress("l")
    progress.leg_ended("l", NOW, 16)
    calls.ended(call_id, progress, NOW)


async def test_a_defect_ends_the_call_and_no_more(
    client: Client, town: Town, token: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No page is written into the sound, and no link into the log."""
    monkeypatch.setattr(Pushing, "_tell_end", lambda *_: 1 / 0)
    async with calling(client, token) as browser:
        (await made(town)).said.put_nowait(None)
        async with asyncio.timeout(20):
            async for message in browser:
                assert message.type is not WSMsgType.ERROR
    assert "a call by a call button stumbled" in caplog.text
    assert token not in caplog.text


async def test_where_asterisk_cannot_be_asked_the_visitor_hears_so(client: Client, town: Town, token: str) -> None:
    """Nobody waits for nothing."""
    town.asterisk_away = True
    async with calling(client, token) as browser:
        found = await until_said(browser, "over")
    assert found["why"] == "The call could not be put through. Please try again later."
