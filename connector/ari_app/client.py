"""A thin ARI client: a websocket for events and REST requests (Asterisk 22), which comes back by itself; lists by HTTP.

Resources and operations have the names of ari-py, which are Asterisk's own (rest-api/*.json; a test compares them):
`client.channels.continueInDialplan(channelId=..., context=...)`. Why not one of the libraries: docs/decisions/0001.

Knows no call and decides nothing. Its neighbour is app.py.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import aiohttp

from connector.config import AriSettings
from connector.errors import AriUnavailable, ari_error

log = logging.getLogger(__name__)

# resource -> operation -> method and path. Only what is used.
OPERATIONS: dict[str, dict[str, tuple[str, str]]] = {
    "applications": {
        "get": ("GET", "/applications/{applicationName}"),
        "filter": ("PUT", "/applications/{applicationName}/eventFilter"),
        "subscribe": ("POST", "/applications/{applicationName}/subscription"),
    },
    "asterisk": {
        "getInfo": ("GET", "/asterisk/info"),
        "listModules": ("GET", "/asterisk/modules"),
        "ping": ("GET", "/asterisk/ping"),
    },
    "channels": {
        "continueInDialplan": ("POST", "/channels/{channelId}/continue"),
        "get": ("GET", "/channels/{channelId}"),
        "getChannelVar": ("GET", "/channels/{channelId}/variable"),
        "hangup": ("DELETE", "/channels/{channelId}"),
        "list": ("GET", "/channels"),
        "play": ("POST", "/channels/{channelId}/play"),
        "setChannelVar": ("POST", "/channels/{channelId}/variable"),
        "setChannelVars": ("POST", "/channels/{channelId}/variables"),
        "snoopChannel": ("POST", "/channels/{channelId}/snoop"),
    },
    "endpoints": {
        "listByTech": ("GET", "/endpoints/{tech}"),
    },
}

# Paths whose answers grow with the calls or the endpoints: asked by HTTP. Asterisk copies a websocket message onto the
# stack of a thread that has 496 kB, and "list all channels" with some 700 of them kills it (res_http_websocket.c,
# ast_alloca; 22.10.1).
BY_HTTP = {
    "/channels",
    "/asterisk/modules",
    "/endpoints/{tech}",
    *(path for _, path in OPERATIONS["applications"].values()),
}
REQUEST_LIMIT_S = 5.0
# A websocket that is silently dropped is not noticed by itself: Asterisk has to answer a ping this often.
# The answer may take half of it: a machine that stands still for a moment is no lost connection.
HEARTBEAT_S = 8.0
FIRST_RETRY_S, LONGEST_RETRY_S = 0.2, 5.0
# An event of Asterisk is a few kB; the answer to "list all channels" with 600 of them is about 1 MB.
MOST_BYTES = 64 * 1024 * 1024


class Listener(Protocol):
    """Who hears what the websocket brings. `event` and `disconnected` must not wait."""

    async def connected(self) -> None:
        """The stream is open. Runs beside it, so that it can ask and be answered."""

    def event(self, message: dict[str, Any]) -> None:
        """One event, in Asterisk's order."""

    def disconnected(self, reason: str) -> None:
        """The stream is gone; nothing is known from here on."""


class AriClient:
    """One application's websocket. `run` keeps it open until it is cancelled."""

    def __init__(self, settings: AriSettings) -> None:
        self.settings = settings
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._session: aiohttp.ClientSession | None = None
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._ids = itertools.count(1)
        self._pause_s = 0.0
        self._closing: asyncio.Future[bool] | None = None
        self.applications = _Resource(self, OPERATIONS["applications"])
        self.asterisk = _Resource(self, OPERATIONS["asterisk"])
        self.channels = _Resource(self, OPERATIONS["channels"])
        self.endpoints = _Resource(self, OPERATIONS["endpoints"])

    @property
    def is_open(self) -> bool:
        """True while requests can be sent."""
        return self._socket is not None

    async def run(self, listener: Listener) -> None:
        """Keep the websocket open for ever, with growing pauses between failed tries."""
        retry_s = FIRST_RETRY_S
        connections = aiohttp.TCPConnector(
            force_close=True
        )  # Asterisk closes one that is idle, in the midst of a request
        async with aiohttp.ClientSession(connector=connections, headers=self._sign_in()) as session:
            self._session = session
            while True:
                try:
                    async with self._connect(session) as socket:
                        retry_s = FIRST_RETRY_S
                        await self._listen(socket, listener)
                        reason = f"Asterisk closed the websocket ({socket.close_code})"
                except ValueError as error:
                    reason = f"Asterisk sent what is no JSON: {error}"
                except (aiohttp.ClientError, OSError, TimeoutError) as error:
                    reason = f"Asterisk cannot be reached at {self.settings.url}: {error}"
                listener.disconnected(reason)
                await asyncio.sleep(max(retry_s, self._pause_s))
                self._pause_s = 0.0
                retry_s = min(retry_s * 2, LONGEST_RETRY_S)

    def request(
        self, method: str, path: str, query: dict[str, str], body: Any = None, *, by_http: bool = False
    ) -> asyncio.Future[Any]:
        """Send one REST request over the websocket, now; the future brings the answer's JSON (None if it has none).

        Requests go out in the order of these calls, but for those by HTTP. The future raises AriRefused or
        AriUnavailable.
        """
        if by_http:
            return asyncio.ensure_future(self._ask_by_http(method, path, query, body))
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._socket is None:
            answer.set_exception(AriUnavailable("Asterisk is not connected"))
            return answer
        request_id = str(next(self._ids))
        message = {"type": "RESTRequest", "request_id": request_id, "method": method, "uri": path.lstrip("/")}
        if query:
            message["uri"] += "?" + urlencode(query)
        if body is not None:
            message["content_type"] = "application/json"
            message["message_body"] = json.dumps(body)
        self._waiting[request_id] = answer
        answer.add_done_callback(lambda _: self._waiting.pop(request_id, None))
        sending = asyncio.ensure_future(self._socket.send_str(json.dumps(message)))
        sending.add_done_callback(lambda sent: self._sent(sent, answer))
        limit = asyncio.get_running_loop().call_later(REQUEST_LIMIT_S, self._too_late, answer, method, path)
        answer.add_done_callback(lambda _: limit.cancel())
        return answer

    async def _ask_by_http(self, method: str, path: str, query: dict[str, str], body: Any) -> Any:
        if self._session is None or self._socket is None:
            raise AriUnavailable("Asterisk is not connected")
        url = f"{self.settings.url}{path}"
        try:
            limit = aiohttp.ClientTimeout(REQUEST_LIMIT_S)
            async with self._session.request(method, url, params=query, json=body, timeout=limit) as answer:
                if answer.status >= 400:
                    raise ari_error(answer.status, path.lstrip("/"))
                return await answer.json() if answer.status != 204 else None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise AriUnavailable(
                "no answer from Asterisk to {method} {path}: {error!r}", method=method, path=path, error=error
            ) from error

    def _sign_in(self) -> dict[str, str]:
        word = aiohttp.encode_basic_auth(self.settings.user, self.settings.password.get_secret_value())
        return {"Authorization": word}

    def _connect(self, session: aiohttp.ClientSession) -> Any:
        settings = self.settings
        return session.ws_connect(
            f"{settings.url}/events?{urlencode({'app': settings.app})}",
            heartbeat=HEARTBEAT_S,
            max_msg_size=MOST_BYTES,
            timeout=aiohttp.ClientWSTimeout(ws_close=2),
        )

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse, listener: Listener) -> None:
        self._socket = socket
        greeting = asyncio.create_task(listener.connected())
        greeting.add_done_callback(self._greeted)
        try:
            async for frame in socket:
                if frame.type is not aiohttp.WSMsgType.TEXT:
                    break
                message = json.loads(frame.data)
                if message.get("type") == "RESTResponse":
                    self._answered(message)
                else:
                    listener.event(message)
        finally:
            self._socket = None
            greeting.cancel()
            await asyncio.gather(greeting, return_exceptions=True)
            for answer in list(self._waiting.values()):
                _fail(answer, AriUnavailable("the websocket to Asterisk is gone"))

    def _answered(self, message: dict[str, Any]) -> None:
        answer = self._waiting.get(message.get("request_id", ""))
        if answer is None or answer.done():
            return
        status = int(message["status_code"])
        if status >= 400:
            _fail(answer, ari_error(status, str(message.get("uri", "a request"))))
        else:
            body = message.get("message_body")
            answer.set_result(json.loads(body) if body else None)

    def leave(self, pause_s: float) -> None:
        """Close the websocket, and stay away for a while."""
        self._pause_s = pause_s
        if self._socket is not None:
            self._closing = asyncio.ensure_future(self._socket.close())

    def _greeted(self, greeting: asyncio.Task[None]) -> None:
        """The listener's greeting never ends by itself: if it does, the connection is of no use to it."""
        if not greeting.cancelled() and greeting.exception() is not None:
            log.error("a defect of the connector; connecting anew", exc_info=greeting.exception())
            self.leave(LONGEST_RETRY_S)

    @staticmethod
    def _sent(sent: asyncio.Future[None], answer: asyncio.Future[Any]) -> None:
        error = None if sent.cancelled() else sent.exception()
        if error is not None:
            _fail(answer, AriUnavailable("the websocket to Asterisk is gone: {error}", error=error))

    @staticmethod
    def _too_late(answer: asyncio.Future[Any], method: str, path: str) -> None:
        _fail(
            answer,
            AriUnavailable(
                "no answer from Asterisk to {method} {path} within {request_limit_s:.0f} s",
                method=method,
                path=path,
                request_limit_s=REQUEST_LIMIT_S,
            ),
        )


class _Resource:
    """One resource of ARI: its operations are attributes, their parameters keywords."""

    def __init__(self, client: AriClient, operations: dict[str, tuple[str, str]]) -> None:
        self._client = client
        self._operations = operations

    def __getattr__(self, operation: str) -> Any:
        try:
            method, path = self._operations[operation]
        except KeyError:
            raise AttributeError(operation) from None

        def call(*, body: Any = None, **parameters: str | int) -> asyncio.Future[Any]:
            names = [name for name in parameters if "{" + name + "}" in path]
            filled = path.format(**{name: quote(str(parameters[name]), safe="") for name in names})
            query = {name: str(value) for name, value in parameters.items() if name not in names}
            return self._client.request(method, filled, query, body, by_http=path in BY_HTTP)

        return call


def _fail(answer: asyncio.Future[Any], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
        answer.exception()  # seen: whoever waits still gets it, and an abandoned request is no noise
