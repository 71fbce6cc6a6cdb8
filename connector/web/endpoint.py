"""How the REST API is written down: a function a request, whose arguments and answer say their shapes.

    @api.post("/profiles/{profile}/credit/add", "money.move", once=True)
    def add_credit(ask: Ask, body: Sum) -> Credit:
        "Move money from the company's balance to a profile's credit."

The path says what the request is about (`{profile}`: its owner is checked), the second word which permission it takes.
From these the routes are made, the checks, and the OpenAPI document (openapi.py). A function runs in one transaction
(notices/acts.py) on a thread of the store. What takes long is done `before` it, with the body, and is its `read`; what
is asked of Asterisk is done `after` it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, Protocol, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from connector.billing import decks, exports, invoices, profiles
from connector.billing.decks import ReadDeck
from connector.config import SipSettings
from connector.core.access import EVERYTHING, PERMISSIONS, Actor, Scope, check, require
from connector.core.admission import UsualLimits
from connector.core.invoices import Document, Terms
from connector.core.paging import MOST_ROWS, USUAL_ROWS
from connector.core.times import timed
from connector.database import named
from connector.errors import BadInput, Forbidden, NotFound
from connector.notices import acts
from connector.routing.mailboxes import Message

CSV = "text/csv; charset=utf-8"
MOST_BODY = 64 * 1024
# Characters of a rate sheet, and rates of a deck, that take half a second: so long another process takes to begin.
LONG_SHEET, LONG_DECK = 500_000, 10_000
# What is in braces in a path, and the kind of thing that it names (notices/acts.py).
_KINDS = {
    "company": "company",
    "profile": "profile",
    "number": "number",
    "account": "account",
    "trunk": "trunk",
    "call": "live call",
    "cdr": "CDR",
    "user": "user",
    "export": "export",
    "webhook": "webhook",
    "button": "call button",
    "payment": "payment",
    "invoice": "invoice",
    "threshold": "threshold",
}


def _printable(text: str) -> str:
    if not text.isprintable():
        raise BadInput("{given} has characters that cannot be printed", given=ascii(text)[:60])
    return text


Word = Annotated[str, Field(max_length=200), AfterValidator(_printable)]
Micros = Annotated[int, Field(ge=1, le=10**15, description="10^-6 of the company's currency")]
MicrosOrNone = Annotated[int, Field(ge=0, le=10**15, description="10^-6 of the company's currency")]
Instant = Annotated[str, Field(max_length=40, examples=["2026-12-25T10:00:00Z"])]


class Shape(BaseModel):
    """Base of what is sent: what is not documented is refused."""

    # Validators are made when they are needed first: so the process begins faster.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Nothing(Shape):
    """No parameters."""


class OfCompany(Shape):
    """For the house's users, who see several companies: which one; the id of it."""

    company: Annotated[int | None, Field(ge=1, lt=2**31)] = None


class Paged(OfCompany):
    """A page of a list: `cursor` is `next` of the page before."""

    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] = USUAL_ROWS
    cursor: Annotated[str | None, Field(max_length=400)] = None


class VoiceMail(Protocol):
    """The mailboxes' folders on this node (connector/asterisk/voicemail.py)."""

    def messages(self, context: str, box: str) -> list[Message]:
        """Those of a mailbox, the oldest first. BadInput if they cannot be read."""

    def counted(self, context: str, box: str) -> tuple[int, int] | None:
        """How many nobody has heard, and how many there are; None if they cannot be read."""

    def set_aside(self, context: str, box: str, now: int) -> Path | None:
        """What an earlier mailbox of this name left is not the new one's. BadInput."""

    def forget_pin(self, context: str, box: str) -> None:
        """The PIN that was set by telephone holds no more. BadInput."""


class Cards(Protocol):
    """Pages of Stripe, by their addresses (connector/service/card_payments.py). All wait for Stripe. BadInput."""

    def begin(self, reference: str, micros: int, currency: str, company: str, key: str) -> str:
        """On which a company pays a sum."""

    def keep(self, word: str, customer: str, reference: str, company: str, key: str) -> str:
        """On which it gives a card for its auto-recharge."""

    def confirm(
        self, word: str, customer: str, reference: str, micros: int, currency: str, company: str, key: str
    ) -> str:
        """On which it pays a recharge that its bank wants to be confirmed."""


def _here(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return work(*args, **kwargs)


@dataclass(frozen=True)
class Place:
    """What a request may need of the world beside the store. `voice_mail`: the mailboxes of this node; `url`: where
    people find the pages; `exports`: the folder of sheets; `usual_limits`: those of a new profile; `apart`: does long
    work in a process of its own; `payment`: how companies pay, in lines, "" if the settings do not say; `cards`: None
    if nobody pays by card here; `paper` draws an invoice as PDF; `invoicing`: by which terms they are issued, None
    where none are.
    """

    sip: SipSettings
    node: str
    voice_mail: VoiceMail
    url: str = ""
    exports: Path = Path("exports")
    usual_limits: UsualLimits = field(default_factory=UsualLimits)
    apart: Callable[..., Any] = _here
    payment: str = ""
    cards: Cards | None = None
    paper: Callable[[Document], bytes] | None = None
    invoicing: Terms | None = None


@dataclass(frozen=True)
class Ask:
    """A request whose asker is known and whose shape is right.

    `path`: what stands in its braces. `scope`: whose things a list shows. `company`: the name of the one that it is
    about, if it is about one. `key`: for the entry of money that it makes. For pages: `query` (of what is given several
    times, a line each), the company's `zone` and `currency`, and what a form has `read`.
    """

    actor: Actor
    path: Mapping[str, str]
    now: int
    place: Place
    scope: Scope = EVERYTHING
    company: str | None = None
    key: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    zone: str = "UTC"
    currency: str = ""
    read: Any = None

    def mine(self, kind: str, name: str | None) -> str | None:
        """What a body or a query names, if the actor sees it, in the request's transaction. NotFound."""
        if name is not None:
            check(self.actor, None, acts.owner_of(kind, name), acts.called(kind, name))
        return name

    def company_named(self, asked: int | None) -> str:
        """The name of the actor's company, or of the one that the house asks for. NotFound."""
        return named.company_seen(self.actor.scope, asked).name

    def read_deck(
        self,
        text: str,
        mode: str,
        answers: Mapping[str, str] | None = None,
        carrier: str = "",
        trunk: str = "",
        currency: str = "",
    ) -> ReadDeck:
        """The deck that a rate sheet makes, read in another process if it is long, or changes a long one: call it from
        a thread. `answers` and what follows as for `decks.understand`. BadInput.
        """
        is_long = len(text) > LONG_SHEET or decks.rates_to_read(self.company, trunk, self.now) > LONG_DECK
        run = self.place.apart if is_long else _here
        said = {"answers": answers, "carrier": carrier, "trunk": trunk, "currency": currency}
        found: ReadDeck = run(decks.read, text, self.now, self.company, mode=mode, **said)
        return found

    def number(self, name: str) -> int:
        """A number in the path. NotFound if it is none."""
        text = self.path[name]
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise NotFound("there is no {name} {given!r}", name=name, given=text)
        return int(text)


@dataclass(frozen=True)
class Download:
    """An answer that is a file, what it is called there, and its kind."""

    path: Path
    name: str
    kind: str = CSV


@dataclass(frozen=True)
class Written:
    """An answer that is a text to be saved as a file of this name: CSV."""

    text: str
    name: str


@dataclass(frozen=True)
class Paper:
    """An answer that is a PDF, which is drawn outside of the request's transaction, and what its file is called."""

    draw: Callable[[], bytes]
    name: str


# The answers that are files, and their kinds: programs that write clients know these, and not application/pdf.
FILES = {Download: CSV, Paper: "application/octet-stream"}


@dataclass(frozen=True)
class Endpoint:
    """One thing that can be asked for."""

    method: str
    path: str
    permission: str | None
    function: Callable[..., Any]
    tag: str
    once: bool
    of_company: bool
    status: int
    most_body: int
    before: Callable[[Any, Any], Any] | None
    after: Callable[[Any, Any], Awaitable[None]] | None
    body: type[BaseModel] | None
    query: type[BaseModel]
    returns: Any
    downloads: str

    @cached_property
    def answer(self) -> TypeAdapter[Any] | None:
        """What makes JSON of what the function gave; None if it gives nothing, or a file."""
        return None if self.downloads or self.returns is type(None) else TypeAdapter(self.returns)

    @property
    def name(self) -> str:
        """What it is called in the document: its function's name."""
        return str(self.function.__name__)

    @property
    def words(self) -> str:
        """What it does, for people."""
        return inspect.getdoc(self.function) or ""

    @property
    def arguments(self) -> set[str]:
        """What its function takes."""
        return set(inspect.signature(self.function).parameters)

    @property
    def parameters(self) -> list[str]:
        """What stands in the braces of its path."""
        return re.findall(r"{(\w+)}", self.path)

    def thing(self, path: Mapping[str, str], company: int | None) -> tuple[str, str] | None:
        """What the request is about, for notices/acts.py."""
        return thing_of(self.path, path, company, self.of_company)

    def shown(self, answer: Any) -> Any:
        """What the function gave, as JSON: instants as ISO 8601 in UTC."""
        return None if self.answer is None else timed(self.answer.dump_python(answer, mode="json"))


@dataclass
class Endpoints:
    """The endpoints of one subject."""

    tag: str
    all: list[Endpoint] = field(default_factory=list)

    def get(self, path: str, permission: str | None, **more: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Ask for something."""
        return self._add("GET", path, permission, 200, more)

    def post(
        self, path: str, permission: str | None, status: int = 200, **more: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Make something, or do something with it."""
        return self._add("POST", path, permission, status, more)

    def put(self, path: str, permission: str | None, **more: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Say what something is from now on."""
        return self._add("PUT", path, permission, 200, more)

    def patch(
        self, path: str, permission: str | None, **more: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Change a part of something."""
        return self._add("PATCH", path, permission, 200, more)

    def delete(
        self, path: str, permission: str | None, **more: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """End something."""
        return self._add("DELETE", path, permission, 200, more)

    def _add(
        self, method: str, path: str, permission: str | None, status: int, more: dict[str, Any]
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        if permission is not None:
            PERMISSIONS[permission]

        def known(function: Callable[..., Any]) -> Callable[..., Any]:
            """The function as it was; from now on it can be asked for."""
            hints = get_type_hints(function, include_extras=True)
            of_company = more.pop("of_company", False)
            returns = hints.pop("return")
            self.all.append(
                Endpoint(
                    method=method,
                    path=path,
                    permission=permission,
                    function=function,
                    tag=self.tag,
                    once=more.pop("once", False),
                    of_company=of_company,
                    status=status,
                    most_body=more.pop("most_body", MOST_BODY),
                    before=more.pop("before", None),
                    after=more.pop("after", None),
                    body=hints.get("body"),
                    query=hints.get("query") or (OfCompany if of_company else Nothing),
                    returns=returns,
                    downloads=FILES.get(returns, ""),
                )
            )
            assert not more, more
            return function

        return known


def may_export(ask: Ask, kind: str) -> None:
    """Who may see calls may have a sheet of them, and of what was refused. Forbidden."""
    if kind in ("calls", "refusals"):
        require(ask.actor, "calls.read")


def sheet_of(ask: Ask) -> Download:
    """The exported sheet that a request names. NotFound, Forbidden; BadInput if it is on another node."""
    found = exports.show(ask.number("export"))
    may_export(ask, found.kind)
    path = ask.place.exports / exports.file_name(found.id)
    if found.state == "done" and found.node != ask.place.node:
        raise BadInput("the sheet is on the node {node}: ask there", node=found.node)
    if found.state != "done" or not path.is_file():
        raise NotFound("the sheet {id} is not there: it is {state}", id=found.id, state=found.state)
    return Download(path, found.name)


def paper_of(ask: Ask) -> Paper:
    """The invoice that a request names, as PDF. NotFound."""
    made = invoices.document(ask.number("invoice"))
    assert ask.place.paper is not None
    return Paper(partial(ask.place.paper, made), f"{made.number.replace('/', '-')}.pdf")


def invoicing(ask: Ask) -> Terms:
    """By which terms invoices are issued. BadInput where none are."""
    if ask.place.invoicing is None:
        raise BadInput("The operator of the platform issues no invoices here.")
    return ask.place.invoicing


def claims_addresses(actor: Actor) -> bool:
    """Who calls from an address is known by it, before any password is asked for: where there are several companies,
    the house alone says whose an address is.
    """
    return "trunks.write" in actor.permissions or len(profiles.company_views()) <= 1


def may_claim_address(actor: Actor) -> None:
    """Forbidden if they may not say that an address is theirs."""
    if not claims_addresses(actor):
        raise Forbidden("The address could belong to another company. Ask the operator of the platform to enter it.")


def may_speak(ask: Ask, transport: str | None) -> None:
    """BadInput if Asterisk has no such transport here: it would not take who wants it. None is the usual one."""
    if transport is not None and transport not in ask.place.sip.transports:
        raise BadInput(
            "this node has no {transport}: it has {transports}",
            transport=transport,
            transports=", ".join(ask.place.sip.transports),
        )


def thing_of(pattern: str, path: Mapping[str, str], company: int | None, of_company: bool) -> tuple[str, str] | None:
    """What a request is about: the first thing that its path names, or a company; None if it is about nothing."""
    if of_company:
        return "company", "" if company is None else str(company)
    found = next((name for name in re.findall(r"{(\w+)}", pattern) if name in _KINDS), None)
    return None if found is None else (_KINDS[found], path[found])


def said(model: BaseModel) -> dict[str, Any]:
    """What was said in a body, and nothing that was not."""
    return {name: getattr(model, name) for name in model.model_fields_set}
