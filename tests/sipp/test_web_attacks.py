"""Nobody on the web delays a call: the connector is attacked by HTTP while SIPp calls."""

from __future__ import annotations

import pytest

from lab import attacks
from lab.load import Bench

FORM = "Content-Type: application/x-www-form-urlencoded"
CALLS = 300
RATE = 20


@pytest.mark.alone
def test_calls_are_set_up_while_the_web_server_is_attacked(bench: Bench) -> None:
    """20 calls a second beside compressed bodies, forms of 3,900 parts, half-sent requests and 400 idle connections:
    every call is answered, none takes half a second to set up, and the pages answer all the while.
    """
    outcome = bench.begin("attacked by HTTP")
    web = bench.instance.ports.web
    requests = [
        attacks.bomb(),
        attacks.bomb("GET", "/api/v1/profiles", chunked=True),
        attacks.bomb("POST", "/nothing", chunked=True),
        attacks.many_parts(),
        attacks.head("POST", "/sign-in", FORM, "Content-Length: 100000") + b"email=",
    ]
    with (
        attacks.idle(web, 200),
        attacks.idle(web, 200, b"GET / HTTP/1.1\r\nHost: x\r\n"),
        attacks.repeated(web, requests) as answers,
    ):
        run = bench.caller("attack/caller.xml", CALLS, RATE, hold_s=1, words={"rtd": ' start_rtd="1"'}).start()
        result = run.wait(CALLS / RATE + 20)
        pages = attacks.status(attacks.send(web, attacks.head("GET", "/sign-in"), 5))
    quick = [result.counts[f"ResponseTimeRepartition1_<{below}"] for below in (50, 100, 250, 500)]
    assert (result.successful, result.failed) == (CALLS, 0), result.why()
    assert sum(quick) == CALLS, result.counts
    assert pages == 200
    assert len(answers) > 100
    assert set(answers) <= {0, 401, 415, 429, 400, 404}
    assert len(bench.end(outcome)) == CALLS
    assert outcome.problems == []
