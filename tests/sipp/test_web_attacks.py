"""Nobody on the web delays a call: the connector is attacked by HTTP while SIPp calls."""

from __future__ import annotations

import pytest

from lab import attacks
from lab.load import Bench
from lab.sipp import Result

FORM = "Content-Type: application/x-www-form-urlencoded"
CALLS = 300
CALLS_BEFORE = 100
RATE = 20


def called(bench: Bench, calls: int) -> Result:
    """What became of so many calls."""
    run = bench.caller("attack/caller.xml", calls, RATE, hold_s=1, words={"rtd": ' start_rtd="1"'}).start()
    return run.wait(calls / RATE + 20)


def quick(result: Result) -> float:
    """The share of calls that were set up within half a second."""
    below = (50, 100, 250, 500)
    return sum(result.counts[f"ResponseTimeRepartition1_<{each}"] for each in below) / result.successful


@pytest.mark.alone
def test_calls_are_set_up_while_the_web_server_is_attacked(bench: Bench) -> None:
    """20 calls a second beside compressed bodies, forms of 3,900 parts, half-sent requests and 400 idle connections:
    every call is answered, and the pages answer all the while. At least as many calls as without that are set up within
    half a second, but for a fifth: a machine that stands still for three seconds is no fault of the program.
    """
    outcome = bench.begin("attacked by HTTP")
    before = called(bench, CALLS_BEFORE)
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
        result = called(bench, CALLS)
        pages = attacks.status(attacks.send(web, attacks.head("GET", "/sign-in"), 5))
    assert (result.successful, result.failed) == (CALLS, 0), result.why()
    assert quick(result) > quick(before) - 0.2, result.counts
    assert pages == 200
    assert len(answers) > 100
    assert set(answers) <= {0, 401, 415, 429, 400, 404}
    assert len(bench.end(outcome)) == CALLS_BEFORE + CALLS
    assert outcome.problems == []
