"""The ARI client speaks as Asterisk's own description of its interface says."""

from __future__ import annotations

import json

import pytest

from connector.ari_app.client import OPERATIONS, AriClient
from connector.config import AriSettings
from connector.errors import AriUnavailable
from lab.root import find_asterisk
from lab.run import ASTERISK_HOME

SETTINGS = AriSettings(user="connector", password="none")  # type: ignore[arg-type]


@pytest.mark.parametrize("resource", sorted(OPERATIONS))
def test_operations_have_asterisks_names(resource: str) -> None:
    """Each operation's name, method and path are those of rest-api/*.json, as ari-py would read them."""
    path = find_asterisk(ASTERISK_HOME).data_dir / "rest-api" / f"{resource}.json"
    described = {
        operation["nickname"]: (operation["httpMethod"], api["path"])
        for api in json.loads(path.read_text())["apis"]
        for operation in api["operations"]
    }
    for name, how in OPERATIONS[resource].items():
        assert described[name] == how


async def test_a_request_without_a_connection_fails_at_once() -> None:
    """Asterisk cannot be asked, so nothing is known: an error of its own kind, not an empty answer."""
    client = AriClient(SETTINGS)
    with pytest.raises(AriUnavailable):
        await client.channels.list()


async def test_an_unknown_operation_is_an_error_at_once() -> None:
    """A typo is no request."""
    with pytest.raises(AttributeError):
        AriClient(SETTINGS).channels.hangUp  # noqa: B018
