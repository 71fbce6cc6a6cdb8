"""What is asked of Asterisk beside calls, by ARI's HTTP: load config, read objects back, end a leg.

For commands and for `apply`: each question is one request, with a limit, and no connection is kept.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import aiohttp

from connector.config import AriSettings
from connector.errors import AriUnavailable, ari_error

LIMIT_S = 30.0  # a reload of thousands of objects answers when it is done


class Asterisk:
    """Asterisk, by HTTP. `close` ends it."""

    def __init__(self, settings: AriSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """No more questions."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            word = aiohttp.encode_basic_auth(self._settings.user, self._settings.password.get_secret_value())
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True),  # Asterisk closes an idle one amid a request
                headers={"Authorization": word},
                timeout=aiohttp.ClientTimeout(total=LIMIT_S),
            )
        return self._session

    async def reload(self, module: str) -> None:
        """Have a module read its config again. AriUnavailable, or AriRefused if it would not."""
        await self._ask("PUT", f"/asterisk/modules/{quote(module)}")

    async def read(self, kind: str, name: str) -> dict[str, str] | None:
        """One object of pjsip as Asterisk has it: its options. None if there is none; AriUnavailable."""
        path = f"/asterisk/config/dynamic/res_pjsip/{quote(kind)}/{quote(name, safe='')}"
        found = await self._ask("GET", path, absent=None)
        return None if found is None else {field["attribute"]: field["value"] for field in found}

    async def endpoint_states(self) -> dict[str, str]:
        """Every pjsip endpoint, and whether it is `online`, `offline` or `unknown`. AriUnavailable."""
        found = await self._ask("GET", "/endpoints/PJSIP", absent=[])
        return {each["resource"]: each["state"] for each in found}

    async def hang_up(self, leg: str) -> bool:
        """End a leg; False if there is none. AriUnavailable."""
        return await self._ask("DELETE", f"/channels/{quote(leg)}", absent=False) is not False

    async def _ask(self, method: str, path: str, absent: Any = ...) -> Any:
        """The answer's JSON; `absent`, if one is given, where Asterisk says 404."""
        try:
            async with self._opened().request(method, self._settings.url + path) as answer:
                if answer.status == 404 and absent is not ...:
                    return absent
                if answer.status >= 400:
                    raise ari_error(answer.status, f"{method} {path}")
                return None if answer.status == 204 else await answer.json()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise AriUnavailable(f"Asterisk cannot be asked at {self._settings.url}: {error or 'no answer'}") from error
