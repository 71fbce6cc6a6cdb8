"""Who asks: by a token or a session, and how often somebody may try. What they may is decided in core/access.py."""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass

from aiohttp import web
from limits import RateLimitItem, RateLimitItemPerMinute, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from connector.billing import sessions, tokens
from connector.billing.audit import Doer
from connector.billing.sessions import SessionView
from connector.billing.store import StoreDoor
from connector.clock import Clock
from connector.config import WebSettings
from connector.core.access import Actor
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

    def right(self, often: RateLimitItem, kind: str, who: str) -> None:
        """What was tried was right: the tries before it count no more."""
        self._limits.clear(often, kind, who)

    def slow_down(self, often: RateLimitItem, kind: str, who: str) -> None:
        """Count one try more. Problem if that is too often."""
        if not self._limits.hit(often, kind, who):
            raise _too_often(often)

    def address(self, request: web.Request) -> str:
        """Where a request comes from: a proxy of ours is believed about who asked it, and nobody else is."""
        address = request.remote or ""
        for before in reversed([each.strip() for each in ",".join(_forwarded(request)).split(",") if each.strip()]):
            if not self._is_proxy(address):
                break
            address = before
        return _plain(address)[:45]

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._proxies)


def _plain(address: str) -> str:
    """An address without a port, which some proxies add, and IPv4 as itself, also where it came by IPv6: whose tries
    are counted has one name.
    """
    host = address.removeprefix("[").partition("]")[0] if address.startswith("[") else address
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return address
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


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
