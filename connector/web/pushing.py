"""Calls by call buttons: the page that a link opens, and the sound of who pushed the button, on its way to Asterisk.

Whoever has the link may call, and nobody knows who that is. So there are limits: by address here, by button where calls
are admitted (billing/calls.py); and Asterisk ends the call after an hour. The call itself is none of this module's: it
passes the gate like any call in, and what becomes of it is read in the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import logging
import uuid
from collections import Counter
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import WSCloseCode, WSMsgType, web
from limits import parse

from connector.billing import buttons
from connector.billing.buttons import ButtonView, Pushed
from connector.config import WebSettings
from connector.core.calls import Ending
from connector.errors import AsteriskError, ConnectorError, StoreUnavailable
from connector.web import render
from connector.web.problems import Problem
from connector.web.rest import Sound, World

log = logging.getLogger(__name__)

_LOOKS = parse("60/minute")
_CALLS = parse("10/minute")
MOST_OF_ONE = 2
# A frame is 20 ms of mu-law at 8 kHz.
FRAME = 160
FRAME_S = 0.02
MOST_FRAMES = 25
# What comes in a burst, after a stall, is late for good: so much is kept, and the rest is not played.
MOST_AHEAD_S = 0.24
# Who sends faster than a microphone does is none.
MOST_DROPPED = 1_500
KEYS = frozenset("0123456789*#")
MOST_KEYS = 300
PING_EVERY_S = 10.0
CLOSED_WITHIN_S = 1.0
ASK_EVERY_S = 0.5
OVER_WITHIN_S = 5.0
_OVER = "The call is over."
_LATER = "The call could not be put through. Please try again later."
_WORDS = {
    Ending.BUSY: "The line is busy. Please try again in a few minutes.",
    Ending.NO_ANSWER: "Nobody answered. Please try again later.",
}
_FULL = ("channels_full", "button_full")


class Pushing:
    """The page and its sound."""

    def __init__(self, world: World, settings: WebSettings) -> None:
        self._world = world
        self._settings = settings
        self._calling: Counter[str] = Counter()
        self._carried: dict[asyncio.Task[Any], web.WebSocketResponse] = {}

    def add_to(self, app: web.Application) -> None:
        """Have them answered."""
        app.router.add_get("/call/{token}", self._page)
        app.router.add_get("/call/{token}/sound", self._sound)
        app.on_shutdown.append(self._end)

    async def _end(self, app: web.Application) -> None:
        """Without this server there is no sound: whoever calls is hung up on, while Asterisk can still be asked."""
        calling = dict(self._carried)
        if calling:
            await asyncio.gather(*(browser.close(code=WSCloseCode.GOING_AWAY) for browser in calling.values()))
            await asyncio.wait(calling, timeout=CLOSED_WITHIN_S)

    async def _page(self, request: web.Request) -> web.Response:
        """Whom it calls, and the button; nobody has to sign in."""
        self._world.guard.slow_down(_LOOKS, "call page", self._from(request))
        button = await self._world.reads(buttons.by_token, request.match_info["token"])
        answer = render.rendered("call.html", company=button.company)
        answer.headers["Permissions-Policy"] = "microphone=(self)"
        answer.headers["X-Robots-Tag"] = "noindex"
        return answer

    async def _sound(self, request: web.Request) -> web.StreamResponse:
        """A websocket: sound both ways in binary messages, whole frames; from the browser a key in a text of its own,
        and to it what becomes of the call, in JSON.
        """
        _check_origin(request, self._settings.url)
        who = self._from(request)
        self._world.guard.slow_down(_CALLS, "call", who)
        if self._calling.total() >= self._settings.visitors or self._calling[who] >= MOST_OF_ONE:
            raise Problem("too_many_requests")
        self._calling[who] += 1
        task = asyncio.current_task()
        assert task is not None
        try:
            button = await self._world.reads(buttons.by_token, request.match_info["token"])
            browser = web.WebSocketResponse(
                timeout=CLOSED_WITHIN_S,
                heartbeat=PING_EVERY_S,
                max_msg_size=FRAME * MOST_FRAMES,
                compress=False,
                protocols=("call",),
            )
            await browser.prepare(request)
            self._carried[task] = browser
            with contextlib.suppress(ConnectionError):  # the browser is gone
                await self._call(browser, button)
                await browser.close()
            return browser
        finally:
            self._carried.pop(task, None)
            self._calling[who] -= 1
            self._calling += Counter()  # forgets who calls no longer

    async def _call(self, browser: web.WebSocketResponse, button: ButtonView) -> None:
        call_id = uuid.uuid4().hex
        try:
            async with self._world.pushed(call_id, button.id, button.name, button.account) as sound:
                spoken = asyncio.create_task(self._spoken(browser, sound, call_id))
                heard = asyncio.create_task(_heard(sound, browser))
                telling = asyncio.create_task(self._tell(browser, call_id))
                try:
                    await asyncio.wait([spoken, heard], return_when=asyncio.FIRST_COMPLETED)
                    hung_up_there = heard.done()
                finally:
                    for task in (spoken, heard, telling):
                        task.cancel()
                    _look_at(await asyncio.gather(spoken, heard, telling, return_exceptions=True))
        except AsteriskError as error:
            log.error("a call by the call button %s could not be made: %s", button.name, error)
            await _say(browser, "over", _LATER)
            return
        if hung_up_there:
            await self._tell_end(browser, call_id)

    async def _spoken(self, browser: web.WebSocketResponse, sound: Sound, call_id: str) -> None:
        """What is said into the browser, and the keys pressed there, until it is closed, or sends something else.

        Asterisk plays a frame every 20 ms and keeps the rest: what comes late in a burst would stay late for ever.
        """
        loop = asyncio.get_running_loop()
        played_until, dropped, pressed = 0.0, 0, 0
        async for message in browser:
            if message.type is WSMsgType.TEXT and message.data in KEYS and pressed < MOST_KEYS:
                pressed += 1
                with contextlib.suppress(AsteriskError):  # a key that is not heard is pressed again
                    await self._world.press(call_id, message.data)
                continue
            frames = len(message.data) // FRAME if message.type is WSMsgType.BINARY else 0
            if not frames or len(message.data) % FRAME:
                return
            now = loop.time()
            played_until = max(played_until, now)
            if played_until - now > MOST_AHEAD_S:
                dropped += frames
                if dropped > MOST_DROPPED:
                    return
                continue
            played_until += frames * FRAME_S
            await sound.play(message.data)

    async def _tell(self, browser: web.WebSocketResponse, call_id: str) -> None:
        """Whether it rings, and that it was answered."""
        told = ""
        while told != "talking":
            with contextlib.suppress(StoreUnavailable):
                found = await self._world.reads(buttons.pushed, call_id)
                if found.state != told and found.state in ("ringing", "talking"):
                    told = found.state
                    await _say(browser, told)
            await asyncio.sleep(ASK_EVERY_S)

    async def _tell_end(self, browser: web.WebSocketResponse, call_id: str) -> None:
        """Why it is over, once the books know."""
        words = _LATER
        with contextlib.suppress(TimeoutError, ConnectorError):
            async with asyncio.timeout(OVER_WITHIN_S):
                found = Pushed("waiting")
                while found.state != "over" and not browser.closed:
                    found = await self._world.reads(buttons.pushed, call_id)
                    if found.state != "over":
                        await asyncio.sleep(ASK_EVERY_S / 5)
                words = _words(found)
        await _say(browser, "over", words)

    def _from(self, request: web.Request) -> str:
        """Who is counted as one: an address, or, of IPv6, a network, in which everybody has as many as they want."""
        address = self._world.guard.address(request)
        with contextlib.suppress(ValueError):
            found = ipaddress.ip_address(address)
            if found.version == 6:
                return str(ipaddress.ip_network((found, 64), strict=False))
        return address


def _look_at(ends: Iterable[BaseException | None]) -> None:
    """That one side is gone is how calls end; anything else is a defect."""
    for error in ends:
        if isinstance(error, Exception) and not isinstance(error, ConnectionError | AsteriskError):
            log.error("a defect of the connector", exc_info=error)


async def _heard(sound: Sound, browser: web.WebSocketResponse) -> None:
    """What is said at the other end, until the call is over."""
    async for frame in sound.heard():
        await browser.send_bytes(frame)


async def _say(browser: web.WebSocketResponse, state: str, why: str = "") -> None:
    if not browser.closed:
        await browser.send_str(json.dumps({"state": state, "why": why}))


def _words(found: Pushed) -> str:
    """What somebody is told who does not know us, and need not know what is wrong."""
    if found.answered:
        return _OVER
    if found.refusal in _FULL:
        return _WORDS[Ending.BUSY]
    return _WORDS.get(Ending(found.ending), _LATER) if found.ending else _LATER


def _check_origin(request: web.Request, url: str) -> None:
    """Another site's page does not make its readers call. A program, which is no browser, says no origin."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc not in (request.host, urlsplit(url).netloc):
        raise Problem("csrf")
