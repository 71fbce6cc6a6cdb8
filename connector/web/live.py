"""What goes on, as server-sent events: a snapshot of what somebody sees, whenever it is another one.

One question a second for each scope that somebody looks at, however many look.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter

from connector.billing import calls
from connector.billing.calls import Now
from connector.clock import Clock
from connector.core.access import Scope, narrowed, require
from connector.core.times import timed
from connector.database.store import StoreDoor
from connector.errors import BadInput, ConnectorError
from connector.web.guard import Guard
from connector.web.problems import Problem

EVERY_S = 1.0
# Whoever looks is asked again who they are: a session that ended sees nothing more.
KNOWN_FOR_S = 30.0
SILENT_FOR_S = 15.0
MOST_LOOKING = 500
MOST_OF_ONE = 8
TOLD_WITHIN_S = 10.0
_NOW = TypeAdapter(Now)


class Live:
    """Those who look, and what they see."""

    def __init__(self, guard: Guard, reads: StoreDoor, clock: Clock) -> None:
        self._guard = guard
        self._reads = reads
        self._clock = clock
        self._looking: Counter[int | None] = Counter()
        self._asked: dict[Scope, tuple[float, asyncio.Task[str]]] = {}

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The stream. `company`: for the house's users, which one."""
        who, scope = await self._scope(request)
        if self._looking.total() >= MOST_LOOKING or self._looking[who] >= MOST_OF_ONE:
            raise Problem("too_many_requests", "You have too many live pages open.")
        self._looking[who] += 1
        try:
            answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
            await answer.prepare(request)
            with contextlib.suppress(OSError, TimeoutError, Problem, ConnectorError):
                await self._tell(request, answer, scope)
            return answer
        finally:
            self._looking[who] -= 1

    async def _tell(self, request: web.Request, answer: web.StreamResponse, scope: Scope) -> None:
        last, known_at, told_at = "", time.monotonic(), time.monotonic()
        while True:
            text = await self._seen(scope)
            if text != last and text:
                await _written(answer, f"event: now\ndata: {text}\n\n".encode())
                last, told_at = text, time.monotonic()
            elif time.monotonic() - told_at > SILENT_FOR_S:
                await _written(answer, b": still here\n\n")
                told_at = time.monotonic()
            await asyncio.sleep(EVERY_S)
            if time.monotonic() - known_at > KNOWN_FOR_S:
                if (await self._scope(request))[1] != scope:
                    return
                known_at = time.monotonic()

    async def _scope(self, request: web.Request) -> tuple[int | None, Scope]:
        signed = await self._guard.signed(request)
        require(signed.actor, "calls.read")
        company = request.query.get("company")
        if company is not None and not (company.isascii() and company.isdecimal() and len(company) < 10):
            raise BadInput("Invalid company ID {company!r}. Use the number of a company.", company=company[:20])
        chosen = signed.session.company if signed.session and signed.actor.scope.company is None else None
        return signed.actor.user, narrowed(signed.actor.scope, int(company) if company else chosen)

    async def _seen(self, scope: Scope) -> str:
        """What a scope sees, as JSON; "" if the store cannot be asked now."""
        now = time.monotonic()
        asked = self._asked.get(scope)
        if asked is None or now - asked[0] >= EVERY_S / 2:
            asked = (now, asyncio.create_task(self._ask(scope)))
            self._asked = {key: each for key, each in self._asked.items() if now - each[0] < 10}
            self._asked[scope] = asked
        return await asyncio.shield(asked[1])

    async def _ask(self, scope: Scope) -> str:
        try:
            found = await self._reads(calls.now_of, scope, self._clock.now_ms())
        except ConnectorError:
            return ""
        shown: Any = timed(_NOW.dump_python(found, mode="json"))
        if not found.calls:
            shown["at"] = None  # nothing happens: nothing new is told
        return json.dumps(shown)


async def _written(answer: web.StreamResponse, text: bytes) -> None:
    """Told, unless nobody reads what is told."""
    async with asyncio.timeout(TOLD_WITHIN_S):
        await answer.write(text)
