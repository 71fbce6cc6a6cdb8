"""A page with what goes on now, and `/health` for programs.

Signing in is by a link that holds the token of connector.toml, until there are users with passwords of their own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from connector.billing.calls import CdrView, LiveCall
from connector.billing.profiles import ProfileView
from connector.config import WebSettings
from connector.core.times import iso
from connector.errors import StoreUnavailable

_COOKIE = "connector_session"
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin-bottom: 2rem; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; white-space: nowrap; }
section { overflow-x: auto; }
"""
_POLICY = "default-src 'none'; style-src 'sha256-{}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class Overview:
    """What the page shows."""

    ready: bool
    profiles: list[ProfileView]
    live: list[LiveCall]
    cdrs: list[CdrView]


def make_app(
    settings: WebSettings, overview: Callable[[], Awaitable[Overview]], ready: Callable[[], bool]
) -> web.Application:
    """The web application. `overview` is asked for every page; `ready` for every health check."""
    pages = _Pages(settings, overview, ready)
    app = web.Application(client_max_size=64 * 1024, middlewares=[_guard])
    app.router.add_get("/", pages.overview)
    app.router.add_get("/health", pages.health)
    app.router.add_get("/sign-in", pages.sign_in)
    return app


class _Pages:
    def __init__(
        self, settings: WebSettings, overview: Callable[[], Awaitable[Overview]], ready: Callable[[], bool]
    ) -> None:
        self._token = settings.token.get_secret_value()
        self._overview = overview
        self._ready = ready
        self._session = secrets.token_urlsafe(32)

    async def health(self, request: web.Request) -> web.Response:
        """200 when calls are decided, 503 when not."""
        ready = self._ready()
        return web.json_response({"ready": ready}, status=200 if ready else 503)

    async def sign_in(self, request: web.Request) -> web.Response:
        """A right token becomes a cookie; the token leaves the address bar."""
        given = request.query.get("token", "")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return _page(
                "Not signed in",
                "<p>This link is not valid. The right one is printed by <code>make run</code>.</p>",
                403,
            )
        answer = web.Response(status=303, headers={"Location": "/"})
        answer.set_cookie(_COOKIE, self._session, httponly=True, samesite="Strict")
        return answer

    async def overview(self, request: web.Request) -> web.Response:
        """Profiles, live calls, the newest CDRs."""
        if not hmac.compare_digest(request.cookies.get(_COOKIE, "").encode(), self._session.encode()):
            return _page("Not signed in", "<p>Use the link that <code>make run</code> prints.</p>", 401)
        try:
            now = await self._overview()
        except StoreUnavailable as error:
            return _page("The store cannot be read", f"<p>{html.escape(str(error))}</p>", 503)
        state = "Ready: calls are decided." if now.ready else "Not ready: every call is refused."
        return _page("Connector", f"<p>{state}</p>" + _profiles(now.profiles) + _live(now.live) + _cdrs(now.cdrs), 200)


@web.middleware
async def _guard(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    answer = await handler(request)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _page(title: str, body: str, status: int) -> web.Response:
    text = (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style><h1>{html.escape(title)}</h1>{body}</html>"
    )
    return web.Response(text=text, status=status, content_type="text/html", headers={"Content-Security-Policy": _csp()})


def _csp() -> str:
    return _POLICY.format(base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode())


def _table(title: str, heads: Iterable[str], rows: list[list[Any]], empty: str) -> str:
    if not rows:
        return f"<section><h2>{title}</h2><p>{empty}</p></section>"
    head = "".join(f"<th>{html.escape(text)}" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}" for cell in row) for row in rows)
    return f"<section><h2>{title}</h2><table><tr>{head}</tr>{body}</table></section>"


def _profiles(profiles: list[ProfileView]) -> str:
    rows = [
        [p.name, p.username, p.status, f"{p.channels_in_use} / {p.channels}", ", ".join(p.numbers)] for p in profiles
    ]
    return _table("Profiles", ("Name", "Username", "Status", "Channels in use", "Numbers"), rows, "No profile yet.")


def _live(live: list[LiveCall]) -> str:
    rows = [
        [c.profile, c.direction, c.caller_id, c.called, iso(c.started_at), iso(c.answered_at) or "ringing"]
        for c in live[:100]
    ]
    return _table(
        f"Live calls ({len(live)})", ("Profile", "Way", "From", "To", "Started", "Answered"), rows, "No call is up."
    )


def _cdrs(cdrs: list[CdrView]) -> str:
    rows = [
        [
            iso(c.ended_at),
            c.profile or "",
            c.direction,
            c.caller_id,
            c.called or c.dialled,
            f"{c.duration_ms / 1000:.3f} s",
            c.refusal or c.ending,
        ]
        for c in cdrs
    ]
    return _table("Newest calls", ("Ended", "Profile", "Way", "From", "To", "Talked", "Ending"), rows, "No call yet.")
