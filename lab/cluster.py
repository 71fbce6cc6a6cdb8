"""Two nodes on one PostgreSQL: `make nodes` proves that they sell together what was bought, whatever dies.

Each scenario is a function of a Cluster, its docstring is what must hold; an auditor looks at the store all the while.
The second node reaches the store by a proxy, which can cut it off. There is one far end, the first node's.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from rich.console import Console
from rich.progress import Progress

from connector.billing import ledger
from lab import kamailio, postgresql, process
from lab import nodes as rounds
from lab.auditor import Auditor
from lab.errors import LabError
from lab.instance import Instance, remove
from lab.load import LIMIT, UNTIL_BYE, Bench, Outcome, table, told
from lab.ports import Ports
from lab.proxy import Proxy
from lab.root import find_asterisk, find_sipp
from lab.run import ASTERISK_HOME, VAR, Supervisor

HOLD = "hold-and-refuse/caller.xml"
PORT_BASE = 15360
ROUNDS = 100
SERVING_AGAIN_S = 15.0
_DISPATCHER, _SECOND, _STORE = 12, 20, 40  # ports above the base


@dataclass
class Cluster:
    """The two nodes, their store, and the way of the second to it."""

    server: postgresql.Server
    first: Bench
    second: Bench
    proxy: Proxy

    def up(self) -> int:
        """Calls that were answered, of both nodes."""
        return self.first.answered()

    def begin(self, name: str) -> Outcome:
        """A scenario begins: nothing may be up on either node."""
        outcome = self.first.begin(name)
        self.second.settle(outcome, "at the beginning")
        return outcome

    def end(self, outcome: Outcome, offered: int, admitted: int | None = None) -> Outcome:
        """It is over: nothing is up, one CDR for each call offered, and the books add up."""
        self.second.settle(outcome, "at the end")
        cdrs = self.first.end(outcome)
        outcome.offered = offered
        outcome.refused = sum(1 for cdr in cdrs if cdr.ending == "refused")
        outcome.admitted = len(cdrs) - outcome.refused
        outcome.check("CDRs", len(cdrs), offered)
        if admitted is not None:
            outcome.check("admitted, by the CDRs", outcome.admitted, admitted)
        outcome.figures["endings"] = dict(Counter(cdr.refusal or cdr.ending for cdr in cdrs))
        report = self.first.in_store(ledger.verify)
        outcome.problems += report.problems
        return outcome


def limit_of_both(cluster: Cluster) -> Outcome:
    """160 calls in 4 seconds on each: 300 are admitted, 20 refused, on both nodes."""
    outcome = cluster.begin("160 on each of two nodes, 80 a second")
    runs = [node.caller(UNTIL_BYE, 160, 40).start() for node in (cluster.first, cluster.second)]
    cluster.first.until(outcome, "300 calls are up", lambda: cluster.up() == LIMIT, 12)
    cluster.first.until_refused(outcome, 20)
    outcome.check("calls that have a channel", cluster.first.live(), LIMIT)
    cluster.first.instance.far_end_hangs_up()
    results = [run.wait(60) for run in runs]
    answered = [result.counts.get("ended", 0) for result in results]
    outcome.check("answered", sum(answered), LIMIT)
    outcome.check("refused", sum(result.counts.get("refused", 0) for result in results), 20)
    outcome.check("nodes that had calls", all(answered), True)
    outcome.figures["answered by each"] = answered
    return cluster.end(outcome, 320, LIMIT)


def node_killed(cluster: Cluster) -> Outcome:
    """A node dies with its 100 calls: their channels are nobody's until it is back and says that they are over."""
    outcome = cluster.begin("kill -9 of a node with its half of the calls")
    stay = cluster.first.caller(UNTIL_BYE, 100, 50).start()
    lost = cluster.second.caller(UNTIL_BYE, 100, 50).start()
    cluster.first.until(outcome, "200 calls are up", lambda: cluster.up() == 200, 15)
    cluster.second.supervisor.forgive()
    for part in ("connector", "control", "asterisk"):
        os.kill(cluster.second.supervisor.pid(part), signal.SIGKILL)
    lost.end()
    more = cluster.first.caller(HOLD, 110, 55, hold_s=12).start().wait(40)
    outcome.check("of 110 more, answered", more.counts.get("answered"), 100)
    outcome.check("of 110 more, refused", more.counts.get("refused"), 10)
    cluster.first.until(outcome, "those are booked", lambda: cluster.first.live() <= 200, 10)
    outcome.check("channels of the dead node", cluster.first.live() - 100, 100)
    began = time.monotonic()
    outcome.check("the node is back", cluster.second.restored(30), True)
    outcome.figures["back after, s"] = round(time.monotonic() - began, 1)
    cluster.first.until(outcome, "its channels are free", lambda: cluster.first.live() <= 100, 10)
    cluster.first.instance.far_end_hangs_up()
    outcome.check("calls of the other node that went on", stay.wait(60).counts.get("ended"), 100)
    return cluster.end(outcome, 310, 300)


def store_restarted(cluster: Cluster) -> Outcome:
    """PostgreSQL crashes under load and comes back: no call is lost or admitted without it, those that are up go on."""
    outcome = cluster.begin("PostgreSQL killed and restarted under load")
    both = (cluster.first, cluster.second)
    stay = [node.caller(HOLD, 20, 50, hold_s=16).start() for node in both]
    cluster.first.until(outcome, "40 calls are up", lambda: cluster.up() == 40, 10)
    load = [node.caller(HOLD, 60, 15, hold_s=2).start() for node in both]
    for how in (signal.SIGQUIT, signal.SIGINT):
        time.sleep(0.7)  # in the middle of the load, whatever is being done then
        cluster.server.stop(how)
        time.sleep(0.5)
        cluster.server.start()
    results = [run.wait(60) for run in load]
    done = [result.counts.get("answered", 0) + result.counts.get("refused", 0) for result in results]
    outcome.figures["answered under it"] = [result.counts.get("answered", 0) for result in results]
    outcome.check("calls that were answered or refused", sum(done), 120)
    outcome.check("calls that went on", sum(run.wait(60).counts.get("answered", 0) for run in stay), 40)
    for node in both:
        outcome.check("serving again", process.waited(node.supervisor.ready, SERVING_AGAIN_S, 0.1), True)
    return cluster.end(outcome, 160)


def partitioned(cluster: Cluster) -> Outcome:
    """A node that cannot reach the store admits nothing, and what is up there goes on; the other node serves."""
    outcome = cluster.begin("a node cut off from the store")
    stay = cluster.second.caller(UNTIL_BYE, 10, 50).start()
    cluster.first.until(outcome, "10 calls are up", lambda: cluster.up() == 10, 10)
    cluster.proxy.silence(True)
    try:
        began = time.monotonic()
        cut_off = cluster.second.caller(HOLD, 10, 5).start()
        served = cluster.first.caller(HOLD, 10, 50, hold_s=1).start().wait(20)
        outcome.check("served by the other node", served.counts.get("answered"), 10)
        refused = cut_off.wait(30)
        outcome.check("refused where the store cannot be reached", refused.counts.get("refused"), 10)
        outcome.figures["refused within, s"] = round(time.monotonic() - began, 1)
        outcome.check("legs that go on there", len(cluster.second.legs()), 20)
    finally:
        cluster.proxy.silence(False)
    began = time.monotonic()
    tries = 1
    while _one_more(cluster.second) != 1 and time.monotonic() - began < SERVING_AGAIN_S:
        tries += 1
    outcome.check("serving again in time", time.monotonic() - began < SERVING_AGAIN_S, True)
    cluster.first.instance.far_end_hangs_up()
    outcome.check("calls that went on", stay.wait(60).counts.get("ended"), 10)
    return cluster.end(outcome, 30 + tries, 21)


def _one_more(node: Bench) -> int | None:
    return node.caller(HOLD, 1, 1, hold_s=1).start().wait(20).counts.get("answered")


def store_frozen(cluster: Cluster) -> Outcome:
    """PostgreSQL stands still for 4 seconds: callers wait or are refused, nothing is lost, nothing is twice."""
    outcome = cluster.begin("PostgreSQL stopped and continued")
    with process.stopped(cluster.server.pid), process.stopped(*process.children(cluster.server.pid)):
        runs = [node.caller(HOLD, 10, 10, hold_s=1).start() for node in (cluster.first, cluster.second)]
        time.sleep(4)
    results = [run.wait(40) for run in runs]
    done = sum(result.counts.get("answered", 0) + result.counts.get("refused", 0) for result in results)
    outcome.check("calls that were answered or refused", done, 20)
    return cluster.end(outcome, 20)


def dispatched(cluster: Cluster) -> Outcome:
    """Behind Kamailio both nodes have calls; one that is silent has none, and its callers only wait a little."""
    outcome = cluster.begin("Kamailio before both nodes")
    both = (cluster.first, cluster.second)
    port = cluster.first.instance.ports.sip + _DISPATCHER
    folder = cluster.first.folder / "kamailio"
    silent = cluster.second.supervisor.pid("asterisk")
    with kamailio.running(ASTERISK_HOME / "kamailio", folder, port, [node.instance.ports.sip for node in both]):
        shared = _through(cluster, port, 40)
        outcome.check("relays for strangers", kamailio.relays_for_strangers(port), False)
        outcome.check("answered with two nodes", (shared["first"] + shared["second"], shared["refused"]), (40, 0))
        outcome.check("both had 8 of 40 and more", min(shared["first"], shared["second"]) >= 8, True)
        outcome.figures["spread"] = dict(shared)
        with process.stopped(silent):
            outcome.check("answered with a silent node", _through(cluster, port, 20), Counter(first=20))
        back = process.waited(lambda: _through(cluster, port, 6)["second"] > 0, SERVING_AGAIN_S + 10, 0.1)
        outcome.check("the silent node is back", back, True)
    cdrs = cluster.first.new_cdrs()
    outcome.check("calls that went wrong", [cdr.ending for cdr in cdrs if cdr.ending != "ok"], [])
    return cluster.end(outcome, len(cdrs))


def _through(cluster: Cluster, port: int, count: int) -> Counter[str]:
    """Calls through the dispatcher, of a second each: how many each node had that were answered, and how many none."""
    known = {cdr.id for cdr in cluster.first.new_cdrs()}
    result = cluster.first.caller(HOLD, count, 20, to_port=port, hold_s=1).start().wait(40)
    process.waited(lambda: cluster.first.live() == 0, 5, 0.1, patience=1)
    had = Counter(cdr.node for cdr in cluster.first.new_cdrs() if cdr.id not in known and cdr.ending == "ok")
    return had + Counter(refused=result.counts.get("refused", 0))


QUICK: tuple[Callable[[Cluster], Outcome], ...] = (limit_of_both, node_killed, partitioned)
SCENARIOS = (*QUICK, store_restarted, dispatched, store_frozen)


def played(cluster: Cluster, scenario: Callable[[Cluster], Outcome]) -> Outcome:
    """Play a scenario with the auditor looking on; that the lab itself failed is a problem like others."""
    auditor = Auditor(cluster.first.instance.store)
    try:
        outcome = scenario(cluster)
    except LabError as error:
        outcome = Outcome(scenario.__name__, problems=[str(error)])
    finally:
        looks, found = auditor.close()
    outcome.figures["looks of the auditor"] = looks
    outcome.check("the auditor looked", looks > 0, True)
    outcome.problems += [f"the auditor found {what}" for what in found]
    return outcome


@contextmanager
def open_cluster(folder: Path, port_base: int) -> Iterator[Cluster]:
    """PostgreSQL and two nodes, started; ended afterwards."""
    ports = [Ports.from_base(port_base), Ports.from_base(port_base + _SECOND)]
    for each in ports:
        each.check_free()
    asterisk, program = find_asterisk(ASTERISK_HOME), find_sipp(ASTERISK_HOME)
    home = ASTERISK_HOME / "postgresql"
    with (
        postgresql.running(home, port=port_base + _STORE) as server,
        closing(Proxy(port_base + _STORE)) as proxy,
    ):
        with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
            admin.execute("CREATE DATABASE connector")
        urls = (server.url("connector", port_base + _STORE), server.url("connector", proxy.port))
        first = Supervisor(
            Instance(folder / "first", ports[0], asterisk, "first", urls[0], others=(ports[1].sip,)),
        )
        second = Supervisor(Instance(folder / "second", ports[1], asterisk, "second", urls[1]), first)
        nodes = (Bench(first, program, folder / "first-sipp"), Bench(second, program, folder / "second-sipp"))
        try:
            for node in nodes:
                node.supervisor.start()
                node.profiles = node.supervisor.profiles
            yield Cluster(server, *nodes, proxy)
        finally:
            for node in reversed(nodes):
                node.close()


def run_all() -> bool:
    """`make nodes`: every scenario, and a hundred rounds of a thousand attempts; whether all went well."""
    console = Console()
    folder = VAR / "nodes"
    Ports.from_base(PORT_BASE).check_free()  # before its folder is removed: another one may run in it
    remove(folder)
    outcomes: list[Outcome] = []
    with open_cluster(folder, PORT_BASE) as cluster:
        for scenario in (*SCENARIOS, a_hundred_times):
            console.print(f"  {(scenario.__doc__ or scenario.__name__).splitlines()[0]}")
            outcomes.append(played(cluster, scenario))
    for outcome in outcomes:
        console.print(f"{outcome.name}: {outcome.figures}", highlight=False)
    return told(console, table(outcomes, "Two nodes"), outcomes)


def a_hundred_times(cluster: Cluster) -> Outcome:
    """A thousand attempts at once on two nodes, 300 channels: 300 are admitted, a hundred times."""
    place = cluster.first.instance.store
    username = cluster.first.profiles[0].username
    outcome = Outcome(f"{rounds.ATTEMPTS} attempts at once, {ROUNDS} times")
    outcome.took_s = -time.monotonic()

    def play() -> None:
        with Progress() as bar:
            task = bar.add_task("rounds", total=ROUNDS)
            rounds.rounds(place, username, ROUNDS, lambda _: bar.advance(task))

    try:
        cluster.first.in_store(play)
        outcome.offered, outcome.admitted = rounds.ATTEMPTS * ROUNDS, LIMIT * ROUNDS
        outcome.refused = outcome.offered - outcome.admitted
    except AssertionError as error:
        outcome.problems.append(str(error))
    outcome.took_s = round(outcome.took_s + time.monotonic(), 1)
    return outcome
