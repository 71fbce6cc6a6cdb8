"""What Asterisk itself wrote about its legs while nobody listened: the file of cel_custom.conf.

Asterisk writes a line the moment something happens to a leg, whether we live or not, and what it wrote before it was
killed stays (measured on 22.10). Times are the same as in its events, to the microsecond; so a call that is settled
from here is settled as if its events had been heard. asterisk-conf/cel_custom.conf says which fields, in which order.
"""

from __future__ import annotations

import asyncio
import csv
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from connector.core.times import from_epoch
from connector.errors import JournalUnavailable

log = logging.getLogger(__name__)

# Lines are in the order of their times but for some milliseconds; and a leg is made before its call is offered.
SLACK_MS = 10_000
_LONGEST_LINE = 4096


@dataclass
class LegStory:
    """What the journal knows of one leg. `call_id`: the call that it was dialled for; "" if it was not dialled for one.

    `alive_at`: the last moment at which the journal proves that the leg was there. `cause` is Q.850.
    """

    leg: str
    call_id: str
    began_at: int
    alive_at: int
    answered_at: int | None = None
    ended_at: int | None = None
    cause: int = 0


class Journal(Protocol):
    """Where recovery asks what it did not hear."""

    async def stories(self, legs: set[str], call_ids: set[str], since: int, epoch: int) -> dict[str, LegStory]:
        """What is written since `since` of these legs, and of those that were dialled for these calls, by leg.

        `epoch` is when Asterisk started last: whoever was there before is not there since. JournalUnavailable if it
        cannot be read now; a journal that is not there knows nothing.
        """


@dataclass(frozen=True)
class EmergencyLeg:
    """A leg that called an emergency number, what the dialplan did with it, and when it was answered or over."""

    leg: str
    profile: str
    dialled: str
    outcome: str
    at: int


class CelFile:
    """The journal as a file, and the ones it was rotated to, if they are not packed (`path.1`)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def stories(self, legs: set[str], call_ids: set[str], since: int, epoch: int) -> dict[str, LegStory]:
        """As Journal has it."""
        return await asyncio.to_thread(self._stories, legs, call_ids, since, epoch)

    async def emergencies(self, since: int) -> list[EmergencyLeg]:
        """The emergency calls told of since `since`, some of before among them. JournalUnavailable as above."""
        return await asyncio.to_thread(self._emergencies, since)

    def _emergencies(self, since: int) -> list[EmergencyLeg]:
        try:
            return list(read_emergencies(self._lines(since - SLACK_MS)))
        except FileNotFoundError:
            return []  # nothing was written yet
        except OSError as error:
            raise JournalUnavailable("Asterisk's journal cannot be read: {error}", error=error) from error

    def _stories(self, legs: set[str], call_ids: set[str], since: int, epoch: int) -> dict[str, LegStory]:
        try:
            return read_stories(self._lines(since - SLACK_MS), legs, call_ids, epoch)
        except FileNotFoundError as error:
            log.error("Asterisk's journal cannot be read, so ends that nobody saw are estimated: %s", error)
            return {}
        except OSError as error:
            raise JournalUnavailable("Asterisk's journal cannot be read: {error}", error=error) from error

    def _lines(self, since: int) -> Iterator[str]:
        name = re.compile(re.escape(self.path.name) + r"[.-]\d+")
        rotated = [path for path in self.path.parent.iterdir() if name.fullmatch(path.name)]
        recent = [path for path in rotated if path.stat().st_mtime * 1000 >= since]
        files = sorted(recent, key=lambda path: path.stat().st_mtime)
        if self.path.exists() or not files:  # Asterisk makes it again with the first line after it was rotated
            files.append(self.path)
        for path in files:
            with path.open("rb") as file:
                _seek(file, path.stat().st_size, since)
                for line in file:
                    yield line.decode(errors="replace")


def read_stories(lines: Iterator[str], legs: set[str], call_ids: set[str], epoch: int) -> dict[str, LegStory]:
    """The stories that lines tell of some legs, and of those dialled for some calls. Torn lines are passed over."""
    found: dict[str, LegStory] = {}
    standing: list[LegStory] = []
    last = 0
    for line in lines:
        at = time_of(line)
        parts = line.split('"', 11)
        if at is None or len(parts) < 11:
            continue
        kind, leg, call_id = parts[1], parts[5], parts[9]
        # Asterisk was started anew, now or once between: it counts its legs from 0.
        if last < epoch <= at or (kind == "CHAN_START" and leg.endswith(".0")):
            _stood_until(standing, last)
        last = at
        if leg not in legs and call_id not in call_ids:
            continue
        story = found.get(leg)
        if story is None:
            story = found[leg] = LegStory(leg, call_id, at, at)
            standing.append(story)
        story.call_id = story.call_id or call_id
        story.alive_at = max(story.alive_at, at)
        if kind == "ANSWER" and story.answered_at is None:
            story.answered_at = at
        elif kind == "HANGUP":
            story.ended_at, story.cause = at, _cause(line)
    if last < epoch:
        _stood_until(standing, last)
    return found


def read_emergencies(lines: Iterator[str]) -> Iterator[EmergencyLeg]:
    """The emergency calls that some lines tell of: connector-emergency marks their legs in the userfield.

    One is told of when it is answered, and again when it is over, if its Asterisk lives then.
    """
    for line in lines:
        if '"emergency-' not in line:
            continue
        at, parts = time_of(line), line.split('"', 11)
        marks = parts[9].split("-", 3) if len(parts) > 10 else []
        if at is not None and len(marks) == 4:
            yield EmergencyLeg(parts[5], profile=marks[3], dialled=marks[1], outcome=marks[2], at=at)


def _stood_until(standing: list[LegStory], at: int) -> None:
    """Asterisk lived until then: a leg whose end it did not write was there."""
    for story in standing:
        if story.ended_at is None:
            story.alive_at = max(story.alive_at, at)
    standing.clear()


def _seek(file: BinaryIO, size: int, since: int) -> None:
    """Go to a line shortly before the first that is not older than `since`: times only grow."""
    low, high = 0, size
    while high - low > _LONGEST_LINE:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()  # the rest of a line
        at = time_of(file.readline().decode(errors="replace"))
        if at is not None and at < since:
            low = middle
        else:
            high = middle
    file.seek(low)
    if low:
        file.readline()


def time_of(line: str) -> int | None:
    """The time of a line in milliseconds; None if it is torn, or no line of the journal."""
    parts = line.split('"', 5)
    if len(parts) < 5 or not line.endswith("\n"):
        return None
    return from_epoch(parts[3])


def _cause(line: str) -> int:
    try:
        return int(json.loads(next(csv.reader([line]))[6])["hangupcause"])
    except (ValueError, KeyError, IndexError, TypeError):
        return 0
