"""The control process: pages, API, config, trunks' states, sheets, notices, terms that are due. It decides no call.

It may be killed at any moment: what it had not committed did not happen, and calls go on, but for those by call
buttons, whose sound it carries. What it knows of the gate it reads in the store, or asks the gate for (gate_status.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
from collections.abc import Awaitable, Callable
from functools import partial

from connector.ari_app.journal import CelFile
from connector.asterisk import sip_copies, voicemail
from connector.asterisk.ami import AmiLink
from connector.asterisk.apply import Configurator
from connector.asterisk.ari_http import Asterisk
from connector.asterisk.reaching import TrunkStates, Watch
from connector.asterisk.voicemail import Spool
from connector.billing import decks, invoices, ledger, nodes, payments, plans
from connector.billing.calls import LiveCall
from connector.billing.invoices import Due
from connector.clock import Clock, SystemClock
from connector.config import Settings
from connector.core import invoices as core
from connector.core.admission import UsualLimits
from connector.database.store import Store, StoreDoor, clock_off_ms
from connector.errors import BadInput, SettingsError, StoreUnavailable
from connector.notices import acts
from connector.routing import emergency, mailboxes
from connector.service import invoice_pdf, notify
from connector.service.applying import keep_applied
from connector.service.card_payments import CardPayments
from connector.service.exporting import Exporter
from connector.service.gate_status import Gate
from connector.service.measuring import Measuring
from connector.service.recharging import Recharging
from connector.service.running import Work, alone, every, listening, own, run_until_stopped
from connector.service.sending import Sender
from connector.storage import stores
from connector.storage.apart import Apart
from connector.storage.readers import Readers
from connector.storage.writer import Writer
from connector.web.connections import Listener, quiet_accept_errors, raise_descriptor_limit
from connector.web.endpoint import Place
from connector.web.guard import Guard
from connector.web.rest import World
from connector.web.server import make_app

log = logging.getLogger(__name__)

STORE_EVERY_S = 0.5
TELL_EVERY_S = 15.0
TERMS_EVERY_S = 2.0
RECHARGES_EVERY_S = 3.0
MAILBOXES_EVERY_S = 2.0
EMERGENCY_EVERY_S = 2.0
BOOKS_EVERY_S = 1.0
MEDIA_EVERY_S = 0.5
INVOICES_EVERY_S = 5.0
FORGET_EVERY_MS = 3_600_000
KEYS_KEPT_MS = 30 * 24 * 3_600_000
EMERGENCY_AGAIN_MS = 60_000
CLOCK_LIMIT_MS = 20_000


async def serve(settings: Settings, pulse: int | None = None) -> None:
    """Run until SIGTERM or SIGINT. ConnectorError, in one line, if it cannot begin. `pulse`: the end of the pipe by
    which the supervisor hears every second that this event loop goes on.
    """
    beating = asyncio.create_task(_beat(pulse))
    try:
        await _serve(settings)
    finally:
        beating.cancel()


async def _beat(pulse: int | None) -> None:
    """Say every second that this event loop goes on, to the supervisor or to systemd."""
    if pulse is not None:
        os.set_blocking(pulse, False)
    while True:
        if pulse is None:
            notify.tell(notify.ALIVE)
        else:
            with contextlib.suppress(OSError):  # full: the supervisor stands still
                os.write(pulse, b".")
        await asyncio.sleep(1)


async def _serve(settings: Settings) -> None:
    raise_descriptor_limit()
    quiet_accept_errors()
    with alone(settings.store.path, "control"):
        store = stores.opened(settings.store)
        await _usable(store)
        clock = SystemClock()
        # A name of its own: only the gate may write as the node.
        writer = Writer(lambda: store.write_as(f"{settings.node} control"))
        await own(writer)
        if adopted := await writer(payments.adopt):
            log.info("%d payments were recorded by a program of before", adopted)
        asterisk, ami, gate = Asterisk(settings.ari), AmiLink(settings.ami), Gate(settings.gate_socket, settings.node)
        pages, files, reader, boxes = Readers(), Readers(1), Readers(1), Readers(1)
        configurator = Configurator(settings.sip, asterisk, clock, TrunkStates(ami, asterisk), settings.node)
        watch = Watch(settings.node, ami, asterisk, writer, clock, settings.journal.messages, lambda: gate.tried)
        guard = Guard(settings.web, writer, pages, clock)
        usual = UsualLimits.of(settings.calls.new_profile_per_day, settings.calls.new_profile_calls_per_second)
        apart = Apart(settings.store)
        cards = CardPayments(settings.stripe, settings.web.url) if settings.stripe else None
        place = Place(
            settings.sip,
            settings.node,
            Spool(settings.voicemail.spool),
            url=settings.web.url,
            exports=settings.exports,
            usual_limits=usual,
            apart=apart,
            payment=settings.payments.instructions,
            cards=cards,
            paper=partial(invoice_pdf.drawn, color=settings.web.brand_color or ""),
            invoicing=settings.invoices.terms() if settings.invoices else None,
        )
        world = World(writer, pages, files, guard, place, _hang_up(asterisk), asterisk.sound, ami.press,
                      ami.message_heard, ami.remove_message)  # fmt: skip
        site = make_app(settings.web, gate, world, clock, settings.payments, settings.stripe, settings.oidc)
        listener = Listener(site, settings.web.host, settings.web.port, _tls(settings))
        await listening(listener.start(), "the web server")
        terms, calls_for_help = Terms(writer, clock), EmergencyCalls(settings, writer, clock)
        mailbox_files, books = Mailboxes(settings, asterisk, boxes), Books(settings.node, reader, clock)
        recharging = Recharging(cards, writer, reader, clock)
        work: dict[str, Work] = {
            "AMI": ami.run,
            "config": lambda: keep_applied(configurator, clock, auto_apply=settings.sip.auto_apply),
            "terms": lambda: every(TERMS_EVERY_S, terms.renew, "terms that are due wait"),
            "voice mail": lambda: every(MAILBOXES_EVERY_S, mailbox_files.write, "mailboxes wait"),
            "emergency": lambda: every(EMERGENCY_EVERY_S, calls_for_help.record, "emergency calls are not noted yet"),
            "recharges": lambda: every(RECHARGES_EVERY_S, recharging.look, "recharges by card wait"),
            "books": lambda: every(BOOKS_EVERY_S, books.keep, "rate decks and closings wait"),
            "exports": Exporter(settings.exports, settings.node, writer, clock, apart).run,
            "send": Sender(settings.mail, settings.webhooks.allowed, writer, pages, clock, settings.web.url).run,
            "reach": watch.run,
        }
        if place.invoicing:
            issuing = Invoices(place.invoicing, reader, writer, clock)
            work["invoices"] = lambda: every(INVOICES_EVERY_S, issuing.issue, "invoices wait")
        if settings.media.legs_per_second:
            a_look = max(1, round(settings.media.legs_per_second * MEDIA_EVERY_S))
            look_s = a_look / settings.media.legs_per_second
            measuring = Measuring(settings.node, a_look, asterisk, writer, boxes, clock)
            work["media"] = lambda: every(look_s, measuring.look, "the sound of calls is not measured")
        if settings.sip.copies_port:
            here = (settings.sip.copies_host, settings.sip.copies_port)
            work["copies"] = lambda: sip_copies.listening(*here, watch.invite_refused)
        log.info("started: node %s, store %s", settings.node, store.name)
        try:
            await run_until_stopped(writer, work, {"gate": gate.run})
        finally:
            await listener.close()  # calls by call buttons end with it: their sound goes through us
            await asterisk.close()
            for each in (pages, files, reader, boxes):
                each.close()
            writer.close()
            store.close()
        log.info("stopped")


async def _usable(store: Store) -> None:
    """Wait for the gate, which makes the store's tables and brings them up to date when it starts."""
    told_at = asyncio.get_running_loop().time()
    while True:
        try:
            await asyncio.to_thread(store.check)
        except StoreUnavailable as error:
            now = asyncio.get_running_loop().time()
            if now - told_at > TELL_EVERY_S:
                told_at = now
                log.error("no pages and no API: %s. If 'connector serve' runs, restart it", error)
            await asyncio.sleep(STORE_EVERY_S)
        else:
            return


def _hang_up(asterisk: Asterisk) -> Callable[[LiveCall], Awaitable[None]]:
    async def hang_up(call: LiveCall) -> None:
        """End a call's legs, whichever there are."""
        for leg in filter(None, (call.gate_leg, call.other_leg)):
            await asterisk.hang_up(leg)

    return hang_up


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """For https; None where a proxy does that, or nobody. SettingsError if the files cannot be used."""
    if settings.web.certificate is None or settings.web.private_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.web.certificate, settings.web.private_key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"web.certificate and web.private_key cannot be used: {error}") from error
    return context


class Terms:
    """What is sold runs in terms: those that are due are renewed."""

    def __init__(self, store: StoreDoor, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._forgot_at = 0

    async def renew(self) -> None:
        """Renew what ends, remind of what cannot be paid, forget requests that nobody will repeat."""
        done = 0
        for term in await self._store(plans.due, self._clock.now_ms()):  # one by one: calls get their turn between two
            done += await self._store(plans.renew, term, self._clock.now_ms())
        if done:
            log.info("renewals: %d terms were due", done)
        for company in await self._store(payments.owing):
            await self._store(payments.collect_from, company, self._clock.now_ms())
        now = self._clock.now_ms()
        if now - self._forgot_at > FORGET_EVERY_MS:
            self._forgot_at = now
            await self._store(acts.forget, now - KEYS_KEPT_MS)


class Invoices:
    """Payments, or months, of which there is no invoice yet get theirs."""

    def __init__(self, terms: core.Terms, reader: Readers, store: StoreDoor, clock: Clock) -> None:
        self._terms = terms
        self._reader = reader
        self._store = store
        self._clock = clock
        # Of each company the last closed month of which nothing was due; companies that were told that invoices wait.
        self._nothing: dict[int, str] = {}
        self._told: set[str] = set()

    async def issue(self) -> None:
        """Issue what is due. What is wrong with one company keeps no other waiting."""
        if wrong := await self._reader(invoices.problem, self._terms):
            raise BadInput(wrong)
        if self._terms.tax_point == "payment":
            found = await self._reader(invoices.due_payments, self._terms)
        else:
            found, hindered = await self._reader(invoices.due_months, self._terms, self._nothing)
            for each in hindered:
                self._tell(each)
        stuck: set[int] = set()
        for due in found:
            if due.company not in stuck and not await self._issued(due):
                stuck.add(due.company)

    async def _issued(self, due: Due) -> bool:
        """Issue one; whether those behind it may be."""
        try:
            made = await self._store(invoices.issue, self._terms, due, self._clock.now_ms())
        except BadInput as error:
            self._tell(str(error))
            return False
        if made is None:
            return False
        for number in made:
            log.info("issued: %s", number)
        if not made and due.month is not None:
            self._nothing[due.company] = due.month
        return True

    def _tell(self, words: str) -> None:
        """Once each."""
        if words not in self._told:
            self._told.add(words)
            log.error("%s", words)


class Mailboxes:
    """The mailboxes that Asterisk has are those of the store."""

    def __init__(self, settings: Settings, asterisk: Asterisk, reader: Readers) -> None:
        self._reader = reader
        self._boxes = voicemail.Boxes(settings.sip.generated, asterisk)

    async def write(self) -> None:
        """Write them where Asterisk reads them, if they changed."""
        if await self._boxes.keep(await self._reader(mailboxes.kept)):
            log.info("voice mail: Asterisk has the mailboxes as they are now")


class EmergencyCalls:
    """Emergency calls that Asterisk wrote down, whether we lived then or not."""

    def __init__(self, settings: Settings, store: StoreDoor, clock: Clock) -> None:
        self._node = settings.node
        self._journal = CelFile(settings.journal.path)
        self._store = store
        self._clock = clock
        self._since: int | None = None

    async def record(self) -> None:
        """Take them into the store."""
        if self._since is None:
            self._since = await self._store(emergency.last_at, self._node)
        for leg in await self._journal.emergencies(self._since):
            found = (leg.leg, self._node, leg.profile, leg.dialled, leg.outcome, leg.at)
            if await self._store(emergency.record, *found):
                log.warning("an emergency call to %s by %s: %s", leg.dialled, leg.profile, leg.outcome)
        self._since = self._clock.now_ms() - EMERGENCY_AGAIN_MS  # all of before is read once


class Books:
    """What takes seconds of reading: it has a thread of its own, so that no page waits for it."""

    def __init__(self, node: str, reader: Readers, clock: Clock) -> None:
        self._node = node
        self._reader = reader
        self._clock = clock

    async def keep(self) -> None:
        """Read the decks that pages ask, free the channels of calls that are proven dead, of nodes that are gone, and
        add up and close months that are over.
        """
        now = self._clock.now_ms
        await self._reader(decks.preload, now())
        off_ms = await self._reader(clock_off_ms, now())
        if abs(off_ms) > CLOCK_LIMIT_MS:  # whether another node's timers have ended a call is not known by it
            log.error("this node's clock is %d s off the store's: set it right", off_ms // 1000)
        elif freed := await self._reader(nodes.free_dead, self._node, now()):
            log.warning("%d channels are free again: their calls, of a node that is gone, are over", freed)
        for closing in await self._reader(ledger.close_months, now()):
            log.info("ledger: %s of %s is closed", closing.month, closing.company)
