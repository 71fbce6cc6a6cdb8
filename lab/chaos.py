"""Whatever dies: `make chaos` breaks one thing after the other under calls, and says what has to hold and held.

Each fault is a function of a Bench, its docstring is what must hold; it returns an Outcome, whose problems are what did
not. After each of them, whatever it was: no call and no leg left, no hold, a ledger that adds up, and one CDR for each
call that was carried. `make test` runs the quick ones, tests/lab/test_sim.py those that need a clock that can be set.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import peewee
from rich.console import Console
from rich.table import Table

from connector.billing import calls, credit, ledger, plans, profiles
from connector.billing.history import CdrView
from connector.billing.profiles import Credentials
from connector.clock import SystemClock
from connector.core.money import MICROS
from connector.database.store import reading, rows
from lab import api, process, sipp
from lab.far_end import NUMBERS
from lab.instance import remove
from lab.load import LIMIT, PORT_BASE, UNTIL_BYE, Bench, Outcome, open_bench, told, tried
from lab.ports import HOST, Ports
from lab.run import VAR
from lab.sample import COMPANY

HOLD = "hold-and-refuse/caller.xml"
SERVING_AGAIN_S = 10.0
SOME = 10
_CENT = MICROS // 100


def connector_killed(bench: Bench, count: int = SOME, hold_s: float = 15) -> Outcome:
    """Calls talk on and end on time, new ones get 503 at once; serving again in 10 s, and each is billed once."""
    outcome = bench.begin(f"kill -9 of the connector, {count} calls up")
    held = _up(bench, outcome, count, hold_s)
    os.kill(bench.supervisor.pid("connector"), signal.SIGKILL)
    began = time.monotonic()
    refused = bench.caller(HOLD, 3, 10).start().wait(20)
    outcome.check("new calls refused", refused.counts.get("refused"), 3)
    _within(outcome, "they were refused", began, 4)
    outcome.check("legs that talk on", len(bench.legs()), 2 * count)
    began = time.monotonic()
    outcome.check("serving again", bench.restored(), True)
    _within(outcome, "it served again", began, SERVING_AGAIN_S)
    outcome.check("calls adopted", bench.live(), count)
    _ended_on_time(bench, outcome, held, count, hold_s)
    return outcome


def connector_killed_with_300(bench: Bench) -> Outcome:
    """The same with 300 calls up: they talk on, end on time, and each is billed once; serving again in 10 s."""
    return connector_killed(bench, LIMIT, 25)


def killed_between_commit_and_answer(bench: Bench) -> Outcome:
    """The channel is given and Asterisk not told: the caller is refused, the channel is free, nothing is charged."""
    outcome = bench.begin("kill -9 between commit and answer to Asterisk")
    with bench.faulty("killed after admission"):
        refused = bench.caller(HOLD, 1, 1).start()
        outcome.check("it died", process.waited(lambda: bench.supervisor.tend() == ["connector"], 5), True)
        outcome.check("serving again", bench.restored(), True)
        outcome.check("the caller was refused", refused.wait(20).counts.get("refused"), 1)
        outcome.check("CDRs", [(cdr.ending, cdr.price_micros) for cdr in bench.end(outcome)], [("failed", 0)])
    return outcome


def killed_between_hang_up_and_settling(bench: Bench) -> Outcome:
    """The hang-up was heard and not booked: it is, after the start, from Asterisk's journal, to the millisecond."""
    outcome = bench.begin("kill -9 between hang-up and settling")
    with bench.faulty():
        held = _up(bench, outcome, 5, 4)
        bench.fault("killed before settling")
        outcome.check("calls that ended well", held.wait(30).successful, 5)
        outcome.check("it died", process.waited(lambda: bench.supervisor.tend() == ["connector"], 10), True)
        outcome.check("serving again", bench.restored(), True)
        _all_ok(outcome, bench.end(outcome), 5, 4)
    return outcome


def ended_while_dead(bench: Bench) -> Outcome:
    """Some nobody heard end, some nobody heard answered: Asterisk's journal has it all, to the millisecond."""
    outcome = bench.begin("calls answered and ended while the connector is dead")
    held = bench.caller(UNTIL_BYE, 5, 40).start()
    bench.until(outcome, "5 calls are up", lambda: bench.answered() == 5, 10)
    late = bench.caller(UNTIL_BYE, 2, 20, "answers_late").start()
    bench.until(outcome, "two more ring", lambda: _with_both_legs(bench) == 7, 10)
    os.kill(bench.supervisor.pid("connector"), signal.SIGKILL)
    up = process.waited(lambda: sum(1 for leg in bench.legs() if leg["state"] == "Up") == 14, 15)
    outcome.check("all talk", up, True)
    time.sleep(2)  # they talk
    told_at = _now()
    bench.instance.far_end_hangs_up()
    outcome.check("calls that ended well", (held.wait(30).successful, late.wait(30).successful), (5, 2))
    over_at = _now()
    outcome.check("rows that wait", bench.live(), 7)
    outcome.check("serving again", bench.restored(), True)
    cdrs = bench.end(outcome)
    outcome.check("endings", {(cdr.ending, cdr.cause) for cdr in cdrs}, {("ok", 16)})
    outcome.check("CDRs without the other leg", sum(1 for cdr in cdrs if not cdr.other_leg), 0)
    outcome.check("talked less than they did", [cdr.duration_ms for cdr in cdrs if cdr.duration_ms < 1_900], [])
    elsewhen = [cdr.ended_at for cdr in cdrs if not told_at - 500 <= cdr.ended_at <= over_at + 500]
    outcome.check("ended when nobody hung up", elsewhen, [])
    bench.check_durations(outcome, cdrs)
    return outcome


def _with_both_legs(bench: Bench) -> int:
    """How many calls the store knows both legs of: an admitted one has one at first."""
    return sum(1 for call in bench.in_store(calls.live) if call.other_leg)


def asterisk_killed(bench: Bench) -> Outcome:
    """Its calls are gone and leave the store, charged to when they were known alive; new ones are admitted."""
    outcome = bench.begin("kill -9 of Asterisk")
    held = _up(bench, outcome, 5, 30)
    began = time.monotonic()
    os.kill(bench.supervisor.pid("asterisk"), signal.SIGKILL)
    held.end()
    outcome.check("serving again", bench.restored(), True)
    bench.settle(outcome, "after Asterisk came back")
    _one_more(bench, outcome)
    cdrs = bench.end(outcome)
    outcome.check("endings", sorted(cdr.ending for cdr in cdrs), ["estimated"] * 5 + ["ok"])
    talked_ms = (time.monotonic() - began + 5) * 1000
    outcome.check("charged too long", [cdr.duration_ms for cdr in cdrs if cdr.duration_ms > talked_ms], [])
    return outcome


def both_killed(bench: Bench) -> Outcome:
    """Connector and Asterisk at once: every row is settled once, as an estimate, and new calls are admitted."""
    outcome = bench.begin("kill -9 of connector and Asterisk together")
    held = _up(bench, outcome, 5, 30)
    for name in ("connector", "asterisk"):
        os.kill(bench.supervisor.pid(name), signal.SIGKILL)
    held.end()
    outcome.check("serving again", bench.restored(), True)
    bench.settle(outcome, "after both came back")
    _one_more(bench, outcome)
    outcome.check("endings", sorted(cdr.ending for cdr in bench.end(outcome)), ["estimated"] * 5 + ["ok"])
    return outcome


def control_killed(bench: Bench, kills: int = 6) -> Outcome:
    """Calls talk and are set up as if nothing were; what is asked of it meanwhile is done once, however often asked."""
    outcome = bench.begin("kill -9 of the control process, again and again")
    gate, profile = bench.supervisor.pid("connector"), bench.profiles[0].username
    url = f"http://{HOST}:{bench.instance.ports.web}/api/v1/profiles/{profile}/credit/add"
    token, moment = api.token_of(bench), random.Random(17)
    before = bench.in_store(lambda: credit.balance(COMPANY)).available_micros
    held = _up(bench, outcome, SOME, 20)
    more = bench.caller(HOLD, 300, 20, hold_s=1).start()
    with _asked(lambda key: api.post(url, token, {"amount_micros": _CENT}, key)) as done:
        for _ in range(kills):
            process.waited(bench.supervisor.healthy, 10)
            time.sleep(moment.uniform(0, 0.5))  # any moment
            os.kill(bench.supervisor.pid("control"), signal.SIGKILL)
            outcome.check("it died", process.waited(lambda: bench.supervisor.tend() == ["control"], 5), True)
            bench.supervisor.forgive()
    outcome.check("calls meanwhile, answered", more.wait(60).counts.get("answered"), 300)
    outcome.check("calls that talked on", held.wait(60).counts.get("answered"), SOME)
    outcome.check("the same gate", bench.supervisor.pid("connector"), gate)
    cdrs = bench.end(outcome)
    outcome.check("endings", Counter(cdr.ending for cdr in cdrs), {"ok": 300 + SOME})
    outcome.check("control is back", process.waited(bench.supervisor.healthy, 20), True)
    after = bench.in_store(lambda: credit.balance(COMPANY)).available_micros
    outcome.check("cents that were moved", before - after, len(done) * _CENT)
    outcome.figures["requests done once"] = len(done)
    return outcome


@contextmanager
def _asked(post: Callable[[str], int]) -> Iterator[list[str]]:
    """Somebody asks for one thing after the other, each until it is answered with success; the keys of what is done."""
    done: list[str] = []
    over = threading.Event()

    def ask() -> None:
        """One after the other."""
        while not over.is_set():
            key = uuid.uuid4().hex
            while post(key) != HTTPStatus.OK:
                time.sleep(0.05)  # it starts
            done.append(key)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join()


def connector_stopped(bench: Bench) -> Outcome:
    """SIGSTOP: new calls are refused by the gate's timeout; awake again, all is as before."""
    outcome = bench.begin("SIGSTOP and SIGCONT of the connector")
    with process.stopped(bench.supervisor.pid("connector")):
        began = time.monotonic()
        refused = bench.caller(HOLD, 3, 10).start().wait(20)
        outcome.check("refused", refused.counts.get("refused"), 3)
        _within(outcome, "they were refused", began, 12)
    outcome.check("serving again", bench.restored(), True)
    bench.settle(outcome, "after it woke")
    _one_more(bench, outcome)
    cdrs = bench.end(outcome)
    outcome.check("CDRs for one leg", len(cdrs) - len({cdr.gate_leg for cdr in cdrs}), 0)
    outcome.check("refusals", {cdr.refusal for cdr in cdrs} - {None, "not_ready"}, set())
    return outcome


def asterisk_stopped(bench: Bench) -> Outcome:
    """SIGSTOP of Asterisk: the connector notices and admits nothing; afterwards its calls are as they were."""
    outcome = bench.begin("SIGSTOP and SIGCONT of Asterisk")
    held = _up(bench, outcome, 5, 30)
    with process.stopped(bench.supervisor.pid("asterisk")):
        silent = process.waited(lambda: not bench.supervisor.healthy(), 18, patience=1)
        outcome.check("the connector noticed", silent, True)
    outcome.check("serving again", bench.restored(), True)
    _ended_on_time(bench, outcome, held, 5, 30)
    return outcome


def loop_blocked(bench: Bench) -> Outcome:
    """The event loop stands still for 2 s: calls wait at the gate that long, and are admitted."""
    outcome = bench.begin("the event loop blocked for 2 s")
    with bench.faulty():
        held = _up(bench, outcome, 5, 8)
        bench.fault("blocked loop")
        more = bench.caller(HOLD, 5, 50, hold_s=2).start()
        outcome.check("calls during it, answered", more.wait(30).counts.get("answered"), 5)
        outcome.check("calls before it, ended well", held.wait(30).successful, 5)
        outcome.check("endings", [cdr.ending for cdr in bench.end(outcome)], ["ok"] * 10)
    return outcome


def websocket_flaps(bench: Bench) -> Outcome:
    """Cut five times in mid-call, calls ending meanwhile: each is billed once, to the millisecond."""
    outcome = bench.begin("websocket cut again and again")
    with bench.proxied() as proxy:
        held = _up(bench, outcome, SOME, 6)
        for _ in range(5):
            proxy.cut()
            time.sleep(0.8)  # the fault's own rhythm
        proxy.away(True)
        proxy.cut()
        outcome.check("calls that ended well", held.wait(30).successful, SOME)
        proxy.away(False)
        outcome.check("serving again", bench.restored(), True)
        _all_ok(outcome, bench.end(outcome), SOME, 6)
    return outcome


def websocket_dropped_silently(bench: Bench) -> Outcome:
    """No byte comes any more and nobody says so: noticed in seconds, nothing is admitted, and each call is billed."""
    outcome = bench.begin("websocket silently dropped")
    with bench.proxied() as proxy:
        held = _up(bench, outcome, 5, 12)
        proxy.silence(True)
        _two_refused(bench, outcome)
        noticed = process.waited(lambda: not bench.supervisor.healthy(), 15, patience=1)
        outcome.check("noticed", noticed, True)
        outcome.check("calls that ended well", held.wait(30).successful, 5)
        proxy.silence(False)
        proxy.cut()
        outcome.check("serving again", bench.restored(), True)
        _all_ok(outcome, _talked(bench, outcome), 5, 12)
    return outcome


def store_locked(bench: Bench) -> Outcome:
    """Somebody holds the store's lock for 5 s: new calls are refused, hang-ups are kept, and then all is booked."""
    outcome = bench.begin("store locked for 5 s")
    held = _up(bench, outcome, 5, 3)
    other = peewee.SqliteDatabase(str(bench.instance.folder / "connector.db"))
    other.execute_sql("BEGIN IMMEDIATE")  # type: ignore[no-untyped-call]
    began = time.monotonic()
    try:
        _two_refused(bench, outcome)
        outcome.check("calls that ended well", held.wait(30).successful, 5)
        process.waited(lambda: time.monotonic() - began > 5, 6)
    finally:
        other.close()
    _all_ok(outcome, _talked(bench, outcome), 5, 3)
    _one_more(bench, outcome)
    return outcome


def store_slow(bench: Bench) -> Outcome:
    """Each transaction takes 2 s: calls are admitted late or refused, none is lost, and each is billed once."""
    outcome = bench.begin("store slow, 2 s a transaction")
    with bench.faulty("slow store"):
        run = bench.caller(HOLD, 20, 20, hold_s=3).start().wait(60)
        bench.fault("")
        cdrs = bench.end(outcome)
        answered, refused = run.counts.get("answered", 0), run.counts.get("refused", 0)
        outcome.check("answered or refused", answered + refused, 20)
        outcome.check("CDRs of talk", sum(1 for cdr in cdrs if cdr.ending == "ok"), answered)
        outcome.figures["answered"] = answered
    return outcome


def disk_full(bench: Bench) -> Outcome:
    """No file can grow any more: new calls are refused, those that are up end well, and are booked when it can."""
    outcome = bench.begin("disk full")
    held = _up(bench, outcome, 5, 4)
    pid = bench.supervisor.pid("connector")
    with _limited(pid, resource.RLIMIT_FSIZE, 1):
        _two_refused(bench, outcome)
        outcome.check("calls that ended well", held.wait(30).successful, 5)
        outcome.check("rows that wait", bench.live() >= 5, True)
    _all_ok(outcome, _talked(bench, outcome), 5, 4)
    _one_more(bench, outcome)
    return outcome


def fsync_error(bench: Bench) -> Outcome:
    """Every commit fails: new calls are refused, and what happened is booked when commits work again."""
    return _commits_fail(bench, "fsync error")


def answers_lost(bench: Bench) -> Outcome:
    """Every commit is done and its answer lost: who was refused has no channel, who ended is billed once."""
    return _commits_fail(bench, "answers lost")


def _commits_fail(bench: Bench, fault: str) -> Outcome:
    outcome = bench.begin(f"{fault} at every commit")
    with bench.faulty():
        held = _up(bench, outcome, 5, 4)
        bench.fault(fault)
        _two_refused(bench, outcome)
        outcome.check("calls that ended well", held.wait(30).successful, 5)
        bench.fault("")
        _all_ok(outcome, _talked(bench, outcome), 5, 4)
        _one_more(bench, outcome)
    return outcome


def no_descriptors(bench: Bench) -> Outcome:
    """The connector may open no file more: calls go on and are billed, and nothing has to be started again."""
    outcome = bench.begin("file descriptors used up")
    held = _up(bench, outcome, 5, 4)
    pid = bench.supervisor.pid("connector")
    with _limited(pid, resource.RLIMIT_NOFILE, sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())):
        _one_more(bench, outcome)
        outcome.check("calls that ended well", held.wait(30).successful, 5)
    _all_ok(outcome, [cdr for cdr in bench.end(outcome) if cdr.duration_ms > 2_000], 5, 4)
    outcome.check("the same process", bench.supervisor.pid("connector"), pid)
    return outcome


def reload_with_300(bench: Bench) -> Outcome:
    """Asterisk reloads its SIP objects five times with 300 calls up: all go on until they are hung up."""
    outcome = bench.begin("config reload, 300 calls up")
    held = bench.caller(UNTIL_BYE, LIMIT, 40).start()
    bench.until(outcome, "300 calls are up", lambda: bench.answered() == LIMIT, 40)
    for _ in range(5):
        outcome.check("reload", bench.ari("/asterisk/modules/res_pjsip.so", "PUT"), None)
    outcome.check("calls that stay up", bench.live(), LIMIT)
    bench.instance.far_end_hangs_up()
    outcome.check("calls that ended well", held.wait(60).counts.get("ended"), LIMIT)
    cdrs = bench.end(outcome)
    outcome.check("endings", [cdr.ending for cdr in cdrs], ["ok"] * LIMIT)
    bench.check_durations(outcome, cdrs)
    return outcome


def bye_missing(bench: Bench) -> Outcome:
    """A PBX that is gone without a BYE sends no media either: its calls end soon, and are charged no longer."""
    outcome = bench.begin("missing BYE")
    with bench.with_settings("rtp_timeout_s = 3\n", after="[sip]\n"):
        bench.until(outcome, "Asterisk has the limit", lambda: bench.is_configured("rtp_timeout = 3\n"), 20)
        held = _up(bench, outcome, 3, 60)
        os.kill(held.child.pid, signal.SIGKILL)
        gone = process.waited(lambda: not bench.legs(), 12, 0.1)
        outcome.check("its calls ended", gone, True)
        cdrs = bench.end(outcome)
        outcome.check("endings", [cdr.ending for cdr in cdrs], ["media_lost"] * 3)
        outcome.check("longer than 12 s", [cdr.duration_ms for cdr in cdrs if cdr.duration_ms > 12_000], [])
    bench.until(outcome, "Asterisk has the usual limit", lambda: bench.is_configured("rtp_timeout = 300\n"), 20)
    return outcome


def profile_deleted(bench: Bench) -> Outcome:
    """The call goes on although its profile is gone from the store and from Asterisk, and is billed once."""
    outcome = bench.begin("profile deleted with a call up")
    made = bench.in_store(_leaving)
    endpoint = f"/endpoints/PJSIP/{made.username}"
    outcome.check("Asterisk knows it", process.waited(lambda: bench.ari(endpoint) is not None, 10), True)
    row = (made.username, sipp.authentication(made.username, made.password), NUMBERS["answered"])
    held = bench.sipp(HOLD, row, bench.instance.ports.sip, calls=1, rate=1, hold_s=6).start()
    bench.until(outcome, "it talks", lambda: bench.answered() == 1, 5)
    bench.in_store(lambda: plans.delete_profile(made.username, _now()))
    outcome.check("the call ended well", held.wait(20).successful, 1)
    _all_ok(outcome, bench.end(outcome), 1, 6)
    return outcome


def overloaded(bench: Bench, seconds: int = 120) -> Outcome:
    """Ten times what 300 channels carry: refusals within 1 s, memory flat, exact to the end, normal again in 10 s."""
    rate, hold_s = 60, 50  # 3,000 erlangs
    outcome = bench.begin(f"ten times the load for {seconds} s")
    timed = {"rtd": ' start_rtd="1"'}
    run = bench.caller("overload/caller.xml", rate * seconds, rate, hold_s=hold_s, limit=20_000, words=timed).start()
    process.waited(lambda: len(bench.legs()) > LIMIT, 20)
    # All calls of the first round have ended once.
    process.waited(lambda: run.child.poll() is not None, hold_s + 5, 1, patience=1)
    before = {name: _memory_mb(bench, name) for name in ("connector", "asterisk")}
    most = 0
    while run.progress().get("OutgoingCall(C)", 0) < rate * seconds and run.child.poll() is None:
        most = max(most, bench.live())
        time.sleep(1)  # the rhythm of the looking
    after = {name: _memory_mb(bench, name) for name in before}
    began = time.monotonic()
    quick = bench.caller(HOLD, 1, 1, profile=1).start().wait(20)
    outcome.check("a call of another profile right after, answered", quick.counts.get("answered"), 1)
    _within(outcome, "it was done", began, SERVING_AGAIN_S)
    result = run.wait(hold_s + 60)
    outcome.check("answered or refused", result.successful, rate * seconds)
    outcome.check("live calls at most", most <= LIMIT, True)
    took = run.progress()
    slow = sum(took.get(f"ResponseTimeRepartition1_{over}(C)", 0) for over in ("<2000", "<5000", ">=5000"))
    outcome.check("refusals that took more than 1 s", slow, 0)
    outcome.figures |= {"refusals in 100 ms": took.get("ResponseTimeRepartition1_<100(C)"), "MB": (before, after)}
    for name, usual in before.items():
        outcome.check(f"memory of {name}, a quarter more", after[name] <= usual * 1.25 + 10, True)
    cdrs = bench.end(outcome)
    outcome.check("CDRs", len(cdrs), rate * seconds + 1)
    outcome.check("CDRs of talk", sum(1 for cdr in cdrs if cdr.ending == "ok"), result.counts.get("answered", 0) + 1)
    return outcome


QUICK: tuple[Callable[[Bench], Outcome], ...] = (
    connector_killed,
    killed_between_commit_and_answer,
    killed_between_hang_up_and_settling,
    ended_while_dead,
    asterisk_killed,
    both_killed,
    control_killed,
    connector_stopped,
    websocket_flaps,
    websocket_dropped_silently,
    store_locked,
    disk_full,
    answers_lost,
    bye_missing,
    profile_deleted,
)
LONG: tuple[Callable[[Bench], Outcome], ...] = (
    connector_killed_with_300,
    asterisk_stopped,
    loop_blocked,
    store_slow,
    fsync_error,
    no_descriptors,
    reload_with_300,
    overloaded,
)


def played(bench: Bench, fault: Callable[[Bench], Outcome]) -> Outcome:
    """One fault, and what has to hold after each of them."""
    bench.supervisor.forgive()
    outcome = tried(bench, fault)
    sipp.end_all()
    if not bench.restored():
        outcome.problems.append("the lab is not whole again")
    bench.settle(outcome, "afterwards")
    report = bench.in_store(ledger.verify)
    outcome.problems += [f"the ledger: {problem}" for problem in report.problems]
    outcome.check("holds that are left", bench.in_store(_holds), 0)
    return outcome


def run_all() -> bool:
    """`make chaos`: every fault, with progress and a table; whether all held."""
    console = Console()
    folder = VAR / "chaos"
    Ports.from_base(PORT_BASE).check_free()
    remove(folder)
    bench = open_bench(folder, PORT_BASE)
    outcomes: list[tuple[Outcome, str]] = []
    try:
        for fault in (*QUICK, *LONG):
            console.print(f"  {fault.__name__.replace('_', ' ')}")
            outcomes.append((played(bench, fault), (fault.__doc__ or "").splitlines()[0]))
    finally:
        bench.close()
    return told(console, _table(outcomes), [outcome for outcome, _ in outcomes])


def _table(outcomes: list[tuple[Outcome, str]]) -> Table:
    table = Table("Fault", "What must hold", "Seconds", "", title="Whatever dies")
    for outcome, must in outcomes:
        sign = "[red]failed[/red]" if outcome.problems else "[green]held[/green]"
        table.add_row(outcome.name, must, str(outcome.took_s), sign)
    return table


def _now() -> int:
    return SystemClock().now_ms()


def _leaving() -> Credentials:
    """A profile that will be deleted."""
    name = f"leaving {uuid.uuid4().hex[:8]}"
    made = profiles.create_profile(name, 1, "asterisk", _now(), COMPANY)
    credit.add(made.username, MICROS, name, _now())
    return made


def _memory_mb(bench: Bench, name: str) -> int:
    status = Path(f"/proc/{bench.supervisor.pid(name)}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) // 1024


def _holds() -> int:
    with reading():
        return int(rows("SELECT COUNT(*) FROM hold")[0][0])


def _up(bench: Bench, outcome: Outcome, count: int, hold_s: float) -> sipp.Running:
    """So many calls, all talking."""
    held = bench.caller(HOLD, count, 40, hold_s=hold_s).start()
    bench.until(outcome, f"{count} calls are up", lambda: bench.answered() == count, 5 + count / 20)
    return held


@contextmanager
def _limited(pid: int, what: int, most: int) -> Iterator[None]:
    """The process may have no more of something; afterwards as much as before."""
    usual = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (most, usual[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, what, usual)


def _two_refused(bench: Bench, outcome: Outcome) -> None:
    refused = bench.caller(HOLD, 2, 10).start().wait(20)
    outcome.check("refused meanwhile", refused.counts.get("refused"), 2)


def _talked(bench: Bench, outcome: Outcome) -> list[CdrView]:
    """The CDRs of the calls that were not refused, when all are over."""
    return [cdr for cdr in bench.end(outcome) if cdr.ending != "refused"]


def _one_more(bench: Bench, outcome: Outcome) -> None:
    more = bench.caller(HOLD, 1, 1).start().wait(20)
    outcome.check("one more call, answered", more.counts.get("answered"), 1)


def _within(outcome: Outcome, what: str, began: float, limit_s: float) -> None:
    took = time.monotonic() - began
    outcome.figures[what] = round(took, 1)
    if took > limit_s:
        outcome.problems.append(f"{what} in {took:.1f} s, not in {limit_s:.0f}")


def _ended_on_time(bench: Bench, outcome: Outcome, held: sipp.Running, count: int, hold_s: float) -> None:
    result = held.wait(hold_s + 40)
    outcome.check("calls that ended well", (result.successful, result.counts.get("answered")), (count, count))
    _all_ok(outcome, _talked(bench, outcome), count, hold_s)


def _all_ok(outcome: Outcome, cdrs: list[CdrView], count: int, hold_s: float) -> None:
    """So many CDRs, all `ok`, all as long as the calls were."""
    outcome.check("endings", [cdr.ending for cdr in cdrs], ["ok"] * count)
    low, high = hold_s * 1000 - 500, (hold_s + 1.5) * 1000
    wrong = [cdr.duration_ms for cdr in cdrs if not low <= cdr.duration_ms <= high]
    outcome.check(f"durations that are not {hold_s:.0f} s", wrong, [])
