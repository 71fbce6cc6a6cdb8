"""Answers the REST API: who asks, may they, is it of the right shape; then the function, in one transaction."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from connector.billing.calls import LiveCall
from connector.core.access import narrowed, require
from connector.database import named
from connector.database.store import StoreDoor, reading
from connector.errors import ConnectorError, NotFound
from connector.notices import acts
from connector.notices.acts import Done, Once
from connector.web import problems
from connector.web.bodies import read_all, read_json
from connector.web.endpoint import MOST_BODY, Ask, Download, Endpoint, OfCompany, Paper, Place, Written
from connector.web.guard import Guard, Signed
from connector.web.problems import Problem

PREFIX = "/api/v1"
MOST_KEY = 100
KEY = "Idempotency-Key"

B = TypeVar("B", bound=BaseModel)


class Sound(Protocol):
    """The sound of a leg, both ways, in G.711 mu-law (connector/asterisk/ari_http.py)."""

    async def play(self, sound: bytes) -> None:
        """To who was called. AsteriskError if the leg is gone."""

    def heard(self) -> AsyncIterator[bytes]:
        """From there, until the leg is gone."""


class SoundOfCall(Protocol):
    """Makes the leg of somebody who pushed a call button."""

    def __call__(self, call_id: str, button: int, name: str, account: str) -> AbstractAsyncContextManager[Sound]:
        """Its sound; the leg is over with the block. AsteriskError."""


@dataclass(frozen=True)
class World:
    """What the API needs of the program around it: doors to the store, and what is asked of Asterisk. `files`: where
    a long file is read, one at a time, so that nobody else waits. `sound`: that of who pushed a call button;
    `press`: a key of theirs, by their call and its digit. `message_heard` and `remove_message`: of voice mail, by
    context, mailbox, folder and id.
    """

    store: StoreDoor
    reads: StoreDoor
    files: StoreDoor
    guard: Guard
    place: Place
    hang_up: Callable[[LiveCall], Awaitable[None]]
    sound: SoundOfCall
    press: Callable[[str, str], Awaitable[bool]]
    message_heard: Callable[[str, str, str, str], Awaitable[None]]
    remove_message: Callable[[str, str, str, str], Awaitable[None]]

    async def file_answer(self, found: Download | Written | Paper, kind: str) -> web.StreamResponse:
        """A sheet or an invoice as an answer: to be saved, and not shown."""
        said = {"Content-Disposition": f'attachment; filename="{found.name}"', "Content-Type": kind}
        if isinstance(found, Paper):
            return web.Response(body=await self.files(found.draw), headers=said)
        if isinstance(found, Download):
            return web.FileResponse(found.path, headers=said)
        # With a byte order mark, by which Excel knows the encoding.
        return web.Response(body=found.text.encode("utf-8-sig", errors="replace"), headers=said)


class Rest:
    """The endpoints, as aiohttp's routes."""

    def __init__(self, world: World, endpoints: Sequence[Endpoint]) -> None:
        self._world = world
        self._endpoints = endpoints

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Have them answered."""
        for endpoint in self._endpoints:
            router.add_route(endpoint.method, PREFIX + endpoint.path, functools.partial(self._answer, endpoint))

    async def _answer(self, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
        signed = await self._world.guard.signed(request)
        if endpoint.permission is not None:
            require(signed.actor, endpoint.permission)
        strange = next((text for text in request.match_info.values() if not text.isprintable()), None)
        if strange is not None:
            raise NotFound("there is nothing by the name of {strange}", strange=ascii(strange)[:60])
        query = _checked_query(endpoint, request)
        raw = await _read(endpoint, request)
        arguments: dict[str, Any] = {}
        if endpoint.body is not None:
            plain = read_json(raw) if len(raw) <= MOST_BODY else await self._world.files(read_json, raw)
            arguments["body"] = checked_body(endpoint.body, plain)
        if endpoint.before is not None:
            ask = self._ask(endpoint, request, signed, query)
            arguments["read"] = await self._world.files(_read_before, endpoint, ask, arguments["body"])
        done, given = await self._done(endpoint, request, signed, query, arguments, raw)
        if endpoint.after is not None:
            await endpoint.after(self._world, given)
        if isinstance(given, Download | Paper):
            return await self._world.file_answer(given, endpoint.downloads)
        headers = {"Idempotency-Replayed": "true"} if done.again else {}
        if endpoint.answer is None:
            return web.Response(status=204, headers=headers)
        return web.json_response(done.answer, status=endpoint.status, headers=headers)

    def _ask(self, endpoint: Endpoint, request: web.Request, signed: Signed, query: BaseModel) -> Ask:
        asked = query.company if isinstance(query, OfCompany) else None
        scope = narrowed(signed.actor.scope, asked)
        return Ask(signed.actor, dict(request.match_info), signed.doer.at, self._world.place, scope)

    async def _done(
        self,
        endpoint: Endpoint,
        request: web.Request,
        signed: Signed,
        query: BaseModel,
        arguments: dict[str, Any],
        raw: bytes,
    ) -> tuple[Done, Any]:
        """The answer, as JSON, and what the function gave."""
        once = _once(endpoint, request, raw) if endpoint.once else None
        asked = query.company if isinstance(query, OfCompany) else None
        actor = signed.actor
        ask = self._ask(endpoint, request, signed, query)
        if "read" in arguments:
            ask = replace(ask, now=self._world.guard.now_ms())
        ask = replace(ask, key=acts.money_key(actor, once.key) if once else "")
        thing = endpoint.thing(ask.path, asked)
        if "query" in endpoint.arguments:
            arguments["query"] = query
        given: list[Any] = []

        def deed() -> Any:
            """The function, for the company that it is about."""
            given[:] = [endpoint.function(_of_company(endpoint, ask), **arguments)]
            return endpoint.shown(given[0])

        if endpoint.method == "GET":
            answer = await self._world.reads(acts.look, actor, endpoint.permission, thing, deed)
            return Done(answer), given[0]
        done = await self._world.store(acts.do, actor, endpoint.permission, thing, deed, signed.doer, once)
        return done, given[0] if given else None


def _of_company(endpoint: Endpoint, ask: Ask) -> Ask:
    """With the company that a request is about, in the caller's transaction. NotFound."""
    if not endpoint.of_company:
        return ask
    return replace(ask, company=named.company_seen(ask.scope, ask.scope.company).name)


def _read_before(endpoint: Endpoint, ask: Ask, body: BaseModel) -> Any:
    """What a function has to read first, and takes long."""
    assert endpoint.before is not None
    with reading():
        own = _of_company(endpoint, ask)
    return endpoint.before(own, body)


@web.middleware
async def problems_middleware(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Under /api/ everything that goes wrong is a problem, in words, and never a Traceback."""
    if not request.path.startswith("/api/"):
        return await handler(request)
    try:
        return await handler(request)
    except Problem as error:
        return problems.response(error)
    except ConnectorError as error:
        return problems.response(problems.of(error))
    except web.HTTPException as error:
        return problems.response(_of_http(error))
    except Exception:
        problems.log_defect(request)
        return problems.response(Problem("defect"))


def _of_http(error: web.HTTPException) -> Problem:
    code = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(error.status, "malformed")
    found = Problem(code)
    if isinstance(error, web.HTTPMethodNotAllowed):
        found.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
    return found


def _checked_query(endpoint: Endpoint, request: web.Request) -> BaseModel:
    twice = next((name for name in request.query if len(request.query.getall(name)) > 1), None)
    if twice is not None:
        raise Problem("invalid", f"{twice!r} is given twice", [{"field": twice, "message": "is given twice"}])
    return _checked(lambda: endpoint.query.model_validate_strings(dict(request.query)))


def checked_body(shape: type[B], raw: bytes) -> B:
    """A body of JSON in its shape. Problem malformed, or invalid with every field that is wrong."""
    return _checked(lambda: shape.model_validate_json(raw, strict=True))


def _checked(validate: Callable[[], B]) -> B:
    try:
        return validate()
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        if found[0]["type"] == "json_invalid":
            raise Problem("malformed", "The body is not valid JSON.") from None
        wrong = [
            {"field": ".".join(map(str, each["loc"])), "message": each["msg"].removeprefix("Value error, ")}
            for each in found[:20]
        ]
        first = wrong[0]
        where = f"{first['field']}: " if first["field"] else ""
        raise Problem("invalid", where + first["message"], wrong) from None


async def _read(endpoint: Endpoint, request: web.Request) -> bytes:
    """The body, if it is JSON and not too long, and arrives."""
    if endpoint.body is None:
        if request.can_read_body:
            await read_all(request, endpoint.most_body)
        return b""
    if request.can_read_body and request.content_type != "application/json":
        raise Problem("media_type", "the body is JSON: Content-Type: application/json")
    return await read_all(request, endpoint.most_body)


def _once(endpoint: Endpoint, request: web.Request, raw: bytes) -> Once:
    key = request.headers.get(KEY, "")
    if not 1 <= len(key) <= MOST_KEY or not key.isprintable():
        raise Problem("key_missing")
    said = json.dumps([endpoint.method, request.path, sorted(request.query.items()), raw.decode(errors="replace")])
    return Once(key, hashlib.sha256(said.encode()).hexdigest())
