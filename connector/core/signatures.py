"""How posts between programs are signed: `t=SECONDS,v1=HEX`, the HMAC-SHA256 of the time, a point, and the body.

The same for what we post (webhooks) and for what is posted to us (payments). Pure.
"""

from __future__ import annotations

import hashlib
import hmac

# A post that was recorded and is sent again later than this is refused.
MOST_AGE_S = 300


def made(secret: str, body: bytes, now: int) -> str:
    """The signature of a body, at a time in milliseconds."""
    at = str(now // 1000)
    return f"t={at},v1={_of(secret, at, body)}"


def is_good(signature: str, secret: str, body: bytes, now: int) -> bool:
    """Whether a signature is that of a body, by this secret, at most five minutes ago. One of several `v1` is enough:
    while a secret is replaced there are two.
    """
    said = [part.partition("=") for part in signature.split(",")[:10]]
    at = next((value for name, _, value in said if name == "t"), "")
    if not (at.isascii() and at.isdecimal() and len(at) <= 12) or abs(now // 1000 - int(at)) > MOST_AGE_S:
        return False
    wanted = _of(secret, at, body).encode()
    given = [value.encode(errors="replace") for name, _, value in said if name == "v1"]
    return any(hmac.compare_digest(wanted, each) for each in given)


def _of(secret: str, at: str, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
