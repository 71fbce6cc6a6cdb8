"""The command line, in this process, on a store without an Asterisk."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from connector import cli
from connector.database import audit
from connector.database.models import database

SETTINGS = """\
node = "node"
[store]
path = "{path}"
[ari]
user = "a"
password = "b"
[ami]
user = "a"
password = "b"
[sip]
generated = "/nowhere"
[web]
port = 1
token = "t"
"""


class Command:
    """The command line, in this process (a new one takes a second to begin), with settings of its own."""

    def __init__(self, settings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.settings = settings
        self.monkeypatch = monkeypatch
        self.capsys = capsys

    def __call__(self, *words: str, status: int = 0) -> str:
        """Run it; what it printed, or what it complained of if it should fail."""
        self.monkeypatch.setattr(sys, "argv", ["connector", "--config", str(self.settings), *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        database.close()
        audit.act_as(None)  # a command of its own ends with its process
        said = self.capsys.readouterr()
        assert (ended.value.code or 0) == status, said
        assert "Traceback" not in said.out + said.err
        return said.out if status == 0 or not said.err else said.err

    def json(self, *words: str, status: int = 0) -> Any:
        """Run it with --json; the value it printed."""
        return json.loads(self(*words, "--json", status=status))
