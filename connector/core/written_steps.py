"""Billing increments as sheets have them: `60/1`, `60-1`, `60+1`, `60:1`, `1`, `60 sec / 1 sec`, `1 min`, `00:01:00`,
`per second`; and as core/rating.py reads them.
"""

from __future__ import annotations

import re

from connector.errors import BadInput

# What is usual where a sheet says nothing.
USUAL = "30/6"
_LONGEST = 200
_IN_WORDS = {
    **dict.fromkeys(("minute", "min", "per minute", "per min", "full minute", "by minute", "pro minute"), 60),
    **dict.fromkeys(("second", "sec", "per second", "per sec", "by second", "pro sekunde", "sekunde"), 1),
}
_COUNTED = re.compile(r"""([0-9]{1,5})(?:\.0+)?\s*(s|secs?|seconds?|"|m|mins?|minutes?|')?""")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-5][0-9]):([0-5][0-9])")
_BETWEEN = re.compile(r"\s*[/+-]\s*")


def seconds(text: str) -> int | None:
    """`60`, `60 sec`, `1 min` or `00:01:00` in seconds; None if it is something else."""
    said = " ".join(text.lower().split())
    if said in _IN_WORDS:
        return _IN_WORDS[said]
    clock = _CLOCK.fullmatch(said)
    if clock:
        hours, minutes, rest = map(int, clock.groups())
        return hours * 3600 + minutes * 60 + rest
    counted = _COUNTED.fullmatch(said)
    if counted is None:
        return None
    return int(counted.group(1)) * (60 if (counted.group(2) or "s")[0] in "m'" else 1)


def pair(text: str) -> str | None:
    """What a cell says of both increments, as `60/1`; None if it is something else."""
    pieces = _BETWEEN.split(text.strip())
    if len(pieces) == 1 and re.fullmatch(r"[1-9][0-9]{0,4}:[1-9][0-9]{0,4}", pieces[0]):
        pieces = pieces[0].split(":")
    found = [seconds(piece) for piece in pieces]
    if not 1 <= len(found) <= 2 or None in found:
        return None
    return f"{found[0]}/{found[-1]}"


def steps(both: str, first: str, following: str) -> str:
    """The increments of a row, of its cell for both and its cells for the first and the next one, as core/rating.py
    reads them. BadInput.
    """
    longest = max(both, first, following, key=len)
    if len(longest) > _LONGEST:
        raise BadInput("increments {given!r} are neither like 30/6 nor like 0:30 30:6", given=longest[:40])
    if first or following:
        each = [_read(text) for text in (first or following, following or first)]
        return "/".join(each)
    if not both:
        return USUAL
    return pair(both) or both


def _read(text: str) -> str:
    found = seconds(text)
    return text if found is None else str(found)
