"""Opens the store that the settings name: a file of SQLite, or a database of PostgreSQL."""

from __future__ import annotations

from connector.billing.sqlite import FileStore
from connector.billing.store import Store
from connector.config import StoreSettings


def opened(settings: StoreSettings) -> Store:
    """The store, open for this program; nothing is asked of it yet."""
    if settings.path is not None:
        return FileStore(settings.path)
    # Whoever has one node needs no PostgreSQL driver loaded.
    from connector.billing.postgresql import SharedStore

    password = settings.password.get_secret_value() if settings.password else None
    return SharedStore(settings.url or "", password)
