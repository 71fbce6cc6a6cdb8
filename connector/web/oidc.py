"""Sign-in at another provider, by OpenID Connect: what the provider is asked, and how its answers are proven.

The authorization code flow with PKCE (RFC 7636), state and nonce; the ID token is proven by the provider's keys, for
this client and this attempt (OpenID Connect Core 1.0, 3.1.3.7; RFC 9700). An attempt is kept by the browser that began
it, in a cookie that is signed, and nowhere else.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp

from connector.clock import Clock
from connector.config import OidcSettings
from connector.database import vault
from connector.errors import BadInput
from connector.web.bodies import read_answer

LIMIT_S = 10.0
MOST_ANSWER = 1_000_000
MOST_NEXT = 1_000
ATTEMPT_MS = 10 * 60_000
# The provider's keys and addresses are asked for again after an hour; after a failure, not before ten seconds; where a
# token is signed by a key that is not known, not before half a minute.
KNOWN_MS = 3_600_000
FAILED_MS = 10_000
KEYS_AGAIN_MS = 30_000
LEEWAY_S = 60
# Signed by the provider's own key pair: neither "none", nor by the client's secret.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_SCOPES = "openid email"
_YES, _NO = (True, "true", "True", 1, "1"), (False, "false", "False", 0, "0")


class ProviderError(Exception):
    """The provider cannot be asked, or said what cannot be; in words, for the log."""


@dataclass(frozen=True)
class Attempt:
    """A sign-in that has begun, at `at` in ms. `next`: the page to go on to."""

    state: str
    nonce: str
    verifier: str
    next: str
    at: int

    @classmethod
    def begun(cls, to: str, now: int) -> Attempt:
        """A new one. A page of a very long address is not gone on to: a browser keeps 4 KB in a cookie."""
        to = to if len(to) <= MOST_NEXT and to.isascii() else "/"
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48), to, now)


class Attempts:
    """Attempts as cookies, signed by a key that all nodes have; without its file, by one until the program ends."""

    def __init__(self) -> None:
        self._key = vault.derived_or_own("sign-in attempts")

    def cookie(self, attempt: Attempt) -> str:
        """The value of an attempt's cookie."""
        said = base64.urlsafe_b64encode(json.dumps(asdict(attempt)).encode()).decode()
        return f"{said}.{self._proof(said)}"

    def opened(self, cookie: str, state: str, now: int) -> Attempt:
        """The attempt of a cookie, if the provider's answer with this state is for it. BadInput if not, or too late."""
        said, _, proof = cookie.partition(".")
        right = hmac.compare_digest(proof.encode(errors="replace"), self._proof(said).encode())
        found = Attempt(**json.loads(base64.urlsafe_b64decode(said))) if right else None
        if found is None or not hmac.compare_digest(found.state.encode(), state.encode(errors="replace")):
            raise BadInput("This sign-in was not begun in this browser. Begin again.")
        if not 0 <= now - found.at <= ATTEMPT_MS:
            raise BadInput("This sign-in took too long. Begin again.")
        return found

    def _proof(self, text: str) -> str:
        return hmac.new(self._key, text.encode(errors="replace"), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class _Known:
    """What the provider said of itself, and the keys that it signs by."""

    configuration: dict[str, Any]
    keys: list[Any]
    at: int


class Provider:
    """The provider of the settings. `back`: the address of ours that it sends people back to. Every method raises
    ProviderError.
    """

    def __init__(self, settings: OidcSettings, back: str, clock: Clock) -> None:
        self._settings = settings
        self._back = back
        self._clock = clock
        self._now: _Known | None = None
        self._failed: tuple[int, str] = (-FAILED_MS, "")
        self._asking = asyncio.Lock()

    @property
    def name(self) -> str:
        """What people call it."""
        return self._settings.name

    async def address(self, attempt: Attempt) -> str:
        """Where a browser goes to sign in."""
        known = await self._known()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._back,
            "scope": _SCOPES,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        where = str(known.configuration["authorization_endpoint"])
        return f"{where}{'&' if '?' in where else '?'}{urlencode(asked)}"

    async def email(self, attempt: Attempt, code: str) -> str:
        """The address of who signed in there, which the provider says is theirs."""
        known = await self._known()
        said = await self._token(known, attempt, code)
        claims: Mapping[str, Any] = await self._proven(str(said.get("id_token", "")), attempt)
        user_info = known.configuration.get("userinfo_endpoint")
        if "email" not in claims and _is_address(user_info, self._settings.issuer):
            bearer = {"Authorization": f"Bearer {said.get('access_token', '')}"}
            more = await self._ask("GET", str(user_info), None, bearer)
            claims = more if more.get("sub") == claims.get("sub") else {}  # 5.3.2
        return self._email_of(claims)

    def _email_of(self, claims: Mapping[str, Any]) -> str:
        email = claims.get("email")
        if not isinstance(email, str) or not email:
            raise ProviderError("it says no e-mail address: let the client have the scope email")
        # Those of our users are ASCII: another sign that becomes one of these is another person's.
        if not (email.isascii() and email.isprintable()) or email != email.strip():
            raise ProviderError("its e-mail address is none that a user here can have")
        # xms_edov: the owner of the domain was verified (Microsoft Entra ID).
        verified = claims.get("email_verified", claims.get("xms_edov"))
        if verified in _NO or (verified not in _YES and not self._settings.email_is_verified):
            raise ProviderError("it does not say that the e-mail address is verified (docs/sign-in.md)")
        return email.lower()

    async def _known(self, *, keys_before: int | None = None) -> _Known:
        """Its addresses and keys, asked for from time to time. `keys_before`: another set than that of this time is
        wanted. What was known goes on if it cannot be asked now.
        """
        if (found := self._fresh(keys_before)) is not None:
            return found
        async with self._asking:
            if (found := self._fresh(keys_before)) is not None:  # somebody else has asked meanwhile
                return found
            failed_at, why = self._failed
            if self._clock.now_ms() - failed_at < FAILED_MS:
                if self._now is not None:
                    return self._now
                raise ProviderError(why)
            try:
                self._now = await self._configured()
            except ProviderError as error:
                self._failed = (self._clock.now_ms(), str(error))
                if self._now is None:
                    raise
            return self._now

    def _fresh(self, keys_before: int | None) -> _Known | None:
        if self._now is None:
            return None
        age = self._clock.now_ms() - self._now.at
        if keys_before is not None and self._now.at <= keys_before and age >= KEYS_AGAIN_MS:
            return None
        return self._now if age < KNOWN_MS else None

    async def _configured(self) -> _Known:
        issuer = self._settings.issuer.rstrip("/")
        found = await self._ask("GET", f"{issuer}/.well-known/openid-configuration")
        if str(found.get("issuer", "")).rstrip("/") != issuer:
            raise ProviderError(f"it calls itself {found.get('issuer')!r}: set that as oidc.issuer")
        needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if lacking := [each for each in needed if not _is_address(found.get(each), issuer)]:
            raise ProviderError(f"its configuration has no usable {', '.join(lacking)}")
        return _Known(found, _keys(await self._ask("GET", found["jwks_uri"])), self._clock.now_ms())

    async def _token(self, known: _Known, attempt: Attempt, code: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": attempt.verifier,
            "client_id": self._settings.client_id,
        }
        headers = {}
        if self._settings.client_secret is not None:
            secret = self._settings.client_secret.get_secret_value()
            if self._settings.client_authentication == "basic":  # RFC 6749, 2.3.1
                word = f"{quote(self._settings.client_id, safe='')}:{quote(secret, safe='')}"
                headers["Authorization"] = f"Basic {base64.b64encode(word.encode()).decode()}"
                del form["client_id"]
            else:
                form["client_secret"] = secret
        return await self._ask("POST", str(known.configuration["token_endpoint"]), form, headers)

    async def _proven(self, token: str, attempt: Attempt) -> dict[str, Any]:
        """The claims of an ID token that is this provider's, for us, for this attempt, and good now."""
        from joserfc import errors, jwt  # here: most installations have no provider
        from joserfc.jwk import KeySet
        from joserfc.jws import JWSRegistry

        registry = JWSRegistry(algorithms=list(_ALGORITHMS), strict_check_header=False)
        known = await self._known()
        for again in (False, True):
            if again:  # it may sign by a new key
                known = await self._known(keys_before=known.at)
            try:
                found = jwt.decode(token, KeySet(known.keys), registry=registry)
                break
            except (errors.JoseError, ValueError, TypeError, KeyError) as error:
                if again:
                    raise ProviderError(f"the ID token is not signed by the provider: {error}") from None
        claims: dict[str, Any] = dict(found.claims)
        rules = jwt.JWTClaimsRegistry(
            now=self._clock.now_ms() // 1000,
            leeway=LEEWAY_S,
            iss={"essential": True, "value": known.configuration["issuer"]},
            aud={"essential": True, "value": self._settings.client_id},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": attempt.nonce},
        )
        try:
            rules.validate(claims)
        except errors.JoseError as error:
            raise ProviderError(f"the ID token is not for this sign-in: {error}") from None
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self._settings.client_id:
            raise ProviderError("the ID token is for several clients, and was not issued to this one")
        return claims

    async def _ask(
        self, method: str, url: str, form: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=LIMIT_S)
        plain = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session,
                session.request(method, url, data=form, headers=plain, allow_redirects=False) as answer,
            ):
                raw = await read_answer(answer, MOST_ANSWER)
                if answer.status != 200:
                    raise ProviderError(f"{url} answered {answer.status}{_why(raw)}")
                found = json.loads(raw)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError) as error:
            raise ProviderError(f"{url} cannot be asked: {str(error)[:200] or 'no answer'}") from None
        if not isinstance(found, dict):
            raise ProviderError(f"{url} answered no JSON object")
        return found


def _keys(found: dict[str, Any]) -> list[Any]:
    """The keys of a set, but for those that we cannot use (RFC 7517, 5). ProviderError if none is left."""
    from joserfc import errors
    from joserfc.jwk import import_key

    usable = []
    said = found.get("keys")
    for each in said if isinstance(said, list) else ():
        try:
            if each["kty"] in ("RSA", "EC", "OKP") and each.get("use", "sig") == "sig":
                usable.append(import_key(each))
        except (errors.JoseError, ValueError, TypeError, KeyError, AttributeError):
            continue
    if not usable:
        raise ProviderError("it has no key that we can use")
    return usable


def _is_address(found: object, issuer: str) -> bool:
    """Whether it is an address to be asked: https, as the issuer is, but for a provider on this machine."""
    return isinstance(found, str) and found.startswith("https://" if issuer.startswith("https:") else "http")


def _why(raw: bytes) -> str:
    """The error that an OAuth server names (RFC 6749, 5.2)."""
    try:
        said = json.loads(raw)
        return f": {str(said['error'])[:60]!r}"
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
