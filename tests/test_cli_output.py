"""What commands print: whole in a pipe, and what people copy on a line of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from connector.billing import limits, profiles, trunks, users
from connector.billing.profiles import Credentials
from connector.config import read
from connector.service import doctor
from tests.commands import Command
from tests.conftest import NOW


def run(connector: Command, *words: str, columns: int = 80) -> subprocess.CompletedProcess[str]:
    """The command as a program, its output in a pipe, and told that the terminal is so wide."""
    command = [sys.executable, "-m", "connector", "--config", str(connector.settings), *words]
    env = {**os.environ, "COLUMNS": str(columns)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=60)


def test_links_and_secrets_stand_on_lines_of_their_own(connector: Command) -> None:
    """However narrow the terminal: a link that is cut in two is none."""
    said = run(connector, "user", "create", "ada@example.com", columns=40).stdout
    assert re.search(r"^link: http://\S+/welcome\?link=[A-Za-z0-9_-]{40,}$", said, re.MULTILINE), said
    said = run(connector, "user", "link", "ada@example.com", columns=40).stdout
    assert re.search(r"^link: http://\S+/welcome\?link=[A-Za-z0-9_-]{40,}$", said, re.MULTILINE), said
    said = run(connector, "token", "create", "ada@example.com", "--name", "wall", "--scope", "all", columns=40).stdout
    assert re.search(r"^secret: conn_[A-Za-z0-9_-]{40,}$", said, re.MULTILINE), said
    said = run(connector, "profile", "create", "shop", columns=40).stdout
    assert re.search(r"^password: \S{20,}$", said, re.MULTILINE), said


def test_lists_lose_nothing_in_a_pipe(connector: Command) -> None:
    """Names that are longer than a terminal is wide stand there whole."""
    long = "a" * 60
    users.create(f"{long}@example.com", "b" * 60, "viewer", NOW)
    said = run(connector, "user", "list").stdout
    assert f"{long}@example.com" in said
    assert "b" * 60 in said


def test_the_version_is_said(connector: Command) -> None:
    """By the option that everybody tries first."""
    assert re.fullmatch(r"connector \d+\.\d+\.\d+\n", run(connector, "--version").stdout)


def test_several_companies_are_told_apart_by_an_option(connector: Command) -> None:
    """The error names it, and the list shows them."""
    profiles.create_company("Other", "JPY", "Asia/Tokyo", NOW)
    found = run(connector, "company", "topup", "5")
    assert found.returncode == 1
    assert "Add --company NAME; 'connector company list' shows them." in found.stderr
    said = run(connector, "company", "list").stdout
    assert "Acme" in said
    assert "Asia/Tokyo" in said
    found = run(connector, "company", "topup", "499.5", "--company", "Other")
    assert "Invalid amount 499.5 JPY. Amounts in JPY have no decimals." in found.stderr


def test_a_new_profile_has_limits(connector: Command) -> None:
    """A stolen password cannot spend everything: by the day and by the second, as the settings say."""
    assert run(connector, "profile", "create", "shop").returncode == 0
    found = limits.show("shop")
    assert (found.day_micros, found.calls_per_second) == (100_000_000, 10)
    text = connector.settings.read_text()
    connector.settings.write_text(text + "\n[calls]\nnew_profile_per_day = 0\nnew_profile_calls_per_second = 3\n")
    assert run(connector, "profile", "create", "stall").returncode == 0
    found = limits.show("stall")
    assert (found.day_micros, found.calls_per_second) == (None, 3)


def test_a_change_that_is_refused_in_part_changes_nothing(connector: Command) -> None:
    """One change is one transaction."""
    found = run(connector, "profile", "change", "office", "--country", "GB", "--contact", "Ada", "--codecs", "none")
    assert found.returncode == 1
    shown = profiles.show_profile("office")
    assert (shown.country, shown.contact) == (None, "")


def test_doctor_checks_codecs_in_use(connector: Command, office: Credentials) -> None:
    """Of every profile and trunk, against the modules that run."""
    settings = read(connector.settings)
    everything = {f"codec_{name}.so" for name in ("alaw", "ulaw", "g722", "resample")}
    assert doctor._codecs(settings, everything).state == "ok"
    profiles.change("office", options={"codecs": ("g722", "alaw")})
    trunks.change("carrier", options={"codecs": ("g729",)})
    assert "g729, of carrier" in doctor._codecs(settings, everything).found
    assert "g722, g729" in doctor._codecs(settings, everything - {"codec_resample.so"}).found


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("[from-connector-emergency]\nexten => 999,1,Dial(x)\n", ""),
        ("[from-connector-emergency]\nexten => _XXX,1,Dial(x)\n", "_XXX"),
        ('[from-connector-emergency]\n#include "more/*.conf"\n[other]\nexten => _Z.,1,Dial(x)\n', "_9XX"),
        ("[from-connector-emergency]\ninclude => help\n[help]\nexten => _9.,1,Dial(x)\ninclude=>help\n", "_9."),
        ("[a]\n#include more/a.conf\n[from-connector-emergency]\n#include more/a.conf\n", "_9XX"),
        ('#include "/"\n#include "."\n#include "**x.conf"\n#include "more"\n[from-connector-emergency]\n', ""),
        ("#tryinclude <missing.conf>\n#include extensions.conf\n[a]\nexten => _9.,1,Dial(x)\n", ""),
        ("[other]\nexten => _XXX,1,Dial(x)\n", ""),
        ("[from-connector-emergency](+)\n exten=_1X.,1,Dial(x)\n", "_1X."),
    ],
)
def test_doctor_warns_of_patterns_for_emergency_numbers(
    connector: Command, tmp_path: Path, lines: str, found: str
) -> None:
    """A pattern would make any short number free."""
    (tmp_path / "extensions_custom.conf").write_text(lines)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.conf").write_text("exten => _9XX,1,Dial(x)\n")
    text = re.sub(r'generated = ".*"', f'generated = "{tmp_path / "generated"}"', connector.settings.read_text())
    connector.settings.write_text(text)
    checks = doctor._emergency(read(connector.settings))
    assert [check.state for check in checks] == (["warning"] if found else [])
    assert not found or f"{found} in" in checks[0].found
