"""The web application: pages, the REST API, and `/health` for programs; and what every answer says to a browser."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web

from connector.billing import nodes
from connector.clock import Clock
from connector.config import OidcSettings, PaymentSettings, StripeSettings, WebSettings
from connector.errors import ConnectorError
from connector.people import sessions
from connector.web import brand, hooks, openapi, problems, render
from connector.web.api import ENDPOINTS
from connector.web.bodies import MOST_FORM, check_encoding, check_text
from connector.web.brand import Brand
from connector.web.connections import CONNECTIONS, Connections, most_connections, raise_descriptor_limit
from connector.web.guard import STALE, Guard
from connector.web.live import Live
from connector.web.oidc import Provider
from connector.web.passwords import Passwords
from connector.web.problems import PROBLEMS, Problem
from connector.web.pushing import Pushing
from connector.web.render import STATIC_FILES, Look, rendered
from connector.web.rest import PREFIX, Rest, World, problems_middleware
from connector.web.site import PAGES
from connector.web.site.serve import Site, language_of, pages_middleware, theme_of
from connector.web.site.sign_in import BACK, SignIn
from connector.words import LANGUAGE, USUAL

URL: web.AppKey[str] = web.AppKey("url", str)
# /health is open to everybody, and asks the store to write: not more often than this.
HEALTH_EVERY_S = 2.0
HEALTH_LIMIT_S = 3.0


class Gate(Protocol):
    """The gate process, as it is known here (connector/service/gate_status.py)."""

    @property
    def answers(self) -> bool:
        """Whether it answered when it was asked last."""

    @property
    def is_ready(self) -> bool:
        """Whether it said then that calls are decided."""

    async def ask(self) -> None:
        """Ask it now."""


def make_app(
    settings: WebSettings,
    gate: Gate,
    world: World,
    clock: Clock,
    paid: PaymentSettings | None = None,
    stripe: StripeSettings | None = None,
    oidc: OidcSettings | None = None,
) -> web.Application:
    """The web application. `gate` is asked for every health check; `paid`, `stripe`: who tells of payments; `oidc`: at
    whom people may sign in besides.
    """
    connections = Connections(settings.proxies, most_connections(raise_descriptor_limit()))
    guarded = functools.partial(_guarded, world, clock, connections, brand.of(settings))
    app = web.Application(
        client_max_size=MOST_FORM, middlewares=[web.middleware(guarded), problems_middleware, pages_middleware]
    )
    app[CONNECTIONS] = connections
    hasher = Passwords()
    writable = Writable(world)

    async def health(request: web.Request) -> web.Response:
        """200 when calls are decided, 503 when not: the gate process is dead, Asterisk is away, or the store cannot be
        written.
        """
        store, _ = await asyncio.gather(writable(), gate.ask())
        found = {"ready": store and gate.is_ready, "store": store, "gate": gate.answers}
        return web.json_response(found, status=200 if found["ready"] else 503)

    async def lifetime(app: web.Application) -> AsyncIterator[None]:
        """The threads that work out hashes end with it."""
        yield
        hasher.close()

    app.cleanup_ctx.append(lifetime)
    app.router.add_get("/health", health)
    provider = Provider(oidc, settings.url.rstrip("/") + BACK, clock) if oidc is not None else None
    SignIn(world, settings, clock, hasher, provider).add_to(app.router)
    Site(world, lambda: gate.is_ready, PAGES).add_to(app.router)
    Pushing(world, settings).add_to(app)
    app.router.add_get("/api/", _api_page)
    app.router.add_get("/api/openapi.json", _api_document)
    app.router.add_get("/api/problems", _problems_page)
    app.router.add_get(f"{PREFIX}/events", Live(world.guard, world.reads, clock).events)
    app.router.add_get("/static/{name}", static)
    app.router.add_get("/brand.css", _sheet)
    app.router.add_get("/brand/logo", _logo)
    app[URL] = settings.url
    hooks.add_to(app.router, world, clock, paid or PaymentSettings(), stripe)
    Rest(world, ENDPOINTS).add_to(app.router)
    return app


async def static(request: web.Request) -> web.StreamResponse:
    """A file of the pages. Not aiohttp's own route: that asks the disk for whatever name somebody sends."""
    path = STATIC_FILES.get(request.match_info["name"])
    if path is None:
        raise Problem("not_found")
    return web.FileResponse(path)


async def _sheet(request: web.Request) -> web.Response:
    """The style sheet with the installation's colour."""
    return web.Response(text=render.LOOK.get().brand.sheet, content_type="text/css")


async def _logo(request: web.Request) -> web.StreamResponse:
    """The installation's logo. One that is opened by itself runs nothing."""
    logo = render.LOOK.get().brand.logo
    if logo is None or not logo.is_file():
        raise Problem("not_found")
    return web.FileResponse(logo, headers={"Content-Security-Policy": "default-src 'none'"})


async def _guarded(
    world: World,
    clock: Clock,
    connections: Connections,
    looks: Brand,
    request: web.Request,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """What every answer says, and another secret for a session whose own is an hour old."""
    render.LOOK.set(Look(looks, theme_of(request)))
    LANGUAGE.set(USUAL if request.path.startswith("/api/") else language_of(request))
    with connections.serving(request):
        try:
            check_encoding(request)
            in_api = request.path.startswith(PREFIX)  # where each field says what it takes
            check_text(request.path, *(text for pair in request.query.items() for text in pair), nul=in_api)
            answer = await handler(request)
        except Problem as error:
            answer = problems.response(error)
            if error.headers.get("Connection") == "close":
                answer.force_close()
        except web.HTTPException as error:  # a redirect
            answer = web.Response(status=error.status, headers={"Location": error.headers.get("Location", "/")})
    if not answer.prepared:
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["X-Frame-Options"] = "DENY"
        # Not "no-referrer": with that a browser sends "Origin: null" with our own forms too (Fetch, 3.2).
        answer.headers["Referrer-Policy"] = "same-origin"
        answer.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        answer.headers.setdefault("Cache-Control", "no-store")
        if world.guard.secure:
            answer.headers["Strict-Transport-Security"] = "max-age=31536000"
        await _rotated(world, clock, request, answer)
    return answer


class Writable:
    """Whether the store can be written, asked every two seconds at the most, however often somebody wants to know."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._asked_at = -HEALTH_EVERY_S
        self._asking: asyncio.Task[bool] | None = None

    async def __call__(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._asking is None or (self._asking.done() and now - self._asked_at >= HEALTH_EVERY_S):
            self._asked_at = now
            self._asking = asyncio.create_task(self._ask())
        done, _ = await asyncio.wait([self._asking], timeout=HEALTH_LIMIT_S)
        return bool(done) and self._asking.result()

    async def _ask(self) -> bool:
        try:
            await self._world.store(nodes.prove_writable, self._world.place.node)
        except ConnectorError:
            return False
        return True


async def _rotated(world: World, clock: Clock, request: web.Request, answer: web.StreamResponse) -> None:
    guard: Guard = world.guard
    if not request.get(STALE) or guard.cookie in answer.cookies:
        return
    fresh = None
    with contextlib.suppress(ConnectorError):  # what was done is done; it is rotated with the next answer
        fresh = await world.store(sessions.rotate, request.cookies.get(guard.cookie, ""), clock.now_ms())
    if fresh is not None:
        answer.set_cookie(guard.cookie, fresh, httponly=True, samesite="Lax", secure=guard.secure, path="/")


_one_at_a_time = threading.Lock()


@functools.cache
def _made() -> dict[str, Any]:
    return openapi.document(ENDPOINTS)


def _document() -> dict[str, Any]:
    """The OpenAPI document. It takes a third of a second to make: it is made when somebody asks for it first."""
    with _one_at_a_time:
        return _made()


async def _api_document(request: web.Request) -> web.Response:
    return web.json_response(await asyncio.to_thread(_document))


async def _api_page(request: web.Request) -> web.Response:
    found = await asyncio.to_thread(_document)
    about = found["info"]["description"].strip().split("\n\n")
    example = f"{request.app[URL]}/api/v1/profiles"
    return rendered("api.html", about=about, tags=openapi.for_people(found), example=example)


async def _problems_page(request: web.Request) -> web.Response:
    return rendered("problems.html", problems=PROBLEMS)
