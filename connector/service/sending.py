"""Sends notices by mail and by signed posts to webhooks, and events of calls to webhooks; tried again until they
arrive, or for a day.

    POST URL
    Connector-Delivery: 17                       the same each time that it is tried; calls-HEX for events of calls
    Connector-Signature: t=1795000000,v1=HEX     HMAC-SHA256 of "TIME.BODY" by the webhook's secret

A webhook is a URL that a company's people chose, asked for from inside our network: it is posted to public addresses
only, whatever its name leads to, and no redirection is followed.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import ipaddress
import json
import logging
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any

import aiohttp
import aiosmtplib
from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from connector.billing import alerts
from connector.clock import Clock
from connector.config import MailSettings
from connector.core import signatures
from connector.core.alerts import KINDS, PAGES
from connector.core.times import iso, timed
from connector.database import vault
from connector.database.store import StoreDoor
from connector.errors import ConnectorError
from connector.notices import call_events, webhooks
from connector.notices.call_events import Post
from connector.notices.webhooks import Due, is_public
from connector.web.render import spoken, when
from connector.words import USUAL, said, speaking

log = logging.getLogger(__name__)

EVERY_S = 2.0
CALLS_EVERY_S = 0.5
LOOK_EVERY_MS = 30_000
FORGET_EVERY_MS = 3_600_000
LIMIT_S = 15.0
AT_ONCE = 10
LOOK_UPS = 4


class NotSent(Exception):
    """It did not arrive; in words."""


class Guarded(AbstractResolver):
    """Names, as far as they lead to addresses that may be asked."""

    def __init__(self, allowed: Sequence[str]) -> None:
        # Names that nobody answers for keep a thread for half a minute: these are for nothing else.
        self._threads = ThreadPoolExecutor(LOOK_UPS, thread_name_prefix="names")
        self._allowed = [ipaddress.ip_network(each) for each in allowed]

    def may(self, address: str) -> bool:
        """Whether something may be posted to this address."""
        return is_public(address) or (_is_address(address) and self._is_allowed(address))

    def _is_allowed(self, address: str) -> bool:
        found = ipaddress.ip_address(address)
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        return any((mapped or found) in network for network in self._allowed)

    def make_socket(self, info: AddrInfoType) -> socket.socket:
        """The socket for a connection. OSError if its address may not be posted to.

        The last word: the HTTP library takes a host like 2130706433 for an address, asks no resolver for it, and the
        system then connects to 127.0.0.1 (aiohttp 3.14).
        """
        family, kind, protocol, _, address = info
        if not self.may(str(address[0])):
            raise OSError(errno.EACCES, "not a public address")
        return socket.socket(family, kind, protocol)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name that may be asked; OSError if there are none."""
        ask = functools.partial(socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM)
        answers = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        found = [
            ResolveResult(
                hostname=host, host=str(at[0]), port=port, family=of, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for of, _, proto, _, at in answers
            if self.may(str(at[0]))
        ]
        if not found:
            raise OSError(errno.EACCES, "not a public address")
        return found

    async def close(self) -> None:
        """No more names."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Sender:
    """One node's part of what is to be sent."""

    def __init__(
        self,
        mail: MailSettings | None,
        allowed: Sequence[str],
        store: StoreDoor,
        reads: StoreDoor,
        clock: Clock,
        url: str,
    ) -> None:
        self._mail = mail
        self._guard = Guarded(allowed)
        self._store = store
        self._reads = reads
        self._clock = clock
        self._url = url
        self._looked_at = 0
        self._forgot_at = 0
        self._posting: dict[asyncio.Task[None], str] = {}  # and of which company

    async def run(self) -> None:
        """For ever."""
        async with self.session() as session, asyncio.TaskGroup() as all_of_it:
            all_of_it.create_task(_for_ever(self._look, EVERY_S))  # which waits for nobody's mail server
            all_of_it.create_task(_for_ever(lambda: self.send(session), EVERY_S))
            all_of_it.create_task(_for_ever(lambda: self.begin_calls(session), CALLS_EVERY_S))

    def session(self) -> aiohttp.ClientSession:
        """What posts: to public addresses, inflating nothing that comes back."""
        connector = aiohttp.TCPConnector(
            resolver=self._guard, use_dns_cache=False, force_close=True, socket_factory=self._guard.make_socket
        )
        timeout = aiohttp.ClientTimeout(total=LIMIT_S)
        return aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)

    async def _look(self) -> None:
        now = self._clock.now_ms()
        if now - self._looked_at > LOOK_EVERY_MS:
            self._looked_at = now
            found = await self._reads(alerts.look, now)
            for alert in found:
                if await self._store(alerts.tell, alert, now):
                    log.warning("notice: %s", alert.text)
            for webhook in await self._reads(call_events.failing):
                while given_up := await self._store(call_events.forget, webhook, now):
                    log.warning("webhook %d: %d events of calls were given up", webhook, given_up)
        if now - self._forgot_at > FORGET_EVERY_MS:
            self._forgot_at = now
            await self._store(webhooks.forget, now)

    async def send(self, session: aiohttp.ClientSession) -> None:
        """All that is due."""
        while due := await self._store(webhooks.claim, self._clock.now_ms(), AT_ONCE, mail=self._mail is not None):
            await asyncio.gather(*(self._send(each, session) for each in due))

    async def begin_calls(self, session: aiohttp.ClientSession) -> list[asyncio.Task[None]]:
        """Begin to post events of calls that are due; the posts that go on. Who is slow keeps no other waiting."""
        free, now = AT_ONCE - len(self._posting), self._clock.now_ms()
        due = await self._reads(call_events.due, now, free, Counter(self._posting.values())) if free else []
        for each in await self._store(call_events.claim, due, now) if due else []:
            task = asyncio.create_task(self._post_calls(each, session))
            self._posting[task] = each.company
            task.add_done_callback(self._posting.pop)
        return list(self._posting)

    async def _post_calls(self, post: Post, session: aiohttp.ClientSession) -> None:
        """Post events; the store may be away: they are posted again then."""
        try:
            body = {"kind": "calls", "company": post.company, "events": timed([asdict(each) for each in post.events])}
            try:
                await self._posted(session, post.url, post.sealed, post.delivery, body)
            except NotSent as error:
                log.warning("events of calls did not reach webhook %d: %s", post.webhook, error)
                await self._store(call_events.failed, post, str(error), self._clock.now_ms())
            else:
                await self._store(call_events.posted, post, self._clock.now_ms())
        except ConnectorError as error:
            log.error("events of calls wait: %s", error)
        except Exception:  # the others' go on
            log.exception("events of calls wait: a defect of the connector")

    async def _send(self, due: Due, session: aiohttp.ClientSession) -> None:
        try:
            await (self._post(due, session) if due.url else self._write(due))
        except NotSent as error:
            await self._failed(due, str(error))
        except Exception:  # whatever somebody chose as an address: the others' notices go on
            log.exception("notice %d could not be sent: a defect of the connector", due.notice)
            await self._failed(due, "it could not be sent")
        else:
            await self._store(webhooks.sent, due.id, self._clock.now_ms())

    async def _failed(self, due: Due, why: str) -> None:
        where = f"webhook {due.webhook}" if due.webhook else due.address  # a URL may be a secret
        log.warning("notice %d did not reach %s: %s", due.notice, where, why)
        await self._store(webhooks.failed, due.id, due.tries, why, self._clock.now_ms())

    async def _post(self, due: Due, session: aiohttp.ClientSession) -> None:
        body = {
            "id": due.notice,
            "kind": due.kind,
            "company": due.company,
            "profile": due.profile,
            "text": due.text,
            "at": iso(due.at),
        }
        await self._posted(session, due.url, due.sealed, str(due.id), body)

    async def _posted(
        self, session: aiohttp.ClientSession, url: str, sealed: str, delivery: str, content: dict[str, Any]
    ) -> None:
        """Post this, signed. NotSent."""
        body = json.dumps(content).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "connector-for-asterisk",
            "Connector-Delivery": delivery,
        }
        try:
            headers["Connector-Signature"] = signatures.made(vault.unseal(sealed), body, self._clock.now_ms())
            async with session.post(URL(url), data=body, headers=headers, allow_redirects=False) as answer:
                if not 200 <= answer.status < 300:
                    raise NotSent(f"it answered {answer.status}")
        except (aiohttp.ClientError, ConnectorError, TimeoutError, OSError, ValueError) as error:
            raise NotSent(_words(error)) from None

    async def _write(self, due: Due) -> None:
        mail = self._mail
        assert mail is not None
        try:
            async with asyncio.timeout(LIMIT_S):  # of all that is said, and not of each word
                await aiosmtplib.send(
                    letter(due, mail.sender, self._url),
                    sender=mail.sender,
                    recipients=[due.address],
                    hostname=mail.host,
                    port=mail.port,
                    username=mail.user,
                    password=mail.password.get_secret_value() if mail.password else None,
                    use_tls=mail.security == "tls",
                    start_tls=mail.security == "starttls",
                    timeout=LIMIT_S,
                )
        except (aiosmtplib.SMTPException, TimeoutError, OSError, ValueError) as error:
            raise NotSent(_words(error)) from None


async def _for_ever(step: Callable[[], Awaitable[object]], seconds: float) -> None:
    while True:
        try:
            await step()
        except ConnectorError as error:
            log.error("notices wait: %s", error)
        except Exception:  # calls go on without it
            log.exception("notices wait: a defect of the connector")
        await asyncio.sleep(seconds)


def letter(due: Due, sender: str, url: str) -> EmailMessage:
    """A notice as a mail, in its receiver's language, with times of the company's zone. Tried again it has the same
    Message-ID, so that a mailbox may show it once.
    """
    return speaking(due.language or USUAL, _letter, due, sender, url)


def _letter(due: Due, sender: str, url: str) -> EmailMessage:
    made = EmailMessage()
    user, _, host = sender.partition("@")
    made["From"] = Address("Connector", user, host)
    made["To"] = Address(addr_spec=due.address)
    company = "".join(char for char in due.company if char.isprintable())
    made["Subject"] = f"{company}: {said(KINDS[due.kind][0])}"
    made["Message-ID"] = f"<notice-{due.notice}-{due.id}@{host}>"
    made["Auto-Submitted"] = "auto-generated"
    page = f"{url}{PAGES.get(due.kind, '/alerts')}"
    made.set_content(f"{spoken(due.text, due.zone)}\n\n{when(due.at, due.zone)} ({due.zone})\n{page}\n")
    return made


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer for {LIMIT_S:.0f} s"
    refused = isinstance(error, aiohttp.ClientConnectorError) and error.errno == errno.EACCES
    if refused or isinstance(error, aiohttp.ClientConnectorDNSError | aiohttp.InvalidURL | ValueError):
        # One text for all of them: the log does not tell names inside our network from unknown ones.
        return "The host name was not found, or it does not have a public address."
    return " ".join(str(error).split())[:200] or type(error).__name__
