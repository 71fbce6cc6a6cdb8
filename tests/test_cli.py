"""The command line against a running lab, as a person and as a program use it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from lab import process, sipp
from lab.load import UNTIL_BYE, Bench
from lab.run import endpoint_state


def connector(bench: Bench, *words: str, status: int = 0) -> str:
    """Run the command; its output."""
    command = [sys.executable, "-m", "connector", "--config", str(bench.instance.settings_path), *words]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    said = ran.stdout + ran.stderr
    assert ran.returncode == status, said
    assert "Traceback" not in said
    return ran.stdout if status == 0 else ran.stderr


def as_json(bench: Bench, *words: str) -> Any:
    """Run the command with --json; what it printed."""
    return json.loads(connector(bench, *words, "--json"))


def test_a_profile_is_made_and_known_to_asterisk_in_seconds(bench: Bench) -> None:
    """Its password is shown once; Asterisk has its endpoint without a restart; a wrong one is one line."""
    made = as_json(bench, "profile", "create", "front desk", "--channels", "105")
    assert made["channels"] == 110
    assert len(made["password"]) >= 24
    assert process.waited(lambda: endpoint_state(bench.instance, made["username"]) == "offline", 10)
    shown = as_json(bench, "profile", "show", "front desk")
    assert shown["username"] == made["username"]
    assert "password" not in shown
    assert made["username"] in {profile["username"] for profile in as_json(bench, "profile", "list")}
    assert "already" in connector(bench, "profile", "create", "front desk", status=1)
    assert "300" in connector(bench, "profile", "create", "huge", "--channels", "301", status=1)
    assert "no profile" in connector(bench, "profile", "show", "nobody", status=1)


def test_calls_and_cdrs_are_tables_and_json(bench: Bench) -> None:
    """A live call, then its CDR, by list and by id."""
    run = bench.caller(UNTIL_BYE, 1, 1).start()
    assert process.waited(lambda: bench.answered() == 1, 5)
    (live,) = as_json(bench, "calls")
    assert (live["profile"], live["direction"], live["called"]) == ("office", "out", "+442079460001")
    assert live["answered_at"].endswith("Z")
    assert "office" in connector(bench, "calls")
    assert "begins with 'x'" in connector(bench, "hang-up", "x", status=1)
    assert "1 call ended" in connector(bench, "hang-up", live["id"][:8])
    assert run.wait(20).successful == 1
    assert process.waited(lambda: bench.live() == 0, 5)
    assert as_json(bench, "calls") == []
    (cdr,) = as_json(bench, "cdr", "list", "--limit", "1")
    assert (cdr["id"], cdr["ending"], cdr["cause"]) == (live["id"], "ok", 16)
    billed_s = max(30, -(-cdr["duration_ms"] // 6_000) * 6)  # 0.012 a minute, 30/6
    assert cdr["price_micros"] == billed_s * 200
    assert cdr["duration_ms"] > 1_000
    assert as_json(bench, "cdr", "show", cdr["id"][:8]) == cdr
    assert cdr["id"][:8] in connector(bench, "cdr", "list")
    mine = ("--profile", "office", "--direction", "out", "--ending", "ok", "--number", "+4420", "--limit", "1")
    assert as_json(bench, "cdr", "list", *mine) == [cdr]
    assert as_json(bench, "cdr", "list", "--since", cdr["ended_at"], "--until", cdr["ended_at"]) == []
    assert "an ending is ok" in connector(bench, "cdr", "list", "--ending", "well", status=1)
    assert "no CDR" in connector(bench, "cdr", "show", "nothing", status=1)


def test_the_doctor_finds_nothing_wrong_with_a_healthy_lab(bench: Bench) -> None:
    """Version, modules, ARI, AMI, ports, store, config and clock are looked at."""
    checks = as_json(bench, "doctor")
    assert [check for check in checks if check["state"] == "wrong"] == []
    names = {"Asterisk", "modules", "ARI", "AMI", "FastAGI", "SIP", "SIP TCP", "SIP TLS", "SIP certificate", "store"}
    assert {*names, "settings", "clock"} <= {check["name"] for check in checks}


def test_the_doctor_says_what_to_do(bench: Bench, tmp_path: Any) -> None:
    """With wrong passwords and ports: each wrong thing has its advice, and the exit status tells."""
    text = bench.instance.settings_path.read_text().replace(bench.instance.secrets.ari, "wrong")
    text = text.replace(bench.instance.secrets.ami, "wrong").replace(str(bench.instance.ports.fastagi), "1")
    settings = tmp_path / "connector.toml"
    settings.write_text(text)
    command = [sys.executable, "-m", "connector", "--config", str(settings), "doctor", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    wrong = {check["name"]: check["advice"] for check in json.loads(ran.stdout) if check["state"] == "wrong"}
    assert set(wrong) == {"ARI", "AMI", "FastAGI"}
    assert all(wrong.values())


def test_a_second_connector_does_not_take_the_application(bench: Bench) -> None:
    """One connector a store: the second says so in one line and goes."""
    assert "already runs" in connector(bench, "serve", status=1)


@pytest.mark.parametrize("words", [["cdr", "list", "--limit", "0"], ["cdr", "list", "--limit", "many"], ["nothing"]])
def test_wrong_words_are_said_to_be_wrong(bench: Bench, words: list[str]) -> None:
    """Usage, and exit status 2."""
    connector(bench, *words, status=2)


def test_without_settings_there_is_one_line(tmp_path: Any) -> None:
    """It says what to do."""
    command = [sys.executable, "-m", "connector", "--config", str(tmp_path / "none.toml"), "profile", "list"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "'connector setup' makes one" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def test_what_the_network_sent_is_text_on_the_terminal(bench: Bench) -> None:
    """A dialled string that looks like markup is shown as it is, and breaks nothing."""
    profile = bench.profiles[0]
    row = (profile.username, sipp.authentication(profile.username, profile.password), "%5C%5B%2F%5D%5Bred%5D")
    assert bench.sipp("hostile/caller.xml", row, bench.instance.ports.sip).start().wait(20).successful == 1
    shown = connector(bench, "cdr", "list", "--limit", "1")
    assert "\\[/][red]" in shown
    assert "\\[/][red]" in connector(bench, "cdr", "show", as_json(bench, "cdr", "list", "--limit", "1")[0]["id"])
