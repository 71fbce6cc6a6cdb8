"""The web server's connections: what is idle or half-sent is closed, and locks nobody out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from connector.asterisk import certificate
from connector.web import connections
from connector.web.bodies import read_all
from connector.web.connections import CONNECTIONS, Connections, Listener, most_connections, quiet_accept_errors
from connector.web.problems import Problem
from lab import attacks

OK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
Start = Callable[..., "asyncio.Future[Listener]"]


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., object]]:
    """What starts a web server that says its name, with its own bounds."""
    running: list[Listener] = []

    async def started(bounds: Connections, tls: ssl.SSLContext | None = None) -> Listener:
        """One of them."""

        @web.middleware
        async def counted(request: web.Request, handler: Callable[..., object]) -> web.StreamResponse:
            """As the application does it."""
            with bounds.serving(request):
                found = await handler(request)  # type: ignore[misc]
                assert isinstance(found, web.StreamResponse)
                return found

        async def hello(request: web.Request) -> web.Response:
            """It waits for the body, as pages do."""
            try:
                return web.Response(text=f"hello {len(await read_all(request, 10**6))}")
            except Problem as error:
                return web.Response(status=error.status)

        async def slow(request: web.Request) -> web.Response:
            """It takes its time."""
            await asyncio.sleep(1)
            return web.Response(text="slow")

        async def big(request: web.Request) -> web.Response:
            """More than sockets keep."""
            return web.Response(body=b"x" * 50_000_000)

        async def some(request: web.Request) -> web.Response:
            """More than a page."""
            return web.Response(body=b"x" * 60_000)

        app = web.Application(middlewares=[counted])
        app[CONNECTIONS] = bounds
        app.router.add_route("*", "/", hello)
        app.router.add_get("/slow", slow)
        app.router.add_get("/big", big)
        app.router.add_get("/some", some)
        running.append(await Listener(app, "127.0.0.1", 0, tls).start())
        return running[-1]

    yield started
    for each in running:
        await each.close()
    while OPENED:
        writer = OPENED.pop()
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


OPENED: list[asyncio.StreamWriter] = []


async def opened(
    listener: Listener, said: bytes = b"", tls: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that said this much."""
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=tls)
    OPENED.append(writer)
    writer.write(said)
    return reader, writer


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it, ten seconds at most."""
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)


async def is_closed(reader: asyncio.StreamReader, limit_s: float = 5) -> bool:
    """Whether the server closes, in time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            with contextlib.suppress(ConnectionError):
                while await reader.read(65_536):
                    pass
            return True
    return False


async def answers(listener: Listener) -> bool:
    """Whether another client is served."""
    reader, _ = await opened(listener, OK)
    async with asyncio.timeout(5):
        found = await reader.readuntil(b"hello 0")
    return found.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
@pytest.mark.parametrize("first", [b"", OK])
async def test_a_half_sent_head_is_closed(
    start: Start, monkeypatch: pytest.MonkeyPatch, first: bytes, said: bytes
) -> None:
    """A client that sends nothing, or half a head, also of its second request."""
    monkeypatch.setattr(connections, "HEAD_LIMIT_S", 0.5)
    monkeypatch.setattr(connections, "IDLE_LIMIT_S", 2.0)
    listener = await start(Connections())
    reader, writer = await opened(listener, first)
    if first:
        await reader.readuntil(b"hello 0")
    writer.write(said)
    assert await is_closed(reader)


async def test_a_client_that_drips_is_closed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then keeps nothing open."""
    monkeypatch.setattr(connections, "HEAD_LIMIT_S", 1.0)
    listener = await start(Connections())
    reader, writer = await opened(listener, b"GET / HTTP/1.1\r\n")

    async def drip() -> None:
        """For ever."""
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"A: b\r\n")
                await writer.drain()
                await asyncio.sleep(0.1)

    dripping = asyncio.create_task(drip())
    assert await is_closed(reader)
    dripping.cancel()


async def test_a_request_that_takes_long_is_not_closed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits are for what a client leaves undone, not for our own work."""
    monkeypatch.setattr(connections, "HEAD_LIMIT_S", 0.2)
    monkeypatch.setattr(connections, "LOOK_EVERY_S", 0.1)
    listener = await start(Connections())
    reader, _ = await opened(listener, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(5):
        assert (await reader.readuntil(b"slow")).startswith(b"HTTP/1.1 200")


async def test_a_client_that_reads_nothing_is_closed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be sent to it is not kept for ever."""
    monkeypatch.setattr(connections, "WRITE_LIMIT_S", 0.5)
    bounds = Connections()
    listener = await start(bounds)
    _, writer = await opened(listener, b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await until(lambda: len(bounds) == 1)
    await until(lambda: len(bounds) == 0)


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx"]
)
async def test_too_many_connections_lock_nobody_out(start: Start, said: bytes) -> None:
    """The oldest that waits for its client goes for a new one; what is being answered stays."""
    bounds = Connections(of_one=10)
    listener = await start(bounds)
    reader, _ = await opened(listener, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    waiting = [await opened(listener, said) for _ in range(30)]
    await until(lambda: len(bounds) == 10)
    assert await answers(listener)
    assert len(bounds) <= 10
    assert await is_closed(waiting[0][0])
    async with asyncio.timeout(5):
        await reader.readuntil(b"slow")


class _Client(connections._Connection):
    """A connection without a socket: whether it waits is said."""

    waits = True
    aborted = False

    def waits_for_client(self, now: float) -> bool:
        """As it was said."""
        return self.waits

    def abort(self) -> None:
        """It is noted."""
        self.aborted = True


async def test_many_networks_are_one_crowd() -> None:
    """An office whose pages are open keeps its connections, whoever takes all the places from many addresses."""
    bounds = Connections(most=100)
    office = [_Client(bounds, asyncio.Protocol, None) for _ in range(5)]
    for each in office:
        assert bounds.admit(each, "203.0.113.5")
    attacker = [_Client(bounds, asyncio.Protocol, None) for _ in range(95)]
    for n, each in enumerate(attacker):
        assert bounds.admit(each, f"2001:db8:1:{n:x}::1")
    assert bounds.admit(_Client(bounds, asyncio.Protocol, None), "198.51.100.7")
    assert [each.aborted for each in office] == [False] * 5
    assert attacker[0].aborted
    assert len(bounds) == 100


async def test_whoever_waits_makes_room() -> None:
    """If nobody of the largest crowd waits, somebody else who does gives up a place; a proxy's people last."""
    bounds = Connections(("10.0.0.0/8",), most=10)
    clients = [_Client(bounds, asyncio.Protocol, None) for _ in range(10)]
    for n, each in enumerate(clients):
        each.waits = n >= 5
        assert bounds.admit(each, "203.0.113.5" if n < 5 else "10.0.0.1" if n < 9 else "192.0.2.9")
    assert bounds.admit(_Client(bounds, asyncio.Protocol, None), "198.51.100.7")
    assert clients[9].aborted
    assert not any(each.aborted for each in clients[:9])
    clients[5].waits = clients[6].waits = clients[7].waits = clients[8].waits = False
    newest = next(reversed(bounds._open))
    assert isinstance(newest, _Client)
    newest.waits = False
    assert not bounds.admit(_Client(bounds, asyncio.Protocol, None), "198.51.100.8")


async def test_a_slow_client_gets_all_of_it(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is for a client that takes nothing, however long the answer takes."""
    monkeypatch.setattr(connections, "WRITE_LIMIT_S", 1.0)
    monkeypatch.setattr(connections, "LOOK_EVERY_S", 0.1)
    listener = await start(Connections())
    reader, _ = await opened(listener, b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    read = 0
    async with asyncio.timeout(30):
        while data := await reader.read(1_000_000):
            read += len(data)
            await asyncio.sleep(0.06)
    assert read > 50_000_000


async def test_a_client_that_asks_and_does_not_read_makes_room(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if what is kept for it is too little for the server to stop writing."""
    monkeypatch.setattr(connections, "SLOW_AFTER_S", 0.3)
    monkeypatch.setattr(connections, "LOOK_EVERY_S", 0.1)
    bounds = Connections(of_one=3)
    listener = await start(bounds)
    for _ in range(3):
        _, writer = await opened(listener)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        writer.write(b"GET /some HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
    now = asyncio.get_running_loop().time

    def all_stuck() -> bool:
        """They take nothing, and for so long that each may be closed."""
        found = [each._stuck_since is not None and each.waits_for_client(now()) for each in bounds._open]
        return found == [True] * 3

    await until(all_stuck)
    assert await answers(listener)


async def test_the_crowd_makes_room_for_others(start: Start) -> None:
    """When all places are taken, who has most gives one up."""
    bounds = Connections(most=10, of_one=10)
    listener = await start(bounds)
    for _ in range(10):
        await opened(listener)
    assert await answers(listener)


@pytest.mark.parametrize(
    ("address", "whose"),
    [
        ("192.0.2.1", ("192.0.2.1", "192.0.2.1")),
        ("::ffff:192.0.2.1", ("192.0.2.1", "192.0.2.1")),
        ("2001:db8:1:2:3::4", ("2001:db8:1:2::/64", "2001:db8:1::/48")),
        ("2001:db8:1:2:ffff::9", ("2001:db8:1:2::/64", "2001:db8:1::/48")),
        ("fe80::1%eth0", ("fe80::/64", "fe80::/48")),
        ("10.0.0.9", ("", "")),
        ("", ("", "")),
    ],
)
def test_clients_are_counted_by_address_or_network(address: str, whose: tuple[str, str]) -> None:
    """IPv6 by 64 bits, and as a crowd by 48; a proxy of ours is not one client."""
    assert Connections(("10.0.0.0/8",)).whose(address) == whose


async def test_tls_is_bounded_from_the_first_byte(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that never shakes hands is counted and closed; others are served."""
    monkeypatch.setattr(connections, "TLS_LIMIT_S", 0.5)
    made, key = tmp_path / "certificate", tmp_path / "key"
    for path, text in zip((made, key), certificate.made("127.0.0.1"), strict=True):
        path.write_text(text)
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(made, key)
    bounds = Connections(of_one=5)
    listener = await start(bounds, served)
    waiting = [await opened(listener) for _ in range(10)]
    trusting = ssl.create_default_context(cafile=str(made))
    trusting.check_hostname = False
    reader, _ = await opened(listener, OK, trusting)
    async with asyncio.timeout(5):
        assert (await reader.readuntil(b"hello 0")).startswith(b"HTTP/1.1 200")
    for closed, _ in waiting:
        assert await is_closed(closed)
    await until(lambda: len(bounds) == 1)


async def test_nothing_is_inflated(start: Start) -> None:
    """Not even what is thrown away after the answer."""
    listener = await start(Connections())
    before = asyncio.get_running_loop().time()
    for chunked in (False, True):
        answer = await asyncio.to_thread(attacks.send, listener.port, attacks.bomb(path="/", chunked=chunked), 5)
        assert attacks.status(answer) == 200
        assert int(answer.split(b"hello ")[1]) == len(attacks.BOMB)
    assert asyncio.get_running_loop().time() - before < 5


async def test_a_socket_that_cannot_be_accepted_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Without descriptors asyncio says so a thousand times a second."""
    loop = asyncio.get_running_loop()
    usual = loop.get_exception_handler()
    quiet_accept_errors()
    for _ in range(100):
        error = OSError(24, "Too many open files")
        loop.call_exception_handler({"message": "socket.accept() out of system resource", "exception": error})
    loop.call_exception_handler({"message": "something else"})
    loop.set_exception_handler(usual)
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "cannot accept connections: Too many open files (this is logged once a minute)",
        "something else",
    ]


async def test_what_is_not_http_is_logged_once_and_in_one_line(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever sends garbage fills no disk."""
    listener = await start(Connections())
    for said in (
        b"garbage\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    ) * 5:
        reader, _ = await opened(listener, said)
        if said != b"\x16\x03\x01":
            assert await is_closed(reader)
    found = [record for record in caplog.records if record.name.startswith("connector.web")]
    assert len(found) == 1
    assert "Traceback" not in caplog.text
    assert "once a minute" in caplog.text


@pytest.mark.parametrize(("descriptors", "most"), [(20_000, 1_000), (1_024, 824), (210, 16)])
def test_connections_leave_descriptors_for_calls(descriptors: int, most: int) -> None:
    """Whatever the system allows."""
    assert most_connections(descriptors) == most
