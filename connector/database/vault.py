"""The key that seals secrets in the store. It lies in a file outside of it, so that a copy of the store tells none.

What is sealed: the digests and passwords of profiles and trunks. Fernet (AES-128-CBC with HMAC-SHA256) by
`cryptography`. The file has a key a line: the first seals, every one opens, so a key is changed by putting a new one on
top. Nodes that share a store share the key; a backup of the store tells no secret without it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from connector.database.store import reading, rows
from connector.errors import SecretsLocked


class _Vault:
    """The file of keys that is in use, read when it is needed first."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.keys: MultiFernet | None = None
        self.first = b""


_vault = _Vault()


def use(path: Path) -> None:
    """From now on secrets are sealed and opened by this file of keys."""
    _vault.path, _vault.keys = path, None


def use_new_key() -> None:
    """From now on secrets are sealed by a key that is kept nowhere: for a store that is gone with its process."""
    _vault.path, _vault.first = None, Fernet.generate_key()
    _vault.keys = MultiFernet([Fernet(_vault.first)])


def make() -> bool:
    """Make the file with a first key, mode 0600, if it is not there; whether it was. SecretsLocked if it cannot."""
    if _vault.keys is not None:
        return False
    path = _path()
    if path.exists():
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(Fernet.generate_key().decode() + "\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:  # another command made it at the same moment
        return False
    except OSError as error:
        raise SecretsLocked(
            "the key file {path} cannot be made: {strerror}", path=path, strerror=error.strerror
        ) from error
    return True


def seal(text: str) -> str:
    """A text, sealed. SecretsLocked without a key."""
    return _keys().encrypt(text.encode()).decode()


def sealed(text: str) -> str:
    """A secret for the store, sealed by the very key that sealed the others; the first one makes the key.

    SecretsLocked if the key is another one.
    """
    other = _any_sealed()
    if other is None:
        make()
    else:
        unseal(other)
    return seal(text)


def first_key() -> bool:
    """Make the key of a store in which nothing was sealed yet, if there is none; whether it was made.

    Where something is, a new key would open nothing: then one that is missing has to be found. SecretsLocked if it
    cannot be made.
    """
    return _any_sealed() is None and make()


def _any_sealed() -> str | None:
    with reading():
        found = (
            rows("SELECT digest FROM profile WHERE LENGTH(digest) > 32 LIMIT 1")
            or rows("SELECT secret FROM trunk WHERE secret IS NOT NULL LIMIT 1")
            or rows("SELECT pin FROM mailbox LIMIT 1")
            or rows("SELECT secret FROM webhook LIMIT 1")
        )
    return found[0][0] if found else None


def unseal(sealed: str) -> str:
    """The text that was sealed. SecretsLocked without its key."""
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise SecretsLocked("the key file {path} does not open the secrets of this store", path=_vault.path) from None


def derived(purpose: str) -> bytes:
    """A key for something else than sealing, of 32 bytes: the same on every node. SecretsLocked without a key."""
    _keys()
    return hmac.new(_vault.first, purpose.encode(), hashlib.sha256).digest()


def derived_or_own(purpose: str) -> bytes:
    """The same; without a key, one that is good until the program ends."""
    try:
        return derived(purpose)
    except SecretsLocked:
        return secrets.token_bytes(32)


def _path() -> Path:
    if _vault.path is None:
        raise SecretsLocked("no key file was named")
    return _vault.path


def _keys() -> MultiFernet:
    if _vault.keys is None:
        path = _path()
        try:
            lines = path.read_text().split()
            keys = [Fernet(line) for line in lines]
        except FileNotFoundError:
            raise SecretsLocked(
                "there is no key file {path}: put back the copy that was kept of it", path=path
            ) from None
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "a line of it is no key"
            raise SecretsLocked("the key file {path} cannot be used: {why}", path=path, why=why) from None
        if not keys:
            raise SecretsLocked("the key file {path} is empty", path=path)
        _vault.keys, _vault.first = MultiFernet(keys), lines[0].encode()
    return _vault.keys
