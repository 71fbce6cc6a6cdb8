"""Every test of the billing package runs on both stores: a file of SQLite, and a database of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.database.postgresql import SharedStore
from connector.database.sqlite import FileStore
from connector.database.store import Store
from tests.conftest import copied, whole
from tests.databases import Databases

# For what is about one of them only.
ON_SQLITE = pytest.mark.parametrize("store", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("store", ["postgresql"], indirect=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store, migrated. After the test its ledger adds up."""
    if request.param == "sqlite":
        yield from whole(FileStore(copied(request.getfixturevalue("migrated"), tmp_path)))
    else:
        databases: Databases = request.getfixturevalue("databases")
        with databases.one() as url:
            yield from whole(SharedStore(url))
