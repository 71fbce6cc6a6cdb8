"""What commands print: whole in a pipe, and what people copy on a line of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from connector.asterisk import certificate
from connector.billing import limits, profiles
from connector.billing.profiles import Credentials
from connector.config import BackupSettings, read
from connector.people import users
from connector.routing import trunks
from connector.service import doctor
from lab import process
from lab.ports import HOST
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


def test_doctor_says_when_the_certificate_ends(connector: Command, tmp_path: Path) -> None:
    """It is good, ends soon, has ended, or is none; where a proxy has it there is nothing to say."""
    settings = read(connector.settings)
    assert doctor._certificate(settings) == []
    path = tmp_path / "certificate.pem"
    web = settings.web.model_copy(update={"certificate": path})
    for days, state in ((90, "ok"), (5, "warning"), (-1, "wrong")):
        path.write_text(certificate.made(HOST, days)[0])
        (check,) = doctor._certificate(settings.model_copy(update={"web": web}))
        assert check.state == state, check
    path.write_text("no certificate")
    (check,) = doctor._certificate(settings.model_copy(update={"web": web}))
    assert check.state == "wrong"


def _says(path: Path, line: str) -> bool:
    return re.search(line, path.read_text()) is not None


def test_doctor_says_how_old_the_newest_backup_is(connector: Command, tmp_path: Path) -> None:
    """Only where a folder is named; one that is missing is wrong, an old or no backup is worth a warning."""
    settings, folder = read(connector.settings), tmp_path / "backups"
    assert doctor._backups(settings) == []
    looking = settings.model_copy(update={"backups": BackupSettings(folder=folder)})
    seen = []
    for hours in (None, 1, 25, 30):
        folder.mkdir(exist_ok=True)
        if hours is not None:
            path = folder / "a.db"
            path.write_text("x")
            (folder / "backup.log").write_text("it failed")
            (folder / "empty.db").write_text("")
            os.utime(path, (time.time() - hours * 3600,) * 2)
        (check,) = doctor._backups(looking)
        seen.append((check.state, check.found.split(" in ")[0]))
    hours_old = "the newest is {} hours old"
    assert seen == [
        ("warning", "there is none"),
        ("ok", hours_old.format(1)),
        ("ok", hours_old.format(25)),
        ("warning", hours_old.format(30)),
    ]
    shutil.rmtree(folder)
    assert doctor._backups(looking)[0].state == "wrong"


def test_doctor_knows_how_many_files_asterisk_may_open(connector: Command, tmp_path: Path) -> None:
    """By the process that Asterisk's pid file names; without one it is unknown, which is said."""
    etc = tmp_path / "etc"
    (etc / "connector" / "generated").mkdir(parents=True)
    (etc / "asterisk.conf").write_text(f"[directories]\nastrundir => {tmp_path}\n")
    settings = read(connector.settings)
    sip = settings.sip.model_copy(update={"generated": etc / "connector" / "generated"})
    settings = settings.model_copy(update={"sip": sip})
    (check,) = doctor._descriptors(settings)
    assert (check.state, "unknown" in check.found) == ("warning", True)
    for most, state in ((256, "warning"), (4_000, "ok")):
        with subprocess.Popen(["prlimit", f"--nofile={most}", "sleep", "60"]) as child:
            try:
                (tmp_path / "asterisk.pid").write_text(f"{child.pid}\n")
                limit = Path(f"/proc/{child.pid}/limits")
                line = rf"Max open files\s+{most}\s"
                assert process.waited(partial(_says, limit, line), 5)
                (check,) = doctor._descriptors(settings)
                assert check.state == state, check
            finally:
                child.kill()


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


def test_a_terminal_without_the_currencys_sign_gets_another_character(connector: Command) -> None:
    """Where the encoding has no euro: no command ends with a traceback for that."""
    connector("company", "create", "Exemple", "--currency", "EUR", "--time-zone", "Europe/Paris")
    command = [sys.executable, "-P", "-m", "connector", "--config", str(connector.settings), "company", "show"]
    env = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    ran = subprocess.run([*command, "--company", "Exemple"], env=env, capture_output=True, check=False, timeout=60)
    assert (ran.returncode, b"?0.00" in ran.stdout) == (0, True), ran
