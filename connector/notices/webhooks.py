"""Where a company has its notices and events of its calls posted to; and notices that are yet to be sent: to webhooks,
and by mail to its people. Events of calls that are yet to be posted: call_events.py.

A notice and its deliveries are one transaction. A delivery is claimed for a while by the node that sends it, so that no
two do; sent again after a lost answer, it has the same id.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from connector.core.access import Scope
from connector.core.alerts import again_in_ms
from connector.core.paging import Page, Turn, page
from connector.database import vault
from connector.database.audit import audited
from connector.database.models import CallPost, Delivery, Webhook
from connector.database.named import company_row
from connector.database.store import fitting, insert, reading, rows, run, writing
from connector.errors import BadInput, NotFound
from connector.notices import notices

MOST_OF_ONE = 10
MOST_URL = 500
MOST_OF_COMPANY = 3
LOOKED_AT = 500
LEASE_MS = 60_000
GIVEN_UP_MS = 24 * 3_600_000
KEPT_MS = 90 * 24 * 3_600_000
_DUE = (
    "SELECT delivery.next_at, company.id, delivery.id, delivery.address, delivery.webhook_id, webhook.url,"
    " webhook.secret, delivery.tries, notice.id, notice.kind, notice.text, notice.at, company.name, profile.name,"
    " company.time_zone, users.language FROM delivery"
    " JOIN notice ON notice.id = delivery.notice_id JOIN company ON company.id = notice.company_id"
    " LEFT JOIN profile ON profile.id = notice.profile_id LEFT JOIN webhook ON webhook.id = delivery.webhook_id"
    " LEFT JOIN users ON users.email = delivery.address"
    " WHERE delivery.state = 'waiting' AND delivery.next_at <= ?"
)


_TESTED = (
    "SELECT 1 FROM delivery JOIN notice ON notice.id = delivery.notice_id WHERE delivery.webhook_id = ?"
    " AND delivery.state = 'waiting' AND notice.kind = 'test'"
)
# Not public, though Python 3.11 calls most of them global: IPv4-compatible, -mapped and -translated addresses (RFC
# 4291, 2.5.5; RFC 7915), NAT64 (RFC 6052, RFC 8215), Teredo (RFC 4380), 6to4 and its relays (RFC 3056, RFC 7526),
# site-local addresses (RFC 3879).
_PRIVATE = tuple(
    ipaddress.ip_network(each)
    for each in (
        "::/96",
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
        "fec0::/10",
        "192.88.99.0/24",
    )
)


@dataclass(frozen=True)
class WebhookView:
    """A URL that a company's `notices`, events of its `calls`, or both are posted to. Of events of calls: how many are
    `waiting`, `why` the last post failed ("" if it did not), and how many were `given_up`, for nobody took them.
    """

    id: int
    company: str
    url: str
    created_at: int
    notices: bool = True
    calls: bool = False
    waiting: int = 0
    why: str = ""
    given_up: int = 0


@dataclass(frozen=True)
class WebhookCreated:
    """A new one, with the secret that its posts are signed by: it is shown now and never again."""

    webhook: WebhookView
    secret: str


@dataclass(frozen=True)
class DeliveryView:
    """What became of one notice on its way to one receiver. `state`: waiting, sent, or failed for good."""

    id: int
    kind: str
    text: str
    to: str
    state: str
    tries: int
    why: str
    at: int
    sent_at: int | None


@dataclass(frozen=True)
class Due:
    """A notice that is to be sent now, to `address` by mail, in a `language` and with times of a `zone`, or to `url`,
    signed by a secret that is sealed.
    """

    id: int
    address: str
    webhook: int | None
    url: str
    sealed: str
    tries: int
    notice: int
    kind: str
    text: str
    at: int
    company: str
    profile: str | None
    zone: str = "UTC"
    language: str | None = None


@audited("webhook.create")
def create(url: str, now: int, company: str | None = None, *, told: bool = True, calls: bool = False) -> WebhookCreated:
    """Have a company's notices (`told`), events of its calls, or both posted to a URL. BadInput if it is none, nothing
    would be posted, or there are too many.
    """
    with writing():
        owner = company_row(company)
        _checked(url)
        _something(told, calls)
        if Webhook.select().where(Webhook.company == owner).count() >= MOST_OF_ONE:
            raise BadInput("A company can have {most_of_one} webhooks at most.", most_of_one=MOST_OF_ONE)
        secret = secrets.token_urlsafe(32)
        made = Webhook.create(
            company=owner, url=url, secret=vault.sealed(secret), created_at=now, notices=int(told), calls=int(calls)
        )
        if calls:
            insert(CallPost, webhook_id=made.id, next_at=now)
        return WebhookCreated(_view(made), secret)


@audited("webhook.change")
def change(number: int, now: int, *, told: bool | None = None, calls: bool | None = None) -> WebhookView:
    """Post other things there from now on; None: as before. What waits and is not wanted any more is posted no more.
    NotFound; BadInput if nothing would be posted.
    """
    with writing():
        before = _view(_row(number))
        told = before.notices if told is None else told
        calls = before.calls if calls is None else calls
        _something(told, calls)
        run("UPDATE webhook SET notices = ?, calls = ? WHERE id = ?", int(told), int(calls), number)
        if not told:
            tests = "SELECT id FROM notice WHERE kind = 'test'"
            waiting = f"DELETE FROM delivery WHERE webhook_id = ? AND state = 'waiting' AND notice_id NOT IN ({tests})"
            run(waiting, number)
        there = bool(rows("SELECT 1 FROM call_post WHERE webhook_id = ?", number))
        if calls and not there:
            insert(CallPost, webhook_id=number, next_at=now)
        elif there and not calls:
            _forget_calls(number)
        return _view(_row(number))


@audited("webhook.remove")
def remove(number: int) -> WebhookView:
    """Post nothing more there. NotFound."""
    with writing():
        row = _row(number)
        view = _view(row)
        run("DELETE FROM delivery WHERE webhook_id = ?", number)
        _forget_calls(number)
        run("DELETE FROM webhook WHERE id = ?", number)
        return view


def _forget_calls(number: int) -> None:
    run("DELETE FROM call_event WHERE webhook_id = ?", number)
    run("DELETE FROM call_post WHERE webhook_id = ?", number)


def _something(told: bool, calls: bool) -> None:
    if not (told or calls):
        raise BadInput("Choose what is posted: notices, calls or both.")


@audited("webhook.test")
def test(number: int, now: int) -> WebhookView:
    """Post a notice there that says that it is a test, and nowhere else. NotFound."""
    with writing():
        row = _row(number)
        if rows(_TESTED, number):
            raise BadInput("A test is already on its way there.")
        key = f"test:{number}:{secrets.token_hex(8)}"
        notice = notices.put(row.company_id, None, "test", key, "This is a test", now)
        insert(Delivery, notice_id=notice, webhook_id=number, next_at=now)
        return _view(row)


def show(number: int) -> WebhookView:
    """One webhook. NotFound."""
    with reading():
        return _view(_row(number))


def views(scope: Scope) -> list[WebhookView]:
    """The webhooks that somebody sees."""
    with reading():
        found = Webhook.select().order_by(Webhook.id)
        if scope.company is not None:
            found = found.where(Webhook.company == scope.company)
        return [_view(row) for row in found]


def page_of(scope: Scope, wanted: Turn) -> Page[DeliveryView]:
    """What was sent, or is to be, newest first."""
    sql = (
        "SELECT delivery.id, notice.kind, notice.text, COALESCE(webhook.url, delivery.address), delivery.state,"
        " delivery.tries, delivery.why, notice.at, delivery.sent_at FROM delivery"
        " JOIN notice ON notice.id = delivery.notice_id LEFT JOIN webhook ON webhook.id = delivery.webhook_id"
        " WHERE 1 = 1"
    )
    sql, values = fitting(
        sql,
        ("notice.company_id = ?", scope.company),
        ("notice.profile_id = ?", scope.profile),
        ("delivery.id < ?", wanted.after and wanted.after[0]),
    )
    with reading():
        found = rows(f"{sql} ORDER BY delivery.id DESC LIMIT ?", *values, wanted.limit + 1)
        return page([DeliveryView(*row) for row in found], wanted, lambda view: (view.id,))


def claim(now: int, limit: int, *, mail: bool) -> list[Due]:
    """What is to be sent now; nobody else sends it for a while. `mail`: whether this node can send any.

    One to each receiver, and a few of each company: who does not answer keeps nobody else waiting.
    """
    with writing():
        sql = _DUE if mail else f"{_DUE} AND delivery.webhook_id IS NOT NULL"
        made: dict[Any, Due] = {}
        of_company = Counter[int]()
        for next_at, company, number, address, webhook, url, secret, *rest in rows(
            f"{sql} ORDER BY delivery.next_at, delivery.id LIMIT ?", now, LOOKED_AT
        ):
            receiver = webhook or address
            if len(made) == limit or receiver in made or of_company[company] == MOST_OF_COMPANY:
                continue
            # Another node may have read the same: who comes second finds it put off.
            mine = rows(
                "UPDATE delivery SET next_at = ? WHERE id = ? AND next_at = ? AND state = 'waiting' RETURNING id",
                *(now + LEASE_MS, number, next_at),
            )
            if mine:
                made[receiver] = Due(number, address, webhook, url or "", secret or "", *rest)
                of_company[company] += 1
        return list(made.values())


def sent(number: int, now: int) -> None:
    """It has arrived."""
    with writing():
        run("UPDATE delivery SET state = 'sent', why = '', tries = tries + 1, sent_at = ? WHERE id = ?", now, number)


def failed(number: int, tries: int, why: str, now: int) -> None:
    """It has not; it is tried again later, or given up."""
    with writing():
        wait_ms = again_in_ms(tries + 1)
        state = "failed" if wait_ms is None else "waiting"
        sql = (
            "UPDATE delivery SET state = ?, why = ?, tries = tries + 1, next_at = ? WHERE state = 'waiting' AND id = ?"
        )
        run(sql, state, why[:200], now + (wait_ms or 0), number)


def forget(now: int) -> None:
    """What nobody could send for a day is given up, and what is long over is forgotten."""
    with writing():
        old = "SELECT id FROM notice WHERE at < ?"
        sql = (
            "UPDATE delivery SET state = 'failed', why = CASE WHEN why = '' THEN ? ELSE why END WHERE state = 'waiting'"
        )
        run(f"{sql} AND tries = 0 AND notice_id IN ({old})", "no mail server is set", now - GIVEN_UP_MS)
        run(f"DELETE FROM delivery WHERE notice_id IN ({old})", now - KEPT_MS)
        run("DELETE FROM notice WHERE kind = 'test' AND at < ?", now - KEPT_MS)


def _checked(url: str) -> None:
    """Where it leads is looked at when something is sent; what is no URL of the web is refused here."""
    parts = None
    try:
        if len(url) <= MOST_URL and url.isascii() and url.isprintable() and " " not in url:
            parts = urlsplit(url)
        good = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts is None or parts.username is not None:
        raise BadInput("Invalid URL {url!r}. Use a form like https://example.com/notices.", url=url[:60])


def is_public(address: str) -> bool:
    """Whether an address is on the public Internet. False for text that is not an address as `ipaddress` reads it.

    IPv6 forms that carry an IPv4 address count as private, whatever that address is: a gateway would send the post on
    to our own networks.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return found.is_global and not found.is_multicast and not any(found in network for network in _PRIVATE)


def _row(number: int) -> Webhook:
    row: Webhook | None = Webhook.get_or_none(Webhook.id == number)
    if row is None:
        raise NotFound("there is no webhook {number}", number=number)
    company_row(row.company.name)  # locked, for the audit log
    return row


def _view(row: Any) -> WebhookView:
    sql = "SELECT why, given_up, (SELECT COUNT(*) FROM call_event WHERE webhook_id = ?) FROM call_post"
    found = rows(f"{sql} WHERE webhook_id = ?", row.id, row.id)
    why, given_up, waiting = found[0] if found else ("", 0, 0)
    what = bool(row.notices), bool(row.calls)
    return WebhookView(row.id, row.company.name, row.url, row.created_at, *what, waiting, why, given_up)
