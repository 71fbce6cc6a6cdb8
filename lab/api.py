"""Asks the REST API of a lab, in the name of its owner."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from connector.clock import SystemClock
from connector.people import tokens, users
from lab.load import Bench
from lab.sample import OWNER

PERMISSIONS = ("calls.read", "rates.write", "money.read", "money.move")


def token_of(bench: Bench) -> str:
    """A new API token of the lab's owner."""
    now = SystemClock().now_ms()
    return bench.in_store(lambda: tokens.create(users.by_email(OWNER).id, "bench", PERMISSIONS, None, now)).secret


def post(url: str, token: str, body: dict[str, object], key: str = "") -> int:
    """The HTTP status of a POST to the API; 0 without an answer. `key`: with the same one it is done once."""
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", f"Bearer {token}")
    if key:
        request.add_header("Idempotency-Key", key)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return int(error.code)
    except OSError:
        return 0
