"""`make run`, `start`, `stop`: one supervisor that starts the parts, shows two calls, and starts again what dies.

Whatever ends the supervisor ends the parts: it ends them itself, or the kernel does (PR_SET_PDEATHSIG). `lab.json`
holds the parts' pids and start times all the same, so that `stop` can sweep what is left of anything.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from connector.billing import calls, history
from connector.cli.calls import print_cdrs
from connector.core import refusals
from connector.database.sqlite import FileStore
from lab import demo, far_end, process, sample
from lab.errors import LabError
from lab.instance import PROJECT, Instance, write_private
from lab.ports import HOST, Ports
from lab.process import Identity
from lab.root import find_asterisk, find_sipp
from lab.sample import SampleProfile

VAR = PROJECT / "var"
ASTERISK_HOME = PROJECT / ".asterisk"
READY_LIMIT_S = 30.0
# A part that dies this often within a minute is not started again.
MOST_RESTARTS = 5


class Supervisor:
    """The parts of one lab, while they run."""

    def __init__(self, instance: Instance, first: Supervisor | None = None) -> None:
        """`first`: another node of the same store, which runs already and has the far end and the sample."""
        self.instance = instance
        self._first = first
        self.profiles: list[SampleProfile] = []
        self.link = ""
        self._starters: dict[str, Callable[[], subprocess.Popen[bytes]]] = {
            "asterisk": instance.start_asterisk,
            "connector": instance.start_gate,
            "control": instance.start_control,
            "far-end": instance.start_far_end,
        }
        self._parts: dict[str, subprocess.Popen[bytes]] = {}
        self._deaths: list[float] = []

    def start(self) -> None:
        """Start every part, and wait until calls are decided and the PBX is registered. LabError if that fails."""
        instance = self.instance
        instance.lay_out()
        self.profiles = self._first.profiles if self._first else sample.prepare(instance)
        self.link = "" if self._first else sample.welcome(instance)
        instance.register_far_end([far_end.registration(p.username, p.password) for p in self.profiles])
        usernames = [profile.username for profile in self.profiles]
        self._start("asterisk")
        self._start("connector")
        self._start("control")
        self._wait("ready", lambda: health(instance), "connector")
        self._wait("configured", lambda: all(endpoint_state(instance, name) for name in usernames), "connector")
        if self._first is not None:
            return
        self._start("far-end")
        self._wait("registered", lambda: all(endpoint_state(instance, n) == "online" for n in usernames), "far-end")

    def pid(self, name: str) -> int:
        """The pid of a part."""
        return self._parts[name].pid

    def watch(self, every_s: float = 0.2) -> None:
        """For ever: start again what died. LabError if it dies again and again."""
        while True:
            time.sleep(every_s)
            for name in self.tend():
                write_run_json(self)
                print(f"{name} ended; it was started again", flush=True)

    def tend(self) -> list[str]:
        """Start again what died since the last look; the names of it. LabError if it dies again and again."""
        dead = [name for name, part in self._parts.items() if part.poll() is not None]
        for name in dead:
            self._restart(name, self._parts[name].returncode)
        return dead

    def forgive(self) -> None:
        """Whoever kills on purpose says so: those deaths were no sign of a part that cannot live."""
        self._deaths.clear()

    def end(self, name: str) -> None:
        """End one part, which stays away until it is restarted."""
        part = self._parts[name]
        process.end(process.identify(part.pid))
        part.wait()

    def restart(self, *names: str) -> None:
        """End parts and start them again."""
        for name in names:
            self.end(name)
        for name in names:
            self._start(name)

    def healthy(self) -> bool:
        """Whether the connector decides calls."""
        return health(self.instance)

    def ready(self) -> bool:
        """Whether calls are decided, and every PBX that registers here is registered."""
        wanted = ("online",) if self._first is None else ("online", "offline")
        return health(self.instance) and all(
            endpoint_state(self.instance, profile.username) in wanted for profile in self.profiles
        )

    def stop(self) -> None:
        """End every part: the connector first, so that it sees its Asterisk go last."""
        for name in ("control", "connector", "asterisk", "far-end"):
            part = self._parts.pop(name, None)
            if part is not None:
                process.end(process.identify(part.pid))
                part.wait()

    def _start(self, name: str) -> None:
        self._parts[name] = self._starters[name]()
        record(self.instance.folder, {name: part.pid for name, part in self._parts.items()})

    def _restart(self, name: str, code: int) -> None:
        now = time.monotonic()
        self._deaths = [at for at in self._deaths if now - at < 60] + [now]
        if len(self._deaths) > MOST_RESTARTS:
            raise LabError(f"{name} dies again and again ({code}): {self.instance.why(name)}")
        self._start(name)

    def _wait(self, what: str, condition: Callable[[], bool], part: str) -> None:
        """Wait for a condition, as long as every part lives."""
        deadline = time.monotonic() + READY_LIMIT_S
        while not condition():
            for name, child in self._parts.items():
                if child.poll() is not None:
                    raise LabError(f"{name} ended at its start ({child.returncode}): {self.instance.why(name)}")
            if time.monotonic() > deadline:
                raise LabError(f"not {what} within {READY_LIMIT_S:.0f} s: {self.instance.why(part)}")
            time.sleep(0.05)


def run(port_base: int, folder: Path = VAR) -> None:
    """Everything in the foreground, until SIGINT or SIGTERM."""
    for signum in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell's background job begins with it ignored
        signal.signal(signum, _interrupt)
    if supervisor_of(folder):
        raise LabError(f"it runs already: see {folder / 'run.json'}, or end it with 'make stop'")
    sweep(folder)
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    record(folder, {})
    parts: list[Supervisor] = []
    try:
        ports = Ports.from_base(port_base)
        ports.check_free()
        asterisk = find_asterisk(ASTERISK_HOME)
        program = find_sipp(ASTERISK_HOME)
        print(f"{asterisk.program.version} ({asterisk.origin})", flush=True)
        supervisor = Supervisor(Instance(folder, ports, asterisk))
        parts.append(supervisor)
        print("starting Asterisk, the far end and the connector", flush=True)
        supervisor.start()
        print("placing one call out and one call in", flush=True)
        failed = demo.place_two_calls(
            program, folder / "demo", (HOST, ports.sip), (HOST, ports.carrier), supervisor.profiles[0]
        )
        _show_cdrs(folder, all_there=not failed)
        for words in failed:  # the store may be somebody's own: what runs is of use all the same
            print(f"warning: {words}", flush=True)
        if failed:
            _say_why(folder)
        write_run_json(supervisor)
        _say_where(supervisor)
        supervisor.watch()
    except KeyboardInterrupt:
        print("\nstopping", flush=True)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave anything behind
        (folder / "run.json").unlink(missing_ok=True)
        for part in parts:
            part.stop()
        (folder / "lab.json").unlink(missing_ok=True)
    print("stopped: nothing is left running", flush=True)


def _say_why(folder: Path) -> None:
    """Of the calls that were refused last, the reasons."""
    for reason in sorted({cdr.refusal for cdr in _newest(folder) if cdr.refusal}):
        print(f"  {reason}: {refusals.BY_CODE[reason].words}", flush=True)


def start(port_base: int, folder: Path = VAR) -> None:
    """The same in the background: returns when it is up. LabError, with what it said, if it does not come up."""
    if supervisor_of(folder):
        raise LabError(f"it runs already: see {folder / 'run.json'}, or end it with 'make stop'")
    (folder / "run.json").unlink(missing_ok=True)
    log = folder / "log" / "lab.log"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "lab", "run", "--port-base", str(port_base), "--folder", str(folder)]
    child = process.start(command, log, env={"PYTHONUNBUFFERED": "1"}, dies_with_parent=False)
    try:
        _until_up(child, log, folder)
    except KeyboardInterrupt:
        stop(folder)
        raise


def _until_up(child: subprocess.Popen[bytes], log: Path, folder: Path) -> None:
    """Tell what the child tells until run.json is there."""
    with log.open() as said:
        while not (folder / "run.json").exists():
            sys.stdout.write(said.read())
            sys.stdout.flush()
            if child.poll() is not None:
                sys.stdout.write(said.read())
                raise LabError("it did not come up")
            time.sleep(0.1)
        time.sleep(0.3)
        sys.stdout.write(said.read().replace("Ctrl-C ends it", "'make stop' ends it"))


def stop(folder: Path = VAR) -> None:
    """End the supervisor, which ends its parts; then whatever is left of anything."""
    supervisor = supervisor_of(folder)
    left = sweep(folder)
    print("stopped: nothing is left running" if supervisor or left else "nothing was running", flush=True)


def sweep(folder: Path) -> int:
    """End what lab.json names and still runs; how many there were."""
    found = [part for part in recorded(folder).values() if part.alive()]
    for part in found:
        process.end(part, limit_s=20)
    for name in ("run.json", "lab.json"):
        (folder / name).unlink(missing_ok=True)
    return len(found)


def record(folder: Path, pids: dict[str, int]) -> None:
    """Write lab.json: this process first, for it ends the others."""
    found = {"supervisor": process.identify(process.own_pid()), **{n: process.identify(p) for n, p in pids.items()}}
    write_private(folder / "lab.json", json.dumps({n: [i.pid, i.start_ticks] for n, i in found.items() if i}))


def recorded(folder: Path) -> dict[str, Identity]:
    """What lab.json names, running or not."""
    path = folder / "lab.json"
    try:
        return {name: Identity(*both) for name, both in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError):
        return {}


def supervisor_of(folder: Path) -> Identity | None:
    """The supervisor that runs there, if one does."""
    found = recorded(folder).get("supervisor")
    return found if found and found.alive() else None


def health(instance: Instance) -> bool:
    """Whether the connector decides calls."""
    return _get(f"http://{HOST}:{instance.ports.web}/health") is not None


def endpoint_state(instance: Instance, username: str) -> str | None:
    """What Asterisk says of a profile's endpoint: `online` with a contact, `offline` without, None if it has none."""
    query = f"api_key=connector:{instance.secrets.ari}"
    found = _get(f"http://{HOST}:{instance.ports.ari}/ari/endpoints/PJSIP/{username}?{query}")
    return str(found["state"]) if found else None


def write_run_json(supervisor: Supervisor) -> None:
    """var/run.json: all that a foreign tool needs."""
    instance = supervisor.instance
    ports, secret = instance.ports, instance.secrets
    write_private(
        instance.folder / "run.json",
        json.dumps(
            {
                "sip": {"host": HOST, "port": ports.sip},
                "carrier": {"host": HOST, "port": ports.carrier},
                "ari": {"url": f"http://{HOST}:{ports.ari}/ari", "user": "connector", "password": secret.ari},
                "ami": {"host": HOST, "port": ports.ami, "user": "connector", "password": secret.ami},
                "fastagi": {"host": HOST, "port": ports.fastagi, "secret": secret.fastagi},
                "web": {
                    "url": f"http://{HOST}:{ports.web}",
                    "token": secret.web,
                    "owner": sample.OWNER,
                    "link": f"http://{HOST}:{ports.web}/welcome?link={supervisor.link}" if supervisor.link else None,
                },
                "pids": {
                    "connector": supervisor.pid("connector"),
                    "control": supervisor.pid("control"),
                    "asterisk": supervisor.pid("asterisk"),
                    "carrier": supervisor.pid("far-end"),
                },
                "profiles": [
                    {
                        "name": p.name,
                        "username": p.username,
                        "password": p.password,
                        "channels": p.channels,
                        "numbers": list(p.numbers),
                    }
                    for p in supervisor.profiles
                ],
                "numbers": far_end.NUMBERS,
            },
            indent=2,
        )
        + "\n",
    )


def _get(url: str) -> dict[str, object] | None:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            found: dict[str, object] = json.loads(answer.read())
            return found
    except (urllib.error.URLError, OSError, ValueError):
        return None


def _show_cdrs(folder: Path, *, all_there: bool) -> None:
    if not process.waited(lambda: len(_newest(folder)) == 2 and not _live(folder), 5) and all_there:
        raise LabError("the two calls left no CDRs: " + str(folder / "log" / "connector.log"))
    print_cdrs(_newest(folder))


def _newest(folder: Path) -> list[history.CdrView]:
    store = FileStore(folder / "connector.db")
    try:
        return history.cdrs(2)
    finally:
        store.close()


def _live(folder: Path) -> list[calls.LiveCall]:
    store = FileStore(folder / "connector.db")
    try:
        return calls.live()
    finally:
        store.close()


def _say_where(supervisor: Supervisor) -> None:
    instance = supervisor.instance
    first = supervisor.profiles[0]
    print(
        f"up: SIP at {HOST}:{instance.ports.sip} (udp)\n"
        f"  a phone:     user {first.username}, its password is in var/run.json; call {far_end.NUMBERS['answered']}\n"
        f"  the pages:   {_page(supervisor)}\n"
        f"  the command: .venv/bin/connector cdr list | calls | profile list | doctor\n"
        f"  the logs:    var/log, var/asterisk/log\n"
        f"Ctrl-C ends it",
        flush=True,
    )


def _page(supervisor: Supervisor) -> str:
    """Where the owner of the sample signs in; the first time by a link that is good once."""
    url = f"http://{HOST}:{supervisor.instance.ports.web}"
    if supervisor.link:
        return f"{url}/welcome?link={supervisor.link}"
    return f"{url}, as {sample.OWNER}; 'connector user link {sample.OWNER}' makes a new link"


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
