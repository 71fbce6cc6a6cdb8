"""connector.toml, and what is said of a wrong one."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter

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
    with pytest.raises(SettingsError, match="'connector setup' makes one"):
        config.read(tmp_path / "none.toml")


SAMPLE = (Path(config.__file__).parent / "sample-settings.toml").read_text()
_SETTING = re.compile(r"^#(?=[a-z_]+ = |\[[a-z]+\]$)", re.MULTILINE)
# What the sample shows has no usual value, or another one on each machine; or only one of two can be set.
SHOWN = {
    "store.url", "store.password", "store.key", "sip.tcp_transport", "sip.tls_transport", "web.public_url",
    "web.proxies", "web.certificate", "web.private_key", "web.exports", "web.brand_name", "web.brand_logo",
    "web.brand_color", "fastagi.secret", "gate.socket", "mail", "webhooks.allowed", "payments.instructions",
    "payments.hook_secret", "stripe", "invoices", "oidc",
    "backups.folder",
}  # fmt: skip


def sections(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The sections of the settings, by name, with their models."""
    found = {}
    for name, field in model.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found[name] = kind
    return found


def test_the_sample_has_every_setting(tmp_path: Path) -> None:
    """By name, in its section, and no other; what it shows as usual is what is taken without it."""
    whole = tomllib.loads(_SETTING.sub("", SAMPLE))
    found = sections(config.Settings)
    assert set(whole) == set(config.Settings.model_fields)
    assert {name: set(whole[name]) for name in found} == {name: set(kind.model_fields) for name, kind in found.items()}
    with_secrets = SAMPLE.replace('"..."', '"a secret"')
    short = config.parsed(with_secrets, tmp_path / "connector.toml").model_dump()
    for section, kind in found.items():
        for name, field in kind.model_fields.items():
            if field.is_required() or {section, f"{section}.{name}"} & SHOWN:
                continue
            kind_of: TypeAdapter[Any] = TypeAdapter(field.annotation)  # type: ignore[arg-type]
            assert kind_of.validate_python(whole[section][name]) == short[section][name], name


def test_the_samples_secrets_are_refused(tmp_path: Path) -> None:
    """Who copies the sample has to put words of their own in the place of its dots."""
    with pytest.raises(SettingsError, match=r"ari\.password: it is the sample's: put your own in its place"):
        config.parsed(SAMPLE, tmp_path / "connector.toml")
