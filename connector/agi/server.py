"""The FastAGI server: bounded in time, lines and callers, whoever connects.

panoramisk's own listener reads for ever when a client connects and closes, and freezes the whole event loop
(panoramisk 1.4); so the header is read here, and its Request is kept for the commands.

`agi://HOST/status` sets CONNECTOR_STATUS to `ready` or `not_ready`: whether a call would be decided at all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

from panoramisk.fast_agi import Request

from connector.config import FastAgiSettings

log = logging.getLogger(__name__)

HEADER_LIMIT_S = 3.0
ANSWER_LIMIT_S = 5.0
MOST_HEADER_LINES = 100
MOST_LINE_BYTES = 4096
MOST_AT_ONCE = 200

Route = Callable[[Request], Awaitable[None]]


class FastAgiServer:
    """Answers the routes it was given; refuses everybody who is not on the list."""

    def __init__(self, settings: FastAgiSettings, ready: Callable[[], bool]) -> None:
        self.settings = settings
        self._ready = ready
        self._at_once = 0
        self._routes: dict[str, Route] = {"status": self._status}

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
        except (TimeoutError, ValueError, OSError, asyncio.IncompleteReadError) as error:
            log.info("FastAGI: %s did not speak AGI: %s", peer[0], error or type(error).__name__)
        finally:
            self._at_once -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        headers = await asyncio.wait_for(_headers(reader), HEADER_LIMIT_S)
        route = self._routes.get(headers.get("agi_network_script", ""))
        request = Request(SimpleNamespace(raise_on_error=False), headers, reader, writer)
        if route is None:
            await asyncio.wait_for(
                request.send_command('VERBOSE "the connector has no such AGI route" 1'), ANSWER_LIMIT_S
            )
        else:
            await asyncio.wait_for(route(request), ANSWER_LIMIT_S)

    async def _status(self, request: Request) -> None:
        status = "ready" if self._ready() else "not_ready"
        await request.send_command(f"SET VARIABLE CONNECTOR_STATUS {status}")


async def _headers(reader: asyncio.StreamReader) -> dict[str, str]:
    """The `agi_name: value` lines up to the empty one. ValueError if there are too many or one is too long."""
    headers: dict[str, str] = {}
    for _ in range(MOST_HEADER_LINES):
        line = await reader.readline()
        if not line.endswith(b"\n"):
            raise ValueError("the connection closed before the header ended")
        if line == b"\n":
            return headers
        name, _, value = line.decode("utf-8", "replace").rstrip("\n").partition(": ")
        headers[name] = value
    raise ValueError(f"more than {MOST_HEADER_LINES} header lines")
