"""Opens the store that the settings name: a file of SQLite, or a database of PostgreSQL."""

from __future__ import annotations

from connector.config import StoreSettings
from connector.database import vault
from connector.database.sqlite import FileStore
from connector.database.store import Store
from connector.errors import SettingsError


def opened(settings: StoreSettings) -> Store:
    """The store, open for this program, and the key of its secrets; nothing is asked of either yet."""
    vault.use(settings.key_path)
    if settings.path is not None:
        return FileStore(settings.path)
    # Whoever has one node needs no PostgreSQL driver loaded.
    import psycopg

    from connector.database.postgresql import SharedStore

    password = settings.password.get_secret_value() if settings.password else None
    try:
        return SharedStore(settings.url or "", password)
    except psycopg.Error:  # whose words quote the URL
        raise SettingsError("store.url is not a URL as PostgreSQL has them") from None
