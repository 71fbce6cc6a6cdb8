"""Deleting a profile: what is lost, and what becomes of each number, account and call button."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from connector.billing import exports, numbers, plans, profiles
from connector.core.access import Scope
from connector.core.formats import shown
from connector.core.paging import every
from connector.errors import BadInput
from connector.routing import buttons, routes
from connector.web.endpoint import Ask
from connector.web.render import when
from connector.web.site.frame import Form, Line, NumberOrNone, Outcome, Quote, SitePages, TextOrNone, entry
from connector.words import marked, tr

pages = SitePages()

PROFILE = "/profiles/{profile}"
# More than these have no choice each: all stay the company's. A form has 200 fields at most.
MOST_CHOICES = 100
MOST_TARGETS = 200
_GOES = "goes_"
_KEEP, _REMOVE, _TO = "keep", "remove", "to:"


@dataclass(frozen=True)
class _Thing:
    """A number, an account or a call button of a profile. `field`: the name of its choice in the form; `is_paid`: a
    number that runs in terms; `account`: that of a call button.
    """

    kind: str
    name: str
    about: str
    field: str
    is_paid: bool = False
    account: str = ""


@pages.form(PROFILE + "/delete", "money.move", "Delete this profile", once=True, back=PROFILE)
class Delete(Form):
    """Archive it."""

    danger: ClassVar[bool] = True
    button: ClassVar[str] = "Delete"
    warning: ClassVar[str] = "Its PBX will no longer be able to call. The payment for the current term is not refunded."
    goes: str = entry("What happens to its numbers, accounts and call buttons", "", kind="goes")
    export: bool = entry("Export its calls as a CSV file", default=False, kind="check")
    lost: NumberOrNone = entry("", None, kind="pinned")
    attached: TextOrNone = entry("", None, kind="pinned")

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """It is offered; a browser says nothing of what is not checked. What is attached is what a choice is about."""
        return {"export": True, "goes": [thing.field for thing in _things(ask)]}

    @classmethod
    def gathered(cls, given: dict[str, str]) -> dict[str, str]:
        """The choices, a line each: the field, and what was chosen. BadInput."""
        chosen = {name: text for name, text in given.items() if name.startswith(_GOES) and text != _KEEP}
        if any(not text or re.search(r"\s", name + text) for name, text in chosen.items()):
            raise BadInput("Choose one of the options.")
        return {**given, "goes": "\n".join(f"{name} {text}" for name, text in chosen.items())}

    @classmethod
    def extras(cls, ask: Ask, given: Mapping[str, Any]) -> dict[str, Any]:
        """What is attached, with what can become of it, and what has been chosen so far."""
        found = list(_things(ask))
        if "numbers.write" not in ask.actor.permissions or len(found) > MOST_CHOICES:
            return {"things": [], "attached": len(found)}
        to = [
            (f"{_TO}{username}", tr("goes to {profile}", profile=name))
            for username, name in sorted(profiles.names(Scope(ask.scope.company)).items(), key=lambda each: each[1])
            if username != ask.path["profile"]
        ][:MOST_TARGETS]
        rows = [
            {
                "kind": tr(_KINDS[thing.kind]),
                "thing": thing,
                "choices": [*_choices(thing), *(to if thing.kind != "button" else [])],
                "chosen": str(given.get(thing.field, _KEEP)),
            }
            for thing in found
        ]
        return {"things": rows, "attached": len(found)}

    def quote(self, ask: Ask) -> Quote | None:
        """What goes where, and what is lost."""
        username = ask.path["profile"]
        name = profiles.show_profile(username).name
        things = list(_things(ask))
        chosen = self._chosen(ask, things)
        gone = self._deleted(ask, things, chosen)
        lines: list[Line] = [
            (tr("Profile"), name),
            (tr("Lost: the unused part of the running term"), shown(gone.lost_micros, gone.currency)),
            (tr("Credit, back to the company"), shown(gone.credit_micros, gone.currency)),
            *_becomes(ask, things, chosen),
            (
                tr("Calls"),
                tr("stay in the history, and are exported as a sheet") if self.export else tr("stay in the history"),
            ),
            (tr("When"), tr("{when}, at once", when=when(ask.now, ask.zone))),
        ]
        return Quote(lines, {"lost": str(gone.lost_micros), "attached": _mark(things)})

    def do(self, ask: Ask) -> Outcome:
        """Delete; its calls are there afterwards too."""
        things = list(_things(ask))
        if self.attached != _mark(things):
            raise BadInput("Somebody has changed this in the meantime. Check it again.")
        if self.export:
            exports.ask("calls", ask.place.node, ask.now, profile=ask.path["profile"])
        gone = self._deleted(ask, things, self._chosen(ask, things))
        if self.lost is None or gone.lost_micros > self.lost:
            raise BadInput("More would be lost now than was shown. Check it again.")
        back = shown(gone.credit_micros, gone.currency)
        said = tr("{profile} was deleted; {back} came back to the company", profile=gone.profile, back=back)
        return (
            Outcome("/exports", tr("{said}; its calls are exported", said=said))
            if self.export
            else Outcome("/profiles", said)
        )

    def _chosen(self, ask: Ask, things: list[_Thing]) -> dict[_Thing, str]:
        """What becomes of what is attached now, where it is not kept. BadInput for a choice of what is not."""
        given = dict(line.split(" ", 1) for line in self.goes.splitlines())
        if given and "numbers.write" not in ask.actor.permissions:
            raise BadInput("Only users who can attach numbers can choose what happens to them.")
        by_field = {thing.field: thing for thing in things}
        if given.keys() - by_field.keys() or (given and len(things) > MOST_CHOICES):
            raise BadInput("Somebody has changed this in the meantime. Check it again.")
        found = {by_field[field]: choice for field, choice in given.items()}
        for thing, choice in found.items():
            moves = choice.startswith(_TO) and thing.kind != "button"
            if not moves and choice not in dict(_choices(thing)):
                raise BadInput("Choose one of the options.")
        return found

    def _deleted(self, ask: Ask, things: list[_Thing], chosen: Mapping[_Thing, str]) -> plans.Deleted:
        removed = [thing for thing, choice in chosen.items() if choice == _REMOVE]
        dropped = {thing.name for thing in removed if thing.kind == "account"}
        for thing in things:
            if thing.kind == "button" and (thing in removed or thing.account in dropped):
                buttons.remove(int(thing.name))
        to = {thing.name: choice.removeprefix(_TO) for thing, choice in chosen.items() if choice.startswith(_TO)}
        for username in to.values():
            ask.mine("profile", username)
        # What goes leads nowhere any more, so that nothing of it is in the way of the rest, in whatever order.
        routes.set_routes({thing.name: "" for thing in removed if thing.kind != "button"})
        gone = plans.delete_profile(ask.path["profile"], ask.now, to)
        for thing in removed:
            if thing.kind == "account":
                routes.remove_account(thing.name)
            elif thing.kind == "number":
                numbers.release(thing.name, ask.now)
        return gone


_KINDS = {"number": marked("Number"), "account": marked("Account"), "button": marked("Call button")}


def _becomes(ask: Ask, things: list[_Thing], chosen: Mapping[_Thing, str]) -> Iterator[Line]:
    """A line for each thing, or one for many."""
    if len(things) > MOST_CHOICES:
        yield tr("Numbers, accounts and call buttons"), tr("stay with the company, not attached to a profile")
        return
    names = profiles.names(Scope(ask.scope.company))
    for thing in things:
        choice = chosen.get(thing, _KEEP)
        becomes = dict(_choices(thing)).get(choice) or tr(
            "goes to {profile}", profile=names.get(choice.removeprefix(_TO), "")
        )
        yield f"{tr(_KINDS[thing.kind])} {thing.about or thing.name}", becomes


def _mark(things: list[_Thing]) -> str:
    """What is attached, in a few characters: what was shown is held against it."""
    return hashlib.sha256("\n".join(thing.field for thing in things).encode()).hexdigest()[:16]


def _choices(thing: _Thing) -> list[Line]:
    """What can become of a thing, besides another profile's."""
    if thing.kind == "number":
        goes = tr("is given back at the end of the paid period") if thing.is_paid else tr("leaves the company at once")
        return [(_KEEP, tr("stays with the company, not attached to a profile")), (_REMOVE, goes)]
    if thing.kind == "account":
        return [
            (_KEEP, tr("stays, and cannot be called until it is attached")),
            (_REMOVE, tr("is removed, with its call buttons")),
        ]
    return [(_KEEP, tr("stays with its account")), (_REMOVE, tr("is removed"))]


def _things(ask: Ask) -> Iterator[_Thing]:
    """What is attached to the profile: its numbers, its accounts, and their call buttons."""
    username = ask.path["profile"]
    scope = Scope(ask.scope.company, profiles.profile_id(username))
    for number in every(lambda each: numbers.page_of(scope, each), "s"):
        yield _Thing("number", number.number, "", f"{_GOES}{number.number}", number.periods > 0)
    for account in every(lambda each: routes.account_page(scope, each), "s"):
        yield _Thing("account", account.name, "", f"{_GOES}{account.name}")
    for button in every(lambda each: buttons.page_of(scope, each), "i"):
        about = f"{button.name} ({button.account})"
        yield _Thing("button", str(button.id), about, f"{_GOES}{button.id}", account=button.account)
