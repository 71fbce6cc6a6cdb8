"""What is asked of Asterisk beside calls, by ARI's HTTP: load config, read objects back, end a leg; and the sound of
somebody who pushed a call button.

For commands and for `apply`: each question is one request, with a limit, and no connection is kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote

import aiohttp

from connector.config import AriSettings
from connector.errors import AriUnavailable, AsteriskError, ari_error

LIMIT_S = 30.0  # a reload of thousands of objects answers when it is done
SOUND_WITHIN_S = 10
_CONNECTION = "MEDIA_WEBSOCKET_CONNECTION_ID"


class Sound:
    """The sound of a leg, both ways: G.711 mu-law, 8,000 bytes a second; Asterisk plays what it gets at its time."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        self._websocket = websocket

    async def play(self, sound: bytes) -> None:
        """Whole frames of 160 bytes, to who was called. AriUnavailable if the leg is gone."""
        try:
            await self._websocket.send_bytes(sound)
        except (aiohttp.ClientError, OSError) as error:
            raise AriUnavailable("the sound of a leg is cut: {error}", error=error) from error

    async def heard(self) -> AsyncIterator[bytes]:
        """What comes from there, a frame at a time, until the leg is gone."""
        async for message in self._websocket:
            if message.type is aiohttp.WSMsgType.BINARY:
                yield message.data


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
                connector=aiohttp.TCPConnector(limit=0, force_close=True),  # Asterisk closes an idle one amid a request
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

    async def statistics(self, leg: str) -> dict[str, Any] | None:
        """What RTP and RTCP said of a leg so far, as Asterisk names it; None if it is gone, or has none. AriRefused or
        AriUnavailable.
        """
        found: dict[str, Any] | None = await self._ask("GET", f"/channels/{quote(leg)}/rtp_statistics", absent=None)
        return found

    async def codec(self, leg: str) -> str:
        """The codec that the far end of a leg sends; "" if it is gone. AriUnavailable, or AriRefused."""
        path = f"/channels/{quote(leg)}/variable?variable=CHANNEL(audionativeformat)"
        found = await self._ask("GET", path, absent=None)
        return "" if found is None else str(found["value"]).strip("()").split("|")[0][:20]

    @asynccontextmanager
    async def sound(self, call_id: str, button: int, name: str, account: str) -> AsyncIterator[Sound]:
        """The sound of somebody who pushed a call button: their leg, by the id of the call, calls the account
        (dropin/extensions.conf, connector-button). It is over with the block. AriUnavailable, or AriRefused.
        """
        variables = {"_CONNECTOR_BUTTON": str(button), "_CONNECTOR_BUTTON_CALL": call_id, "CALLERID(name)": name}
        asked = {"context": "connector-button", "extension": account, "priority": 1, "timeout": SOUND_WITHIN_S}
        asked |= {"endpoint": "WebSocket/INCOMING/c(ulaw)", "channelId": call_id, "variables": variables}
        try:
            await self._ask("POST", "/channels", body=asked)
            made = await self._ask("GET", f"/channels/{call_id}/variable?variable={_CONNECTION}")
            url = f"ws://{self._settings.place}/media/{quote(made['value'])}"
            try:
                websocket = await self._opened().ws_connect(url, protocols=("media",))
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise AriUnavailable(
                    "Asterisk takes no sound at {partition}: {error}", partition=url.partition("/media")[0], error=error
                ) from error
            async with websocket:
                yield Sound(websocket)
        finally:
            with suppress(AsteriskError):  # it may be gone already, and ends by itself if its sound does
                await self.hang_up(call_id)

    async def _ask(self, method: str, path: str, absent: Any = ..., body: Any = None) -> Any:
        """The answer's JSON; `absent`, if one is given, where Asterisk says 404."""
        try:
            async with self._opened().request(method, self._settings.url + path, json=body) as answer:
                if answer.status == 404 and absent is not ...:
                    return absent
                if answer.status >= 400:
                    raise ari_error(answer.status, f"{method} {path}")
                return None if answer.status == 204 else await answer.json()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise AriUnavailable(
                "Asterisk cannot be asked at {url}: {error}", url=self._settings.url, error=error or "no answer"
            ) from error
