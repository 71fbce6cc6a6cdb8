"""How pages and forms are written down: a function a page, a class a form, as the REST API is (endpoint.py).

    @pages.get("/profiles/{profile}", "profiles.read")
    def profile_page(ask: Ask) -> Shown: ...

    @pages.form("/profiles/{profile}/credit/add", "money.move", "Add credit", once=True)
    class AddCredit(Form): ...

A form with a `quote` is shown twice: what it would cost and when comes before it is done. `do` runs in one
transaction of notices/acts.py, like every other request that changes something.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from connector.billing import profiles
from connector.core import formats, money
from connector.core.access import PERMISSIONS
from connector.core.paging import Page
from connector.database.audit import Doer
from connector.errors import BadInput, NotFound
from connector.web.endpoint import Ask, Download, Paper, Written, thing_of
from connector.web.rest import World
from connector.words import tr

# What a browser may send as a file: a deck of 150,000 rates, say. Longer ones come by the command line or the API.
MOST_UPLOAD = 8 * 1024 * 1024

F = TypeVar("F", bound=Callable[..., Any])
Line = tuple[str, str]


@dataclass(frozen=True)
class Quote:
    """What a form would do, line by line. `pinned`: fields that the confirmation says besides, so that what is done is
    what was shown.
    """

    lines: list[Line]
    pinned: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Shown:
    """A page: its template, and what stands in it."""

    template: str
    values: dict[str, Any] = field(default_factory=dict)


def tables_page(
    heading: str,
    tables: list[dict[str, Any]],
    *,
    intro: Sequence[str] = (),
    actions: Sequence[Line] = (),
    following: str = "",
) -> Shown:
    """A page of tables, each with a title, heads, rows, and what it says if it is empty; and what can be done there."""
    return Shown(
        "table.html",
        {"heading": heading, "intro": intro, "tables": tables, "actions": actions, "following": following},
    )


def following(found: Page[Any], asked: Mapping[str, str] | None = None) -> str:
    """What asks for the page after this one, with the same filters; "" after the last."""
    return urlencode({**(asked or {}), "cursor": found.next}) if found.next else ""


def company_or_profiles(ask: Ask) -> list[Line]:
    """What a form is about, to be chosen: the whole company, or one of its profiles, by their user names."""
    names = sorted(profiles.names(ask.scope).items(), key=lambda each: each[1])
    return [("", tr("the whole company")), *names]


def check_profile(ask: Ask, profile: str | None) -> None:
    """NotFound for a profile that the visitor does not see."""
    if profile is not None and profile not in profiles.names(ask.scope):
        raise NotFound("there is no such profile")


def from_to(before: int, after: int, currency: str) -> str:
    """A sum before and after what a form does, in micros."""
    return tr("{before}, then {after}", before=formats.shown(before, currency), after=formats.shown(after, currency))


@dataclass(frozen=True)
class Block:
    """Lines, or a text to be pasted, with a title."""

    title: str
    lines: tuple[Line, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a form did: where to go on, and what to say there. `lines`: to be read first, as a new password. `blocks`:
    the same for other readers, folded away.
    """

    to: str
    said: str
    lines: tuple[Line, ...] = ()
    blocks: tuple[Block, ...] = ()

    @classmethod
    def of(cls, answer: Any) -> Outcome:
        """An outcome that was kept as JSON, so that a form that comes twice is answered as before."""
        to, said, lines, *blocks = answer
        found = (Block(each["title"], _lines(each["lines"]), each["text"]) for some in blocks for each in some)
        return cls(to, said, _lines(lines), tuple(found))


def _lines(kept: Any) -> tuple[Line, ...]:
    return tuple((str(name), str(value)) for name, value in kept)


def entry(label: str, default: Any = ..., *, hint: str = "", kind: str = "text", choices: Any = (), **more: Any) -> Any:
    """A field of a form. `kind`: text, number, email, password, area, choice, check, file (a text of at most
    `MOST_UPLOAD` bytes), or pinned, which only a quote fills; `choices`: (value, words), and nothing else is taken.
    """
    extra = {"label": label, "hint": hint, "kind": "choice" if choices else kind, "choices": choices}
    return Field(default, json_schema_extra=extra, **more)


def allowed(ask: Ask, *actions: tuple[str, str, str]) -> list[Line]:
    """Of what can be done on a page (in words, where, by which permission), what the visitor may."""
    return [(words, link) for words, link, permission in actions if permission in ask.actor.permissions]


class Form(BaseModel):
    """A form. Its fields are texts, as browsers send them."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _offered(cls, value: Any, info: ValidationInfo) -> Any:
        extra: Any = cls.model_fields[info.field_name or ""].json_schema_extra
        if extra["choices"] and value not in {word for word, _ in extra["choices"]}:
            raise ValueError(tr("Choose one of the options."))
        return value

    warning: ClassVar[str] = ""
    button: ClassVar[str] = "Save"
    # Whether it removes or ends something.
    danger: ClassVar[bool] = False
    # The first of the fields at its end that are folded away, and what the fold is called.
    folded: ClassVar[Line] = ("", "")
    # Whether its quote, or what `look` shows, is shown as somebody types (static/manager.js), before they send it.
    quotes_as_typed: ClassVar[bool] = False
    # The button by which somebody looks at what it would do, without doing it; "" for none.
    looks: ClassVar[str] = ""
    # Whether its quote does it and takes it back, where one writes; False if it only looks.
    tries: ClassVar[bool] = True

    @classmethod
    def choices(cls, ask: Ask) -> dict[str, list[Line]]:
        """What can be chosen in its fields, where that depends on the store."""
        return {}

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """What stands in its fields at first."""
        return {}

    @classmethod
    def suggested(cls, ask: Ask) -> dict[str, Any]:
        """What stands in its fields instead of what is there, until somebody changes it."""
        return {}

    @classmethod
    def without(cls, ask: Ask) -> tuple[str, ...]:
        """Fields that this visitor is not offered: what is sent in them is not read."""
        return ()

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """A sentence before the fields."""
        return ""

    @classmethod
    def gathered(cls, given: dict[str, str]) -> dict[str, str]:
        """What was sent, with fields made of several others. BadInput."""
        return given

    @classmethod
    def extras(cls, ask: Ask, given: dict[str, Any]) -> dict[str, Any]:
        """What its template needs besides the fields."""
        return {}

    @property
    def look_writes(self) -> bool:
        """Whether `look` does it and takes it back, as a quote that `tries`."""
        return False

    def look(self, ask: Ask) -> Quote:
        """What somebody sees who pushes the button `looks`."""
        return Quote([])

    def read(self, ask: Ask) -> Any:
        """What takes long and needs no transaction: `ask.read`, for the quote and the deed."""
        return None

    def quote(self, ask: Ask) -> Quote | None:
        """What it would do, with price and date; None where it is done without asking back."""
        return None

    @classmethod
    def asks_back(cls) -> bool:
        """Whether it has a quote."""
        return cls.quote is not Form.quote

    @classmethod
    def kind_of(cls, name: str) -> str:
        """What kind of field it is."""
        extra: Any = cls.model_fields[name].json_schema_extra
        return str(extra["kind"])

    @classmethod
    def takes_files(cls) -> bool:
        """Whether a field of it is a file."""
        return any(cls.kind_of(name) == "file" for name in cls.model_fields)

    @abstractmethod
    def do(self, ask: Ask) -> Outcome:
        """Do it."""

    async def after(self, world: World, ask: Ask, doer: Doer) -> None:
        """What Asterisk is asked for, once it is done in the store. BadInput if Asterisk does not do it."""


@dataclass(frozen=True)
class SitePage:
    """A page, or a form, and who may see it."""

    path: str
    permission: str | None
    of_company: bool
    function: Callable[..., Shown | Download | Written | Paper] | None
    form: type[Form] | None = None
    title: str = ""
    once: bool = False
    back: str = "/"
    needs_company: bool = True

    def thing(self, path: dict[str, str], company: int | None) -> tuple[str, str] | None:
        """What it is about, for notices/acts.py."""
        return thing_of(self.path, path, company, self.of_company)


@dataclass
class SitePages:
    """The pages of one subject."""

    all: list[SitePage] = field(default_factory=list)

    def get(
        self, path: str, permission: str | None, *, of_company: bool = False, needs_company: bool = True
    ) -> Callable[[F], F]:
        """A page."""
        _known(permission)

        def known(function: F) -> F:
            """The function as it was."""
            self.all.append(SitePage(path, permission, of_company, function, needs_company=needs_company))
            return function

        return known

    def form(
        self,
        path: str,
        permission: str | None,
        title: str,
        *,
        of_company: bool = False,
        once: bool = False,
        back: str = "/",
        needs_company: bool = True,
    ) -> Callable[[type[Form]], type[Form]]:
        """A form. `back`: where who does not want it goes. `needs_company`: one is looked at."""
        _known(permission)

        def known(form: type[Form]) -> type[Form]:
            """The class as it was."""
            page = SitePage(path, permission, of_company, None, form, title, once, back, needs_company)
            self.all.append(page)
            return form

        return known


def _known(permission: str | None) -> None:
    if permission is not None:
        PERMISSIONS[permission]


def _micros(text: Any, info: ValidationInfo, *, zero: bool = False, price: bool = False) -> Any:
    """Micros of what was typed in the company's currency, which is the context of the validation."""
    currency = (info.context or {}).get("currency", "")
    try:
        return money.amount(formats.typed(str(text), currency, price=price), zero=zero)
    except BadInput as error:
        raise ValueError(error.translated()) from None


def _micros_or_none(text: Any, info: ValidationInfo) -> Any:
    return None if str(text).strip() == "" else _micros(text, info)


def _limit(text: Any, info: ValidationInfo) -> Any:
    return None if str(text).strip() == "" else _micros(text, info, zero=True)


def _price(text: Any, info: ValidationInfo) -> Any:
    return None if str(text).strip() == "" else _micros(text, info, zero=True, price=True)


def _blank(text: Any) -> Any:
    return None if str(text).strip() == "" else text


def _micros_from_nothing(text: Any, info: ValidationInfo) -> Any:
    return _micros(text, info, zero=True)


Money = Annotated[int, BeforeValidator(_micros)]
MoneyOrNothing = Annotated[int, BeforeValidator(_micros_from_nothing)]
LimitOrNone = Annotated[int | None, BeforeValidator(_limit)]
PriceOrNone = Annotated[int | None, BeforeValidator(_price)]
MoneyOrNone = Annotated[int | None, BeforeValidator(_micros_or_none)]
TextOrNone = Annotated[str | None, BeforeValidator(_blank)]
NumberOrNone = Annotated[int | None, BeforeValidator(_blank)]
