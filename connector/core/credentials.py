"""SIP credentials: what is kept of a password, and what Asterisk gets of it."""

from __future__ import annotations

import hashlib


def digest(username: str, realm: str, password: str) -> str:
    """HA1 of RFC 7616 with MD5, in hex: enough to check who calls, and not the password itself.

    MD5 because it is what every PBX speaks; the hash is as good as the password for this one realm and is kept secret.
    """
    return hashlib.md5(f"{username}:{realm}:{password}".encode(), usedforsecurity=False).hexdigest()
