"""Whose events Asterisk sends us: those of our own endpoints' channels, and of single legs on other endpoints.

An application that subscribes to everything makes Asterisk write some 80 events as JSON for each call of the admin's
own, which are thrown away after that (res/stasis/app.c, 22.10). Subscribed to are the endpoints of profiles and trunks;
one by one the legs on other endpoints that belong to a call of ours (an admin's phone that calls through a client
profile, a leg that another dialplan dials, Local legs); and all bridges, for Asterisk reports a transfer of two calls
only to a subscriber of a channel or a bridge.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable

from connector.ari_app.client import AriClient
from connector.errors import AriRefused

log = logging.getLogger(__name__)

BRIDGES = "bridge:"
_TECH = "PJSIP"
_AT_ONCE = 200
# What Asterisk answers if it does not have a source of events (rest-api/applications.json).
_NOT_THERE = (404, 422)
# The least time between two lists of all endpoints, in seconds.
RENEW_EVERY_S = 1.0


class Subscriptions:
    """The application's subscriptions. `wanted` gives the names of all endpoints whose calls come to the gate.

    The methods raise AsteriskError if Asterisk cannot be asked.
    """

    def __init__(self, client: AriClient, wanted: Callable[[], Awaitable[set[str]]]) -> None:
        self._client = client
        self._wanted = wanted
        self._endpoints: set[str] = set()
        self._legs: set[str] = set()
        self._renewing = asyncio.Lock()
        self._renewed_at = 0.0

    async def begin(self) -> None:
        """Subscribe anew, on a new connection: an Asterisk that was restarted has none of the subscriptions."""
        self._endpoints.clear()
        self._legs.clear()
        if not await self._subscribe([BRIDGES]):
            log.error("Asterisk does not report transfers: calls of two profiles that are joined go on")
        await self.renew()

    async def renew(self) -> None:
        """Subscribe to the endpoints that Asterisk has and the application has no subscription to."""
        async with self._renewing:
            await self._renew()
            self._renewed_at = asyncio.get_running_loop().time()

    async def _renew(self) -> None:
        wanted = await self._wanted()
        prefix = f"{_TECH}/"
        application = await self._client.applications.get(applicationName=self._client.settings.app)
        self._endpoints = {name.removeprefix(prefix) for name in application["endpoint_ids"] if name.startswith(prefix)}
        missing = wanted - self._endpoints
        if not missing:
            return
        try:
            listed = await self._client.endpoints.listByTech(tech=_TECH)
        except AriRefused:
            return  # it has none yet
        found = sorted(missing & {endpoint["resource"] for endpoint in listed})
        for first in range(0, len(found), _AT_ONCE):
            names = found[first : first + _AT_ONCE]
            if await self._subscribe(f"endpoint:{prefix}{name}" for name in names):
                self._endpoints.update(names)

    def covers(self, endpoint: str) -> bool:
        """Whether the events of an endpoint's legs come."""
        return endpoint in self._endpoints

    async def to_call(self, leg: str, endpoint: str, dials: Collection[str]) -> bool:
        """Have the events of a call come: of the leg at the gate, and of those that our dialplan dials next. False if
        the leg is gone already.
        """
        since_s = asyncio.get_running_loop().time() - self._renewed_at
        if not all(self.covers(each) for each in dials) and since_s >= RENEW_EVERY_S:
            await self.renew()
        return await self.to_leg(leg, endpoint)

    async def to_leg(self, leg: str, endpoint: str) -> bool:
        """Have the events of one leg of our calls come; False if it is gone already."""
        if self.covers(endpoint) or leg in self._legs:
            return True
        there = await self._subscribe([f"channel:{leg}"])
        if there:
            self._legs.add(leg)
        return there

    def keep(self, legs: Collection[str]) -> None:
        """Forget all legs but these, which Asterisk has."""
        self._legs.intersection_update(legs)

    async def _subscribe(self, sources: Iterable[str]) -> bool:
        """Subscribe to sources of events; False if Asterisk does not have one of them."""
        body = {"eventSource": list(sources)}
        try:
            await self._client.applications.subscribe(applicationName=self._client.settings.app, body=body)
        except AriRefused as error:
            if error.status not in _NOT_THERE:
                raise
            return False
        return True
