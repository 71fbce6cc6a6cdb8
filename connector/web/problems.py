"""What goes wrong, as problem+json (RFC 9457) with codes that stay as they are."""

from __future__ import annotations

import logging
from typing import Any

from aiohttp import web
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from connector.errors import (
    AsteriskError,
    BadInput,
    ConnectorError,
    Forbidden,
    InsufficientFunds,
    KeyReused,
    NotFound,
    SecretsLocked,
    SeveralCompanies,
    StoreBusy,
    StoreUnavailable,
)
from connector.words import marked

log = logging.getLogger(__name__)
# A defect that anybody on the network can cause must not fill the disk.
_DEFECTS = parse("10/minute")
_limits = MovingWindowRateLimiter(MemoryStorage())

# The whole list: code, HTTP status, what it means. Clients decide by the code, people read the detail.
PROBLEMS: dict[str, tuple[int, str]] = {
    "malformed": (400, marked("The request cannot be read")),
    "key_missing": (
        400,
        marked("A request that moves money needs the header Idempotency-Key, with 1 to 100 printable characters"),
    ),
    "not_signed_in": (401, marked("Nobody is signed in, or the token is not valid")),
    "forbidden": (403, marked("You may not do this")),
    "csrf": (403, marked("The request did not come from our own page")),
    "not_found": (404, marked("Not found")),
    "method_not_allowed": (405, marked("This method is not allowed here")),
    "bad_input": (409, marked("The request cannot be carried out now; nothing was changed")),
    "insufficient_funds": (409, marked("Not enough money; nothing was changed")),
    "key_reused": (409, marked("The Idempotency-Key was already used for another request; nothing was done")),
    "too_large": (413, marked("The request is too large")),
    "media_type": (415, marked("The request is of the wrong type")),
    "invalid": (422, marked("The request does not have the documented format; nothing was changed")),
    "too_many_requests": (429, marked("Too many requests: wait a little")),
    "defect": (500, marked("Internal error of the connector; the details are in its log")),
    "asterisk_unavailable": (502, marked("Asterisk is not available, or refused the request")),
    "store_unavailable": (503, marked("The store cannot be used now")),
    "secrets_locked": (503, marked("The key of the store's secrets is missing")),
}
_OF_ERROR: tuple[tuple[type[ConnectorError], str], ...] = (
    (InsufficientFunds, "insufficient_funds"),
    (KeyReused, "key_reused"),
    (BadInput, "bad_input"),
    (NotFound, "not_found"),
    (Forbidden, "forbidden"),
    (StoreUnavailable, "store_unavailable"),
    (SecretsLocked, "secrets_locked"),
    (AsteriskError, "asterisk_unavailable"),
)


def log_defect(request: web.Request) -> None:
    """Log the exception that is being handled; ten a minute at the most."""
    if _limits.hit(_DEFECTS, "defect"):
        log.exception("internal error while handling the request %s %s", request.method, request.path[:200])


class Problem(Exception):
    """A request that cannot be answered as it was asked. `errors`: what is wrong, field by field."""

    def __init__(self, code: str, detail: str = "", errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(detail or code)
        self.code = code
        self.status, self.title = PROBLEMS[code]
        self.detail = detail or self.title
        self.errors = errors or []
        self.headers: dict[str, str] = {}


def of(error: ConnectorError) -> Problem:
    """An error of ours as a problem."""
    code = next((code for kind, code in _OF_ERROR if isinstance(error, kind)), "bad_input")
    text = error.translated()
    if isinstance(error, SeveralCompanies):
        text += " Send its id as the query parameter 'company'."
    found = Problem(code, text)
    if isinstance(error, StoreBusy):
        found.headers["Retry-After"] = "1"
    return found


def response(found: Problem) -> web.Response:
    """A problem as an answer."""
    body: dict[str, Any] = {
        "type": f"/api/problems#{found.code}",
        "title": found.title,
        "status": found.status,
        "code": found.code,
        "detail": found.detail,
    }
    if found.errors:
        body["errors"] = found.errors
    return web.json_response(body, status=found.status, headers=found.headers, content_type="application/problem+json")
