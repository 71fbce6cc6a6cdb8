"""The proofs of the limit: SIPp around a real Asterisk, and then the books compared with what SIPp counted.

Each scenario is a function of a Bench and returns an Outcome; an Outcome with problems has failed. `make load` runs
them all on a lab of its own, `tests/sipp` runs the same functions.
"""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from connector.asterisk import pjsip
from connector.billing import calls, history, reports
from connector.billing.history import CdrView
from connector.clock import SystemClock
from connector.core import refusals
from connector.storage import stores
from lab import process, sipp
from lab.errors import LabError
from lab.far_end import NUMBERS
from lab.instance import Instance, remove, write_private
from lab.ports import HOST, Ports
from lab.proxy import Proxy
from lab.root import Program, find_asterisk, find_sipp
from lab.run import ASTERISK_HOME, VAR, Supervisor
from lab.sample import SampleProfile

T = TypeVar("T")

LIMIT = 300
PORT_BASE = 15160
QUIET_LIMIT_S = 30.0
# The two processes of the connector: the gate, which has the name that its pid has in run.json, and control.
BOTH = ("connector", "control")
# Calls of this one are up until the far end is told to hang up: however slow the machine, none is over too soon.
UNTIL_BYE = "mixed-endings/callee-first.xml"


@dataclass
class Outcome:
    """What a scenario did and found. `problems` is empty if all that must hold did hold."""

    name: str
    offered: int = 0
    admitted: int = 0
    refused: int = 0
    cdrs: int = 0
    took_s: float = 0
    problems: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def check(self, what: str, found: object, wanted: object) -> None:
        """Note a problem unless `found` is what is wanted."""
        if found != wanted:
            self.problems.append(f"{what}: {found}, not {wanted}")


class Bench:
    """A running lab, and hands for it: start SIPp, look into the store, ask Asterisk."""

    def __init__(self, supervisor: Supervisor, program: Program, folder: Path) -> None:
        self.instance: Instance = supervisor.instance
        self.supervisor = supervisor
        self.profiles: list[SampleProfile] = supervisor.profiles
        self.program = program
        self.folder = folder
        self._runs = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._ari: http.client.HTTPConnection | None = None
        self._seen: set[str] = set()

    def caller(
        self,
        scenario: str,
        count: int,
        rate: float,
        number: str = "answered",
        *,
        profile: int = 0,
        to_port: int = 0,
        **how: Any,
    ) -> sipp.Run:
        """SIPp as the PBX of a profile: `count` calls to one of the far end's numbers, by another port than Asterisk's
        if it is given. `how` are fields of sipp.Run.
        """
        found = self.profiles[profile]
        row = (found.username, sipp.authentication(found.username, found.password), NUMBERS[number])
        return self.sipp(scenario, row, to_port or self.instance.ports.sip, calls=count, rate=rate, **how)

    def restart_far_end(self) -> None:
        """Have the lab's own PBXs register again, after a test whose phone took their contact."""
        self.supervisor.restart("far-end")
        assert process.waited(lambda: self.instance.far_end_registered() == len(self.profiles), 15)

    def network(
        self, count: int, rate: float, scenario: str = "both-ways/network.xml", *, profile: int = 0, **how: Any
    ) -> sipp.Run:
        """SIPp as somebody in the telephone network: `count` calls to the profile's first number."""
        row = ("+442079460999", "", self.profiles[profile].numbers[0])
        return self.sipp(scenario, row, self.instance.ports.carrier, calls=count, rate=rate, **how)

    def sipp(self, scenario: str, row: tuple[str, str, str], to_port: int, **how: Any) -> sipp.Run:
        """SIPp with a row of its own (user, authentication, number), in a folder of its own."""
        self._runs += 1
        folder = self.folder / f"{self._runs:03d}-{Path(scenario).stem}"
        return sipp.Run(self.program, sipp.SCENARIOS / scenario, folder, (HOST, to_port), rows=(row,), **how)

    def live(self, profile: int | None = None) -> int:
        """How many calls the store holds, of all profiles or of one."""
        found = self.in_store(calls.live)
        return sum(1 for call in found if profile is None or call.profile == self.profiles[profile].name)

    def answered(self) -> int:
        """How many of them have been answered."""
        return sum(1 for call in self.in_store(calls.live) if call.answered_at is not None)

    @contextmanager
    def with_settings(self, more: str, *, after: str = "") -> Iterator[None]:
        """The connector restarted with more settings, at the end or right after a line, and afterwards with the usual.

        LabError if it stays away.
        """
        with self._restarted(lambda usual: usual.replace(after, after + more) if after else usual + more):
            yield

    @contextmanager
    def without_connector(self) -> Iterator[None]:
        """Asterisk with no connector beside it, and so with no ARI application; afterwards the usual one."""
        for part in BOTH:
            self.supervisor.end(part)
        try:
            yield
        finally:
            self.supervisor.restart(*BOTH)
            if not process.waited(self.supervisor.ready, 15):
                raise LabError("the connector is not ready within 15 s of its restart")

    @contextmanager
    def faulty(self, fault: str = "") -> Iterator[None]:
        """The connector that can have faults (lab/faulty.py), and at once has this one; afterwards the usual one."""
        mark = self.instance.folder / "faulty"
        mark.touch()
        usual = self.instance.settings_path.read_text()
        try:
            self._restart_with(usual)
            self.fault(fault)
            yield
        finally:
            self.fault("")
            mark.unlink()
            self._restart_with(usual)

    def fault(self, name: str) -> None:
        """From now on this goes wrong; "" for nothing."""
        path = self.instance.fault_path
        if name:
            write_private(path, name)
        else:
            path.unlink(missing_ok=True)

    @contextmanager
    def proxied(self) -> Iterator[Proxy]:
        """The connector with a proxy between it and ARI."""
        ari = self.instance.ports.ari
        with closing(Proxy(ari)) as proxy:
            port = f"port = {proxy.port}\n"
            with self._restarted(lambda usual: usual.replace(f"port = {ari}\n", port)):
                yield proxy

    def restored(self, limit_s: float = 90) -> bool:
        """Start again whatever died, and wait until calls are decided; whether they are, in time. A PBX that could not
        register tries again a minute later; who has a limit of time to hold measures it.
        """
        return process.waited(lambda: not self.supervisor.tend() and self.supervisor.ready(), limit_s, 0.2)

    @contextmanager
    def _restarted(self, changed: Callable[[str], str]) -> Iterator[None]:
        path = self.instance.settings_path
        usual = path.read_text()
        try:
            self._restart_with(changed(usual))
            yield
        finally:
            self._restart_with(usual)

    def _restart_with(self, settings: str) -> None:
        self.instance.settings_path.write_text(settings)
        self.supervisor.restart(*BOTH)
        if not process.waited(self.supervisor.ready, 15):
            raise LabError("the connector is not ready within 15 s of its restart")

    def close(self) -> None:
        """End the lab."""
        if self._ari is not None:
            self._ari.close()
        self.supervisor.stop()

    def hang_up(self, leg: str) -> None:
        """End one leg, as an admin would."""
        self.ari(f"/channels/{leg}", "DELETE")

    def ari(self, path: str, method: str = "GET") -> Any:
        """Ask Asterisk over HTTP, for the connector has the websocket; None if it is not there."""
        word = base64.b64encode(f"connector:{self.instance.secrets.ari}".encode()).decode()
        for last in (False, True):  # Asterisk closes a connection that was idle: then it is opened anew
            if self._ari is None:
                self._ari = http.client.HTTPConnection(HOST, self.instance.ports.ari, timeout=10)
            try:
                self._ari.request(method, f"/ari{path}", headers={"Authorization": f"Basic {word}"})
                answer = self._ari.getresponse()
                text = answer.read()
                return json.loads(text) if answer.status == 200 else None
            except (OSError, http.client.HTTPException) as error:
                self._ari.close()
                self._ari = None
                if last:
                    raise LabError(f"Asterisk does not answer {path}: {error}") from error
        return None

    def legs(self) -> list[dict[str, Any]]:
        """Asterisk's channels."""
        found: list[dict[str, Any]] = self.ari("/channels")
        return found

    def talking(self) -> int:
        """How many calls Asterisk has joined."""
        return self.instance.asterisk.joined(self.instance.folder / "asterisk" / "etc")

    def begin(self, name: str) -> Outcome:
        """A scenario begins: nothing may be up, and CDRs are counted from here."""
        outcome = Outcome(name)
        self.settle(outcome, "at the beginning")
        self._seen = {cdr.id for cdr in self.in_store(lambda: history.cdrs(1_000_000))}
        outcome.took_s = -time.monotonic()
        return outcome

    def end(self, outcome: Outcome) -> list[CdrView]:
        """A scenario is over: nothing may be up, in the store or in Asterisk; its CDRs."""
        self.settle(outcome, "at the end")
        outcome.took_s = round(outcome.took_s + time.monotonic(), 1)
        new = self.new_cdrs()
        outcome.cdrs = len(new)
        return new

    def new_cdrs(self) -> list[CdrView]:
        """The CDRs since the scenario began."""
        return [cdr for cdr in self.in_store(lambda: history.cdrs(1_000_000)) if cdr.id not in self._seen]

    def talked_ms(self) -> dict[str, int]:
        """How many milliseconds each call talked, by its id, as Asterisk itself wrote it down.

        After a cut-off the gate leg runs a few steps of dialplan more, a line of its own: the longer one talked.
        """
        journal = self.instance.folder / "asterisk" / "log" / "cdr-custom" / "connector.csv"
        found: dict[str, int] = {}
        for line in journal.read_text().splitlines():
            call, *_, answer, end, _ = (word.strip('"') for word in line.split(","))
            if answer:
                found[call] = max(found.get(call, 0), (_micros(end) - _micros(answer)) // 1000)
        return found

    def check_durations(self, outcome: Outcome, cdrs: Sequence[CdrView]) -> None:
        """Note a problem if a CDR is not as long as Asterisk's own, to 200 ms."""
        talked = self.talked_ms()
        wrong = [cdr.id for cdr in cdrs if abs(cdr.duration_ms - talked.get(cdr.id, -1_000)) > 200]
        outcome.check("CDRs that are not as long as Asterisk's own", wrong, [])

    def settle(self, outcome: Outcome, when: str) -> None:
        """Wait until no call and no leg is left, and note a problem if some stay."""
        if not process.waited(lambda: self.live() == 0 and not self.legs(), QUIET_LIMIT_S, 0.1):
            outcome.problems.append(f"{when}: {self.live()} calls in the store, {len(self.legs())} legs in Asterisk")

    def config(self) -> str:
        """The config of PJSIP that the connector made last."""
        return (self.instance.generated / pjsip.FILE_NAME).read_text()

    def is_configured(self, text: str, *, there: bool = True) -> bool:
        """Whether that config says this, or does not, and Asterisk has loaded it. A connector that has started admits
        calls before it has applied what its settings change.
        """
        said = self.config()
        found = self.ari(f"/asterisk/config/dynamic/res_pjsip/aor/{pjsip.VERSION}") or []
        version = next((field["value"] for field in found if field["attribute"] == "voicemail_extension"), "")
        return (text in said) is there and version == pjsip.loaded_version(said)

    def until(self, outcome: Outcome, what: str, condition: Callable[[], bool], limit_s: float) -> None:
        """Wait for a condition, and note a problem if it does not come."""
        if not process.waited(condition, limit_s, 0.1):
            outcome.problems.append(f"not within {limit_s:.0f} s: {what}")

    def until_refused(self, outcome: Outcome, count: int) -> None:
        """Wait until this many calls have been refused since the scenario began: one that SIPp offers later than that,
        when others have hung up already, is admitted rightly.
        """

        def refused() -> int:
            return sum(1 for cdr in self.new_cdrs() if cdr.ending == "refused")

        self.until(outcome, f"{count} calls are refused", lambda: refused() == count, 12)

    def in_store(self, question: Callable[[], T]) -> T:
        """Ask something of the lab's store, or do something in it, beside the connector that runs."""
        store = stores.opened(self.instance.store)
        try:
            return question()
        finally:
            store.close()


def _micros(moment: str) -> int:
    seconds, _, micros = moment.partition(".")
    return int(seconds) * 1_000_000 + int(micros)


def hold_and_refuse(bench: Bench) -> Outcome:
    """300 calls are held, 20 more are refused with 503, 300 hang up, and then one more is admitted."""
    outcome = bench.begin("300 held, 20 more offered")
    held = bench.caller(UNTIL_BYE, LIMIT, 50).start()
    bench.until(outcome, "300 calls are up", lambda: bench.answered() == LIMIT, 15)
    more = bench.caller("hold-and-refuse/caller.xml", 20, 20).start().wait(30)
    outcome.check("of 20 more, refused", more.counts.get("refused"), 20)
    outcome.check("calls that stay up", bench.live(), LIMIT)
    outcome.check("legs that stay up", sum(1 for leg in bench.legs() if leg["state"] == "Up"), 2 * LIMIT)
    bench.instance.far_end_hangs_up()
    first = held.wait(60)
    outcome.check("of 300, answered and hung up", (first.successful, first.counts.get("ended")), (LIMIT, LIMIT))
    bench.settle(outcome, "after 300 hung up")
    last = bench.caller("hold-and-refuse/caller.xml", 1, 1).start().wait(30)
    outcome.check("one more, answered", last.counts.get("answered"), 1)
    return _booked(bench, outcome, offered=321, admitted=301)


def burst(bench: Bench) -> Outcome:
    """320 calls at once: exactly 300 are admitted."""
    before = _blocked(bench)
    outcome = bench.begin("320 at once")
    run = bench.caller(UNTIL_BYE, 320, 320, rate_period_ms=100).start()
    bench.until(outcome, "300 calls are up", lambda: bench.answered() == LIMIT, 12)
    bench.until_refused(outcome, 20)
    outcome.check("calls that are up", bench.live(), LIMIT)
    bench.instance.far_end_hangs_up()
    result = run.wait(60)
    outcome.check("answered", result.counts.get("ended"), LIMIT)
    outcome.check("refused with 503", result.counts.get("refused"), 20)
    booked = _booked(bench, outcome, offered=320, admitted=LIMIT)
    told = _blocked(bench)
    outcome.check("blocked in the report", told[0] - before[0], result.counts.get("refused"))
    outcome.check("refused calls are worth something", told[1] > before[1], True)
    outcome.check("most channels in use", told[2], LIMIT)
    return booked


def _blocked(bench: Bench) -> tuple[int, int, int]:
    """Of the month's report of the first profile: calls that found it full, their worth, the most channels in use."""
    username = bench.profiles[0].username
    report = bench.in_store(lambda: reports.of_profile(username, None, SystemClock().now_ms()))
    full = [each for each in report.refusals if each.refusal == "channels_full"]
    most = max((day.peak or 0 for day in report.days), default=0)
    return sum(each.calls for each in full), sum(each.worth_micros for each in full), most


# kind: scenario, calls a second, the far end's number, the ending in the CDR, words
_KINDS: dict[str, tuple[str, int, str, str, dict[str, str]]] = {
    "answer": ("hold-and-refuse/caller.xml", 32, "answered", "ok", {}),
    "busy": ("mixed-endings/refusal.xml", 3, "busy", "busy", {"status": "486"}),
    "no answer": ("mixed-endings/refusal.xml", 3, "rings_briefly", "no_answer", {"status": "480"}),
    "cancel": ("mixed-endings/cancel.xml", 4, "no_answer", "no_answer", {}),
    "404": ("mixed-endings/refusal.xml", 3, "unknown", "failed", {"status": "404"}),
    "503": ("mixed-endings/unavailable.xml", 2, "unavailable", "failed", {}),
    "callee hangs up": ("mixed-endings/callee-first.xml", 3, "hangs_up", "ok", {}),
}


def mixed_endings(bench: Bench, seconds: int = 60) -> Outcome:
    """50 calls a second for a minute, across the limit, ending in every way: the books agree with SIPp."""
    offered = seconds * sum(rate for _, rate, _, _, _ in _KINDS.values())
    outcome = bench.begin(f"{offered} short calls, mixed endings")
    runs = {
        kind: bench.caller(scenario, rate * seconds, rate, number, hold_s=10, words=words).start()
        for kind, (scenario, rate, number, _, words) in _KINDS.items()
    }
    results = {kind: run.wait(seconds + 60) for kind, run in runs.items()}
    cdrs = bench.end(outcome)
    by_number = {
        number: Counter(cdr.ending if cdr.refusal is None else cdr.refusal for cdr in cdrs if cdr.called == number)
        for number in NUMBERS.values()
    }
    for kind, (_, rate, number, ending, _) in _KINDS.items():
        count = rate * seconds
        result, books = results[kind], by_number[NUMBERS[number]]
        outcome.check(f"{kind}: calls that went as they should", result.successful, count)
        refused = books["channels_full"]
        if kind == "503":  # the same answer from the carrier and from us: SIPp counts them together
            outcome.check(f"{kind}: CDRs", refused + books[ending], result.counts.get("ended"))
        else:
            ended = result.counts.get("answered", 0) + result.counts.get("ended", 0)
            outcome.check(f"{kind}: refused in the CDRs", refused, result.counts.get("refused", 0))
            outcome.check(f"{kind}: {ending} in the CDRs", books[ending], ended)
        outcome.check(f"{kind}: all CDRs", books.total(), count)
        outcome.figures[kind] = dict(books)
    outcome.offered = offered
    outcome.refused = sum(1 for cdr in cdrs if cdr.ending == "refused")
    outcome.admitted = len(cdrs) - outcome.refused
    outcome.check("CDRs", len(cdrs), offered)
    if outcome.refused == 0 and seconds >= 60:
        outcome.problems.append("the limit was not crossed")
    return outcome


def media(bench: Bench) -> Outcome:
    """300 calls that talk: on every leg of every one, packets come and go, and nobody is cut."""
    outcome = bench.begin("300 calls with RTP")
    sound = bench.folder / "one-second.alaw"
    sound.write_bytes(bytes(range(0x55, 0x55 + 80)) * 100)
    # 300 calls that talk without pause take all of two slow processors, and calls fail for that. So they are set up
    # slowly, and are silent every other second, as people are.
    rate, hold_s = 12, 42
    words = {"sound": str(sound), "times": str(hold_s // 2)}
    run = bench.caller("media/caller.xml", LIMIT, rate, words=words, media_port=28000).start()
    bench.until(outcome, "300 calls are up", lambda: bench.answered() == LIMIT, hold_s - 2)
    flows = _packets_a_second(bench)
    both_ways = [leg for leg, packets in flows.items() if packets >= 12]
    outcome.check("legs with 12 packets a second and more, each way", len(both_ways), 2 * LIMIT)
    outcome.figures["packets a second, each way and leg, least"] = round(min(flows.values(), default=0))
    result = run.wait(120)
    outcome.check("calls that talked to their end", result.successful, LIMIT)
    cdrs = bench.new_cdrs()
    short = [cdr.duration_ms for cdr in cdrs if cdr.duration_ms < (hold_s - 1) * 1000]
    outcome.check("calls cut short", len(short), 0)
    return _booked(bench, outcome, offered=LIMIT, admitted=LIMIT)


def both_ways(bench: Bench) -> Outcome:
    """150 calls out and 150 in fill the profile; then both ways are refused."""
    outcome = bench.begin("150 out and 150 in, 10 more each way")
    out = bench.caller(UNTIL_BYE, 150, 20).start()
    into = bench.network(150, 20, "both-ways/network-until-bye.xml").start()
    bench.until(outcome, "300 calls are up", lambda: bench.answered() == LIMIT, 16)
    more_out = bench.caller("hold-and-refuse/caller.xml", 10, 20).start()
    more_in = bench.network(10, 20).start()
    outcome.check("10 more out, refused", more_out.wait(30).counts.get("refused"), 10)
    outcome.check("10 more in, refused", more_in.wait(30).counts.get("refused"), 10)
    outcome.check("calls that stay up", bench.live(), LIMIT)
    bench.instance.far_end_hangs_up()
    outcome.check("out, answered", out.wait(60).counts.get("ended"), 150)
    outcome.check("in, answered", into.wait(60).counts.get("ended"), 150)
    _booked(bench, outcome, offered=320, admitted=LIMIT)
    ways = Counter((cdr.direction, cdr.ending) for cdr in bench.new_cdrs())
    outcome.check(
        "CDRs by way",
        ways,
        Counter({("out", "ok"): 150, ("in", "ok"): 150, ("out", "refused"): 10, ("in", "refused"): 10}),
    )
    return outcome


def second_profile(bench: Bench) -> Outcome:
    """While the first profile is full, the second has all its channels, and its own limit."""
    outcome = bench.begin("a second profile beside a full one")
    held = bench.caller(UNTIL_BYE, LIMIT, 50).start()
    bench.until(outcome, "the first profile is full", lambda: bench.answered() == LIMIT, 15)
    channels = bench.profiles[1].channels
    second = bench.caller(UNTIL_BYE, channels, 20, profile=1).start()
    bench.until(outcome, "the second has all its channels", lambda: bench.live(1) == channels, 5)
    beyond = bench.caller("hold-and-refuse/caller.xml", 2, 20, profile=1).start().wait(20)
    outcome.check("beyond the second's limit, refused", beyond.counts.get("refused"), 2)
    bench.instance.far_end_hangs_up()
    outcome.check("the second's calls, answered", second.wait(30).counts.get("ended"), channels)
    outcome.check("the first's calls, answered", held.wait(60).counts.get("ended"), LIMIT)
    return _booked(bench, outcome, offered=LIMIT + channels + 2, admitted=LIMIT + channels)


SCENARIOS: tuple[Callable[[Bench], Outcome], ...] = (
    hold_and_refuse,
    burst,
    mixed_endings,
    media,
    both_ways,
    second_profile,
)


def open_bench(folder: Path, port_base: int) -> Bench:
    """A lab of its own in `folder`, started. Its `close` ends it."""
    ports = Ports.from_base(port_base)
    ports.check_free()
    asterisk, program = find_asterisk(ASTERISK_HOME), find_sipp(ASTERISK_HOME)
    supervisor = Supervisor(Instance(folder, ports, asterisk))
    try:
        supervisor.start()
    except BaseException:
        supervisor.stop()
        raise
    return Bench(supervisor, program, folder / "sipp")


def run_all(times: int = 1) -> bool:
    """`make load`: every scenario, with progress, a table, and var/load.json; whether all went well."""
    console = Console()
    folder = VAR / "load"
    Ports.from_base(PORT_BASE).check_free()  # before its folder is removed: another one may run in it
    remove(folder)
    bench = open_bench(folder, PORT_BASE)
    outcomes: list[Outcome] = []
    try:
        for _ in range(times):
            for scenario in SCENARIOS:
                console.print(f"  {(scenario.__doc__ or scenario.__name__).splitlines()[0]}")
                outcomes.append(tried(bench, scenario))
    finally:
        bench.close()
    (VAR / "load.json").write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=2) + "\n")
    well = told(console, table(outcomes, "The limit"), outcomes)
    console.print(f"written to {VAR / 'load.json'}; SIPp's files lie in {bench.folder}")
    return well


def tried(bench: Bench, scenario: Callable[[Bench], Outcome]) -> Outcome:
    """Play a scenario; that the lab itself failed is a problem like others."""
    try:
        return scenario(bench)
    except LabError as error:
        return Outcome(scenario.__name__, problems=[str(error)])


def told(console: Console, shown: Table, outcomes: Sequence[Outcome]) -> bool:
    """Show what happened and, one by one, what did not hold; whether all did."""
    console.print(shown)
    for outcome in outcomes:
        for problem in outcome.problems:
            console.print(f"[red]{outcome.name}[/red]: {problem}", highlight=False)
    return not any(outcome.problems for outcome in outcomes)


def table(outcomes: list[Outcome], title: str) -> Table:
    """What the scenarios did, for a person."""
    made = Table("Scenario", "Offered", "Admitted", "Refused", "CDRs", "Seconds", "", title=title)
    for outcome in outcomes:
        sign = "[red]failed[/red]" if outcome.problems else "[green]ok[/green]"
        counts = (outcome.offered, outcome.admitted, outcome.refused, outcome.cdrs, outcome.took_s)
        made.add_row(outcome.name, *(str(count) for count in counts), sign)
    return made


def _booked(bench: Bench, outcome: Outcome, *, offered: int, admitted: int) -> Outcome:
    """The books at the end: one CDR for each call offered, `ok` for each admitted, `channels_full` for the rest."""
    cdrs = bench.end(outcome)
    outcome.offered, outcome.admitted, outcome.refused = offered, admitted, offered - admitted
    outcome.check("CDRs", len(cdrs), offered)
    endings = Counter(cdr.ending for cdr in cdrs)
    outcome.check("CDRs by ending", endings, +Counter({"ok": admitted, "refused": offered - admitted}))
    reasons = {(cdr.refusal, cdr.cause) for cdr in cdrs if cdr.ending == "refused"}
    full = refusals.CHANNELS_FULL
    outcome.check("reasons", reasons, {(full.code, full.cause)} if offered > admitted else set())
    return outcome


def _packets_a_second(bench: Bench) -> dict[str, float]:
    """Packets a second, the less of received and sent, by leg, as Asterisk counts them over three seconds and more.

    To ask 600 legs takes seconds on a busy machine: each has a span of its own, and the second round waits no longer
    than it must, for calls end.
    """
    before = {leg["id"]: (time.monotonic(), _packets(bench, leg["id"])) for leg in bench.legs()}
    found = {}
    for leg, (at, then) in before.items():
        time.sleep(max(0.0, at + 3 - time.monotonic()))  # the span that is measured
        now = _packets(bench, leg)
        if then is not None and now is not None:
            found[leg] = min(b - a for a, b in zip(then, now, strict=True)) / (time.monotonic() - at)
    return found


def _packets(bench: Bench, leg: str) -> tuple[int, int] | None:
    counted = bench.ari(f"/channels/{leg}/rtp_statistics")
    return None if counted is None else (counted["rxcount"], counted["txcount"])
