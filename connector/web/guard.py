"""Who asks: by a token or a session, and how often somebody may try. What they may is decided in core/access.py."""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web
from limits import RateLimitItem, RateLimitItemPerMinute, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from connector.clock import Clock
from connector.config import WebSettings
from connector.core.access import Actor
from connector.database.audit import Doer
from connector.database.store import StoreDoor
from connector.people import sessions, tokens
from connector.people.sessions import SessionView
from connector.web.problems import Problem

# Nobody guesses a token; who tries is not worth more work than this.
_BAD_TOKENS = parse("3000/minute")
_CHANGES = parse("600/minute")
_BEARER = "Bearer "
STALE: web.RequestKey[bool] = web.RequestKey("stale", bool)


@dataclass(frozen=True)
class Signed:
    """Somebody who is known: what they may do, and how the audit log calls them. `session`: by which, if by one."""

    actor: Actor
    doer: Doer
    session: SessionView | None = None


class Guard:
    """Knows who asks, by the token or the cookie of a request."""

    def __init__(self, settings: WebSettings, store: StoreDoor, reads: StoreDoor, clock: Clock) -> None:
        self._proxies = tuple(ipaddress.ip_network(each) for each in settings.proxies)
        self._store = store
        self._reads = reads
        self._clock = clock
        self._requests = RateLimitItemPerMinute(settings.requests_per_minute)
        self._limits = MovingWindowRateLimiter(MemoryStorage())
        self._netloc = urlsplit(settings.url).netloc
        self.secure = settings.url.startswith("https:")
        # A browser takes a cookie of this name from nobody else, not even from a neighbour under the same domain.
        self.cookie = "__Host-connector" if self.secure else "connector"

    async def signed(self, request: web.Request) -> Signed:
        """Who asks, by a token; or a session, whose changes say its `X-CSRF-Token`. Problem: nobody, or too often."""
        if "Authorization" in request.headers:
            return await self._by_token(request)
        found = await self.visitor(request, looks_on=request.path.endswith("/events"))
        if found is None or found.session is None or found.session.stage != "full":
            raise _nobody()
        self.changes(request, found)
        if request.method not in ("GET", "HEAD"):
            self.check_csrf(found.session, request.headers.get("X-CSRF-Token", ""))
        return found

    async def visitor(self, request: web.Request, *, looks_on: bool = False) -> Signed | None:
        """Whose session a request is of, whatever its stage; None if there is none. `looks_on`: nobody did anything, a
        page that is open asks by itself.
        """
        secret = request.cookies.get(self.cookie, "")
        now = self._clock.now_ms()
        session = await self._reads(sessions.find, secret, now) if secret else None
        if session is None:
            return None
        self.slow_down(self._requests, "session", str(session.id))
        if session.stale:
            request[STALE] = True  # server.py gives it another secret with the answer
        if session.unseen and not looks_on:
            await self._store(sessions.seen, session.id, now)
        address = self.address(request)
        return Signed(session.actor, Doer(session.actor.name, now, session.user, address), session)

    def changes(self, request: web.Request, signed: Signed) -> None:
        """One company's changes keep the others' calls waiting no longer than this."""
        company = signed.actor.scope.company
        if company is not None and request.method not in ("GET", "HEAD"):
            self.slow_down(_CHANGES, "changes", str(company))

    def check_origin(self, request: web.Request) -> None:
        """Problem if a browser says that another site's page sent this, where there is no session to prove otherwise.

        Browsers send Sec-Fetch-Site over https only, and Origin with every form (Fetch, 3.2). A program sends neither.
        """
        origin = request.headers.get("Origin")
        if origin is not None and _netloc_of(origin) not in (request.host, self._netloc):
            raise Problem("csrf")
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise Problem("csrf")

    def check_csrf(self, session: SessionView, given: str) -> None:
        """Problem if a form or a script is not ours."""
        if not hmac.compare_digest(given.encode(errors="surrogateescape"), session.csrf.encode()):
            raise Problem("csrf")

    async def _by_token(self, request: web.Request) -> Signed:
        address = self.address(request)
        given = request.headers.get("Authorization", "")
        if not given.startswith(_BEARER):
            raise _nobody()
        now = self._clock.now_ms()
        found = await self._reads(tokens.find, given.removeprefix(_BEARER).strip(), now)
        if found is None:
            self.slow_down(_BAD_TOKENS, "bad token", address)
            raise _nobody()
        actor, unnoted = found
        self.slow_down(self._requests, "token", str(actor.token))
        if unnoted and actor.token is not None:
            await self._store(tokens.used, actor.token, now)
        signed = Signed(actor, Doer(actor.name, now, actor.user, address))
        self.changes(request, signed)
        return signed

    def network(self, request: web.Request) -> str:
        """Where a request comes from, as tries are counted: an IPv4 address, or an IPv6 network of 64 bits."""
        return network_of(self.address(request))

    def right(self, often: RateLimitItem, kind: str, *who: str) -> None:
        """What was tried was right: the tries before it count no more."""
        self._limits.clear(often, kind, *who)

    def now_ms(self) -> int:
        """The time, for what took long to come to its turn: a request's own is when it came."""
        return self._clock.now_ms()

    def slow_down(self, often: RateLimitItem, kind: str, *who: str) -> None:
        """Count one try more. Problem if that is too often."""
        if not self.may(often, kind, *who):
            raise _too_often(often)

    def may(self, often: RateLimitItem, kind: str, *who: str) -> bool:
        """The same; False if that is too often."""
        return self._limits.hit(often, kind, *who)

    def address(self, request: web.Request) -> str:
        """Where a request comes from: a proxy of ours is believed about who asked it, and nobody else is."""
        address = request.remote or ""
        for before in reversed([each.strip() for each in ",".join(_forwarded(request)).split(",") if each.strip()]):
            if not self._is_proxy(address):
                break
            address = before
        return str(plain_address(address) or address)[:45]

    def _is_proxy(self, address: str) -> bool:
        found = plain_address(address)
        return found is not None and any(found in network for network in self._proxies)


def plain_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address without a port, which some proxies add, and IPv4 as itself where it came by IPv6; None if it is not
    an address.
    """
    host = text.removeprefix("[").partition("]")[0] if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def network_of(address: str, bits: int = 64) -> str:
    """What is counted as one client: an IPv4 address, or the first `bits` of an IPv6 address, which one home has."""
    found = plain_address(address)
    if found is None:
        return address
    return str(ipaddress.ip_network((found, bits), strict=False)) if found.version == 6 else str(found)


def _netloc_of(url: str) -> str | None:
    """Host and port of an address that somebody sent; None if it is not one."""
    try:
        return urlsplit(url).netloc
    except ValueError:  # such as "http://["
        return None


def _forwarded(request: web.Request) -> list[str]:
    return request.headers.getall("X-Forwarded-For", [])


def _too_often(often: RateLimitItem) -> Problem:
    found = Problem("too_many_requests")
    found.headers["Retry-After"] = str(often.get_expiry())
    return found


def _nobody() -> Problem:
    found = Problem("not_signed_in")
    found.headers["WWW-Authenticate"] = "Bearer"
    return found
