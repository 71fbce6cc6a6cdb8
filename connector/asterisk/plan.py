"""What would change in Asterisk's pjsip config, object by object, and what was changed there by hand. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from connector.asterisk.pjsip import SECRET, ConfObject
from connector.core.trunks import trunk_of

HIDDEN = "(secret)"


@dataclass(frozen=True)
class FieldChange:
    """One option of an object: what stands there, and what should; None where there is nothing. Secrets are hidden."""

    option: str
    now: str | None
    then: str | None


@dataclass(frozen=True)
class Change:
    """One object. `action` is add, change, remove, or load (Asterisk has not read what the file says).

    `of` is whose it is: a profile's username, or a trunk's name. `by_hand`: somebody edited the file. `calls` are the
    ids of live calls by way of it; they go on, for Asterisk keeps what a call was made with.
    """

    action: str
    type: str
    name: str
    of: str
    fields: tuple[FieldChange, ...] = ()
    by_hand: bool = False
    calls: tuple[str, ...] = ()


def changes(
    there: Sequence[ConfObject],
    wanted: Sequence[ConfObject],
    *,
    applied: Sequence[ConfObject] | None = None,
    missing: Collection[str] = (),
    calls: Mapping[str, Sequence[str]] | None = None,
) -> list[Change]:
    """What makes `there`, the file, into `wanted`.

    `applied`: what we wrote last; where the file is another, somebody edited it. `missing`: endpoints of the file that
    Asterisk does not have. `calls`: live calls by the profile or trunk they are of.
    """
    has, should = _by_key(there), _by_key(wanted)
    wrote = has if applied is None else _by_key(applied)
    found = []
    for key in sorted(has.keys() | should.keys(), key=lambda key: (key[1], key[0])):
        old, new = has.get(key), should.get(key)
        by_hand = old != wrote.get(key)
        kind, name, _ = key
        lost = kind == "endpoint" and name in missing
        if old == new and not lost:
            continue
        whose = _whose(name)
        action = "remove" if new is None else "add" if old is None else "change" if old != new else "load"
        fields = tuple(_fields(old, new))
        found.append(Change(action, kind, name, whose, fields, by_hand, tuple((calls or {}).get(whose, ()))))
    return found


def _whose(name: str) -> str:
    return trunk_of(name) or name.removesuffix("-old")


def _by_key(objects: Iterable[ConfObject]) -> dict[tuple[str, str, int], ConfObject]:
    """By type and name; of two that have both the same, which Asterisk would drop, each has its place."""
    found: dict[tuple[str, str, int], ConfObject] = {}
    for each in objects:
        number = 0
        while (each.type, each.name, number) in found:
            number += 1
        found[each.type, each.name, number] = each
    return found


def _fields(old: ConfObject | None, new: ConfObject | None) -> Iterable[FieldChange]:
    before, after = _values(old), _values(new)
    for option in dict.fromkeys([*before, *after]):
        now, then = before.get(option), after.get(option)
        if now != then:
            hide = option in SECRET or "secret" in option
            yield FieldChange(option, HIDDEN if hide and now else now, HIDDEN if hide and then else then)


def _values(made: ConfObject | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for option, value in made.fields if made else ():
        found[option] = f"{found[option]}, {value}" if option in found else value
    return found
