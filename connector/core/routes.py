"""Where a call in rings: a route, as people write it, and the path that a call takes by it at a given moment.

    holidays: voicemail 100
    office:   extension 101 for 20, group 102 103 for 30, voicemail 101
    else:     department night
    within 90

The first line whose hours cover the moment is the call's; its steps are tried one after the other, while they are
unanswered, busy or out of reach, and ring no longer than `within` seconds altogether. A route is of one line, without
its hours, if it is always the same. A step is one of

    pbx                       the PBX, which is told the number that was called
    extension 101             one phone of the PBX; `group 101 102`: several at once
    number +442079460200      another number: in the company it rings there, else it is called, and paid, as any call
    department sales, account support      another route, that has a name
    voicemail 101             a mailbox, which takes the call
    busy                      the caller hears that nobody has time

Rings end after `for` seconds. Hours, departments, accounts and mailboxes are looked up in a Book. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from connector.core import numbering, steps
from connector.core.hours import Hours
from connector.errors import BadInput
from connector.words import marked, phrase

USUAL_RING_S = 25
USUAL_PBX_RING_S = 60
MOST_RING_S = 120
USUAL_WITHIN_S = 120
MOST_WITHIN_S = 300
MOST_STEPS = 20
MOST_HOPS = 20
MOST_WALKED = 200
MOST_DEEP = 50
MOST_GROUP = 10
MOST_LINES = 20
MOST_TEXT = 4000
NAME = re.compile(r"[a-z][a-z0-9._-]{1,39}")
BOX = re.compile(r"[0-9]{2,10}")
# No single letters: h, i, s, t and T are Asterisk's own, where this is the PBX.
_EXTENSION = re.compile(r"[0-9*][A-Za-z0-9*._-]{0,30}|[A-Za-z][A-Za-z0-9._-]{1,30}")
_STEP = re.compile(r"(\S+)((?: \S+)*?)(?: for ([0-9]{1,4})(?: ?s)?)?")
_WITHIN = re.compile(r"within ([0-9]{1,4})(?: ?s)?")
_ELSE = "else"
# kind: how many words it has, and whether it rings.
_KINDS = {
    "pbx": (0, 0, True), "extension": (1, 1, True), "group": (2, MOST_GROUP, True), "number": (1, 1, True),
    "department": (1, 1, False), "account": (1, 1, False), "voicemail": (1, 1, False), "busy": (0, 0, False),
}  # fmt: skip
_TAKES_THE_CALL = ("voicemail", "busy")
_LEADS_ON = ("department", "account", "number")


@dataclass(frozen=True)
class Step:
    """One thing to try: its `kind`, its words, and how long it rings."""

    kind: str
    words: tuple[str, ...] = ()
    ring_s: int = USUAL_RING_S

    def __str__(self) -> str:
        ring = f" for {self.ring_s}" if _KINDS[self.kind][2] and self.ring_s != _usual_ring_s(self.kind) else ""
        return " ".join((self.kind, *self.words)) + ring


@dataclass(frozen=True)
class Rule:
    """Steps, and the name of the hours in which they are the call's; "" at all times."""

    hours: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Route:
    """Rules, of which the first that covers the moment counts, and how long all of it may ring."""

    rules: tuple[Rule, ...]
    within_s: int = USUAL_WITHIN_S

    def __str__(self) -> str:
        lines = [
            (f"{rule.hours or _ELSE}: " if len(self.rules) > 1 or rule.hours else "") + ", ".join(map(str, rule.steps))
            for rule in self.rules
        ]
        return "\n".join([*lines, *([f"within {self.within_s}"] if self.within_s != USUAL_WITHIN_S else [])])

    def steps(self) -> Iterator[Step]:
        """All steps of all rules."""
        for rule in self.rules:
            yield from rule.steps


@dataclass(frozen=True)
class Place:
    """A number or an account of the company: its route, and the profile (its username) that it is attached to."""

    route: Route
    profile: str | None


@dataclass(frozen=True)
class Book:
    """Everything that routes of a company have names for; `zone` is the time zone of its hours.

    `former`: numbers that it had, and has no more: who has them now is a stranger.
    """

    zone: str
    hours: Mapping[str, Hours] = field(default_factory=dict)
    departments: Mapping[str, Route] = field(default_factory=dict)
    accounts: Mapping[str, Place] = field(default_factory=dict)
    numbers: Mapping[str, Place] = field(default_factory=dict)
    boxes: frozenset[str] = frozenset()
    former: frozenset[str] = frozenset()


# What becomes of a call at a hop, in words.
HOP_WORDS = {
    "ring": marked("rings"),
    "forward": marked("is forwarded, and paid, to"),
    "voicemail": marked("voice mail takes it"),
    "busy": marked("gets the busy tone"),
}


@dataclass(frozen=True)
class Hop:
    """One thing that happens to a call: it rings at `to` for `ring_s` at most (`ring`: extensions of the PBX, none for
    the PBX itself; `forward`: a number), or a mailbox takes it (`voicemail`), or it hears that it is `busy`.

    `by`: which routes led there, for people.
    """

    kind: str
    to: tuple[str, ...] = ()
    ring_s: int = 0
    by: tuple[str, ...] = ()

    def cells(self) -> tuple[str, str, str, str]:
        """For a table: what becomes of the call, where, for how many seconds, by which routes."""
        where = " ".join(self.to) or (marked("the PBX") if self.kind == "ring" else "")
        return HOP_WORDS[self.kind], where, str(self.ring_s or "-"), " > ".join(self.by)


@dataclass(frozen=True)
class Path:
    """What a call would meet, in this order, all rings within `within_s`; `notes`: what was passed over, and why."""

    hops: tuple[Hop, ...]
    within_s: int
    notes: tuple[str, ...] = ()


# Where nothing else is said.
PBX = Route((Rule("", (Step("pbx", ring_s=USUAL_PBX_RING_S),)),))


@lru_cache(maxsize=4096)
def parse(text: str) -> Route:
    """Read a route. BadInput names what is none; empty is the PBX itself."""
    if len(text) > MOST_TEXT:
        raise BadInput("a route has at most {most_text} characters", most_text=MOST_TEXT)
    lines = [" ".join(line.split()) for line in text.replace(";", "\n").split("\n")]
    lines = [line for line in lines if line]
    within_s = USUAL_WITHIN_S
    if lines and lines[-1].startswith("within "):
        within_s = _within(lines.pop())
    if not lines:
        return PBX if within_s == USUAL_WITHIN_S else Route(PBX.rules, within_s)
    if len(lines) > MOST_LINES:
        raise BadInput("a route has at most {most_lines} lines", most_lines=MOST_LINES)
    rules = tuple(_rule(line) for line in lines)
    if any(not rule.hours for rule in rules[:-1]) or rules[-1].hours:
        raise BadInput("The last line of a route must be for all other times, 'else: ...'. Use it only once.")
    return Route(rules, within_s)


def path(called: str, place: Place, book: Book, at: int, *, may_forward: bool = True) -> Path:
    """The path of a call to a number or account, at an instant. Never longer than MOST_HOPS, never in a circle.

    What a name of the route stands for and the book does not have is passed over: a note says so.
    """
    walk = _Walk(book, at, place.profile, may_forward)
    walk.follow(place.route, (f"{'number' if called.startswith('+') else 'account'} {called}",))
    return Path(tuple(walk.hops[:MOST_HOPS]), place.route.within_s, tuple(walk.notes))


def check(route: Route, book: Book, profile: str | None) -> None:
    """BadInput if a route names what the book does not have, or what cannot ring at its profile.

    Numbers that are outside, and not ordinary ones, are the caller's to judge: they are known by kind where rates are.
    """
    for rule in route.rules:
        if rule.hours and rule.hours not in book.hours:
            raise BadInput("The hours {hours!r} do not exist.", hours=rule.hours, step=steps.set_hours(rule.hours))
    for step in route.steps():
        word = step.words[0] if step.words else ""
        if step.kind == "department" and word not in book.departments:
            raise BadInput("The department {word!r} does not exist.", word=word, step=steps.create_department())
        if step.kind == "voicemail" and word not in book.boxes:
            raise BadInput("The mailbox {word!r} does not exist.", word=word, step=steps.create_mailbox(word))
        if step.kind == "account":
            if word not in book.accounts:
                raise BadInput("there is no account {word!r}", word=word)
            _same_profile(f"the account {word}", book.accounts[word].profile, profile)
        if step.kind == "number" and word in book.former:
            raise BadInput("The number {word} no longer belongs to the company.", word=word)
        if step.kind == "number" and word in book.numbers:
            _same_profile(f"the number {word}", book.numbers[word].profile, profile)


def circle(book: Book) -> list[str]:
    """The names along a way that leads back to where it began, whatever the hour; empty if there is none."""
    routes = _named(book)
    done: set[str] = set()

    def led(name: str, trail: list[str]) -> list[str]:
        """The circle that one way along the names comes to."""
        if len(trail) > MOST_DEEP:
            raise BadInput("routes lead on from one to the next more than {most_deep} times", most_deep=MOST_DEEP)
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for step in routes[name].steps():
            onward = f"{step.kind} {step.words[0]}" if step.kind in _LEADS_ON else ""
            found = led(onward, [*trail, name]) if onward in routes else []
            if found:
                return found
        done.add(name)
        return []

    return next((found for found in (led(name, []) for name in routes) if found), [])


class _Walk:
    """Follows one call's way through routes."""

    def __init__(self, book: Book, at: int, profile: str | None, may_forward: bool) -> None:
        self.book = book
        self.at = at
        self.profile = profile
        self.may_forward = may_forward
        self.walked = 0
        self.left_s: list[int] = []  # what the routes that were stepped into may ring in all, each
        self.hops: list[Hop] = []
        self.notes: list[str] = []

    def follow(self, route: Route, trail: tuple[str, ...]) -> bool:
        """Add what a route leads to; True if nothing comes after it, for something takes the call."""
        rule = next((rule for rule in route.rules if self._covers(rule.hours)), None)
        if rule is None:
            self.notes.append(phrase("{route} has no line for this moment", route=trail[-1]))
            return False
        by = (*trail, rule.hours) if rule.hours else trail
        return any(self._take(step, by) for step in rule.steps)

    def _covers(self, name: str) -> bool:
        if not name:
            return True
        hours = self.book.hours.get(name)
        if hours is None:
            self.notes.append(phrase("the hours {name!r} do not exist, so their line is skipped", name=name))
        return hours is not None and hours.cover(self.at, self.book.zone)

    def _take(self, step: Step, by: tuple[str, ...]) -> bool:
        self.walked += 1
        if len(self.hops) >= MOST_HOPS or self.walked > MOST_WALKED:
            self.notes.append(marked("the path ends here: it has too many steps"))
            return True
        if step.kind in _LEADS_ON and (step.kind != "number" or step.words[0] in self.book.numbers):
            return self._go_on(step, by)
        if step.kind == "number" and step.words[0] in self.book.former:
            self.notes.append(phrase("{number} no longer belongs to the company", number=step.words[0]))
            return False
        if step.kind == "number" and not self.may_forward:
            self.notes.append(
                phrase(
                    "not forwarded to {number}: this call was forwarded before and has come back",
                    number=step.words[0],
                )
            )
            return False
        if step.kind == "voicemail" and step.words[0] not in self.book.boxes:
            self.notes.append(phrase("there is no mailbox {name!r}", name=step.words[0]))
            return False
        if step.kind in _TAKES_THE_CALL:
            self.hops.append(Hop(step.kind, step.words, 0, by))
            return True
        ring_s = min([step.ring_s, *self.left_s])
        self.left_s = [left - ring_s for left in self.left_s]
        if ring_s > 0:
            self.hops.append(Hop("forward" if step.kind == "number" else "ring", step.words, ring_s, by))
        else:
            self.notes.append(f"{step} has no time left to ring, in {by[-1]}")
        return False

    def _go_on(self, step: Step, by: tuple[str, ...]) -> bool:
        name = f"{step.kind} {step.words[0]}"
        place = self._place(step.kind, step.words[0])
        if place is None:
            self.notes.append(f"there is no {name}")
            return False
        if name in by:
            self.notes.append(f"{name} leads back to itself: not again")
            return False
        if place.profile != self.profile:
            self.notes.append(f"{name} is not at this profile")
            return False
        self.left_s.append(place.route.within_s)
        try:
            return self.follow(place.route, (*by, name))
        finally:
            self.left_s.pop()

    def _place(self, kind: str, name: str) -> Place | None:
        """Where a step leads on to; a department is at whichever profile it is asked from."""
        if kind == "department":
            route = self.book.departments.get(name)
            return None if route is None else Place(route, self.profile)
        return (self.book.accounts if kind == "account" else self.book.numbers).get(name)


def _named(book: Book) -> dict[str, Route]:
    """Every route that another can lead to."""
    return {
        **{f"department {name}": route for name, route in book.departments.items()},
        **{f"account {name}": place.route for name, place in book.accounts.items()},
        **{f"number {name}": place.route for name, place in book.numbers.items()},
    }


def _same_profile(what: str, theirs: str | None, profile: str | None) -> None:
    if profile is not None and theirs != profile:
        raise BadInput(
            "{what} is {value}. A route cannot leave its own profile.",
            what=what,
            value=marked("at another profile") if theirs else marked("not attached to a profile"),
        )


def _rule(line: str) -> Rule:
    head, colon, rest = line.partition(":")
    name = head.strip().lower() if colon else ""
    if colon and name != _ELSE and not NAME.fullmatch(name):
        raise BadInput(
            "Invalid name {head!r} for hours. Use letters, digits, '.', '-' and '_', or 'else' for all other times.",
            head=head[:40],
        )
    words = [word.strip() for word in (rest if colon else line).split(",")]
    if not 1 <= len(words) <= MOST_STEPS:
        raise BadInput("a line has 1 to {most_steps} steps", most_steps=MOST_STEPS)
    steps = tuple(_step(word) for word in words)
    for step in steps[:-1]:
        if step.kind in _TAKES_THE_CALL:
            raise BadInput("nothing comes after {kind}: it takes the call", kind=step.kind)
    return Rule("" if name == _ELSE else name, steps)


def _step(text: str) -> Step:
    found = _STEP.fullmatch(text)
    kind = found.group(1).lower() if found else ""
    if found is None or kind not in _KINDS:
        raise BadInput("Invalid step {given!r}. Use one of: {kinds}.", given=text[:40], kinds=", ".join(_KINDS))
    fewest, most, rings = _KINDS[kind]
    words = tuple(found.group(2).split())
    if not fewest <= len(words) <= most or len(set(words)) != len(words):
        raise BadInput(
            "Invalid step {given!r}. After {kind}, write {count}.",
            given=text[:40],
            kind=kind,
            count=_count(fewest, most),
        )
    if found.group(3) and not rings:
        raise BadInput("{given!r}: {kind} does not ring", given=text[:40], kind=kind)
    ring_s = int(found.group(3) or _usual_ring_s(kind))
    if not 1 <= ring_s <= MOST_RING_S:
        raise BadInput("a step rings for 1 to {most_ring_s} s", most_ring_s=MOST_RING_S)
    return Step(kind, tuple(_word(kind, word) for word in words), ring_s)


def _usual_ring_s(kind: str) -> int:
    return USUAL_PBX_RING_S if kind == "pbx" else USUAL_RING_S


def _word(kind: str, word: str) -> str:
    if kind == "number":
        return numbering.checked_number(word)
    if kind in ("extension", "group"):
        what = marked("extension: digits and letters, '*', '.', '-' and '_', more than one letter")
        return _fit(_EXTENSION, word, what)
    if kind == "voicemail":
        return _fit(BOX, word, marked("mailbox: 2 to 10 digits"))
    return _fit(NAME, word, phrase("name of {kind}: small letters, digits, '.', '-' and '_'", kind=kind))


def _fit(pattern: re.Pattern[str], word: str, what: str) -> str:
    if not pattern.fullmatch(word):
        raise BadInput("{word!r} is not a valid {what}", word=word[:40], what=what)
    return word


def _count(fewest: int, most: int) -> str:
    if not most:
        return marked("nothing")
    return marked("one word") if fewest == most else phrase("{fewest} to {most} words", fewest=fewest, most=most)


def _within(line: str) -> int:
    found = _WITHIN.fullmatch(line)
    seconds = int(found.group(1)) if found else 0
    if not 1 <= seconds <= MOST_WITHIN_S:
        raise BadInput("a route rings within 1 to {most_within_s} s", most_within_s=MOST_WITHIN_S)
    return seconds
