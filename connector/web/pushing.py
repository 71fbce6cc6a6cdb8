"""Calls by call buttons: the page that a link opens, and the sound of who pushed the button, on its way to Asterisk.

Whoever has the link may call, and nobody knows who that is. So there are limits: by address here, by button where calls
are admitted (billing/calls.py); and Asterisk ends the call after an hour. The call itself is none of this module's: it
passes the gate like any call in, and what becomes of it is read in the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import uuid
from collections import Counter
from collections.abc import Iterable
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any
from urllib.parse import urlsplit

from aiohttp import WSCloseCode, WSMsgType, web
from limits import RateLimitItemPerMinute, parse

from connector.billing.profiles import is_username
from connector.config import WebSettings
from connector.core.calls import LONGEST_BY_BUTTON_S, Ending
from connector.errors import AsteriskError, ConnectorError, StoreUnavailable
from connector.routing import buttons
from connector.routing.buttons import ButtonView, Pushed
from connector.web import render
from connector.web.guard import network_of
from connector.web.problems import Problem
from connector.web.rest import Sound, World
from connector.words import marked, tr

log = logging.getLogger(__name__)

_LOOKS = parse("60/minute")
_CALLS = parse("10/minute")
# Of an address, or a network of 64 bits; and of a network of 48, of which a household may have as much as it wants.
MOST_AT_ONCE = (2, 6)
# A frame is 20 ms of mu-law at 8 kHz.
FRAME = 160
FRAME_S = 0.02
MOST_FRAMES = 25
# What comes in a burst, after a stall, is late for good: so much is kept, and the rest is not played.
MOST_AHEAD_S = 0.24
# Who sends faster than a microphone does is none. A minute's sound may come at once, where a network has stood still.
MOST_DROPPED = 3_000
DROPPED_WITHIN_S = 60.0
# To a browser that reads too slowly no more is sent than what it may hear soon; the system keeps no more either.
MOST_UNSENT = 4 * FRAME
SOCKET_KEEPS = 4_096
KEYS = frozenset("0123456789*#")
KEY_EVERY_S = 0.1  # no finger is much quicker, and AMI has more to do
# Asterisk ends the call before.
LONGEST_S = LONGEST_BY_BUTTON_S + 600
PROTOCOL = "call"
PING_EVERY_S = 10.0
CLOSED_WITHIN_S = 1.0
ASK_EVERY_S = 0.5
OVER_WITHIN_S = 5.0
_OVER = marked("The call is over.")
_CUT = marked("The call was cut off.")
_LATER = marked("The call could not be put through. Please try again later.")
_WORDS = {
    Ending.BUSY: marked("The line is busy. Please try again in a few minutes."),
    Ending.NO_ANSWER: marked("Nobody answered. Please try again later."),
}
_FULL = ("channels_full", "button_full")


class Pushing:
    """The page and its sound."""

    def __init__(self, world: World, settings: WebSettings) -> None:
        self._world = world
        self._settings = settings
        self._calling: Counter[str] = Counter()
        self._at_once = 0
        self._carried: dict[asyncio.Task[Any], tuple[web.WebSocketResponse, asyncio.Transport]] = {}

    def add_to(self, app: web.Application) -> None:
        """Have them answered."""
        app.router.add_get("/call/{token}", self._page)
        app.router.add_get("/call/{token}/sound", self._sound)
        app.on_shutdown.append(self._end)
        app[PUSHING] = self

    def unsent(self) -> list[int]:
        """How many bytes wait in this program for each browser that calls."""
        return [transport.get_write_buffer_size() for _, transport in self._carried.values()]

    async def _end(self, app: web.Application) -> None:
        """Without this server there is no sound: whoever calls is hung up on, while Asterisk can still be asked."""
        calling = dict(self._carried)
        if calling:
            await asyncio.gather(*(browser.close(code=WSCloseCode.GOING_AWAY) for browser, _ in calling.values()))
            await asyncio.wait(calling, timeout=CLOSED_WITHIN_S)

    async def _page(self, request: web.Request) -> web.Response:
        """Whom it calls, and the button; nobody has to sign in. `back` in the address: the profile that led here."""
        self._world.guard.slow_down(_LOOKS, "call page", self._from(request)[0])
        button = await self._world.reads(buttons.by_token, request.match_info["token"])
        back = request.query.get("back", "")
        answer = render.rendered(
            "call.html",
            company=button.company,
            closed=self._settings.visitors == 0,
            back=back if is_username(back) else "",
        )
        # Not every browser takes 'self' for a websocket of the same host.
        where = urlsplit(self._settings.url)
        sound = f"{'wss' if where.scheme == 'https' else 'ws'}://{where.netloc}"
        policy = render.POLICY.replace("connect-src 'self'", f"connect-src 'self' {sound}")
        answer.headers["Content-Security-Policy"] = policy
        answer.headers["Permissions-Policy"] = "microphone=(self)"
        answer.headers["X-Robots-Tag"] = "noindex"
        return answer

    async def _sound(self, request: web.Request) -> web.StreamResponse:
        """A websocket: sound both ways in binary messages, whole frames; from the browser a key in a text of its own,
        and to it what becomes of the call, in JSON.
        """
        self._world.guard.check_origin(request)
        if PROTOCOL not in request.headers.get("Sec-WebSocket-Protocol", ""):
            raise Problem("malformed")
        who = self._from(request)
        self._world.guard.slow_down(_CALLS, "call", who[0])
        full = any(self._calling[each] >= most for each, most in zip(who, MOST_AT_ONCE, strict=False))
        if full or self._at_once >= self._settings.visitors:
            raise Problem("too_many_requests")
        self._calling.update(who)
        self._at_once += 1
        task = asyncio.current_task()
        assert task is not None
        try:
            button = await self._world.reads(buttons.by_token, request.match_info["token"])
            often = RateLimitItemPerMinute(10 + 5 * button.most)
            self._world.guard.slow_down(often, "call button", str(button.id))
            browser = web.WebSocketResponse(
                timeout=CLOSED_WITHIN_S,
                heartbeat=PING_EVERY_S,
                max_msg_size=FRAME * MOST_FRAMES,
                compress=False,
                protocols=(PROTOCOL,),
            )
            await browser.prepare(request)
            transport = request.transport
            if transport is None:  # it is gone again
                return browser
            self._carried[task] = (browser, transport)
            # The browser may be gone.
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(LONGEST_S):
                    await self._call(browser, button, transport)
                await browser.close()
            transport.abort()  # nobody waits for who reads nothing
        except Exception:
            if task not in self._carried:  # nothing was answered yet: a page says what is wrong
                raise
            log.exception("a call by a call button stumbled")
        finally:
            self._carried.pop(task, None)
            self._calling -= Counter(who)  # and forgets who calls no longer
            self._at_once -= 1
        return browser

    async def _call(self, browser: web.WebSocketResponse, button: ButtonView, transport: asyncio.Transport) -> None:
        call_id = uuid.uuid4().hex
        told: list[str] = []
        try:
            async with self._world.sound(call_id, button.id, button.name, button.account) as sound:
                spoken = asyncio.create_task(self._spoken(browser, sound, call_id))
                heard = asyncio.create_task(_heard(sound, browser, transport))
                telling = asyncio.create_task(self._tell(browser, call_id, told))
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
            await self._tell_end(browser, call_id, _OVER if "talking" in told else _LATER)
        else:
            await _say(browser, "over", _CUT)

    async def _spoken(self, browser: web.WebSocketResponse, sound: Sound, call_id: str) -> None:
        """What is said into the browser, and the keys pressed there, until it is closed, or sends something else.

        Asterisk plays a frame every 20 ms and keeps the rest: what comes late in a burst would stay late for ever.
        """
        loop = asyncio.get_running_loop()
        played_until, dropped, counted_from, pressed_at = 0.0, 0, 0.0, 0.0
        async for message in browser:
            if message.type is WSMsgType.TEXT and message.data in KEYS:
                await asyncio.sleep(max(0, pressed_at + KEY_EVERY_S - loop.time()))
                pressed_at = loop.time()
                with contextlib.suppress(AsteriskError):  # a key that is not heard is pressed again
                    await self._world.press(call_id, message.data)
                continue
            frames = len(message.data) // FRAME if message.type is WSMsgType.BINARY else 0
            if not frames or len(message.data) % FRAME:
                return
            now = loop.time()
            played_until = max(played_until, now)
            if played_until - now > MOST_AHEAD_S:
                if now - counted_from > DROPPED_WITHIN_S:
                    dropped, counted_from = 0, now
                dropped += frames
                if dropped > MOST_DROPPED:
                    return
                continue
            played_until += frames * FRAME_S
            await sound.play(message.data)

    async def _tell(self, browser: web.WebSocketResponse, call_id: str, told: list[str]) -> None:
        """Whether it rings, and that it was answered; each once."""
        while "talking" not in told:
            with contextlib.suppress(StoreUnavailable):
                found = await self._world.reads(buttons.pushed, call_id)
                if found.state not in told and found.state in ("ringing", "talking"):
                    told.append(found.state)
                    await _say(browser, found.state)
            await asyncio.sleep(ASK_EVERY_S)

    async def _tell_end(self, browser: web.WebSocketResponse, call_id: str, words: str) -> None:
        """Why it is over, once the books know; else the words for what is known."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OVER_WITHIN_S):
                while not browser.closed:
                    with contextlib.suppress(ConnectorError):
                        found = await self._world.reads(buttons.pushed, call_id)
                        if found.state == "over":
                            words = _words(found)
                            break
                    await asyncio.sleep(ASK_EVERY_S / 5)
        await _say(browser, "over", words)

    def _from(self, request: web.Request) -> tuple[str, ...]:
        """Who is counted as one: an address; or, of IPv6, its networks of 64 and of 48 bits."""
        address = self._world.guard.address(request)
        return tuple(dict.fromkeys(network_of(address, bits) for bits in (64, 48)))


def _look_at(ends: Iterable[BaseException | None]) -> None:
    """That one side is gone is how calls end; anything else is a defect."""
    for error in ends:
        if isinstance(error, Exception) and not isinstance(error, ConnectionError | AsteriskError):
            log.error("a defect of the connector", exc_info=error)


PUSHING: web.AppKey[Pushing] = web.AppKey("pushing", Pushing)


async def _heard(sound: Sound, browser: web.WebSocketResponse, transport: asyncio.Transport) -> None:
    """What is said at the other end, until the call is over.

    A browser that reads too slowly, or not at all, misses some of it: nothing is kept for it, and nobody waits for it.
    """
    transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_SNDBUF, SOCKET_KEEPS)
    async for frame in sound.heard():
        if transport.get_write_buffer_size() <= MOST_UNSENT:
            await browser.send_bytes(frame)


async def _say(browser: web.WebSocketResponse, state: str, why: str = "") -> None:
    if not browser.closed:
        await browser.send_str(json.dumps({"state": state, "why": tr(why)}))


def _words(found: Pushed) -> str:
    """What somebody is told who does not know us, and need not know what is wrong."""
    if found.answered:
        return _OVER
    if found.refusal in _FULL:
        return _WORDS[Ending.BUSY]
    return _WORDS.get(Ending(found.ending), _LATER)
