"""Shows pages and takes forms: who visits, at which company they look, may they; then one transaction, as the API."""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import json
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import quote as quoted

from aiohttp import web
from pydantic import ValidationError

from connector import words
from connector.billing import profiles
from connector.billing.profiles import CompanyView
from connector.core import formats
from connector.core.access import Actor, Scope, require
from connector.core.money import minor_digits
from connector.errors import BadInput, ConnectorError, Forbidden, NextStep, NotFound
from connector.notices import acts
from connector.notices.acts import Once, Thing
from connector.people import sessions, users
from connector.people.sessions import SessionView
from connector.web import problems, render
from connector.web.bodies import read_form
from connector.web.endpoint import CSV, Ask, Download, Paper, Written
from connector.web.guard import Signed
from connector.web.problems import Problem
from connector.web.rest import World
from connector.web.site import menu
from connector.web.site.frame import MOST_UPLOAD, Form, Line, Outcome, Quote, SitePage
from connector.words import said, tr, translated

log = logging.getLogger(__name__)

# A form with a file: a confirmation sends it back with longer ends of lines, and there are other fields.
MOST_FILES = 2 * MOST_UPLOAD
_FLASH = "connector_said"
THEME = "connector_theme"
Whose = tuple[Actor, str | None, Thing | None]
_LANGUAGE = "connector_language"
# One year. What pages look like belongs to the browser: dark at home, light in the office.
_CHOICE_S = 365 * 86_400


class _Changed(BadInput):
    """What a form is about was changed after it had been shown."""


@dataclass(frozen=True)
class Visit:
    """Somebody who looks at pages: who they are, and at which company; None where there is none yet."""

    signed: Signed
    company: CompanyView | None
    companies: tuple[CompanyView, ...]


class Site:
    """The pages, as aiohttp's routes."""

    def __init__(self, world: World, ready: Callable[[], bool], pages: Sequence[SitePage]) -> None:
        self._world = world
        self._ready = ready
        self._pages = pages

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Have them shown."""
        for page in self._pages:
            router.add_get(page.path, functools.partial(self._shown, page))
            if page.form is not None:
                router.add_post(page.path, functools.partial(self._taken, page))
        router.add_post("/companies", self._choose)
        router.add_post("/me/theme", self._choose_theme)
        router.add_post("/me/language", self._choose_language)

    async def visit(self, request: web.Request) -> Visit:
        """Who visits. A redirect if nobody has signed in, or not to the end."""
        signed = await self._world.guard.visitor(request)
        if signed is None or signed.session is None:
            wanted = "" if request.path == "/" else f"?next={quoted(request.path_qs)}"
            raise web.HTTPSeeOther(f"/sign-in{wanted}")
        if signed.session.stage != "full":
            raise web.HTTPSeeOther("/welcome/password" if signed.session.stage == "password" else "/sign-in/code")
        views = await self._world.reads(profiles.company_views)
        own = signed.actor.scope.company
        seen = tuple(view for view in views if own in (None, view.id))
        chosen = own or signed.session.company or (seen[0].id if len(seen) == 1 else None)
        company = next((view for view in seen if view.id == chosen), None)
        return Visit(signed, company, seen)

    def frame(self, visit: Visit, request: web.Request) -> dict[str, Any]:
        """What every page shows."""
        actor = visit.signed.actor
        session = visit.signed.session
        return {
            "look": render.LOOK.get(),
            "menu": menu.groups(request.path, actor.permissions),
            "first": menu.first(request.path, actor.permissions),
            "who": actor.name,
            "may": actor.permissions,
            "company": visit.company,
            "companies": visit.companies,
            "zone": visit.company.time_zone if visit.company else "UTC",
            "currency": visit.company.currency if visit.company else "",
            "sums": formats.pattern(visit.company.currency) if visit.company else "#",
            "digits": minor_digits(visit.company.currency) if visit.company else 2,
            "looked_at": _id_of(visit),
            "csrf": session.csrf if session else "",
            "said": _flashed(request),
            "ready": self._ready(),
            "now": visit.signed.doer.at,
            "path": request.path,
        }

    async def _shown(self, page: SitePage, request: web.Request) -> web.StreamResponse:
        visit = await self.visit(request)
        if visit.company is None and page.needs_company:
            raise web.HTTPSeeOther("/companies")
        ask = self._ask(page, request, visit)
        frame = {**self.frame(visit, request), "query": dict(request.query)}

        def question() -> str | Download | Written | Paper:
            """The page's text, or a file, in one transaction."""
            if page.form is not None:
                return self._form_text(page, page.form, ask, frame, None, {}, "")
            assert page.function is not None
            shown = page.function(ask)
            if isinstance(shown, Download | Written | Paper):
                return shown
            return render.text(shown.template, {**frame, **shown.values})

        whose = self._whose(page, request, visit)
        found = await self._world.reads(acts.look, whose[0], whose[1], whose[2], question)
        if isinstance(found, Download | Written | Paper):
            kind = "application/pdf" if isinstance(found, Paper) else CSV
            return await self._world.file_answer(found, found.kind if isinstance(found, Download) else kind)
        answer = render.response(found)
        if frame["said"]:
            answer.del_cookie(_FLASH)
        return answer

    async def _taken(self, page: SitePage, request: web.Request) -> web.StreamResponse:
        """A form came back: asked again what it would do, or done."""
        visit = await self.visit(request)
        form = page.form
        assert form is not None
        ask = self._ask(page, request, visit)  # who may not sends nothing long
        given = _short_enough(form, await read_form(request, MOST_FILES if form.takes_files() else None))
        session = visit.signed.session
        assert session is not None
        self._world.guard.check_csrf(session, given.pop("csrf", ""))
        self._world.guard.changes(request, visit.signed)
        if given.pop("looked_at", "") != _id_of(visit):
            raise Problem(
                "bad_input", tr("You are now viewing another company, perhaps because of another window. Start again.")
            )
        if visit.company is None and page.needs_company:
            raise web.HTTPSeeOther("/companies")
        key, was, looks = given.pop("key", ""), given.pop("was", ""), given.pop("look", "")
        confirmed = form.asks_back() and key != ""
        frame = {**self.frame(visit, request), "sent_was": was}
        whose = self._whose(page, request, visit)
        offered = form.model_fields.keys() - set(form.without(ask))
        try:
            given = form.gathered(given)
        except BadInput as error:
            return await self._again(page, form, ask, frame, whose, given, {}, error.translated())
        try:
            filled = form.model_validate_strings(
                {name: value for name, value in given.items() if name in offered},
                context={"currency": frame["currency"]},
            )
        except ValidationError as error:
            return await self._again(page, form, ask, frame, whose, given, _wrong(error), "")
        try:
            if looks and form.looks:
                seen, _ = await self._quoted(filled.look_writes, whose, lambda: (filled.look(ask), ""))
                shown = {**frame, "seen": seen.lines}
                return await self._again(page, form, ask, shown, whose, given, {}, "", status=200)
            if form.read is not Form.read:
                found_in_file = await self._world.files(filled.read, ask)
                ask = replace(ask, read=found_in_file, now=self._world.guard.now_ms())
            if form.asks_back() and not confirmed:

                def question() -> tuple[Quote | None, str]:
                    """What it would do to what was seen, and to what."""
                    _check_seen(form, ask, was)
                    about = _about(page, ask)  # what is tried out may take it away
                    return filled.quote(ask), about

                found, about = await self._quoted(form.tries, whose, question)
                values = {"lines": found.lines, "given": {**given, **found.pinned}, "form": form, "page": page}
                values["about"] = about
                values |= {"key": _new_key(), "back": _filled(page.back, ask)}
                return render.response(render.text("confirm.html", {**frame, **values}))
            once = Once(key or _new_key(), _fingerprint(request, visit, given)) if page.once else None
            ask = replace(ask, key=acts.money_key(ask.actor, once.key) if once else "")

            def deed() -> Any:
                """The form's deed, and where it leads."""
                if not confirmed:
                    _check_seen(form, ask, was)
                done = filled.do(ask)
                kept: list[Any] = [done.to, done.said, _kept_lines(done.lines)]
                blocks = [asdict(block) | {"lines": _kept_lines(block.lines)} for block in done.blocks]
                return [*kept, blocks] if blocks else kept

            done = await self._world.store(acts.do, whose[0], whose[1], whose[2], deed, visit.signed.doer, once)
            if not done.again:
                await filled.after(self._world, ask, visit.signed.doer)
        except (Forbidden, NotFound):
            raise
        except ConnectorError as error:
            frame = {**frame, "step": _allowed_step(error, ask, self._pages)}
            if isinstance(error, _Changed):  # it is said now: who sends the form again knows
                frame["sent_was"] = ""
            return await self._again(page, form, ask, frame, whose, given, {}, error.translated())
        return self._done(Outcome.of(done.answer), {**frame, "back": _filled(page.back, ask)})

    async def _quoted(
        self, tries: bool, whose: Whose, question: Callable[[], tuple[Quote | None, str]]
    ) -> tuple[Quote, str]:
        """What a form would do, and to what: tried out where one writes, or only looked up."""
        how = (self._world.store, acts.tried) if tries else (self._world.reads, acts.look)
        found, about = await how[0](how[1], whose[0], whose[1], whose[2], question)
        assert isinstance(found, Quote)
        return found, about

    def _done(self, outcome: Outcome, frame: dict[str, Any]) -> web.StreamResponse:
        if outcome.lines:
            return render.rendered("done.html", **frame, outcome=outcome)
        if not outcome.to.startswith("/"):  # a form may lead nowhere else (Content-Security-Policy), a link may
            return render.rendered("elsewhere.html", **frame, outcome=outcome)
        answer = web.Response(status=303, headers={"Location": outcome.to})
        text = base64.urlsafe_b64encode(outcome.said.encode()).decode()
        answer.set_cookie(_FLASH, text, max_age=30, httponly=True, samesite="Strict", secure=self._world.guard.secure)
        return answer

    async def _again(
        self,
        page: SitePage,
        form: type[Form],
        ask: Ask,
        frame: dict[str, Any],
        whose: Whose,
        given: dict[str, str],
        wrong: dict[str, str],
        why: str,
        *,
        status: int = 422,
    ) -> web.Response:
        def question() -> str:
            """The form as it came, with what is wrong with it."""
            return self._form_text(page, form, ask, frame, given, wrong, why)

        return render.response(await self._world.reads(acts.look, whose[0], whose[1], whose[2], question), status)

    def _form_text(
        self,
        page: SitePage,
        form: type[Form],
        ask: Ask,
        frame: dict[str, Any],
        given: dict[str, Any] | None,
        wrong: dict[str, str],
        why: str,
    ) -> str:
        """The form as it was filled in, or, for None, as things are."""
        shown = form.initial(ask)
        given = {**shown, **form.suggested(ask)} if given is None else given
        frame = {
            "step": None,
            "seen": [],
            "sent_was": "",
            **frame,
            "key": _new_key() if page.once and not form.asks_back() else "",
        }
        chosen, left_out = form.choices(ask), form.without(ask)
        fields = []
        for name, info in form.model_fields.items():
            extra: Any = info.json_schema_extra
            if extra["kind"] == "pinned" or name in left_out:
                continue
            value = given.get(name, "" if info.is_required() or info.default is None else info.default)
            if extra["kind"] == "password" and value:  # it is not sent back
                value, wrong = "", {name: tr("Enter it again. It is not sent back to the browser."), **wrong}
            choices = chosen.get(name) or [(key, said(text)) for key, text in extra["choices"]]
            kind = "choice" if name in chosen else extra["kind"]
            fields.append(
                {
                    "name": name,
                    "label": said(extra["label"]),
                    "hint": said(extra["hint"]),
                    "kind": kind,
                    "choices": choices,
                    "value": value,
                    "wrong": wrong.get(name, ""),
                    "required": info.is_required(),
                }
            )
        values = {"fields": fields, "why": why, "form": form, "page": page, "intro": form.intro(ask)}
        values |= {"was": frame["sent_was"] or _seen(shown), "about": _about(page, ask), **form.extras(ask, given)}
        return render.text("form.html", {**frame, "back": _filled(page.back, ask), **values})

    def _ask(self, page: SitePage, request: web.Request, visit: Visit) -> Ask:
        actor = visit.signed.actor
        if page.permission is not None:
            require(actor, page.permission)
        company = visit.company
        scope = Scope(company.id if company else actor.scope.company, actor.scope.profile)
        return Ask(
            actor,
            dict(request.match_info),
            visit.signed.doer.at,
            self._world.place,
            scope,
            company.name if company else None,
            query={name: "\n".join(request.query.getall(name)) for name in request.query},
            zone=company.time_zone if company else "UTC",
            currency=company.currency if company else "",
        )

    def _whose(self, page: SitePage, request: web.Request, visit: Visit) -> Whose:
        """What acts.do and acts.look are told first."""
        company = visit.company.id if visit.company else None
        thing = page.thing(dict(request.match_info), company)
        actor = visit.signed.actor
        if company is not None and thing is not None and thing[0] != "user":  # what is shown is in one currency
            actor = replace(actor, scope=Scope(company, actor.scope.profile))
        return actor, page.permission, thing

    async def _chosen(self, request: web.Request) -> tuple[Visit, SessionView, dict[str, str]]:
        """A visitor's choice by a button: the visit, its session, and the fields, after the check of their secret."""
        visit = await self.visit(request)
        given = await read_form(request)
        session = visit.signed.session
        assert session is not None
        self._world.guard.check_csrf(session, given.get("csrf", ""))
        return visit, session, given

    async def _choose(self, request: web.Request) -> web.StreamResponse:
        """A user of the platform looks at another company."""
        visit, session, given = await self._chosen(request)
        wanted = next((view for view in visit.companies if str(view.id) == given.get("company")), None)
        if wanted is None:
            raise NotFound("there is no such company")
        await self._world.store(sessions.choose, session.id, wanted.id)
        raise web.HTTPSeeOther("/")

    async def _choose_theme(self, request: web.Request) -> web.StreamResponse:
        """A browser has pages in light or dark, or as its system has them."""
        _, _, given = await self._chosen(request)
        theme = given.get("theme", "")
        if theme not in render.THEMES:
            raise Problem("bad_input", tr("{theme!r} is not a theme", theme=theme[:20]))
        return self._kept(THEME, theme)

    async def _choose_language(self, request: web.Request) -> web.StreamResponse:
        """A browser has pages in one of the languages, and its user mails."""
        visit, _, given = await self._chosen(request)
        language = given.get("language", "")
        if language not in words.LANGUAGES:
            raise Problem("bad_input", tr("{language!r} is not a language of this program.", language=language[:20]))
        if visit.signed.actor.user is not None:
            await self._world.store(users.set_language, visit.signed.actor.user, language)
        return self._kept(_LANGUAGE, language)

    def _kept(self, cookie: str, value: str) -> web.StreamResponse:
        answer = web.Response(status=303, headers={"Location": "/me"})
        answer.set_cookie(
            cookie, value, max_age=_CHOICE_S, httponly=True, samesite="Lax", secure=self._world.guard.secure
        )
        return answer


def language_of(request: web.Request) -> str:
    """The language that a browser has chosen, or else the first of ours that it asks for."""
    language = request.cookies.get(_LANGUAGE, "")
    return language if language in words.LANGUAGES else words.best(request.headers.get("Accept-Language", ""))


def theme_of(request: web.Request) -> str:
    """The theme that a browser has chosen; "" for its system's."""
    theme = request.cookies.get(THEME, "")
    return theme if theme in render.THEMES else ""


@web.middleware
async def pages_middleware(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """What goes wrong with a page is a page that says so in words."""
    if request.path.startswith("/api/"):
        return await handler(request)
    try:
        return await handler(request)
    except Problem as error:
        return _sorry(error)
    except ConnectorError as error:
        return _sorry(problems.of(error))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(error.status, "malformed")
        return _sorry(Problem(code))
    except Exception:
        problems.log_defect(request)
        return _sorry(Problem("defect"))


def _sorry(found: Problem) -> web.Response:
    answer = render.rendered("sorry.html", found.status, heading=said(found.title), why=said(found.detail))
    answer.headers.update(found.headers)
    return answer


def _kept_lines(lines: Sequence[Line]) -> list[list[str]]:
    """Lines as they are kept with the answer of a form, in the language of who sent it."""
    return [[str(translated(cell)) for cell in line] for line in lines]


def _flashed(request: web.Request) -> str:
    try:
        return base64.urlsafe_b64decode(request.cookies.get(_FLASH, "")).decode()
    except (ValueError, binascii.Error):
        return ""


def _short_enough(form: type[Form], given: dict[str, str]) -> dict[str, str]:
    """Files with the ends of lines that they are kept with, if they are not too long."""
    for name in given.keys() & form.model_fields.keys():
        if form.kind_of(name) == "file":
            given[name] = given[name].replace("\r\n", "\n")
            if len(given[name].encode()) > MOST_UPLOAD:
                raise Problem(
                    "too_large", tr("A file can have {most_upload} MB at most.", most_upload=MOST_UPLOAD >> 20)
                )
    return given


def _allowed_step(error: ConnectorError, ask: Ask, pages: Sequence[SitePage]) -> NextStep | None:
    """The step of an error, if the visitor may open its page."""
    return error.step if error.step and may_open(error.step.page, ask.actor.permissions, pages) else None


def may_open(path: str, permissions: Collection[str], pages: Sequence[SitePage]) -> bool:
    """Whether somebody with these permissions may open a page, by its path."""
    fitting = [
        page for page in pages
        if re.fullmatch("[^/]+".join(map(re.escape, re.split(r"\{[^}]*\}", page.path))), path)
    ]  # fmt: skip
    page = min(fitting, key=lambda page: page.path.count("{"), default=None)  # as it is routed: plain paths first
    return page is not None and (page.permission is None or page.permission in permissions)


def _seen(shown: dict[str, Any]) -> str:
    """What a form showed of how things are, so that nobody undoes what they have not seen; "" if it shows none."""
    return hashlib.sha256(json.dumps(shown, sort_keys=True, default=str).encode()).hexdigest()[:16] if shown else ""


def _check_seen(form: type[Form], ask: Ask, was: str) -> None:
    if was and was != _seen(form.initial(ask)):
        raise _Changed("Somebody has changed this in the meantime. Check it again, or save it anyway.")


def _about(page: SitePage, ask: Ask) -> str:
    """What a form is about, as people call it; "" if it is about nothing that is there yet."""
    thing = page.thing(dict(ask.path), None)
    if thing is not None and thing[0] != "company":
        return acts.name_of(*thing)
    return next((name for kind, name in ask.path.items() if kind != "token"), "")


def _filled(pattern: str, ask: Ask) -> str:
    return pattern.format(**{name: quoted(value, safe="") for name, value in ask.path.items()})


def _wrong(error: ValidationError) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in error.errors(include_url=False, include_input=False):
        found.setdefault(str(each["loc"][0]), _wrong_words(each))
    return found


def _wrong_words(found: Any) -> str:
    """What is wrong with a field: what a form of ours says, or else pydantic's word for it."""
    limits = found.get("ctx", {})
    match found["type"]:
        case "missing":
            return tr("This field is required.")
        case "value_error":
            return str(found["msg"]).removeprefix("Value error, ")
        case "int_parsing" | "int_from_float" | "int_type" | "int_parsing_size":
            return tr("Use a whole number.")
        case "greater_than_equal":
            return tr("Use {least} or more.", least=limits["ge"])
        case "less_than_equal":
            return tr("Use {most} or less.", most=limits["le"])
        case "string_too_long":
            return tr("Use at most {most} characters.", most=limits["max_length"])
        case _:
            return tr("This cannot be taken as it is.")


def _fingerprint(request: web.Request, visit: Visit, given: dict[str, str]) -> str:
    said = json.dumps([request.path, _id_of(visit), sorted(given.items())])
    return hashlib.sha256(said.encode(errors="surrogateescape")).hexdigest()


def _id_of(visit: Visit) -> str:
    """The company that is looked at, as forms say it."""
    return str(visit.company.id) if visit.company else ""


def _new_key() -> str:
    return secrets.token_urlsafe(16)
