"""The web application: pages, the REST API, and `/health` for programs; and what every answer says to a browser."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

from connector.billing import sessions
from connector.clock import Clock
from connector.config import WebSettings
from connector.errors import ConnectorError
from connector.web import openapi, problems
from connector.web.api import ENDPOINTS
from connector.web.guard import STALE, Guard
from connector.web.live import Live
from connector.web.passwords import Passwords
from connector.web.problems import PROBLEMS, Problem
from connector.web.pushing import Pushing
from connector.web.render import STATIC, rendered
from connector.web.rest import PREFIX, Rest, World, problems_middleware
from connector.web.site import PAGES
from connector.web.site.serve import Site, pages_middleware
from connector.web.site.sign_in import SignIn

DOCUMENT: web.AppKey[dict[str, Any]] = web.AppKey("document", dict)
URL: web.AppKey[str] = web.AppKey("url", str)
MOST_FORM = 256 * 1024


def make_app(settings: WebSettings, ready: Callable[[], bool], world: World, clock: Clock) -> web.Application:
    """The web application. `ready` is asked for every health check and page."""
    guarded = functools.partial(_guarded, world, clock)
    app = web.Application(
        client_max_size=MOST_FORM, middlewares=[web.middleware(guarded), problems_middleware, pages_middleware]
    )
    hasher = Passwords()

    async def health(request: web.Request) -> web.Response:
        """200 when calls are decided, 503 when not."""
        return web.json_response({"ready": ready()}, status=200 if ready() else 503)

    async def lifetime(app: web.Application) -> AsyncIterator[None]:
        """The threads that work out hashes end with it."""
        yield
        hasher.close()

    app.cleanup_ctx.append(lifetime)
    app.router.add_get("/health", health)
    SignIn(world, settings, clock, hasher).add_to(app.router)
    Site(world, ready, PAGES).add_to(app.router)
    Pushing(world, settings).add_to(app)
    app.router.add_get("/api/", _api_page)
    app.router.add_get("/api/openapi.json", _api_document)
    app.router.add_get("/api/problems", _problems_page)
    app.router.add_get(f"{PREFIX}/events", Live(world.guard, world.reads, clock).events)
    app.router.add_static("/static/", STATIC)
    app[DOCUMENT] = openapi.document(ENDPOINTS)
    app[URL] = settings.url
    Rest(world, ENDPOINTS).add_to(app.router)
    return app


async def _guarded(
    world: World,
    clock: Clock,
    request: web.Request,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """What every answer says, and another secret for a session whose own is an hour old."""
    try:
        asked = (request.path, *(text for pair in request.query.items() for text in pair))
        if not request.path.startswith(PREFIX) and any("\0" in text for text in asked):
            answer: web.StreamResponse = problems.response(Problem("malformed"))
        else:
            answer = await handler(request)
    except web.HTTPException as error:  # a redirect
        answer = web.Response(status=error.status, headers={"Location": error.headers.get("Location", "/")})
    if not answer.prepared:
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["X-Frame-Options"] = "DENY"
        answer.headers["Referrer-Policy"] = "no-referrer"
        answer.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        answer.headers.setdefault("Cache-Control", "no-store")
        if world.guard.secure:
            answer.headers["Strict-Transport-Security"] = "max-age=31536000"
        await _rotated(world, clock, request, answer)
    return answer


async def _rotated(world: World, clock: Clock, request: web.Request, answer: web.StreamResponse) -> None:
    guard: Guard = world.guard
    if not request.get(STALE) or guard.cookie in answer.cookies:
        return
    fresh = None
    with contextlib.suppress(ConnectorError):  # what was done is done; it is rotated with the next answer
        fresh = await world.store(sessions.rotate, request.cookies.get(guard.cookie, ""), clock.now_ms())
    if fresh is not None:
        answer.set_cookie(guard.cookie, fresh, httponly=True, samesite="Lax", secure=guard.secure, path="/")


async def _api_document(request: web.Request) -> web.Response:
    return web.json_response(request.app[DOCUMENT])


async def _api_page(request: web.Request) -> web.Response:
    found = request.app[DOCUMENT]
    about = found["info"]["description"].strip().split("\n\n")
    example = f"{request.app[URL]}/api/v1/profiles"
    return rendered("api.html", about=about, tags=openapi.for_people(found), example=example)


async def _problems_page(request: web.Request) -> web.Response:
    return rendered("problems.html", problems=PROBLEMS)
