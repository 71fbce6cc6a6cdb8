"""What posts, and a web server that is posted to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from aiohttp import web

from connector.config import MailSettings
from connector.service.sending import Sender
from connector.storage.readers import Readers
from connector.storage.writer import Writer
from tests.conftest import FixedClock


@dataclass
class Hook:
    """A web server that notices are posted to. `answers`: what it answers, in turn, and then 204."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """One more."""
        self.got.append((dict(request.headers), await request.read()))
        status = self.answers.pop(0) if self.answers else 204
        return web.Response(status=status, headers={"Location": self.url} if status == 302 else {})


@dataclass
class Post:
    """What sends, and its clock."""

    sender: Sender
    clock: FixedClock

    async def all(self) -> None:
        """Send what is due now."""
        async with self.sender.session() as session:
            await self.sender.send(session)

    async def calls(self) -> None:
        """Post the events of calls that are due now."""
        async with self.sender.session() as session:
            while going := await self.sender.begin_calls(session):
                await asyncio.wait(going)


def post(writer: Writer, clock: FixedClock, port: int | None = None, allowed: tuple[str, ...] = ("127.0.0.1",)) -> Post:
    """What sends."""
    mail = None
    if port is not None:
        mail = MailSettings(host="127.0.0.1", port=port, security="none", sender="connector@example.com")
    return Post(Sender(mail, allowed, writer, Readers(), clock, "https://pbx.example.com"), clock)
