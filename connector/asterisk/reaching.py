"""Watches whether trunks and PBXs can be reached, and writes down each change: for `connector trunks` and its readers.

Asterisk is asked for its lists when it says that something changed, and every `LOOK_EVERY_S` in any case. What a failed
registration was answered is in Asterisk's log only; what a failed call was answered, its dialplan tells.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from connector.clock import Clock
from connector.core import reach
from connector.core.reach import NOT_ASKED, NOT_REGISTERED, Invited, State
from connector.errors import AsteriskError, StoreUnavailable
from connector.routing import reachability
from connector.routing.reachability import ReachView
from connector.storage.writer import Writer

log = logging.getLogger(__name__)

LOOK_EVERY_S = 30.0
AT_ONCE_S = 2.0
# A call that failed is told for so long.
TRIED_MS = 600_000
# That a PBX is elsewhere is written once in so long.
MOVED_MS = 600_000
_MOST_BYTES = 1_000_000
# So many refused INVITEs are looked at together: of a flood the first tell enough.
MOST_REFUSED = 100


class Lists(Protocol):
    """What is asked of Asterisk by AMI."""

    changed: asyncio.Event

    async def contacts(self) -> list[dict[str, str]]:
        """Every contact."""

    async def registrations(self) -> list[dict[str, str]]:
        """Every registration of ours elsewhere."""

    async def qualify(self, endpoint: str) -> None:
        """Ask an endpoint now whether it is there."""

    async def register(self, endpoint: str) -> None:
        """Register there now, if we do at all."""


class Endpoints(Protocol):
    """What is asked of Asterisk by ARI."""

    async def endpoint_states(self) -> dict[str, str]:
        """Every endpoint, and whether it is online."""


class TrunkStates:
    """Whether trunks are well, for who changes their config: by their registration, else by whether they answer."""

    def __init__(self, lists: Lists, endpoints: Endpoints) -> None:
        self._lists = lists
        self._endpoints = endpoints

    async def up(self, names: Collection[str]) -> set[str]:
        """Those that are well, of some endpoints; a fixed contact that nobody asks counts as such."""
        has = await self._endpoints.endpoint_states()
        found = reach.states([], await self._lists.registrations(), has, names, {}, {})
        return {name for name in names if name in found and found[name].word == "up"}

    async def ask(self, name: str) -> None:
        """Have it asked now, and registered anew: Asterisk keeps an old registration when only its password changed."""
        await self._lists.qualify(name)
        await self._lists.register(name)


class Watch:
    """One node's view of all trunks and PBXs."""

    def __init__(
        self,
        node: str,
        lists: Lists,
        endpoints: Endpoints,
        store: Writer,
        clock: Clock,
        log_path: Path,
        tried: Callable[[], Mapping[str, tuple[int, int]]],
    ) -> None:
        self.node = node
        self.lists = lists
        self.endpoints = endpoints
        self.store = store
        self.clock = clock
        self.log = LogTail(log_path)
        self.tried = tried
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reach")
        self._answers: dict[tuple[str, str], int | None] = {}
        self._known: dict[str, State] | None = None
        self._invites: list[Invited] = []
        self._refused: dict[str, int] = {}
        self._written_at: dict[str, int] = {}

    def invite_refused(self, invited: Invited) -> None:
        """Asterisk refused an INVITE before the gate (sip_copies.py): its endpoint's history tells of it."""
        if len(self._invites) < MOST_REFUSED:
            self._invites.append(invited)
            self.lists.changed.set()

    async def run(self) -> None:
        """For ever."""
        try:
            await self._keep_looking()
        finally:
            self._reader.shutdown(wait=False, cancel_futures=True)  # a store that says nothing keeps nobody waiting

    async def _keep_looking(self) -> None:
        while True:
            self.lists.changed.clear()
            try:
                await self.look()
            except (AsteriskError, StoreUnavailable) as error:
                log.debug("trunks are not known now: %s", error)
            except Exception:  # calls go on without it
                log.exception("what is said of trunks is not known: a defect of the connector")
            await asyncio.sleep(AT_ONCE_S)
            try:
                await asyncio.wait_for(self.lists.changed.wait(), LOOK_EVERY_S)
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Ask, and write down what changed."""
        for line in await asyncio.to_thread(self.log.lines):
            found = reach.answer_to_registration(line)
            if found is not None:
                self._answers[found[0]] = found[1]
        now = self.clock.now_ms()
        tried = {name: status for name, (status, at) in self.tried().items() if now - at < TRIED_MS}
        loop = asyncio.get_running_loop()
        ends = await loop.run_in_executor(self._reader, reachability.ends)
        registrations = await self.lists.registrations()
        for each in registrations:  # why one failed before explains no later failure
            if each.get("Status") == "Registered":
                self._answers.pop((each.get("ClientUri", ""), each.get("ServerUri", "")), None)
        seen = reach.states(
            await self.lists.contacts(),
            registrations,
            await self.endpoints.endpoint_states(),
            {name for name, (_, is_asked) in ends.items() if is_asked},
            self._answers,
            tried,
        )
        states = {
            name: seen.get(name, NOT_REGISTERED if registers else NOT_ASKED) for name, (registers, _) in ends.items()
        }
        if self._invites:
            known = await loop.run_in_executor(self._reader, reachability.known)
            invites, self._invites = self._invites, []
            self._refused |= {name: now for name in map(known.endpoint, invites) if name}
        self._refused = {name: at for name, at in self._refused.items() if now - at < TRIED_MS}
        states = reach.with_refused(states, self._refused)
        if self._known is None:
            self._known = {
                view.endpoint: _as_written(view, states.get(view.endpoint))
                for view in await self.store(reachability.latest)
                if view.node == self.node
            }
        changed = {name: state for name, state in states.items() if self._known.get(name) != state}
        moved = {name: state for name, state in states.items() if name not in changed and self._has_moved(name, state)}
        noted = changed | moved
        if not noted:
            return
        await self.store(reachability.note, self.node, noted, now)
        self._written_at |= dict.fromkeys(noted, now)
        for name, state in changed.items():
            say = log.warning if state.word == "down" else log.info
            say("%s is %s: %s", name, state.word, state.reason)
        self._known = self._known | noted

    def _has_moved(self, name: str, state: State) -> bool:
        """Whether a PBX is elsewhere, or another one, and that was not written a short while ago: some say something
        else each time.
        """
        known = (self._known or {}).get(name)
        settled = self.clock.now_ms() - self._written_at.get(name, 0) > MOVED_MS
        return known is not None and bool(state.whence) and known.whence != state.whence and settled


def _as_written(view: ReachView, state: State | None) -> State:
    """The state that a row says: of one that is the same now, with all that is known of it."""
    found = State(view.state, view.words, view.sip_status)
    if state is not None and State(state.word, state.words, state.sip_status) == found:
        return state
    return found


class LogTail:
    """What was written to a file since the last look: from its end at the first one, and across its rotation."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode: int | None = None
        self._offset = 0

    def lines(self) -> list[str]:
        """The new whole lines; none if it cannot be read."""
        try:
            with self._path.open("rb") as file:
                there = os.fstat(file.fileno())
                if self._inode is None:
                    self._offset = there.st_size
                elif self._inode != there.st_ino or there.st_size < self._offset:
                    self._offset = 0
                self._inode = there.st_ino
                file.seek(max(self._offset, there.st_size - _MOST_BYTES))
                text = file.read()
                whole = text.rpartition(b"\n")[0]
                self._offset = file.tell() - len(text) + len(whole) + (1 if whole else 0)
        except OSError:
            return []
        return whole.decode(errors="replace").splitlines()
