"""Puts generated config into effect: plan, write, have Asterisk load it, read back, roll back; and the history of it.

    generated/pjsip_profiles.conf         what Asterisk reads; it is only ever replaced whole
    generated/versions/N-VERSION          what was in effect, sealed, the newest `KEPT` of them
    generated/versions/history.jsonl      a line for each thing that was done
    generated/held                        while it is there nothing is applied by itself: somebody rolled back

One at a time does it, commands and service alike (`generated/lock`). Killed between writing and loading, the file is
the new one and Asterisk has the old; the next look finds that, and has it loaded. A file that was edited by hand is one
whose objects are not those that its version names.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from connector.asterisk import pjsip
from connector.asterisk.files import as_the_folder, write
from connector.asterisk.pjsip import ConfObject, Local, Wanted
from connector.asterisk.plan import Change, changes
from connector.billing import calls, nodes, profiles
from connector.clock import Clock
from connector.config import SipSettings
from connector.core.trunks import trunk_of
from connector.database import vault
from connector.errors import (
    AmiUnavailable,
    AriRefused,
    AriUnavailable,
    AsteriskError,
    ConfigBusy,
    ConfigRefused,
    NotFound,
)
from connector.routing import trunks

LOAD_LIMIT_S = 30.0  # one that still starts queues a reload until it has started
WATCH_S = 6.0
LOCK_LIMIT_S = 15.0
ASKED_S = 1.0
KEPT = 30
MOST_READ_BACK = 300
_MODULE = "res_pjsip.so"
# What Asterisk shows of an object in the very words that we wrote.
_READ_BACK = {
    "endpoint": ("context", "auth", "aors", "from_user", "from_domain", "outbound_auth", "transport"),
    "auth": ("username", "realm", "password"),
    "aor": ("max_contacts",),
    "registration": ("client_uri", "server_uri", "contact_user", "outbound_auth"),
    "identify": ("endpoint",),
}


class Asterisk(Protocol):
    """What is asked of Asterisk here; connector.asterisk.ari_http answers."""

    async def reload(self, module: str) -> None:
        """Have a module read its config again."""

    async def read(self, kind: str, name: str) -> dict[str, str] | None:
        """One object as Asterisk has it."""

    async def endpoint_states(self) -> dict[str, str]:
        """Every endpoint it has."""


class Reach(Protocol):
    """Whether trunks are well; connector.asterisk.reaching answers."""

    async def up(self, names: Collection[str]) -> set[str]:
        """Those that are, of some endpoints."""

    async def ask(self, name: str) -> None:
        """Have one asked now whether it is there."""


@dataclass(frozen=True)
class Plan:
    """What would be done. `changes` is empty when Asterisk has what the store says.

    `version` names what is wanted, `loaded` what Asterisk has read, None if nothing of ours. `problems`: ends of which
    there can be no objects. `held`: somebody rolled back, so nothing is applied by itself.
    """

    version: str
    loaded: str | None
    changes: tuple[Change, ...]
    problems: tuple[str, ...]
    held: bool

    @property
    def by_hand(self) -> bool:
        """Whether somebody edited the file."""
        return any(change.by_hand for change in self.changes)

    @property
    def calls(self) -> set[str]:
        """The live calls that go by way of what changes."""
        return {call for change in self.changes for call in change.calls}


@dataclass(frozen=True)
class Step:
    """A line of the history. `action` is apply or rollback; `outcome` is `done`, or why it was taken back."""

    at: int
    action: str
    version: str
    before: str | None
    by: str
    objects: int
    outcome: str


class Configurator:
    """The generated file of one node, and Asterisk."""

    def __init__(
        self, settings: SipSettings, asterisk: Asterisk, clock: Clock, reach: Reach | None = None, node: str = ""
    ) -> None:
        self._settings = settings
        self._node = node
        self._asterisk = asterisk
        self._clock = clock
        self._reach = reach
        self._folder = settings.generated
        self._path = settings.generated / pjsip.FILE_NAME
        self._versions = settings.generated / "versions"
        self._held = settings.generated / "held"
        # The file as it was read or written last: of a thousand ends it takes a tenth of a second to read it again.
        self._known: tuple[str, list[ConfObject], str] = ("", [], "")
        self._made: tuple[Local | None, pjsip.Made] = (None, {})

    def wanted(self) -> Wanted:
        """What the store says now. StoreUnavailable, SecretsLocked."""
        found = self._settings
        codecs = nodes.codecs(self._node)
        local = Local(found.transports, found.host, found.rtp_timeout_s, found.rtp_timeout_hold_s, codecs)
        if self._made[0] != local:
            self._made = (local, {})
        return pjsip.wanted(profiles.inward(self._clock.now_ms()), trunks.outward(), local, self._made[1])

    async def plan(self, wanted: Wanted, live: Mapping[str, Sequence[str]] | None = None) -> Plan:
        """What would be done. `live`: live calls by profile and trunk. AsteriskError if it cannot be asked."""
        text = await asyncio.to_thread(_read, self._path)
        loaded = await self.loaded()
        has = await self._asterisk.endpoint_states()
        found = await asyncio.to_thread(self._compare, text, wanted, has.keys(), live)
        if not found and loaded != pjsip.loaded_version(text):
            found = [Change("load", "file", pjsip.FILE_NAME, "")]
        return Plan(wanted.version, loaded, tuple(found), wanted.problems, self._held.exists())

    def _compare(
        self, text: str, wanted: Wanted, has: Collection[str], live: Mapping[str, Sequence[str]] | None
    ) -> list[Change]:
        """What makes the file what is wanted. A second of computing with thousands of ends."""
        there, is_version = self._read_whole(text)
        missing = {each.name for each in there if each.type == "endpoint"} - set(has)
        said = pjsip.loaded_version(text)
        wrote = there
        if text and is_version != said:
            wrote = pjsip.parse(self._kept(said or "") or "")
        return changes(there, wanted.objects, applied=wrote, missing=missing, calls=live)

    def _read_whole(self, text: str) -> tuple[list[ConfObject], str]:
        """The objects of a file, and the version that they are."""
        if self._known[0] != text:
            found = pjsip.parse(text)
            self._known = (text, found, pjsip.version_of(found))
        return self._known[1], self._known[2]

    async def loaded(self) -> str | None:
        """The version that Asterisk has read; None if none of ours. AsteriskError if it cannot be asked."""
        return (await self._asterisk.read("aor", pjsip.VERSION) or {}).get("voicemail_extension")

    async def apply(self, wanted: Wanted, by: str, *, unattended: bool = False) -> Plan:
        """Make it what Asterisk has; what was done. ConfigRefused with the old file in place again, and loaded, if
        Asterisk did not take it, or a trunk died of it. AsteriskError if it cannot be asked: nothing was changed, or,
        for an Asterisk that went away meanwhile, the old file is in place again.

        `unattended`: nothing is done where somebody edited the file or rolled back; the plan says so.
        """
        async with self._alone():
            plan = await self.plan(wanted)
            if unattended and (plan.held or plan.by_hand):
                return plan
            if plan.changes:
                before = await asyncio.to_thread(_read, self._path)
                text = await asyncio.to_thread(lambda: wanted.text)
                await self._put("apply", text, wanted.objects, before, by, plan.changes)
            if not unattended:
                await asyncio.to_thread(self._held.unlink, missing_ok=True)
            return plan

    async def rollback(self, by: str) -> Step:
        """The version before the last one, as it was; nothing is applied by itself until somebody says `apply`.

        NotFound if there is none. Errors as `apply`.
        """
        async with self._alone():
            before = await asyncio.to_thread(_read, self._path)
            past = self._applied_versions()
            earlier = (version for version in reversed(past[:-1]) if version != past[-1])
            text = next((kept for version in earlier if (kept := self._kept(version)) is not None), None)
            if text is None:
                raise NotFound("there is no version before this one")
            objects = pjsip.parse(text)
            found = changes(pjsip.parse(before), objects)
            step = await self._put("rollback", text, objects, before, by, found)
            await asyncio.to_thread(write, self._held, f"{step.version}\n")
            return step

    def history(self) -> list[Step]:
        """What was done, oldest first."""
        return history(self._folder)

    async def _put(
        self, action: str, text: str, objects: Sequence[ConfObject], before: str, by: str, found: Sequence[Change]
    ) -> Step:
        version, old = pjsip.loaded_version(text) or "", pjsip.loaded_version(before)
        well = await self._trunks_up(found)
        await asyncio.to_thread(write, self._path, text)
        gone: AsteriskError | None = None
        try:
            why = await self._loaded_whole(version, objects, found) or await self._trunks_died(well)
        except (AriUnavailable, AmiUnavailable) as error:  # it went away meanwhile, and refused nothing
            gone, why = error, str(error)
        step = Step(self._clock.now_ms(), action, version, old, by, len(found), why or "done")
        if why is not None:
            await asyncio.to_thread(write, self._path, before)
            with contextlib.suppress(AsteriskError):  # it reads the file when it starts
                await self._asterisk.reload(_MODULE)
        else:
            await asyncio.to_thread(self._keep, version, text)
            self._known = (text, list(objects), version)
        await asyncio.to_thread(self._note, step)
        if gone is not None:
            raise gone
        if why is not None:
            raise ConfigRefused("{why}; the config before it is in place again", why=why)
        return step

    async def _loaded_whole(self, version: str, objects: Sequence[ConfObject], found: Sequence[Change]) -> str | None:
        """Have it loaded and read back; what is wrong, if anything is. AriUnavailable."""
        try:
            await self._asterisk.reload(_MODULE)
            if not await _waited(lambda: self._is_loaded(version), LOAD_LIMIT_S):
                return "Asterisk did not load it"
            wanted = {(each.type, each.name): each for each in objects}
            for change in found:
                made = wanted.get((change.type, change.name))
                # A great many at once are proven by the version alone: each is a request of its own.
                if made is None or (len(found) > MOST_READ_BACK and made.type != "registration"):
                    continue
                if not await _waited(lambda made=made: self._has(made), 2):  # type: ignore[misc]
                    return f"Asterisk did not take the {change.type} {change.name}"
        except AriRefused as error:
            return str(error)
        return None

    async def _is_loaded(self, version: str) -> bool:
        return await self.loaded() == version

    async def _has(self, made: ConfObject) -> bool:
        shown = await self._asterisk.read(made.type, made.name)
        if shown is None:
            return False
        said = dict(made.fields)
        return all(shown.get(option, "") == said[option] for option in _READ_BACK[made.type] if option in said)

    async def _trunks_up(self, found: Sequence[Change]) -> set[str]:
        """The trunks that are about to change, and are well."""
        changed = {each.name for each in found if each.action == "change" and trunk_of(each.name) is not None}
        if not changed or self._reach is None:
            return set()
        return await self._reach.up(changed)

    async def _trunks_died(self, well: set[str]) -> str | None:
        """Wait until they are well again, or it is clear that they are not. AmiUnavailable, AriUnavailable."""
        if not well or self._reach is None:
            return None
        up: set[str] = set()

        async def are_up(reach: Reach) -> bool:
            """Whether they all are."""
            nonlocal up
            up = await reach.up(well)
            return up == well

        for name in well:
            await self._reach.ask(name)
        await asyncio.sleep(ASKED_S)  # until it is answered, Asterisk says what was before
        reach = self._reach
        await _waited(lambda: are_up(reach), WATCH_S, 0.25)
        dead = sorted(trunk_of(name) or name for name in well - up)
        return f"the trunk {dead[0]} was well before it and is not now" if dead else None

    def _keep(self, version: str, text: str) -> None:
        self._make_folder(self._versions)
        kept = sorted(self._versions.glob("*-*"))
        number = int(kept[-1].name.partition("-")[0]) + 1 if kept else 1
        write(self._versions / f"{number:06d}-{version}", vault.seal(text), 0o600)
        for old in kept[: -KEPT + 1]:
            old.unlink()

    def _kept(self, version: str) -> str | None:
        found = sorted(self._versions.glob(f"*-{version}"))
        return vault.unseal(found[-1].read_text()) if found else None

    def _applied_versions(self) -> list[str]:
        return [step.version for step in self.history() if step.outcome == "done"]

    def _make_folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o750, exist_ok=True)
        as_the_folder(folder)

    def _note(self, step: Step) -> None:
        self._make_folder(self._versions)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with os.fdopen(os.open(self._versions / "history.jsonl", flags, 0o640), "a") as file:
            as_the_folder(self._versions / "history.jsonl")
            file.write(json.dumps(asdict(step)) + "\n")
            file.flush()
            os.fsync(file.fileno())

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """One at a time, over all processes. ConfigBusy if another one takes too long."""
        try:
            self._folder.mkdir(mode=0o750, exist_ok=True)
            # Root's command opens it too, and Asterisk's user may write to a folder above: no link is followed.
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
            lock = os.fdopen(os.open(self._folder / "lock", flags, 0o640), "w")
            as_the_folder(self._folder / "lock")
        except OSError as error:
            raise ConfigRefused(
                "{folder} cannot be written: {strerror}", folder=self._folder, strerror=error.strerror
            ) from error
        with lock:
            if not await _waited(lambda: _locked(lock), LOCK_LIMIT_S):
                raise ConfigBusy("another command or the connector applies config right now: try again")
            try:
                yield
            except OSError as error:
                raise ConfigRefused(
                    "{folder} cannot be written: {strerror}", folder=self._folder, strerror=error.strerror or error
                ) from error


async def _locked(lock: Any) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _waited(condition: Callable[[], Awaitable[bool]], limit_s: float, every_s: float = 0.03) -> bool:
    """Wait until it holds, at most so long: a reload answers before all of it is done."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while not await condition():
        if loop.time() > deadline:
            return False
        await asyncio.sleep(every_s)
    return True


def history(generated: Path) -> list[Step]:
    """What was done with the config in a folder, oldest first. A line that was cut off is left out."""
    found = []
    for line in _read(generated / "versions" / "history.jsonl").splitlines():
        with contextlib.suppress(ValueError, TypeError):
            found.append(Step(**json.loads(line)))
    return found


def _read(path: Path) -> str:
    """What is in a file, whatever its bytes are: somebody may have edited it."""
    return path.read_text(errors="surrogateescape") if path.exists() else ""


def live_by_end() -> dict[str, list[str]]:
    """The live calls, by the username of their profile and by their trunk."""
    made: dict[str, list[str]] = {}
    for call in calls.live():
        for end in filter(None, {call.username, call.trunk}):
            made.setdefault(end, []).append(call.id)
    return made
