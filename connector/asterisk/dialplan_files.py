"""Reads what somebody's dialplan files have for a context, as far as it is plain text: nothing is run.

A context may stand in several places, and `include =>` takes in another context.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from connector.asterisk import conf_files

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
    found = _lines(etc)
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


def _lines(etc: Path) -> list[Line]:
    names = sorted(path.name for path in etc.glob("extensions*.conf"))
    made = []
    for line in conf_files.lines(etc, *names):
        if said := _EXTENSION.match(line.text):
            made.append(Line(line.section, said.group(1), line.path))
        elif taken_in := _INCLUDED.match(line.text):
            made.append(Line(line.section, taken_in.group(1), line.path, included=True))
    return made
