"""Where calls in ring: the routes of numbers and accounts, departments, hours."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from connector.billing import numbers, trials
from connector.core import route_rows, terms
from connector.core import routes as core
from connector.core.access import Scope
from connector.core.paging import every
from connector.core.route_rows import Row
from connector.core.routes import USUAL_PBX_RING_S, USUAL_RING_S, USUAL_WITHIN_S
from connector.errors import BadInput, NotFound
from connector.routing import mailboxes, routes
from connector.routing.mailboxes import MailboxView
from connector.web.endpoint import Ask
from connector.web.render import when
from connector.web.site.frame import Form, Line, Outcome, Quote, SitePages, TextOrNone, entry
from connector.words import marked, said, tr, translated

pages = SitePages()

TIMES_HINT = marked("One per line, for example 'mon-fri 09:00-17:30'.")
ROUTE_HINT = marked(
    "If empty, the PBX rings. Otherwise for example 'office: extension 101 for 20, voicemail 101; else: voicemail 101'."
)
# What is not there yet, and made with the route; no name can be so.
NEW = "*new"
NEW_BOX = f"voicemail {NEW}"
_BLANK_ROWS = 3
_GIVEN = re.compile("what_([0-9]{1,3})")


class _Routing(Form):
    """Where something rings: in rows, or as the text that is kept (`view=text` in the address)."""

    folded: ClassVar[Line] = ("new_hours", marked("New hours for a row"))
    new_box_words: ClassVar[str] = marked("voice mail: a new mailbox")
    route: str = entry("Route", "", kind="route", hint=ROUTE_HINT)
    new_box: bool = entry("", False, kind="pinned")
    path_at: TextOrNone = entry("Show the path at", None, kind="datetime-local", hint="Empty: now.")
    new_hours: TextOrNone = entry("Name of the new hours", None, hint="Small letters, digits, '.', '-' and '_'.")
    new_times: TextOrNone = entry("Times of the new hours", None, kind="area", hint=TIMES_HINT)

    @classmethod
    def without(cls, ask: Ask) -> tuple[str, ...]:
        """No path is shown of what nobody can call."""
        return () if cls.looks else ("path_at",)

    @classmethod
    def gathered(cls, given: Mapping[str, str]) -> dict[str, str]:
        """The route of the rows, as text. BadInput."""
        rows = _rows_given(given)
        is_text = not rows
        rows = [row for row in rows if row.what]
        new_hours = given.get("new_hours", "").strip()
        if not new_hours and (given.get("new_times", "").strip() or any(row.hours == NEW for row in rows)):
            raise BadInput("Give the new hours a name and times.")
        if is_text:
            return dict(given)
        rows = [replace(row, hours=new_hours) if row.hours == NEW else row for row in rows]
        made = {"route": route_rows.text_of(rows, given.get("within", ""))}
        if any(row.what == NEW_BOX for row in rows):
            made["new_box"] = "true"
        return {**given, **made}

    @classmethod
    def extras(cls, ask: Ask, given: Mapping[str, Any]) -> dict[str, Any]:
        """The rows, and what can be chosen in them; no rows where the text is wanted, or cannot be read."""
        rows = _rows_given(given)  # those that were sent are shown again, however many
        within = str(given.get("within", ""))
        if ask.query.get("view") == "text":
            return {"rows": None}
        if not rows:
            try:
                found = core.parse(str(given.get("route", "")))
            except BadInput:
                return {"rows": None}
            rows = route_rows.rows_of(found)
            within = str(found.within_s)
            if len(rows) > route_rows.MOST_ROWS:
                return {"rows": None}
        filled = [row for row in rows if row.what]
        rows = filled + [Row("", "")] * min(_BLANK_ROWS, route_rows.MOST_ROWS + _BLANK_ROWS - len(filled))
        there = {each.name for each in routes.named("hours", ask.company)}
        hours = sorted(there | {row.hours for row in rows if row.hours not in ("", NEW)})
        return {
            "rows": rows,
            "within": within or str(USUAL_WITHIN_S),
            "usual_ring_s": {"pbx": USUAL_PBX_RING_S},
            "other_ring_s": USUAL_RING_S,
            "whens": [
                ("", tr("all other times")),
                *((each, each) for each in hours),
                (NEW, tr("new hours, see below")),
            ],
            "whats": _offered(cls.steps(ask), rows),
            "typed": route_rows.TYPED,
            "ringing": route_rows.RINGING,
        }

    @classmethod
    def steps(cls, ask: Ask) -> list[Line]:
        """What a call can meet: what exists, by its name."""
        return [
            ("pbx", tr("the PBX")),
            ("extension", tr("an extension of the PBX")),
            ("group", tr("several extensions at once")),
            ("number", tr("another number")),
            *(
                (f"department {each.name}", tr("department {name}", name=each.name))
                for each in routes.named("department", ask.company)
            ),
            *(
                (f"account {each.name}", tr("account {name}", name=each.name))
                for each in every(lambda turn: routes.account_page(Scope(ask.scope.company), turn), "s")
            ),
            *(
                (f"voicemail {each.box}", tr("voice mail of {name} ({box})", name=each.name, box=each.box))
                for each in mailboxes.listed(ask.company)
            ),
            ("busy", tr("busy tone")),
            (NEW_BOX, tr(cls.new_box_words)),
        ]

    def mailbox(self, ask: Ask) -> tuple[MailboxView, bool]:
        """The mailbox of what has this route, and whether it is made now."""
        name = ask.path.get("account") or ask.path["name"]
        return mailboxes.of_name(name, ask.now, ask.company), True

    def with_new(self, ask: Ask, *, to_keep: bool) -> str:
        """The route, when what is new in it is there: hours, and a mailbox, which has nothing of an earlier one.
        `to_keep`: what is made is not taken back.
        """
        self.make_hours(ask)
        if not self.new_box:
            return self.route
        box, is_new = self.mailbox(ask)
        if is_new and to_keep:
            ask.place.voice_mail.set_aside(box.context, box.box, ask.now)
        return self.route.replace(NEW_BOX, f"voicemail {box.box}")

    def make_hours(self, ask: Ask) -> None:
        """Make the hours that are new. BadInput if there are some of this name."""
        if self.new_hours is None:
            return
        name = self.new_hours.strip()
        if any(each.name == name for each in routes.named("hours", ask.company)):
            raise BadInput("There are hours {name!r} already: choose them in a row, or use another name.", name=name)
        routes.set_hours(name, self.new_times or "", ask.company)


class _Named(Form):
    """What comes first, if it has a name that is to be chosen."""

    name: str = entry("Name")


class _Called(_Routing):
    """A route that a call is held against before it is saved."""

    looks: ClassVar[str] = marked("Show the path of a call")
    quotes_as_typed: ClassVar[bool] = True

    @property
    def look_writes(self) -> bool:
        """Only where something else is made with the route; else a look waits for nobody who writes."""
        return bool(self.new_box or self.new_hours)

    def look(self, ask: Ask) -> Quote:
        """The path that a call would take by it."""
        if self.look_writes:
            self.set_route(ask, to_keep=False)
        text = None if self.look_writes else self.route
        found = trials.path_of(self.called(ask), self.path_at or ask.now, text)
        lines = [(tr("A call at"), when(found.at, ask.zone))]
        if found.profile is None or found.why_not:
            lines.append((tr("It would not ring"), said(found.why_not)))
        for number, hop in enumerate(found.path.hops, 1):
            what, where, seconds, _ = hop.cells()
            where = translated(where)  # a text of ours, or names of theirs
            rings = tr("{where}, for {seconds} s", where=where, seconds=seconds) if hop.ring_s else where
            by = f" ({' > '.join(hop.by[1:])})" if hop.by[1:] else ""
            lines.append((f"{number}. {said(what)}", rings + by))
        return Quote(lines + [(tr("Note"), said(note)) for note in found.path.notes])

    def do(self, ask: Ask) -> Outcome:
        """Set it."""
        self.set_route(ask, to_keep=True)
        return Outcome("/numbers", tr("The route of {path} is set", path=self.called(ask)))

    @classmethod
    @abstractmethod
    def called(cls, ask: Ask) -> str:
        """The number or account."""

    def set_route(self, ask: Ask, *, to_keep: bool) -> None:
        """Set it, in the request's transaction; `to_keep`: that is not taken back."""
        routes.set_route(self.called(ask), self.with_new(ask, to_keep=to_keep))


@pages.form("/numbers/{number}/route", "numbers.write", "Where calls to a number ring", back="/numbers")
class RouteNumber(_Called):
    """A number's route."""

    new_box_words: ClassVar[str] = marked("voice mail: a new mailbox of this number")

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """The route it has."""
        return {"route": numbers.show(ask.path["number"]).route}

    @classmethod
    def called(cls, ask: Ask) -> str:
        """The number."""
        return ask.path["number"]

    def mailbox(self, ask: Ask) -> tuple[MailboxView, bool]:
        """It is named by the number."""
        return mailboxes.of_number(self.called(ask), "", ask.now, ask.company)


@pages.form("/accounts/{account}/route", "numbers.write", "Where calls to an account ring", back="/numbers")
class RouteAccount(_Called):
    """An account's route."""

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """The route it has."""
        return {"route": routes.show_account(ask.path["account"]).route}

    @classmethod
    def called(cls, ask: Ask) -> str:
        """The account."""
        return ask.path["account"]


@pages.form("/departments/set", "numbers.write", "Set a department", of_company=True, back="/numbers")
class SetDepartment(_Routing, _Named):
    """A route with a name."""

    def mailbox(self, ask: Ask) -> tuple[MailboxView, bool]:
        """Its name is typed."""
        return mailboxes.of_name(self.name, ask.now, ask.company), True

    def do(self, ask: Ask) -> Outcome:
        """Set it."""
        if not self.route.strip():
            raise BadInput("say where it rings")
        routes.set_department(self.name, self.with_new(ask, to_keep=True), ask.company)
        return Outcome("/numbers", tr("The department {name} is set", name=self.name))


@pages.form("/departments/{name}/change", "numbers.write", "Change a department", of_company=True, back="/numbers")
class ChangeDepartment(_Routing):
    """Where it rings."""

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """The route it has."""
        return {"route": _text_of("department", ask)}

    def do(self, ask: Ask) -> Outcome:
        """Set it."""
        _text_of("department", ask)
        text = self.with_new(ask, to_keep=True)
        return SetDepartment(name=ask.path["name"], route=text).do(ask)


class _RemoveNamed(Form):
    """Forget a department or hours."""

    danger: ClassVar[bool] = True
    button: ClassVar[str] = "Remove"
    kind: ClassVar[str]
    gone: ClassVar[str]

    def quote(self, ask: Ask) -> Quote | None:
        """Which; none that a route needs."""
        name, text = ask.path["name"], _text_of(self.kind, ask)
        routes.remove_named(self.kind, name, ask.company)
        return Quote([(tr("Name"), name), (tr("Rings") if self.kind == "department" else tr("Times"), text)])

    def do(self, ask: Ask) -> Outcome:
        """Remove it."""
        routes.remove_named(self.kind, ask.path["name"], ask.company)
        return Outcome("/numbers", tr(self.gone, name=ask.path["name"]))


@pages.form("/departments/{name}/remove", "numbers.write", "Remove a department", of_company=True, back="/numbers")
class RemoveDepartment(_RemoveNamed):
    """Not one that a route leads to."""

    kind: ClassVar[str] = "department"
    gone: ClassVar[str] = marked("The department {name} was removed")


@pages.form("/hours/{name}/remove", "numbers.write", "Remove hours", of_company=True, back="/numbers")
class RemoveHours(_RemoveNamed):
    """None that a route needs."""

    kind: ClassVar[str] = "hours"
    gone: ClassVar[str] = marked("The hours {name} were removed")


def _text_of(kind: str, ask: Ask) -> str:
    """The route of a department, or the times of hours. NotFound."""
    found = next((view for view in routes.named(kind, ask.company) if view.name == ask.path["name"]), None)
    if found is None:
        raise NotFound("there is no {kind} {path!r}", kind=terms.named(kind), path=ask.path["name"])
    return found.text


@pages.form("/hours/{name}/change", "numbers.write", "Change hours", of_company=True, back="/numbers")
class ChangeHours(Form):
    """Their times."""

    periods: str = entry("Times", kind="area", hint=TIMES_HINT)

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """The times they have."""
        return {"periods": _text_of("hours", ask)}

    def do(self, ask: Ask) -> Outcome:
        """Set them."""
        _text_of("hours", ask)
        return SetHours(name=ask.path["name"], periods=self.periods).do(ask)


@pages.form("/hours/set", "numbers.write", "Set hours", of_company=True, back="/numbers")
class SetHours(Form):
    """Times with a name."""

    name: str = entry("Name")
    periods: str = entry("Times", kind="area", hint=TIMES_HINT)

    def do(self, ask: Ask) -> Outcome:
        """Set them."""
        routes.set_hours(self.name, self.periods, ask.company)
        return Outcome("/numbers", tr("The hours {name} are set", name=self.name))


def _rows_given(given: Mapping[str, Any]) -> list[Row]:
    """The rows as they were sent, in the order that was typed; none if none were."""
    found = []
    for name in given:
        if match := _GIVEN.fullmatch(name):
            number = match.group(1)
            cells = {cell: str(given.get(f"{cell}_{number}", "")) for cell in ("hours", "what", "which", "seconds")}
            typed = str(given.get(f"order_{number}", "")).strip()
            order = int(typed) if re.fullmatch("[0-9]{1,4}", typed) else int(number) + 1
            found.append((order, int(number), Row(**cells)))
    return [row for _, _, row in sorted(found, key=lambda each: each[:2])]


def _offered(steps: Sequence[Line], rows: Sequence[Row]) -> list[Line]:
    """What can be chosen, and what a row has that is not there any more: it is not changed by itself."""
    known = {what for what, _ in steps}
    return [*steps, *((row.what, row.what) for row in rows if row.what and row.what not in known)]
