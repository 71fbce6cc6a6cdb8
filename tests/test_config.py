"""connector.toml, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector import config
from connector.errors import SettingsError

GOOD = """
node = "a"
[store]
path = "/tmp/connector.db"
[ari]
user = "connector"
password = "hush-hush"
[ami]
user = "connector"
password = "hush-hush"
[sip]
generated = "/tmp/generated"
[web]
token = "hush-hush"
"""
# what is replaced -> by what -> what has to be said
WRONG = [
    ('node = "a"', 'nod = "a"', "node"),
    ('node = "a"', 'node = "a b"', "node"),
    ("[ari]", "[ari]\nport = 70000", "ari.port"),
    ("[ari]", '[ari]\nport = "x"', "ari.port"),
    ("[sip]", '[sip]\nrealm = "a\\nb"', "sip.realm"),
    ("[web]", "[web", "not TOML"),
    ("[web]", "[web]\nspeed = 3", "web.speed"),
]


def test_a_good_file_is_read(tmp_path: Path) -> None:
    """Defaults fill what is not said, and a password is in no repr."""
    path = tmp_path / "connector.toml"
    path.write_text(GOOD)
    settings = config.read(path)
    assert settings.ari.url == "http://127.0.0.1:8088/ari"
    assert settings.calls.longest_s == 14_400
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(("old", "new", "said"), WRONG)
def test_a_wrong_file_is_one_clear_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    """It names the place, and quotes no value: it might be a secret."""
    path = tmp_path / "connector.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(SettingsError) as error:
        config.read(path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert "hush" not in str(error.value)


def test_a_missing_file_is_said_to_be_so(tmp_path: Path) -> None:
    """And what to do about it."""
    with pytest.raises(SettingsError, match="make run"):
        config.read(tmp_path / "none.toml")
