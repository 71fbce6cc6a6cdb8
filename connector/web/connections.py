"""The web server's listener, and bounds on its connections: how many there are, and how long each may do nothing.

aiohttp reads the requests and answers them; this module stands between it and the sockets. Without it an idle or
half-sent connection stays open for an hour (aiohttp 3.14), and a few thousand of them take every descriptor.

When too many are open, a new connection takes the place of an old one. The client with the most connections loses its
oldest one on which the server has nothing to do.
"""

from __future__ import annotations

import array
import asyncio
import fcntl
import ipaddress
import logging
import resource
import ssl
import termios
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from connector.web.guard import network_of, plain_address

log = logging.getLogger(__name__)

# From the first byte of a request, or from the connection on, until its head has arrived.
HEAD_LIMIT_S = 15.0
# Between two requests. Proxies keep connections for a minute.
IDLE_LIMIT_S = 75.0
# Until a client that takes nothing of what is sent to it is given up; and until it is known to be slow.
WRITE_LIMIT_S = 30.0
SLOW_AFTER_S = 2.0
# Until a closed connection has sent what is left; aiohttp discards the rest of a body for this long too.
CLOSE_LIMIT_S = 5.0
TLS_LIMIT_S = 10.0
LOOK_EVERY_S = 1.0
MOST_CONNECTIONS = 1_000
# Browsers open six, beside one for live figures; an office has one address.
MOST_OF_ADDRESS = 250
# Providers give a customer up to a /48 of IPv6, which is 65,536 networks of 64 bits. It counts as one crowd.
CROWD_BITS = 48
# Descriptors for everything else: Asterisk, the store, files.
OTHER_DESCRIPTORS = 200
SAY_AGAIN_S = 60.0


class Seldom:
    """Limits a line of the log that the network can cause as often as it likes to one in SAY_AGAIN_S."""

    def __init__(self) -> None:
        self._last = -SAY_AGAIN_S

    def is_due(self) -> bool:
        """Whether to log it now; if so, the time begins again."""
        now = time.monotonic()
        if now - self._last < SAY_AGAIN_S:
            return False
        self._last = now
        return True


class Connections:
    """Every connection of one web server. `proxies`: their connections are many people's, and only count in total."""

    def __init__(
        self, proxies: tuple[str, ...] = (), most: int = MOST_CONNECTIONS, of_one: int = MOST_OF_ADDRESS
    ) -> None:
        self._proxies = tuple(ipaddress.ip_network(each) for each in proxies)
        self._most = most
        self._of_one = of_one
        self._open: dict[_Connection, tuple[str, str]] = {}  # the oldest first; whose it is, and of which crowd
        self._counts: Counter[str] = Counter()
        self._by_transport: dict[asyncio.BaseTransport, _Connection] = {}
        self._crowded = Seldom()

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def serving(self, request: web.Request) -> Iterator[None]:
        """While a request is answered its connection is not idle."""
        found = self._by_transport.get(request.transport) if request.transport is not None else None
        if found is not None:
            found.begins(request)
        try:
            yield
        finally:
            if found is not None:
                found.done()

    def whose(self, address: str) -> tuple[str, str]:
        """The names by which an address is counted: itself, and the crowd it is one of. Of IPv6 its networks of 64 and
        48 bits; "" for a proxy.
        """
        found = plain_address(address)
        if found is not None and any(found in network for network in self._proxies):
            return "", ""
        return network_of(address), network_of(address, CROWD_BITS)

    def admit(self, connection: _Connection, address: str) -> bool:
        """Count a connection. False if the limit is reached and no idle connection can be closed."""
        whose, crowd = self.whose(address)
        if whose and self._counts[whose] >= self._of_one and not self._make_room(whose):
            return False
        if len(self._open) >= self._most and not self._make_room():
            return False
        self._open[connection] = whose, crowd
        self._counts[whose] += 1
        return True

    def forget(self, connection: _Connection) -> None:
        """It is closed."""
        found = self._open.pop(connection, None)
        if found is not None:
            whose, _ = found
            self._counts[whose] -= 1
            if not self._counts[whose]:
                del self._counts[whose]
        if connection.known_by is not None:
            self._by_transport.pop(connection.known_by, None)

    def answers_at(self, transport: asyncio.BaseTransport, connection: _Connection) -> None:
        """By which transport a request's connection is found."""
        self._by_transport[transport] = connection

    def look(self, now: float) -> None:
        """Close what has done nothing for too long."""
        for connection in list(self._open):
            connection.look(now)
        for connection in [each for each in self._open if each.overdue(now)]:
            connection.abort()

    def _make_room(self, whose: str | None = None) -> bool:
        """Close the oldest connection that waits for its client: of an address, or else of the largest crowd that has
        one, proxies last. False if there is none.
        """
        now = _now()
        oldest: dict[str, _Connection] = {}
        for each, (name, crowd) in self._open.items():
            if whose in (None, name) and crowd not in oldest and each.waits_for_client(now):
                oldest[crowd] = each
        crowds = Counter(crowd for _, crowd in self._open.values())
        most = max(oldest, key=lambda crowd: (crowd != "", crowds[crowd]), default=None)
        found = oldest[most] if most is not None else None
        if self._crowded.is_due():
            log.warning(
                "web server: %d connections are open%s; %s (this is logged once a minute)",
                len(self._open), f", {self._counts[whose]} from {whose}" if whose else "",
                "closing idle ones for new ones" if found else "refusing new ones",
            )  # fmt: skip
        if found is None:
            return False
        found.abort()
        self.forget(found)
        return True


CONNECTIONS = web.AppKey("connections", Connections)


class _Connection(asyncio.Protocol):
    """Passes everything on to aiohttp's protocol, and knows when something was last done."""

    def __init__(
        self, all_of_them: Connections, make: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None
    ) -> None:
        self._all = all_of_them
        self._make = make
        self._tls = tls
        self._inner: asyncio.Protocol | None = None
        self._raw: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._request: web.Request | None = None
        self._waiting_since: float | None = None
        self._unread = 0  # bytes, when looked at last
        self._stuck_since: float | None = None  # since when they have not become fewer
        self._closing_since: float | None = None
        self._early = b""
        self.known_by: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Counted, and refused if there are too many; over TLS, before any handshake."""
        assert isinstance(transport, asyncio.Transport)
        self._raw = transport
        self._waiting_since = _now()
        peer = transport.get_extra_info("peername")
        if not self._all.admit(self, peer[0] if peer else ""):
            transport.abort()
        elif self._tls is None:
            self._begin(transport)
        else:
            transport.pause_reading()
            self._task = asyncio.get_running_loop().create_task(self._shake_hands(transport, self._tls))

    def data_received(self, data: bytes) -> None:
        """What a client sent: the first byte of a request starts the limit for its head."""
        if self._request is None and self._waiting_since is None:
            self._waiting_since = _now()
        if self._inner is not None:
            self._inner.data_received(data)
        else:  # it came with the end of the handshake
            self._early += data

    def eof_received(self) -> bool | None:
        """The client sends no more."""
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        """The client does not read fast enough."""
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        self._stuck_since = None
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, by whichever side."""
        self._all.forget(self)
        if self._task is not None:
            self._task.cancel()
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def begins(self, request: web.Request) -> None:
        """A request's head is here."""
        self._request, self._waiting_since = request, None

    def done(self) -> None:
        """It was answered."""
        self._request = None

    def waits_for_client(self, now: float) -> bool:
        """Whether nothing is done for it: it is idle, does not read, or its request has not arrived whole."""
        if self._stuck_since is not None and now - self._stuck_since >= SLOW_AFTER_S:
            return True
        if self._request is not None:
            return self._request.body_exists and not self._request.content.is_eof()
        return self._raw is None or (self._unread == 0 and self._raw.get_write_buffer_size() == 0)

    def look(self, now: float) -> None:
        """See whether the client takes what is sent to it: a slow one does, a little at a time."""
        unread = _unread(self._raw)
        if unread == 0:
            self._stuck_since = None
        elif unread < self._unread or self._stuck_since is None:
            self._stuck_since = now
        self._unread = unread

    def overdue(self, now: float) -> bool:
        """Whether it has done nothing for too long. aiohttp itself closes the idle ones, after IDLE_LIMIT_S."""
        if self._raw is not None and self._raw.is_closing():
            self._closing_since = self._closing_since or now
        limits = (
            (self._waiting_since, HEAD_LIMIT_S),
            (self._stuck_since, WRITE_LIMIT_S),
            (self._closing_since, CLOSE_LIMIT_S),
        )
        return any(since is not None and now - since > limit_s for since, limit_s in limits)

    def abort(self) -> None:
        """Close it at once."""
        if self._raw is not None:
            self._raw.abort()

    def _begin(self, transport: asyncio.Transport) -> None:
        self.known_by = transport
        self._all.answers_at(transport, self)
        self._inner = self._make()
        self._inner.connection_made(transport)
        if self._early:
            self._inner.data_received(self._early)
            self._early = b""

    async def _shake_hands(self, raw: asyncio.Transport, tls: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(
                raw, self, tls, server_side=True, ssl_handshake_timeout=TLS_LIMIT_S, ssl_shutdown_timeout=CLOSE_LIMIT_S
            )
        except (OSError, ssl.SSLError):
            transport = None
        if transport is None:
            raw.abort()
            self._all.forget(self)
            return
        self._begin(transport)


class Listener:
    """Serves an application at one address, with bounds. `tls`: for https."""

    def __init__(self, app: web.Application, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._connections = app[CONNECTIONS]
        self._host, self._port, self._tls = host, port, tls
        # auto_decompress: see bodies.py. Whoever looks at live figures would keep us from ending for a minute.
        self._runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=1.0,
            auto_decompress=False,
            keepalive_timeout=IDLE_LIMIT_S,
            lingering_time=CLOSE_LIMIT_S,
            logger=_logger(),
        )
        self._server: asyncio.Server | None = None
        self._looking: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port, which is another one than was asked for if that was 0."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> Listener:
        """Listen. OSError if the address cannot be had."""
        await self._runner.setup()
        make: Any = self._runner.server
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _Connection(self._connections, make, self._tls), self._host, self._port, reuse_address=True
            )
        except OSError:
            await self._runner.cleanup()
            raise
        self._looking = loop.create_task(self._look())
        return self

    async def close(self) -> None:
        """Take nothing more, and end what is under way."""
        if self._server is not None:
            self._server.close()
        if self._looking is not None:
            self._looking.cancel()
        await self._runner.cleanup()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._connections.look(_now())


class _QuietClients(logging.Filter):
    """Logs a request that is not HTTP in one line, once a minute: aiohttp logs a traceback for each."""

    def __init__(self) -> None:
        super().__init__()
        self._seldom = Seldom()

    def filter(self, record: logging.LogRecord) -> bool:
        """Everything else is logged as it is."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError | web.RequestPayloadError | ConnectionError):
            return True
        if not self._seldom.is_due():
            return False
        record.msg, record.args = (
            "web server: %s: %s (this is logged once a minute)",
            (record.getMessage(), repr(error)),
        )
        record.exc_info, record.exc_text, record.levelno, record.levelname = None, None, logging.WARNING, "WARNING"
        return True


def _logger() -> logging.Logger:
    made = logging.Logger("connector.web.http")
    made.parent = logging.getLogger("connector.web")
    made.addFilter(_QuietClients())
    return made


def raise_descriptor_limit() -> int:
    """Take as many descriptors as the system allows; how many. Login shells and services often begin with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1_000_000


def most_connections(descriptors: int) -> int:
    """How many connections the web server may have, of so many descriptors."""
    return max(16, min(MOST_CONNECTIONS, descriptors - OTHER_DESCRIPTORS))


def quiet_accept_errors() -> None:
    """Log that a socket cannot be accepted, for want of descriptors or memory, once a minute and in one line.

    asyncio (Python 3.11) logs it with a traceback for every connection that waits, some thousand times a second.
    """
    loop = asyncio.get_running_loop()
    seldom = Seldom()

    def heard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """asyncio's own words for everything else."""
        error = context.get("exception")
        if not isinstance(error, OSError) or "accept" not in str(context.get("message", "")):
            loop.default_exception_handler(context)
        elif seldom.is_due():
            log.error("cannot accept connections: %s (this is logged once a minute)", error.strerror or error)

    loop.set_exception_handler(heard)


def _unread(transport: asyncio.Transport | None) -> int:
    """How many bytes of what was sent the client's system has not taken: ours, and the kernel's (tcp(7), SIOCOUTQ)."""
    socket = transport.get_extra_info("socket") if transport is not None else None
    if transport is None or socket is None or socket.fileno() < 0:
        return 0
    kept = array.array("i", [0])
    try:
        fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, kept)
    except OSError:
        return transport.get_write_buffer_size()
    return transport.get_write_buffer_size() + kept[0]


def _now() -> float:
    return asyncio.get_running_loop().time()
