"""The web application on a real store, with two companies, the house, and a token for each kind of user."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import BaseRunner
from argon2 import PasswordHasher

from connector.asterisk.voicemail import Spool
from connector.billing import calls, credit, exports, invoices, numbers, payments, profiles, thresholds
from connector.billing.calls import LiveCall
from connector.billing.profiles import Credentials
from connector.config import OidcSettings, PaymentSettings, SipSettings, StripeSettings, WebSettings
from connector.core.access import PERMISSIONS
from connector.core.calls import Attempt, Direction
from connector.core.money import MICROS
from connector.core.paging import Turn
from connector.database import vault
from connector.database.sqlite import FileStore
from connector.errors import AriUnavailable
from connector.notices import webhooks
from connector.people import tokens, users
from connector.routing import buttons, mailboxes, routes, trunks
from connector.service import invoice_pdf
from connector.storage.readers import Readers
from connector.storage.writer import Writer
from connector.web import passwords
from connector.web.endpoint import Cards, Place
from connector.web.guard import Guard
from connector.web.rest import World
from connector.web.server import make_app
from connector.web.site.profiles import advised_channels
from tests.billing.test_invoices import TERMS, issue_due
from tests.conftest import KEY, NOW, FixedClock, copied, make_company, make_office, whole
from tests.core.test_invoices import BUYER

MESSAGE = "1795000000-00000001"
SETTINGS = WebSettings(token="let-me-in", requests_per_minute=1_000_000)  # type: ignore[arg-type]


@dataclass
class KnownGate:
    """The gate process as the pages know it."""

    answers: bool = True
    is_ready: bool = True

    async def ask(self) -> None:
        """Nothing has changed since."""


@dataclass
class Town:
    """Two companies and who may sign in: `tokens` by who it is, `things` by kind, of the first company. `spool`: where
    the mailboxes are, of which 101 has a message.
    """

    tokens: dict[str, str]
    things: dict[str, str]
    other: dict[str, str]
    spool: Path
    told_asterisk: list[tuple[str, ...]] = field(default_factory=list)
    hung_up: list[LiveCall] = field(default_factory=list)
    pushed: list[Echo] = field(default_factory=list)
    asterisk_away: bool = False
    gate: KnownGate = field(default_factory=KnownGate)


@dataclass
class Echo:
    """Somebody who pushed a call button, and hears what they say; no Asterisk is here. `asked`: call, button, name and
    account; `keys`: those they pressed.
    """

    asked: tuple[str, int, str, str]
    played: list[bytes] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    said: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)

    async def play(self, sound: bytes) -> None:
        """It comes back."""
        self.played.append(sound)
        self.said.put_nowait(sound)

    async def heard(self) -> AsyncIterator[bytes]:
        """Until the other side hangs up, which is None."""
        while (sound := await self.said.get()) is not None:
            yield sound


@dataclass(frozen=True)
class Built:
    """A town whose store and key are in a folder, to be copied: building one takes longer than most tests."""

    folder: Path
    office: Credentials
    tokens: dict[str, str]
    things: dict[str, str]
    other: dict[str, str]


@pytest.fixture(scope="session")
def built(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The town, built once."""
    folder = tmp_path_factory.mktemp("town")
    vault.use(folder / KEY)
    vault.make()
    opened = FileStore(copied(migrated, folder))
    make_company()
    office = make_office()
    made, things, other = _build(office)
    opened.close()
    return Built(folder, office, made, things, other)


@pytest.fixture(autouse=True)
def _key(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The store's secrets are sealed by a key beside it."""
    if _has_town(request):
        shutil.copy(request.getfixturevalue("built").folder / KEY, tmp_path / KEY)
    vault.use(tmp_path / KEY)
    vault.make()


@pytest.fixture
def store(tmp_path: Path, migrated: Path, request: pytest.FixtureRequest) -> Iterator[FileStore]:
    """A store: empty, or with the town of who asks for it. After the test its ledger adds up."""
    advised_channels.cache_clear()  # the town's profile is called the same in each test
    whose = request.getfixturevalue("built").folder / migrated.name if _has_town(request) else migrated
    yield from whole(FileStore(copied(whose, tmp_path)))


@pytest.fixture
def company(store: FileStore, request: pytest.FixtureRequest) -> str:
    """A company, as of other tests."""
    return "Acme" if _has_town(request) else make_company()


@pytest.fixture
def office(company: str, request: pytest.FixtureRequest) -> Credentials:
    """A profile, as of other tests."""
    return request.getfixturevalue("built").office if _has_town(request) else make_office()


@pytest.fixture(autouse=True)
def _quick_passwords(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash takes a tenth of a second on purpose: tests that time nothing use the same function with less work."""
    if not {"quiet", "alone"} & set(request.keywords):
        monkeypatch.setattr(passwords, "PasswordHasher", partial(PasswordHasher, time_cost=1, memory_cost=1024))


def _has_town(request: pytest.FixtureRequest) -> bool:
    return "town" in request.fixturenames


@pytest.fixture
def town(built: Built, office: Credentials, tmp_path: Path) -> Town:
    """Acme with its office, and Other with its branch; a live call of the office, and one that was refused."""
    leave_message(tmp_path / "spool" / "connector-1" / "101" / "INBOX", 0, MESSAGE)
    return Town(dict(built.tokens), dict(built.things), dict(built.other), tmp_path / "spool")


def _build(office: Credentials) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """A town in the open store: its tokens, and the things of both companies."""
    profiles.create_company("Other", "USD", "America/New_York", NOW)
    trunks.create_trunk("far", "127.0.0.1", 5071, NOW, "Other")
    credit.top_up(100 * MICROS, "other", NOW, "Other")
    branch = profiles.create_profile("branch", 2, "asterisk", NOW, "Other")
    numbers.add("+12025550100", branch.username, NOW)
    routes.create_account("sales", office.username, "", NOW)
    mailboxes.create("101", "Reception", "", NOW, "Acme")
    routes.set_department("front", "extension 101", "Acme")
    routes.set_hours("front", "mon-fri 09:00-17:30", "Acme")
    routes.create_account("ventas", branch.username, "", NOW)
    people: dict[str, tuple[str | None, str, str | None]] = {
        "house": (None, "owner", None),
        "house viewer": (None, "viewer", None),
        **{role: ("Acme", role, None) for role in ("owner", "finance", "operator", "viewer")},
        "member": ("Acme", "member", office.username),
        "other": ("Other", "owner", None),
        "other member": ("Other", "member", branch.username),
    }
    made, ids = {}, {}
    for who, (company, role, profile) in people.items():
        address = f"{who.replace(' ', '.')}@example.com"
        ids[who] = users.create(address, who, role, NOW, company, profile)
        made[who] = tokens.create(ids[who], "test", tuple(PERMISSIONS), None, NOW).secret
    reading = tuple(scope for scope in PERMISSIONS if scope.endswith(".read"))
    made["read only"] = tokens.create(ids["owner"], "reads", reading, 30, NOW).secret
    _call("live", office.username)
    _call("refused", office.username, "+449000000000")
    things = {
        "company": "1",
        "profile": office.username,
        "number": "+442079460100",
        "account": "sales",
        "trunk": "carrier",
        "call": "live",
        "cdr": "refused",
        "user": str(ids["viewer"]),
        "export": str(_exported(office.username)),
    }
    other = {"company": "2", "profile": branch.username, "number": "+12025550100", "user": str(ids["other member"])}
    other["export"] = str(_exported(branch.username))
    things["button"] = str(buttons.create("website", "sales", 2, NOW, "Acme").id)
    other["button"] = str(buttons.create("sitio", "ventas", 2, NOW, "Other").id)
    things["webhook"] = str(webhooks.create("https://example.com/notices", NOW, "Acme").webhook.id)
    other["webhook"] = str(webhooks.create("https://example.com/others", NOW, "Other").webhook.id)
    things["threshold"] = str(thresholds.create("balance", 1, "Acme", None, NOW).id)
    other["threshold"] = str(thresholds.create("balance", 1, "Other", None, NOW).id)
    for company, mine in (("Acme", things), ("Other", other)):
        credit.top_up(MICROS, f"payment of {company}", NOW, company)
        mine["invoice"] = _invoice(company)
        mine["payment"] = str(payments.page_of(company, Turn()).items[0].id)
    return made, things, {**other, "account": "ventas", "trunk": "far"}


def leave_message(folder: Path, number: int, message: str, caller: str = '"Jo" <+447700900123>') -> None:
    """A message as Asterisk keeps one."""
    folder.mkdir(parents=True, exist_ok=True)
    known = f"[message]\ncallerid={caller}\norigtime=1795000000\nduration=72\nmsg_id={message}\n"
    (folder / f"msg{number:04d}.txt").write_text(known)
    (folder / f"msg{number:04d}.wav").write_bytes(b"RIFF the sound")


def _invoice(company: str) -> str:
    """The invoice of a company's last payment."""
    invoices.set_buyer(company, asdict(replace(BUYER, name=f"{company} Ltd")), TERMS)
    if company == "Other":  # it pays in another currency, in which no tax can be said
        invoices.set_tax(company, "reverse_charge", None, "", TERMS)
    issue_due(TERMS, NOW)
    found = invoices.page_of(None, Turn()).items
    return str(next(each.id for each in found if each.company == company))


def _exported(profile: str) -> int:
    """A sheet of a profile's that is done."""
    number = exports.ask("calls", "node", NOW, profile=profile).id
    exports.done(number, 0, 4, 0, NOW)
    return number


def _call(name: str, username: str, dialled: str = "+442079460001") -> None:
    calls.admit(Attempt(name, Direction.OUT, f"leg-{name}", username, dialled, "101", NOW, NOW), "node")


class Server(TestServer):
    """As the connector's own (web/connections.py), it inflates nothing."""

    async def _make_runner(self, **kwargs: Any) -> BaseRunner:
        return await super()._make_runner(auto_decompress=False, **kwargs)


@pytest.fixture
def paid() -> PaymentSettings:
    """No payment gateway is known."""
    return PaymentSettings()


@pytest.fixture
def by_card() -> StripeSettings | None:
    """No payments by card."""
    return None


@pytest.fixture
def signing_in() -> OidcSettings | None:
    """Nobody signs in elsewhere."""
    return None


@pytest.fixture
def cards() -> Cards | None:
    """Stripe's pages: none."""
    return None


@pytest.fixture
def make_client(
    store: FileStore,
    town: Town,
    clock: FixedClock,
    tmp_path: Path,
    paid: PaymentSettings,
    by_card: StripeSettings | None,
    cards: Cards | None,
    signing_in: OidcSettings | None,
) -> Iterator[Callable[[], TestClient[Any, Any]]]:
    """What makes a client of the application."""
    writer, readers, files = Writer(), Readers(), Readers(1)
    folder = tmp_path / "exports"
    folder.mkdir()
    for kind in (town.things, town.other):
        (folder / f"{kind['export']}.csv").write_text("id\r\n")

    async def hang_up(call: LiveCall) -> None:
        """Asterisk is not here: what would be ended is noted."""
        town.hung_up.append(call)

    @asynccontextmanager
    async def sound(call_id: str, button: int, name: str, account: str) -> AsyncIterator[Echo]:
        """Asterisk is not here: an echo is."""
        if town.asterisk_away:
            raise AriUnavailable("Asterisk cannot be asked")
        town.pushed.append(Echo((call_id, button, name, account)))
        yield town.pushed[-1]

    async def press(call_id: str, digit: str) -> bool:
        """The key is noted."""
        town.pushed[-1].keys.append(digit)
        return True

    async def heard(*message: str) -> None:
        """The message is noted."""
        town.told_asterisk.append(("heard", *message))

    async def removed(*message: str) -> None:
        """Asterisk may be away."""
        if town.asterisk_away:
            raise AriUnavailable("Asterisk cannot be asked")
        town.told_asterisk.append(("removed", *message))

    def made() -> TestClient[Any, Any]:
        """One of them."""
        guard = Guard(SETTINGS, writer, readers, clock)
        sip = SipSettings(generated=tmp_path, tls_transport="connector-tls")
        place = Place(
            sip, "node", Spool(town.spool), exports=folder, cards=cards, paper=invoice_pdf.drawn, invoicing=TERMS
        )
        world = World(writer, readers, files, guard, place, hang_up, sound, press, heard, removed)
        return TestClient(Server(make_app(SETTINGS, town.gate, world, clock, paid, by_card, signing_in)))

    yield made
    calls.ended_unseen(calls.live()[0], None, NOW) if calls.live() else None
    writer.close()
    readers.close()
    files.close()


@pytest.fixture
async def client(make_client: Callable[[], TestClient[Any, Any]]) -> AsyncIterator[TestClient[Any, Any]]:
    """A client without a token."""
    async with make_client() as found:
        yield found


def bearer(token: str) -> dict[str, str]:
    """The headers of who has a token."""
    return {"Authorization": f"Bearer {token}"}
