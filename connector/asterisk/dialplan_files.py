"""Reads what somebody's dialplan files have for a context, as far as it is plain text: nothing is run.

Asterisk's config (main/config.c): `#include` and `#tryinclude` with a name or a pattern, by the folder of the config; a
context may stand in several places; `include =>` takes in another context. What `#exec` prints is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOST_FILES = 200
DEEPEST = 4
_CONTEXT = re.compile(r"\s*\[([^\]]+)\]")
_FILE = re.compile(r"\s*#(?:try)?include\s+[\"<]?([^\">\s]+)")
_EXTENSION = re.compile(r"\s*exten\s*=>?\s*([^,\s]+)")
_INCLUDED = re.compile(r"\s*include\s*=>?\s*([^,\s|]+)")


@dataclass(frozen=True)
class Line:
    """An extension of a context, or with `included` another context that it takes in; and the file that says so."""

    context: str
    name: str
    path: Path
    included: bool = False


def extensions(etc: Path, context: str) -> list[Line]:
    """The extensions of a context and of those that it takes in, in the config folder `etc`."""
    found = list(_lines(etc, sorted(etc.glob("extensions*.conf")), (), [""]))
    wanted, seen = [context], set()
    made: list[Line] = []
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        for line in found:
            if line.context == name and line.included:
                wanted.append(line.name)
            elif line.context == name:
                made.append(line)
    return made


def _lines(etc: Path, paths: list[Path], within: tuple[Path, ...], at: list[str]) -> Iterator[Line]:
    """What files say, one after the other, that are included `within` others; `at` holds the context that a file is
    included in, or begins.
    """
    for path in paths[:MOST_FILES]:
        if path in within or len(within) > DEEPEST:
            continue
        try:
            lines = path.read_text(errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            if file := _FILE.match(line):
                yield from _lines(etc, _named(etc, file.group(1)), (*within, path), at)
            elif head := _CONTEXT.match(line):
                at[0] = head.group(1)
            elif said := _EXTENSION.match(line):
                yield Line(at[0], said.group(1), path)
            elif taken_in := _INCLUDED.match(line):
                yield Line(at[0], taken_in.group(1), path, included=True)


def _named(etc: Path, name: str) -> list[Path]:
    whole = Path(name)
    try:
        found = Path("/").glob(str(whole.relative_to("/"))) if whole.is_absolute() else etc.glob(name)
        return sorted(path for path in found if path.is_file())
    except (ValueError, IndexError, NotImplementedError, OSError):  # not a file name or pattern
        return []
