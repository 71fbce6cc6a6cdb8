"""Reads Asterisk's config files in the way Asterisk does: sections, templates, included files. Changes nothing.

Source: main/config.c of Asterisk 22.10. `#include` and `#tryinclude` take a file or a pattern, relative to the config
folder; what an included file says before its first section belongs to the section that the include stands in. `;`
starts a comment. A section may name templates in parentheses, which it inherits from; `(!)` is a template itself and
`(+)` adds to the section of that name. The output of `#exec` is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MOST_FILES = 200
DEEPEST = 8
_SECTION = re.compile(r"\s*\[([^\]]+)\]\s*(?:\(([^)]*)\))?")
_INCLUDE = re.compile(r"\s*#(?:try)?include\s+[\"<]?([^\">\s;]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """A line of a file that is neither empty nor a comment. `section` is the one that it belongs to, "" before any."""

    text: str
    section: str
    path: Path


@dataclass
class Section:
    """A section: its options by name, the last value of each, those of its templates among them."""

    name: str
    is_template: bool = False
    options: dict[str, str] = field(default_factory=dict)


def lines(etc: Path, *names: str, without: Path | None = None) -> Iterator[Line]:
    """The lines of files in the config folder `etc`, with what they include at its place. Section heads are lines too.

    A file that is not there or cannot be read has no lines; nor has one in the folder `without`.
    """
    for name in names:
        at = [""]
        for path in included(etc, name):
            yield from _lines(etc, path, (), at, without)


def sections(etc: Path, name: str, without: Path | None = None) -> list[Section]:
    """The sections of a file and of what it includes, in their order; two of the same name are two.

    Files in the folder `without` are left out.
    """
    found: list[Section] = []
    for line in lines(etc, name, without=without):
        head = _SECTION.match(line.text)
        if head:
            words = [word.strip() for word in (head.group(2) or "").split(",") if word.strip()]
            known = [section for section in found if section.name == head.group(1)]
            if "+" in words and known:
                found.append(found.pop(found.index(known[-1])))
                continue
            made = Section(head.group(1), "!" in words)
            for template in (section for word in words for section in found if section.name == word):
                made.options |= template.options
            found.append(made)
        elif "=" in line.text and found:
            key, _, value = line.text.partition("=")
            found[-1].options[key.strip().lower()] = value.removeprefix(">").strip()
    return found


def option(etc: Path, name: str, section: str, key: str, without: Path | None = None) -> str:
    """The value of an option in a file and what it includes, the last if there are several; "" for none.

    Files in the folder `without` are left out.
    """
    found = (each.options for each in sections(etc, name, without) if each.name == section)
    values = [options[key] for options in found if key in options]
    return values[-1] if values else ""


def includes(etc: Path, name: str) -> set[Path]:
    """The files that a file includes, and those that these include, and itself, whether they are there or not."""
    found: set[Path] = set()
    wanted = [etc / name]
    while wanted:
        path = wanted.pop()
        if path in found or len(found) > MOST_FILES:
            continue
        found.add(path)
        for text in _without_comments(_read(path)):
            if named := _INCLUDE.match(text):
                wanted += included(etc, named.group(1)) or [etc / named.group(1)]
    return found


def included(etc: Path, name: str) -> list[Path]:
    """The files that an include of a name or pattern takes in; none if it fits no file."""
    whole = Path(name)
    try:
        found = Path("/").glob(str(whole.relative_to("/"))) if whole.is_absolute() else etc.glob(name)
        return sorted(path for path in found if path.is_file())
    except (ValueError, IndexError, NotImplementedError, OSError):  # not a file name or pattern
        return []


def _lines(etc: Path, path: Path, within: tuple[Path, ...], at: list[str], without: Path | None) -> Iterator[Line]:
    """The lines of a file that is included `within` others; `at` holds the section that it is in."""
    if path in within or len(within) > DEEPEST or (without is not None and path.is_relative_to(without)):
        return
    for raw in _without_comments(_read(path)):
        if named := _INCLUDE.match(raw):
            for each in included(etc, named.group(1))[:MOST_FILES]:
                yield from _lines(etc, each, (*within, path), at, without)
            continue
        text = raw.strip()
        if not text:
            continue
        if head := _SECTION.match(text):
            at[0] = head.group(1)
        yield Line(text, at[0], path)


def _without_comments(raw: list[str]) -> Iterator[str]:
    """Lines without comments: from `;` to the line's end unless a backslash stands before it, and from `;--` to `--;`,
    over lines and nested; `;---` begins none of these.
    """
    depth = 0
    for line in raw:
        kept, at = "", 0
        while at < len(line):
            begins = line.startswith(";--", at) and not line.startswith(";---", at)
            if depth and line.startswith("--;", at):
                depth, at = depth - 1, at + 3
            elif begins and (depth or line[at - 1 : at] != "\\"):
                depth, at = depth + 1, at + 3
            elif depth:
                at += 1
            elif line[at] == ";" and line[at - 1 : at] != "\\":
                break
            else:
                kept, at = kept + line[at], at + 1
        yield kept


def _read(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
