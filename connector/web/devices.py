"""Browsers from which somebody has signed in before.

Wrong passwords are counted by account and network. A browser from which an account signed in before is counted by that
account instead, so that somebody else's wrong passwords lock nobody out of a browser that they use. The cookie signs
nobody in.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from connector.database import vault

LASTS_S = 180 * 24 * 3600
# People who share a browser, or have an account for each of their companies.
MOST_OF_BROWSER = 5
_MARK = 16


class Devices:
    """Makes and checks the cookies, one for each account, by the key that seals the store's secrets.

    Not by `web.token`: that is in a link which people are given. Without the key file devices are known until the
    program ends.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._key = vault.derived_or_own("devices")

    def cookie_for(self, account: str) -> tuple[str, str]:
        """Name and value of a cookie for a browser from which an account, an e-mail address, has just signed in."""
        mark = self._mark(account)
        return f"{self._name}-{mark}", self._proof(f"device {mark}")

    def knows(self, cookies: Mapping[str, str], account: str) -> bool:
        """Whether this account signed in from a browser before."""
        name, value = self.cookie_for(account)
        return hmac.compare_digest(_encoded(cookies.get(name, "")), value.encode())

    def any_of(self, cookies: Mapping[str, str]) -> str:
        """An account that signed in from a browser before, in a form that does not show it; "" if none did."""
        begins = f"{self._name}-"
        for name in [each for each in cookies if each.startswith(begins)][:MOST_OF_BROWSER]:
            mark = name.removeprefix(begins)
            if hmac.compare_digest(_encoded(cookies[name]), self._proof(f"device {mark}").encode()):
                return mark
        return ""

    def _mark(self, account: str) -> str:
        return self._proof(f"account {account.strip().lower()}")[:_MARK]

    def _proof(self, text: str) -> str:
        return hmac.new(self._key, _encoded(text), hashlib.sha256).hexdigest()


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
