"""Notices arrive: by mail at a real mail server, by signed posts at a real web server; once, and nowhere else."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

from connector.billing import alerts, calls, credit, plans, profiles
from connector.billing.profiles import Credentials
from connector.core import kept, signatures, times
from connector.core.access import EVERYTHING
from connector.core.alerts import KINDS, MOST_TRIES, again_in_ms
from connector.core.calls import Attempt, Direction
from connector.core.money import MICROS
from connector.core.paging import Turn
from connector.core.plans import DAY_MS
from connector.core.reach import State
from connector.database.store import lock, run, writing
from connector.errors import BadInput
from connector.notices import notices, webhooks
from connector.people import users
from connector.routing import reachability
from connector.service.sending import letter
from connector.storage.writer import Writer
from tests.commands import Command
from tests.conftest import NOW, FixedClock, free_base
from tests.service.posting import Hook, post

ALL = Turn(None, 200)


class Inbox(MessageHandler):
    """Mails, as they came."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Message] = []

    def handle_message(self, message: Message) -> None:
        """One more."""
        self.mails.append(message)


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, int]]:
    """A mail server."""
    handler = Inbox()
    server = Controller(handler, hostname="127.0.0.1", port=free_base(1))
    server.start()
    yield handler, server.port
    server.stop()


def told(kind: str = "trunk_down", key: str = "k", text: str = "The trunk carrier cannot be reached") -> None:
    """Something is told."""
    with writing():
        lock("id = 1")
        assert notices.tell(1, None, kind, key, text, NOW)
        assert not notices.tell(1, None, kind, key, text, NOW)


def come_in() -> None:
    """Everybody has chosen a password."""
    with writing():
        run("UPDATE users SET password = 'x'")


def states() -> list[tuple[str, str, int]]:
    """To whom what was sent, the oldest first."""
    return [(each.to, each.state, each.tries) for each in reversed(webhooks.page_of(EVERYTHING, ALL).items)]


async def test_people_are_written_to_by_their_role(
    office: Credentials, writer: Writer, clock: FixedClock, inbox: tuple[Inbox, int]
) -> None:
    """Of trunks owners and operators hear, of money owners and finance; nobody of another company, nobody disabled."""
    profiles.create_company("Other", "USD", "America/New_York", NOW)
    for role in ("owner", "finance", "operator", "viewer"):
        users.create(f"{role}@example.com", role, role, NOW, "Acme")
    users.disable(users.create("gone@example.com", "gone", "owner", NOW, "Acme"), NOW)
    users.create("other@example.com", "other", "owner", NOW, "Other")
    come_in()
    users.create("invited@example.com", "invited", "owner", NOW, "Acme")  # who has never come in is not written to
    told()
    told("balance_low", "m", "20.00 GBP are due")
    await post(writer, clock, inbox[1]).all()
    got = sorted((mail["To"], mail["Subject"]) for mail in inbox[0].mails)
    trunk, money = f"Acme: {KINDS['trunk_down'][0]}", f"Acme: {KINDS['balance_low'][0]}"
    assert got == [
        ("finance@example.com", money),
        ("operator@example.com", trunk),
        ("owner@example.com", trunk),
        ("owner@example.com", money),
    ]
    assert "https://pbx.example.com/alerts" in inbox[0].mails[0].get_payload()
    assert {state for _, state, _ in states()} == {"sent"}
    await post(writer, clock, inbox[1]).all()
    assert len(inbox[0].mails) == 4


@pytest.mark.parametrize(("companies", "written_to"), [(1, ["house@example.com"]), (2, [])])
def test_the_house_is_written_to_where_there_is_one_company(
    office: Credentials, companies: int, written_to: list[str]
) -> None:
    """Who installed it for one company hears of it; who runs it for many is not told of each."""
    if companies == 2:
        profiles.create_company("Other", "USD", "America/New_York", NOW)
    users.create("house@example.com", "house", "owner", NOW)
    users.create("looks@example.com", "looks", "viewer", NOW)
    come_in()
    told()
    assert [to for to, _, _ in states()] == written_to


async def test_a_post_is_signed_and_tried_until_it_arrives(
    office: Credentials, writer: Writer, clock: FixedClock, hook: Hook
) -> None:
    """500, then a redirection that is not followed, then 200: three posts of one delivery, each later than the one
    before, each signed.
    """
    made = webhooks.create(hook.url, NOW)
    hook.answers = [500, 302]
    told(text='<b>"It\'s" down</b>')
    posts = post(writer, clock)
    await posts.all()
    await posts.all()
    assert len(hook.got) == 1  # it is not time yet
    clock.now += again_in_ms(1) or 0
    await posts.all()
    assert states() == [(hook.url, "waiting", 2)]
    clock.now += again_in_ms(2) or 0
    await posts.all()
    assert states() == [(hook.url, "sent", 3)]
    assert len(hook.got) == 3
    assert len({headers["Connector-Delivery"] for headers, _ in hook.got}) == 1
    headers, body = hook.got[-1]
    at = headers["Connector-Signature"].partition(",")[0].removeprefix("t=")
    good = hmac.new(made.secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["Connector-Signature"] == f"t={at},v1={good}" == signatures.made(made.secret, body, clock.now)
    assert json.loads(body)["text"] == '<b>"It\'s" down</b>'
    assert json.loads(body)["at"] == "2026-11-18T11:06:40.000Z"


async def test_what_never_arrives_is_given_up(office: Credentials, writer: Writer, clock: FixedClock) -> None:
    """After a dozen tries in about a day it has failed, and says why."""
    webhooks.create("http://127.0.0.1:9/notices", NOW)
    told()
    posts = post(writer, clock)
    for _ in range(MOST_TRIES + 2):
        await posts.all()
        clock.now += 5 * 3_600_000
    assert states() == [("http://127.0.0.1:9/notices", "failed", MOST_TRIES)]
    assert "Connect call failed" in webhooks.page_of(EVERYTHING, ALL).items[0].why
    waits = [again_in_ms(tries) or 0 for tries in range(1, MOST_TRIES)]
    assert waits == sorted(waits)
    assert DAY_MS / 2 < sum(waits) < 2 * DAY_MS


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "10.1.2.3", "169.254.169.254", "192.168.1.1",
     "100.64.0.1", "[fe80::1]", "[fd00::1]", "2130706433", "0x7f.1", "224.0.0.1", "127.1", "[::127.0.0.1]",
     "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[fec0::1]", "[2001::1]", "[::ffff:0:127.0.0.1]"],
)  # fmt: skip
async def test_nothing_is_posted_into_our_own_network(
    office: Credentials, writer: Writer, clock: FixedClock, hook: Hook, host: str
) -> None:
    """However the address is written: nothing arrives there, and the page says why."""
    port = hook.url.partition("//")[2].partition(":")[2].partition("/")[0]
    webhooks.create(f"http://{host}:{port}/notices", NOW)
    told()
    await post(writer, clock, allowed=()).all()
    assert hook.got == []
    ((_, state, tries),) = states()
    assert (state, tries) == ("waiting", 1)
    why = webhooks.page_of(EVERYTHING, ALL).items[0].why
    assert why == "The host name was not found, or it does not have a public address.", why


@pytest.mark.parametrize(
    "url", ["", "ftp://example.com/", "example.com", "http://", "https://a@example.com/", "http://example.com:99999/",
            "javascript:alert(1)", "http://[", "http://exa mple.com/", "http://ex\u00e4mple.com/",
            "https://a.com/" + "a" * 500],
)  # fmt: skip
def test_what_is_no_url_is_refused(office: Credentials, url: str) -> None:
    """In words, and nothing is noted."""
    with pytest.raises(BadInput):
        webhooks.create(url, NOW)
    assert webhooks.views(EVERYTHING) == []


async def test_two_senders_send_each_thing_once(
    office: Credentials, writer: Writer, clock: FixedClock, hook: Hook
) -> None:
    """What one has claimed is not the other's, unless the first dies with it."""
    webhooks.create(hook.url, NOW)
    told()
    assert len(webhooks.claim(NOW, 10, mail=True)) == 1
    await post(writer, clock).all()
    assert hook.got == []
    clock.now += webhooks.LEASE_MS
    await asyncio.gather(post(writer, clock).all(), post(writer, clock).all())
    assert len(hook.got) == 1


def test_a_test_goes_to_one_webhook_only(office: Credentials) -> None:
    """And what is removed is sent nothing more."""
    first, second = (webhooks.create(f"https://example.com/{name}", NOW).webhook.id for name in ("a", "b"))
    webhooks.test(second, NOW)
    with pytest.raises(BadInput, match="on its way"):
        webhooks.test(second, NOW)
    assert [to for to, _, _ in states()] == ["https://example.com/b"]
    webhooks.remove(second)
    assert states() == []
    assert [view.id for view in webhooks.views(EVERYTHING)] == [first]


def test_without_a_mail_server_mails_are_given_up_after_a_day(office: Credentials) -> None:
    """They do not wait for ever, to be sent all at once by whoever sets one up a year later."""
    users.create("owner@example.com", "owner", "owner", NOW, "Acme")
    come_in()
    told()
    assert webhooks.claim(NOW, 10, mail=False) == []
    webhooks.forget(NOW + webhooks.GIVEN_UP_MS)
    assert states() == [("owner@example.com", "waiting", 0)]
    webhooks.forget(NOW + webhooks.GIVEN_UP_MS + 1)
    assert states() == [("owner@example.com", "failed", 0)]
    webhooks.forget(NOW + webhooks.KEPT_MS + 1)
    assert states() == []


async def test_an_address_that_no_mail_can_have_stops_nobody(
    office: Credentials, writer: Writer, clock: FixedClock, inbox: tuple[Inbox, int]
) -> None:
    """Such are refused; one that is there all the same is given up by and by, and others are written to."""
    for address in ("=?utf-8?q??=@x.com", "=?utf-8?q?victim=40other.com=2c?=@x.com", "a..b@x.com", ".a@x.com"):
        with pytest.raises(BadInput):
            users.create(address, "x", "owner", NOW, "Acme")
    for name in ("first", "second"):
        users.create(f"{name}@example.com", name, "owner", NOW, "Acme")
    come_in()
    with writing():
        run("UPDATE users SET email = ? WHERE email = ?", "=?utf-8?q??=@x.com", "first@example.com")
    told()
    await post(writer, clock, inbox[1]).all()
    assert sorted(states()) == [("=?utf-8?q??=@x.com", "waiting", 1), ("second@example.com", "sent", 1)]


async def test_who_does_not_answer_keeps_nobody_waiting(
    office: Credentials, writer: Writer, clock: FixedClock, hook: Hook
) -> None:
    """A few of each company at a time, and one to each receiver: another company's notice is in the first batch."""
    profiles.create_company("Other", "USD", "America/New_York", NOW)
    for number in range(8):
        webhooks.create(f"https://example.com/{number}", NOW, "Acme")
    webhooks.create(hook.url, NOW, "Other")
    for number in range(20):
        told(key=f"k{number}")
    with writing():
        lock("id = 2")
        notices.tell(2, None, "trunk_down", "other", "The trunk far cannot be reached", NOW + 1)
    batch = webhooks.claim(NOW + 1, 10, mail=True)
    assert [due.company for due in batch] == ["Acme"] * webhooks.MOST_OF_COMPANY + ["Other"]
    assert len({due.webhook for due in batch}) == len(batch)


def test_a_name_with_a_line_break_adds_no_header() -> None:
    """Subjects are one line, whatever a company is called."""
    due = webhooks.Due(
        1, "a@example.com", None, "", "", 0, 7, "grace", "text", NOW, "Evil\r\nBcc: all@example.com", None
    )
    made = letter(due, "connector@example.com", "https://x")
    assert made["Bcc"] is None
    assert "\n" not in made["Subject"]
    assert made["Message-ID"] == "<notice-7-1@example.com>"


def test_a_mail_is_in_its_receivers_language(office: Credentials) -> None:
    """As they chose: the subject, the notice, its times and the mail's own, by the company's clock. What people named
    stays as it is, and others have their mails as before.
    """
    for name in ("first", "second"):
        users.create(f"{name}@example.com", name, "owner", NOW, "Acme")
    come_in()
    users.set_language(users.by_email("second@example.com").id, "de")
    with writing():
        text = kept.BALANCE_LOW.write(due="£5.00", until=times.iso(NOW + 86_400_000), have="£1.00")
        notices.tell(1, None, "balance_low", "key", text, NOW)
    english, german = (letter(due, "connector@example.com", "https://x") for due in webhooks.claim(NOW, 10, mail=True))
    assert english["Subject"] == "Acme: The balance is too low for what renews within three days"
    assert "£5.00 are due by 19 Nov 2026, " in english.get_content()
    assert "(Europe/London)" in english.get_content()
    assert german["Subject"].startswith("Acme: Der Saldo reicht nicht")
    assert "£5.00" in german.get_content()
    assert "19. Nov. 2026" in german.get_content()
    assert "are due" not in german.get_content()


def kinds(now: int) -> list[str]:
    """What there is to tell, which is told by that."""
    found = alerts.look(now)
    for each in found:
        assert alerts.tell(each, now)
    return sorted(each.kind for each in found)


def attempt(office: Credentials, name: str) -> Attempt:
    """A call out."""
    return Attempt(name * 8, Direction.OUT, name, office.username, "+442079460001", "101", NOW, NOW)


def test_each_thing_is_told_once(office: Credentials) -> None:
    """Low money, a trunk that is down and back, channels that were full: when it begins, and once a day."""
    assert kinds(NOW) == []
    credit.take_back("office", 10 * MICROS, "all", NOW)
    assert kinds(NOW) == []  # it may have no need of any
    calls.admit(attempt(office, "z"), "node")
    assert kinds(NOW + 1_000) == ["credit_low"]
    assert notices.newest(1)[0].text == "The credit of office, £0.00, is used up, and calls are refused"
    assert kinds(NOW + 2_000) == []
    assert kinds(NOW + DAY_MS) == []
    credit.add("office", 10 * MICROS, "again", NOW)
    reachability.note("node", {"connector-carrier": State("down", "no answer")}, NOW)
    assert kinds(NOW + 59_999) == []
    assert kinds(NOW + 60_000) == ["trunk_down"]
    assert kinds(NOW + 90_000) == []
    reachability.note("node", {"connector-carrier": State("up", "", 200)}, NOW + 100_000)
    assert kinds(NOW + 100_000) == ["trunk_up"]
    reachability.note("node", {"connector-carrier": State("down", "no answer")}, NOW + 110_000)
    reachability.note("node", {"connector-carrier": State("up", "", 200)}, NOW + 120_000)
    assert kinds(NOW + 200_000) == []  # ten seconds are nobody's business
    for name in "abcd":
        calls.admit(attempt(office, name), "node")
    assert kinds(NOW + 200_000) == ["channels_full"]
    assert kinds(NOW + 201_000) == []
    for call in calls.live():
        calls.ended_unseen(call, None, NOW)


def test_money_that_will_not_last_is_told(office: Credentials) -> None:
    """Credit that ends in minutes at the rate at which it is spent now; a balance that is short of what renews."""
    credit.take_back("office", 10 * MICROS - 100_000, "most", NOW)
    calls.admit(attempt(office, "a"), "node")
    assert kinds(NOW) == []
    calls.answered("a" * 8, NOW, "b")
    assert kinds(NOW) == ["credit_low"]  # 0.077 GBP are free, at 0.023 a minute
    (notice, *_) = notices.newest(1)
    assert notice.text == "The credit of office, £0.077, lasts for 4 minutes like this"
    calls.ended_unseen(calls.live()[0], None, NOW)
    renewal = plans.show("office").ends_at or 0
    profiles.create_profile("branch", 300, "asterisk", NOW)
    credit.add("branch", credit.balance().available_micros - MICROS, "all", NOW)
    assert kinds(renewal - 3 * DAY_MS) == []
    assert kinds(renewal - 3 * DAY_MS + 1) == ["balance_low"]


def test_a_recharge_is_told(office: Credentials) -> None:
    """Each of them."""
    credit.set_recharge("office", 5 * MICROS, 20 * MICROS, None, NOW)
    assert [(each.kind, each.text) for each in notices.newest(5)] == [("recharged", "office was recharged with £5.00")]


def test_the_commands_for_notices(office: Credentials, connector: Command) -> None:
    """As a person and as a program use them."""
    assert connector.json("notices") == []
    made: dict[str, Any] = connector.json("webhook", "create", "https://example.com/notices")
    assert len(made["secret"]) > 30
    assert connector.json("webhook", "list")[0]["url"] == "https://example.com/notices"
    connector.json("webhook", "test", str(made["id"]))
    assert "waiting" in connector("webhook", "deliveries")
    assert "This is a test" in connector("notices")
    connector("webhook", "remove", str(made["id"]))
    assert "no webhook 99" in connector("webhook", "remove", "99", status=1)
    assert "secret" not in connector("audit", "list") or made["secret"] not in connector("audit", "list")
