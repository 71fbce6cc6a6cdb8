"""Whose events Asterisk sends us: those of our own endpoints' channels, and of single legs on other endpoints.

An application that subscribes to everything makes Asterisk write some 80 events as JSON for each call of the admin's
own, which are thrown away after that (res/stasis/app.c, 22.10). Subscribed to are the endpoints of profiles and trunks;
one by one the legs on other endpoints that belong to a call of ours (an admin's phone that calls through a client
profile, a leg that another dialplan dials, Local legs); and all bridges, for Asterisk reports a transfer of two calls
only to a subscriber of a channel or a bridge.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

from connector.ari_app.client import AriClient
from connector.errors import AriRefused

BRIDGES = "bridge:"
# The kinds of sources, and what Asterisk calls a subscription to all of one kind.
_ALL = {
    "channel:": ("channel_ids", "__AST_CHANNEL_ALL_TOPIC"),
    "endpoint:": ("endpoint_ids", "__AST_ENDPOINT_ALL_TOPIC"),
}
_TECH = "PJSIP"
_AT_ONCE = 200


class Subscriptions:
    """The application's subscriptions. `wanted` gives the names of all endpoints whose calls come to the gate.

    The methods raise AsteriskError if Asterisk cannot be asked.
    """

    def __init__(self, client: AriClient, wanted: Callable[[], Awaitable[set[str]]]) -> None:
        self._client = client
        self._wanted = wanted
        self._endpoints: set[str] = set()
        self._legs: set[str] = set()

    async def begin(self) -> None:
        """Subscribe anew, on a new connection: an Asterisk that was restarted has none of the subscriptions."""
        self._endpoints.clear()
        self._legs.clear()
        await self._end_those_of_earlier_versions()
        await self._subscribe([BRIDGES])
        await self.renew()

    async def renew(self) -> None:
        """Subscribe to the endpoints that Asterisk has and the application has no subscription to."""
        wanted = await self._wanted()
        prefix = f"{_TECH}/"
        application = await self._application()
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

    async def to_call(self, leg: str, endpoint: str, dials: Collection[str]) -> None:
        """Have the events of a call come: of the leg at the gate, and of those that our dialplan dials next."""
        if not all(self.covers(each) for each in dials):
            await self.renew()
        await self.to_leg(leg, endpoint)

    async def to_leg(self, leg: str, endpoint: str) -> bool:
        """Have the events of one leg of our calls come; False if it is gone already."""
        if self.covers(endpoint) or leg in self._legs:
            return True
        there = await self._subscribe([f"channel:{leg}"])
        if there:
            self._legs.add(leg)
        return there

    def keep(self, legs: Collection[str] | Mapping[str, object]) -> None:
        """Forget all legs but these, which Asterisk has."""
        self._legs.intersection_update(legs)

    async def _end_those_of_earlier_versions(self) -> None:
        """End subscriptions to everything: Asterisk keeps them while it runs."""
        application = await self._application()
        for kind, (ids, everything) in _ALL.items():
            if everything in application[ids]:
                await self._unsubscribe(kind)
        if _ALL["channel:"][1] in application["channel_ids"]:
            await self._unsubscribe("deviceState:")

    async def _application(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = await self._client.applications.get(applicationName=self._client.settings.app)
        return found

    async def _subscribe(self, sources: Iterable[str]) -> bool:
        """Subscribe to sources of events; False if Asterisk does not have one of them."""
        body = {"eventSource": list(sources)}
        try:
            await self._client.applications.subscribe(applicationName=self._client.settings.app, body=body)
        except AriRefused:
            return False
        return True

    async def _unsubscribe(self, source: str) -> None:
        body = {"eventSource": [source]}
        try:
            await self._client.applications.unsubscribe(applicationName=self._client.settings.app, body=body)
        except AriRefused:
            return  # there was none
