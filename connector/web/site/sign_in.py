"""Signing in: by address and password, and a code where one is set; first by a link that is good once. And out."""

from __future__ import annotations

import hmac
import logging
import secrets
from dataclasses import dataclass
from typing import Any

import segno
from aiohttp import web
from limits import parse

from connector.clock import Clock
from connector.config import WebSettings
from connector.database import audit
from connector.database.audit import Doer
from connector.database.store import writing
from connector.errors import BadInput, NotFound
from connector.people import sessions, users
from connector.web import passwords, render
from connector.web.bodies import read_form
from connector.web.devices import LASTS_S, Devices
from connector.web.guard import Guard, Signed
from connector.web.oidc import ATTEMPT_MS, Attempt, Attempts, Provider, ProviderError
from connector.web.passwords import Passwords
from connector.web.problems import Problem
from connector.web.rest import World
from connector.words import marked, tr

log = logging.getLogger(__name__)

BACK = "/sign-in/provider/back"
# Wrong passwords are counted by network, and by account and network together: nobody can lock another person out.
_BY_ADDRESS = parse("30/minute")
_BY_PROVIDER = parse("60/minute")
_LOGGED = parse("10/minute")
# From browsers that are known, of one network: each of them has the limit above for itself.
_KNOWN_BY_NETWORK = parse("300/minute")
_BY_ACCOUNT = parse("10/5minute")
_CODES = parse("5/5minute")
_KNOWN = "known browser"  # a word of its own among networks, in no language
WRONG = marked("The details are not correct. Check both entries, and try again.")


@dataclass
class SignIn:
    """The pages of it."""

    world: World
    settings: WebSettings
    clock: Clock
    hasher: Passwords
    provider: Provider | None = None

    def __post_init__(self) -> None:
        self._devices = Devices(self._guard.cookie + "-device")
        self._attempts = Attempts()

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Have them shown."""
        router.add_get("/sign-in", self.form)
        router.add_post("/sign-in", self.sign_in)
        if self.provider is not None:
            router.add_get("/sign-in/provider", self.go_to_provider)
            router.add_get(BACK, self.back_from_provider)
        router.add_get("/sign-in/code", self.code_form)
        router.add_post("/sign-in/code", self.code)
        router.add_get("/welcome", self.welcome)
        router.add_post("/welcome", self.redeem)
        router.add_get("/welcome/password", self.password_form)
        router.add_post("/welcome/password", self.choose_password)
        router.add_post("/sign-out", self.sign_out)
        router.add_get("/me/code", self.new_code)
        router.add_post("/me/code", self.keep_code)

    @property
    def _guard(self) -> Guard:
        return self.world.guard

    async def form(self, request: web.Request) -> web.StreamResponse:
        """Address and password; or, with the token of connector.toml, straight in, to look."""
        token = request.query.get("token")
        if token is not None:
            return await self._by_token(request, token)
        if await self._stage(request) == "full":
            raise web.HTTPSeeOther("/")
        return self._form(200, "", _next(request.query.get("next", "")))

    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        """A right password begins a session, or asks for the code."""
        self._guard.check_origin(request)
        network = self._guard.network(request)
        known = self._devices.any_of(request.cookies)
        # Counted before the form is read: reading costs more than refusing.
        self._guard.slow_down(_BY_ADDRESS, "sign in", known or network)
        if known:
            self._guard.slow_down(_KNOWN_BY_NETWORK, "sign in from a known browser", network)
        given = await read_form(request)
        email, password = str(given.get("email", ""))[:300], str(given.get("password", ""))
        address = self._guard.address(request)
        account = email.strip().lower()
        tries = (account, _KNOWN if self._devices.knows(request.cookies, account) else network)
        # Counted before the store is asked: many tries at once are counted as often.
        self._guard.slow_down(_BY_ACCOUNT, "sign in", *tries)
        proof = await self.world.reads(users.proof, email)
        right = await self.hasher.fits(proof.hashed if proof else "", password)
        if proof is None or not right:
            who = await self.world.reads(users.actor_of, proof.user) if proof else None
            doer = Doer(who.name if who else _plain(email[:100]), self.clock.now_ms(), None, address)
            await self.world.store(_noted, doer, "sign-in.failed", who.scope.company if who else None)
            return self._form(401, WRONG, _next(str(given.get("next", ""))), email)
        self._guard.right(_BY_ACCOUNT, "sign in", *tries)
        to = "/sign-in/code" if proof.totp else _next(str(given.get("next", "")))
        return await self._begun(request, proof.user, "totp" if proof.totp else "full", to)

    async def go_to_provider(self, request: web.Request) -> web.StreamResponse:
        """To the provider, with an attempt that this browser keeps."""
        assert self.provider is not None
        # A foreign page may embed this address, and would use up the sign-ins of a whole office.
        if request.headers.get("Sec-Fetch-Dest", "document") != "document":
            raise Problem("forbidden")
        self._guard.slow_down(_BY_PROVIDER, "sign in by a provider", self._guard.network(request))
        attempt = Attempt.begun(_next(request.query.get("next", "")), self.clock.now_ms())
        try:
            where = await self.provider.address(attempt)
        except ProviderError as error:
            self._told(str(error))
            return self._form(502, tr("{name} cannot be asked now.", name=self.provider.name), attempt.next)
        answer = web.Response(status=303, headers={"Location": where})
        cookie = self._attempts.cookie(attempt)
        answer.set_cookie(self._attempt_cookie, cookie, max_age=ATTEMPT_MS // 1000, **self._cookie_words)
        return answer

    async def back_from_provider(self, request: web.Request) -> web.StreamResponse:
        """Who signed in there is one of our users, by the e-mail address; a code is asked for where one is set."""
        assert self.provider is not None
        cookie, state = request.cookies.get(self._attempt_cookie, ""), request.query.get("state", "")
        answer: web.StreamResponse
        try:
            attempt = self._attempts.opened(cookie, state, self.clock.now_ms())
            answer = await self._answered(request, attempt)
        except (BadInput, ProviderError) as error:
            self._guard.slow_down(_BY_PROVIDER, "sign in by a provider", self._guard.network(request))
            if isinstance(error, BadInput):
                answer = self._form(403, error.translated(), "/")
            else:
                self._told(str(error))
                words = tr(
                    "{name} did not sign you in. The operator of these pages finds the reason in the log.",
                    name=self.provider.name,
                )
                answer = self._form(502, words, "/")
        answer.del_cookie(self._attempt_cookie, **self._cookie_words)
        return answer

    async def _answered(self, request: web.Request, attempt: Attempt) -> web.StreamResponse:
        """What the provider says to an attempt of this browser. BadInput, ProviderError."""
        assert self.provider is not None
        if "code" not in request.query:
            said = {name: request.query.get(name, "")[:200] for name in ("error", "error_description")}
            self._told(f"it sent somebody back with {said}")
            raise BadInput("{name} did not sign you in.", name=self.provider.name)
        email = await self.provider.email(attempt, request.query["code"])
        proof = await self.world.reads(users.proof, email) if email != users.PAGE_VIEWER else None
        doer = Doer(email, self.clock.now_ms(), proof.user if proof else None, self._guard.address(request))
        if proof is None:
            await self.world.store(_noted, doer, "sign-in.failed", None)
            words = tr("{email} has no account here. Ask an owner of your company to invite you.", email=email)
            return self._form(403, words, "/")
        if not proof.hashed:
            hashed = await self.hasher.hashed(secrets.token_urlsafe(32))
            await self.world.store(_as, doer, users.came_by_provider, proof.user, hashed, doer.at)
        to, stage = ("/sign-in/code", "totp") if proof.totp else (attempt.next, "full")
        return await self._begun(request, proof.user, stage, to, by_password=False, how="sign-in.provider")

    def _told(self, why: str) -> None:
        """To the log, for the operator; anybody can cause it, so a few times a minute."""
        if self.provider is not None and self._guard.may(_LOGGED, "log of a provider"):
            log.error("sign-in by %s: %s", self.provider.name, why)

    @property
    def _cookie_words(self) -> dict[str, Any]:
        """Of each cookie here. The path is the whole site's: a browser takes no other with a name that begins with
        __Host- (RFC 6265bis). Not Strict, which would sign nobody in who follows a link from a mail.
        """
        return {"path": "/", "secure": self._guard.secure, "httponly": True, "samesite": "Lax"}

    @property
    def _attempt_cookie(self) -> str:
        return f"{self._guard.cookie}-attempt"

    def _form(self, status: int, wrong: str, to: str, email: str = "") -> web.Response:
        provider = self.provider.name if self.provider is not None else ""
        return _page("Sign in", "sign-in.html", status, email=email, wrong=wrong, next=to, provider=provider)

    async def code_form(self, request: web.Request) -> web.StreamResponse:
        """The code from the telephone."""
        signed = await self._halfway(request, "totp")
        return _page("Your code", "code.html", csrf=_csrf(signed), wrong="", square="", secret="")

    async def code(self, request: web.Request) -> web.StreamResponse:
        """A right code, which is good once, begins the session."""
        signed = await self._halfway(request, "totp")
        given = await self._given(request, signed)
        user = _user(signed)
        known = self._devices.knows(request.cookies, signed.actor.name)
        tries = (str(user), _KNOWN) if known else (str(user),)
        self._guard.slow_down(_CODES, "code", *tries)
        secret = await self.world.reads(users.totp_secret, user)
        step = passwords.step_of(secret or "", given.get("code", ""), self.clock.now_ms()) if secret else None
        if step is None or not await self.world.store(users.use_code, user, step):
            await self.world.store(_noted, signed.doer, "sign-in.code-failed", signed.actor.scope.company)
            return _page("Your code", "code.html", 401, csrf=_csrf(signed), wrong=WRONG, square="", secret="")
        self._guard.right(_CODES, "code", *tries)
        return await self._begun(request, user, "full", "/", signed)

    async def welcome(self, request: web.Request) -> web.StreamResponse:
        """The link asks before it is used up: mail programs look at links, and do not press buttons."""
        return _page("Welcome", "welcome.html", link=request.query.get("link", ""), wrong="")

    async def redeem(self, request: web.Request) -> web.StreamResponse:
        """The link is used up, and a password is to be chosen."""
        self._guard.check_origin(request)
        self._guard.slow_down(_BY_ADDRESS, "link", self._guard.network(request))
        given = await read_form(request)
        try:
            user = await self.world.store(users.redeem, str(given.get("link", "")), self.clock.now_ms())
        except NotFound as error:
            return _page("Welcome", "welcome.html", 404, link="", wrong=error.translated())
        who = await self.world.reads(users.actor_of, user)
        doer = Doer(who.name, self.clock.now_ms(), user, self._guard.address(request))
        await self.world.store(_noted, doer, "sign-in.link", who.scope.company)
        return await self._begun(request, user, "password", "/welcome/password")

    async def password_form(self, request: web.Request) -> web.StreamResponse:
        """A new password."""
        signed = await self._halfway(request, "password", "full")
        return _choose_password(signed, who=signed.actor.name)

    async def choose_password(self, request: web.Request) -> web.StreamResponse:
        """It is set, every session ends, and a new one begins; with a code, where one is asked for."""
        signed = await self._halfway(request, "password", "full")
        given = await self._given(request, signed)
        user = _user(signed)
        wrong = "" if given.get("password") == given.get("again") else tr("The two are not the same.")
        if not wrong and _has_signed_in(signed):
            self._guard.slow_down(_CODES, "code", str(user))
            proof = await self.world.reads(users.proof_of, user)
            if not await self.hasher.fits(proof.hashed, given.get("old", "")):
                wrong = tr("The old password is not right.")
        try:
            hashed = "" if wrong else await self.hasher.hashed(given.get("password", ""))
        except BadInput as error:
            wrong = error.translated()
        if wrong:
            return _choose_password(signed, 422, wrong=wrong)
        await self.world.store(_as, signed.doer, users.set_password, user, hashed, self.clock.now_ms())
        proof = await self.world.reads(users.proof_of, user)
        to = "/sign-in/code" if proof.totp else "/"
        return await self._begun(request, user, "totp" if proof.totp else "full", to)

    async def new_code(self, request: web.Request) -> web.StreamResponse:
        """A secret for the telephone, to be proven by a code."""
        signed = await self._halfway(request, "full")
        return self._square(signed, passwords.new_secret(), "", 200)

    async def keep_code(self, request: web.Request) -> web.StreamResponse:
        """From now on codes are asked for; or no more, which takes the password."""
        signed = await self._halfway(request, "full")
        given = await self._given(request, signed)
        user = _user(signed)
        self._guard.slow_down(_CODES, "code", str(user))
        proof = await self.world.reads(users.proof_of, user)
        right = await self.hasher.fits(proof.hashed, given.get("password", ""))
        session = signed.session.id if signed.session else None
        if "off" in given:
            if not right:
                raise Problem("forbidden", tr("The password is not right."))
            self._guard.right(_CODES, "code", str(user))
            await self.world.store(_as, signed.doer, users.set_totp, user, None, session)
            raise web.HTTPSeeOther("/me")
        secret = given.get("secret", "")
        if not (16 <= len(secret) <= 64 and secret.isalnum() and secret.isascii()):
            raise Problem("malformed")
        step = passwords.step_of(secret, given.get("code", ""), self.clock.now_ms())
        if step is None or not right:
            return self._square(signed, secret, WRONG, 422)
        self._guard.right(_CODES, "code", str(user))
        await self.world.store(_as, signed.doer, users.set_totp, user, secret, session)
        await self.world.store(users.use_code, user, step)
        raise web.HTTPSeeOther("/me")

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """The session ends."""
        signed = await self._halfway(request, "full", "totp", "password")
        await self._given(request, signed)
        if signed.session is not None:
            await self.world.store(sessions.end, signed.session.id)
        answer = web.Response(status=303, headers={"Location": "/sign-in"})
        answer.del_cookie(self._guard.cookie, **self._cookie_words)
        return answer

    def _square(self, signed: Signed, secret: str, wrong: str, status: int) -> web.Response:
        square = segno.make(passwords.telephone_url(secret, signed.actor.name)).svg_data_uri(scale=5, dark="#000")
        return _page(
            "A code beside your password", "code.html", status, csrf=_csrf(signed), wrong=wrong, square=square,
            secret=secret,
        )  # fmt: skip

    async def _by_token(self, request: web.Request, token: str) -> web.StreamResponse:
        self._guard.slow_down(_BY_ADDRESS, "token", self._guard.network(request))
        if not hmac.compare_digest(
            token.encode(errors="surrogateescape"), self.settings.token.get_secret_value().encode()
        ):
            return self._form(403, tr("This link is not valid."), "/")
        user = await self.world.store(users.page_viewer, self.clock.now_ms())
        return await self._begun(request, user, "full", "/", by_password=False)

    async def _begun(
        self,
        request: web.Request,
        user: int,
        stage: str,
        to: str,
        before: Signed | None = None,
        *,
        by_password: bool = True,
        how: str = "sign-in",
    ) -> web.StreamResponse:
        """A session of its own for each step: who knew the cookie before knows nothing now."""
        now = self.clock.now_ms()
        address, agent = self._guard.address(request), request.headers.get("User-Agent", "")
        secret = await self.world.store(sessions.begin, user, stage, now, address, _plain(agent))
        before = before or await self._guard.visitor(request)
        if before is not None and before.session is not None:
            await self.world.store(sessions.end, before.session.id)
        email = ""
        if stage == "full":
            who = await self.world.reads(users.actor_of, user)
            email = who.name
            await self.world.store(_noted, Doer(who.name, now, user, address), how, who.scope.company)
        answer = web.Response(status=303, headers={"Location": to})
        answer.set_cookie(self._guard.cookie, secret, **self._cookie_words)
        if email and by_password:
            name, value = self._devices.cookie_for(email)
            answer.set_cookie(name, value, max_age=LASTS_S, **self._cookie_words)
        return answer

    async def _stage(self, request: web.Request) -> str:
        signed = await self._guard.visitor(request)
        return signed.session.stage if signed and signed.session else ""

    async def _halfway(self, request: web.Request, *stages: str) -> Signed:
        signed = await self._guard.visitor(request)
        if signed is None or signed.session is None or signed.session.stage not in stages:
            raise web.HTTPSeeOther("/sign-in")
        return signed

    async def _given(self, request: web.Request, signed: Signed) -> dict[str, str]:
        given = {name: str(value) for name, value in (await read_form(request)).items()}
        if signed.session is not None:
            self._guard.check_csrf(signed.session, given.pop("csrf", ""))
        return given


def _page(title: str, template: str, status: int = 200, **values: object) -> web.Response:
    return render.rendered(template, status, title=title, **values)


def _choose_password(signed: Signed, status: int = 200, *, wrong: str = "", who: str = "") -> web.Response:
    asks_old = _has_signed_in(signed)
    return _page(
        "Choose a password", "password.html", status, csrf=_csrf(signed), wrong=wrong, who=who, asks_old=asks_old
    )


def _next(path: str) -> str:
    """A page of ours to go on to, and nobody else's."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else "/"


def _csrf(signed: Signed) -> str:
    return signed.session.csrf if signed.session else ""


def _has_signed_in(signed: Signed) -> bool:
    """Whether somebody is there by their old password, and not by a link."""
    return signed.session is not None and signed.session.stage == "full"


def _user(signed: Signed) -> int:
    return signed.session.user if signed.session else 0


def _plain(text: str) -> str:
    return "".join(char for char in text if char.isprintable())


def _noted(doer: Doer, action: str, company: int | None) -> None:
    with writing():
        audit.record(doer, action, "", "", company)


def _as(doer: Doer, function: object, *args: object) -> None:
    with audit.acting(doer):
        function(*args)  # type: ignore[operator]
