"""What the connector's container writes at its start (docker/start_connector.py), without a container."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from connector import config
from connector.errors import BadInput, SettingsError
from lab.instance import PROJECT

ENV = {
    "NODE": "asterisk",
    "SIP_HOST": "192.0.2.10",
    "SIP_PORT": "5060",
    "TLS_PORT": "5061",
    "RTP_FIRST": "10000",
    "RTP_LAST": "10399",
    "NETWORK": "172.31.60",
    "ASTERISK_ADDRESS": "172.31.60.10",
    "CONNECTOR_ADDRESS": "172.31.60.11",
}


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, PROJECT / "docker" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


start = _module("start_connector")
whole = _module("is_whole")
KEYS = start.Secrets("ari-word", "ami-word", "web-word", "agi-word")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"SIP_HOST": ""}, "SIP_HOST"),
        ({"SIP_HOST": "pbx.example"}, "SIP_HOST"),
        ({"SIP_HOST": "0.0.0.0"}, "SIP_HOST"),
        ({"SIP_PORT": "70000"}, "SIP_PORT"),
        ({"RTP_FIRST": "ten"}, "RTP_FIRST"),
        ({"RTP_LAST": "-1"}, "RTP_LAST"),
    ],
)
def test_what_is_no_use_is_named(changed: dict[str, str], told: str) -> None:
    """One line, with the variable and the file it stands in."""
    with pytest.raises(BadInput, match=rf"{told} in docker/\.env"):
        start.place({**ENV, **changed})


@pytest.mark.parametrize("url", ["", "https://calls.example"])
def test_the_settings_are_ones_that_the_connector_takes(url: str) -> None:
    """With what the admin adds, which may be a section of its own."""
    where = start.place({**ENV, "PUBLIC_URL": url})
    text = start.settings_text(where, KEYS, start.store_text(where), "[calls]\nlongest_s = 60\n")
    found = config.parsed(text, Path("connector.toml"))
    assert (found.sip.host, found.calls.longest_s, found.node) == ("192.0.2.10", 60, "asterisk")
    assert found.web.url == (url or "http://0.0.0.0:8080")
    assert found.ami.host == found.ari.host == "172.31.60.10"


@pytest.mark.parametrize("name", ["NODE", "PUBLIC_URL"])
def test_nothing_in_env_becomes_another_setting(name: str) -> None:
    """A quote and a line break stay inside of the value, which is then refused."""
    where = start.place({**ENV, name: 'x"\n[web]\ntoken = "mine'})
    text = start.settings_text(where, KEYS, start.store_text(where), "")
    with pytest.raises(SettingsError):
        config.parsed(text, Path("connector.toml"))


def test_asterisks_config_is_whole() -> None:
    """Every word is filled in, behind the published address, and nobody but the connector may use AMI."""
    texts = start.asterisk_texts(start.place(ENV), KEYS, PROJECT / "asterisk-conf")
    for name, text in texts.items():
        assert not re.search(r"@[a-z_]+@", text), name
    assert texts["pjsip.conf"].count("external_media_address = 192.0.2.10") == 3
    assert "local_net = 172.31.60.0/24" in texts["pjsip.conf"]
    assert "permit = 172.31.60.11/255.255.255.255" in texts["manager.conf"]
    assert "connector/extensions.conf" in texts


def test_files_are_written_once_and_are_no_secret_to_asterisk_only(tmp_path: Path) -> None:
    """A second start changes no file; the certificate of the first stays, and whatever else the admin put there."""
    texts = start.asterisk_texts(start.place(ENV), KEYS, PROJECT / "asterisk-conf")
    etc = tmp_path / "etc"
    etc.mkdir()
    start.lay_out(etc, texts, start.place(ENV))
    (etc / "pjsip_custom.conf").write_text("; the admin's\n")
    before = {path: (path.stat().st_ino, path.read_bytes()) for path in etc.rglob("*") if path.is_file()}
    start.lay_out(etc, texts, start.place(ENV))
    after = {path: (path.stat().st_ino, path.read_bytes()) for path in etc.rglob("*") if path.is_file()}
    assert before == after
    modes = {path.name: path.stat().st_mode & 0o777 for path in after if path.name != "pjsip_custom.conf"}
    assert {name: mode for name, mode in modes.items() if mode != 0o640} == {}


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """And only their owner reads them."""
    path = tmp_path / "secrets.json"
    first = start.kept_secrets(path)
    assert start.kept_secrets(path) == first
    assert len({first.ari, first.ami, first.web, first.fastagi}) == 4
    assert path.stat().st_mode & 0o777 == 0o600


def test_every_word_of_compose_is_in_the_document() -> None:
    """Whoever fills in .env finds each word in docs/containers.md."""
    words = set(re.findall(r"\$\{([A-Z_0-9]+)", (PROJECT / "docker" / "compose.yaml").read_text()))
    told = (PROJECT / "docs" / "containers.md").read_text()
    assert {word for word in words if f"`{word}`" not in told} == set()


def test_an_image_without_a_file_of_a_package_is_not_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that pip installed and that is not there ends the build, and is named; so does an empty folder."""
    packages = tmp_path / "lib" / "python3.14" / "site-packages"
    (packages / "one-1.dist-info").mkdir(parents=True)
    (packages / "one-1.dist-info" / "RECORD").write_text("one/__init__.py,sha256=x,1\none/two.py,,\n")
    assert whole.main(str(tmp_path / "nothing")) == 1
    (packages / "one").mkdir()
    (packages / "one" / "__init__.py").touch()
    assert whole.main(str(tmp_path)) == 1
    assert "1 installed files are missing, such as one/two.py" in capsys.readouterr().err
    (packages / "one" / "two.py").touch()
    assert whole.main(str(tmp_path)) == 0
