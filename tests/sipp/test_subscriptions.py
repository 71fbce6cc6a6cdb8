"""Which of a real Asterisk's events come to the connector."""

from __future__ import annotations

from connector.clock import SystemClock
from connector.routing import reachability, trunks
from lab.load import Bench
from lab.ports import HOST


def subscribed(bench: Bench) -> dict[str, set[str]]:
    """The sources of events that Asterisk has for the connector's application, by kind. An endpoint that was removed
    stays among them, and is left out here.
    """
    application = bench.ari("/applications/connector")
    found = {kind: set(application[f"{kind}_ids"]) for kind in ("channel", "bridge", "endpoint")}
    found["endpoint"] &= {f"PJSIP/{endpoint['resource']}" for endpoint in bench.ari("/endpoints/PJSIP")}
    return found


def test_asterisk_makes_events_of_our_own_endpoints_only(bench: Bench) -> None:
    """Of no other channel, before and during a call. A new trunk's come soon after Asterisk has its endpoint."""
    outcome = bench.begin("subscriptions")
    ours = {f"PJSIP/{name}" for name in bench.in_store(reachability.endpoints)}
    bench.until(outcome, "our endpoints are subscribed to", lambda: subscribed(bench)["endpoint"] == ours, 15)
    assert subscribed(bench) == {"channel": set(), "bridge": {"__AST_BRIDGE_ALL_TOPIC"}, "endpoint": ours}
    run = bench.caller("hold-and-refuse/caller.xml", 1, 1, hold_s=3).start()
    bench.until(outcome, "it talks", lambda: bench.answered() == 1, 5)
    assert subscribed(bench)["channel"] == set()
    assert run.wait(20).successful == 1

    def heard() -> bool:
        return "PJSIP/connector-later" in subscribed(bench)["endpoint"]

    bench.in_store(lambda: trunks.create_trunk("later", HOST, 9, SystemClock().now_ms()))
    try:
        bench.until(outcome, "the new trunk is subscribed to", heard, 60)
    finally:
        bench.in_store(lambda: trunks.remove("later"))
    bench.end(outcome)
    assert outcome.problems == []
