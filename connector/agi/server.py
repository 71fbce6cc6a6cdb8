"""The FastAGI server: bounded in time, lines and callers, whoever connects; and what a dialplan may ask there.

panoramisk's own listener reads for ever when a client connects and closes, and freezes the whole event loop
(panoramisk 1.4); so the header is read here, and its Request is kept for the commands.

`agi://HOST/status`                  CONNECTOR_STATUS is `ready` or `not_ready`: whether a call would be decided at all.
`agi://HOST/admit?out=PROFILE`       the gate, for a call of a profile's PBX; `?in=TRUNK` for one from a carrier. After
                                     it the dialplan says Goto(${CONNECTOR_GOTO}), whatever was decided: an empty one is
                                     to be refused. CONNECTOR_STATUS: `admitted`, `refused` or `emergency`.
`agi://HOST/route?called=WHAT`       CONNECTOR_PATH is the path that a call to a number or account would take now, in
                                     words; CONNECTOR_STATUS `found`, `none`, or `unknown` if nobody could be asked.
`agi://HOST/balance?profile=NAME`    CONNECTOR_BALANCE and CONNECTOR_HELD are its credit, CONNECTOR_CURRENCY what it is
                                     in; CONNECTOR_STATUS as for a route.
`agi://HOST/hangup`                  a leg is over, for a hang-up handler: looked after soon, if its end is not heard.

What is asked stands in the address, which Asterisk sends before anything that the network said: an extension or a
caller's number with a line break in it would make header lines of its own. Of the rest only the leg's id is used, and
everything else about the leg is asked of Asterisk.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Protocol, TypeVar
from urllib.parse import unquote

from panoramisk.fast_agi import Request

from connector.billing import credit, trials
from connector.clock import Clock
from connector.config import FastAgiSettings
from connector.core import dialplan
from connector.core.dialplan import GoOn
from connector.core.money import decimal
from connector.database.store import StoreDoor
from connector.errors import AsteriskError, BadInput, ConnectorError, NotFound

log = logging.getLogger(__name__)

R = TypeVar("R")

HEADER_LIMIT_S = 3.0
ANSWER_LIMIT_S = 5.0
MOST_HEADER_LINES = 100
MOST_LINE_BYTES = 4096
MOST_AT_ONCE = 200
MOST_VALUE = 1900  # Asterisk reads 2,047 bytes of a line; the rest would be a command of its own


class Gate(Protocol):
    """Who decides calls; the Stasis application does, so that both ways decide alike."""

    def is_ready(self) -> bool:
        """Whether a call would be decided."""

    async def ask(self, leg: str, direction: str, source: str, presentation: str) -> GoOn:
        """What becomes of a leg that stands in the dialplan; AsteriskError if there is none, or none can be asked."""

    def look(self) -> None:
        """Look soon which legs are alive, and close the calls of those that are not."""

    async def withdraw(self, leg: str) -> None:
        """The answer for a leg did not arrive: what it was given is taken back."""


class Refused(Exception):
    """Asterisk did not take what it was told, so that nothing more may be said."""


Asked = Mapping[str, str]
Route = Callable[[Request, Asked], Awaitable[None]]


class FastAgiServer:
    """Answers the routes it has; refuses everybody who is not on the list."""

    def __init__(self, settings: FastAgiSettings, gate: Gate, store: StoreDoor, clock: Clock) -> None:
        self.settings = settings
        self._gate = gate
        self._store = store
        self._clock = clock
        self._at_once = 0
        self._taking_back: set[asyncio.Task[None]] = set()
        self._routes: dict[str, Route] = {
            "status": self._status,
            "admit": self._admit,
            "route": self._route,
            "balance": self._balance,
            "hangup": self._hang_up,
        }

    async def start(self) -> asyncio.Server:
        """Listen. OSError if the port is taken."""
        return await asyncio.start_server(
            self._serve, self.settings.host, self.settings.port, limit=MOST_LINE_BYTES, reuse_address=True
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername") or ("?",)
        self._at_once += 1
        try:
            if peer[0] not in self.settings.allowed:
                log.warning("FastAGI: %s is not allowed", peer[0])
            elif self._at_once > MOST_AT_ONCE:
                log.warning("FastAGI: more than %d at once, %s is turned away", MOST_AT_ONCE, peer[0])
            else:
                await self._answer(reader, writer)
        except (TimeoutError, ValueError, OSError, asyncio.IncompleteReadError, Refused) as error:
            log.info("FastAGI: %s did not speak AGI: %s", peer[0], error or type(error).__name__)
        except ConnectorError as error:  # nothing was set, so the dialplan refuses
            log.error("FastAGI: %s", error)
        except Exception:
            log.exception("FastAGI: a defect of the connector")
        finally:
            self._at_once -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        headers = await asyncio.wait_for(_headers(reader), HEADER_LIMIT_S)
        name, _, query = headers.get("agi_network_script", "").partition("?")
        asked = _asked(query)
        request = Request(SimpleNamespace(raise_on_error=False), headers, reader, writer)
        if not self._knows(asked.pop("secret", "")):
            log.warning("FastAGI: %s was asked without the secret of [fastagi] in the URL: refused", name[:20])
            return  # nothing is set, so the dialplan refuses
        route = self._routes.get(name)
        if route is None:
            await asyncio.wait_for(
                request.send_command('VERBOSE "the connector has no such AGI route" 1'), ANSWER_LIMIT_S
            )
        else:
            await asyncio.wait_for(route(request, asked), ANSWER_LIMIT_S)

    def _knows(self, given: str) -> bool:
        secret = self.settings.secret
        return secret is not None and hmac.compare_digest(
            given.encode(errors="surrogateescape"), secret.get_secret_value().encode()
        )

    async def _status(self, request: Request, asked: Asked) -> None:
        await _set(request, ("CONNECTOR_STATUS", "ready" if self._gate.is_ready() else "not_ready"))

    async def _admit(self, request: Request, asked: Asked) -> None:
        ways = [way for way in ("out", "in") if asked.get(way)]
        leg = request.headers.get("agi_uniqueid", "")
        if len(ways) != 1 or not leg:
            raise ValueError("admit is asked for ?out=PROFILE or ?in=TRUNK")
        # It is decided even if whoever asks goes away meanwhile: the answer may be on the disk, and is taken back then.
        asking = asyncio.ensure_future(self._gate.ask(leg, ways[0], asked[ways[0]], asked.get("pres", "")))
        try:
            to = await asyncio.shield(asking)
            status = {"connector-refuse": "refused", "connector-emergency": "emergency"}.get(to.context, "admitted")
            # The last word is the one that the dialplan goes by: all others are in place then.
            for variable in (*to.variables, ("CONNECTOR_STATUS", status)):
                await _set(request, variable)
            await _set(request, ("CONNECTOR_GOTO", f"{to.context},{to.extension},1"))
        except AsteriskError as error:
            log.error("FastAGI: leg %s is refused: %s", leg, error)
        except BaseException:
            taking_back = asyncio.create_task(self._take_back(leg, asking))
            self._taking_back.add(taking_back)
            taking_back.add_done_callback(self._taking_back.discard)
            raise

    async def _take_back(self, leg: str, asking: asyncio.Future[GoOn]) -> None:
        await asyncio.wait([asking])
        if asking.exception() is None:
            await self._gate.withdraw(leg)

    async def _route(self, request: Request, asked: Asked) -> None:
        found = await self._look_up(request, trials.path_of, asked.get("called", ""))
        if found is not None:
            await _set(request, ("CONNECTOR_PATH", dialplan.in_words(found.path)))
            await _set(request, ("CONNECTOR_STATUS", "none" if found.why_not else "found"))

    async def _balance(self, request: Request, asked: Asked) -> None:
        found = await self._look_up(request, credit.credit, asked.get("profile", ""))
        if found is not None:
            await _set(request, ("CONNECTOR_BALANCE", decimal(found.available_micros)))
            await _set(request, ("CONNECTOR_HELD", decimal(found.held_micros)))
            await _set(request, ("CONNECTOR_CURRENCY", found.currency))
            await _set(request, ("CONNECTOR_STATUS", "found"))

    async def _look_up(self, request: Request, function: Callable[[str, int], R], what: str) -> R | None:
        """What the store says of something now; where there is none the dialplan is told so, and None comes back."""
        await _set(request, ("CONNECTOR_STATUS", "unknown"))
        try:
            return await self._store(function, what, self._clock.now_ms())
        except (BadInput, NotFound):
            await _set(request, ("CONNECTOR_STATUS", "none"))
            return None

    async def _hang_up(self, request: Request, asked: Asked) -> None:
        """The leg itself is there until its dialplan is done: it is looked for when this has been answered."""
        await self._status(request, asked)
        self._gate.look()


def _asked(query: str) -> dict[str, str]:
    """`out=p&pres=x`; a "+" is a "+" here, as a number has it."""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return {name: unquote(value) for name, _, value in pairs}


async def _set(request: Request, variable: tuple[str, str]) -> None:
    """Set one variable. Refused if Asterisk does not say that it did."""
    name, value = variable
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    if len(quoted.encode()) > MOST_VALUE:
        raise Refused(f"{name} is longer than a line of AGI may be")
    answer = await request.send_command(f'SET VARIABLE {name} "{quoted}"')
    if answer.get("status_code") != 200:
        raise Refused(f"{name} was not set: {answer.get('msg') or 'no answer'}")


async def _headers(reader: asyncio.StreamReader) -> dict[str, str]:
    """The `agi_name: value` lines up to the empty one; of a name that comes twice the first, which is Asterisk's own.

    ValueError if there are too many lines or one is too long.
    """
    headers: dict[str, str] = {}
    for _ in range(MOST_HEADER_LINES):
        line = await reader.readline()
        if not line.endswith(b"\n"):
            raise ValueError("the connection closed before the header ended")
        if line == b"\n":
            return headers
        name, _, value = line.decode("utf-8", "replace").rstrip("\n").partition(": ")
        headers.setdefault(name, value)
    raise ValueError(f"more than {MOST_HEADER_LINES} header lines")
