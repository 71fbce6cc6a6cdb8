"""A client that is generated from the API's document is complete, and does the commonest tasks on a running lab."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path

from connector.billing import plans
from connector.clock import SystemClock
from connector.core.access import PERMISSIONS
from connector.people import tokens, users
from lab import api_client
from lab.instance import PROJECT
from lab.load import Bench
from lab.ports import HOST
from lab.run import ASTERISK_HOME

TASKS = PROJECT / "tests" / "api" / "tasks.py"


def test_a_generated_client_does_the_commonest_tasks(bench: Bench, tmp_path: Path) -> None:
    """openapi-python-client leaves nothing out of it. A profile, channels, money, a number, a price: what each answer
    says is typed, a request that is sent again is done once, and a problem has its code.
    """
    url = f"http://{HOST}:{bench.instance.ports.web}"
    document = tmp_path / "openapi.json"
    with urllib.request.urlopen(f"{url}/api/openapi.json") as answer:
        document.write_bytes(answer.read())
    python = api_client.environment(ASTERISK_HOME / "api-client")
    said = api_client.generate(python, document, tmp_path / "client")
    assert said.strip().splitlines() == [f"Generating {tmp_path / 'client'}"]
    command = [str(python), str(TASKS), str(tmp_path), url, bench.in_store(_token)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    bench.in_store(lambda: plans.delete_profile("by a program", SystemClock().now_ms()))
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    username, length = found["made"]
    assert length >= 24
    assert found["bought"] == [3, found["quoted"]]
    assert found["balance"] == [0, "GBP"]
    assert found["credit"] == 5_000_000
    assert found["shown"] == 3
    assert username in found["profiles"]
    assert "+442079460777" in found["numbers"]
    assert found["price"] > 0
    assert found["live"] == 0
    assert found["refused"] == [True, "not_found"]


def _token() -> str:
    """That of a user of the platform, for everything."""
    now = SystemClock().now_ms()
    user = users.create("program@example.com", "A program", "owner", now)
    return tokens.create(user, "test", tuple(PERMISSIONS), None, now).secret
