"""Files that Asterisk reads: replaced whole or not at all, and readable for it."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path


def write(path: Path, text: str, mode: int = 0o640) -> None:
    """Replace a file by another at once, on the disk when this returns, readable by owner and the folder's group."""
    replace(path, text.encode(errors="surrogateescape"), mode)


def replace(path: Path, content: bytes, mode: int = 0o640) -> None:
    """The same, of bytes."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    # What stands there in spite of that was put there by somebody who may write to the folder, and is not written to.
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)  # whatever the umask is
        like = path.parent.stat()
        with contextlib.suppress(PermissionError):
            os.fchown(file.fileno(), like.st_uid, like.st_gid)  # Asterisk reads it by its group
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def make_folder(path: Path) -> None:
    """Make a folder in one that is there, belonging to whom that belongs. OSError if something else is there."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o770)
        as_the_folder(path)
    if path.is_symlink() or not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "it is no folder", str(path))


def as_the_folder(path: Path) -> None:
    """Root's command and the service write in turn: what either makes belongs to whom the folder belongs."""
    like = path.parent.stat()
    with contextlib.suppress(PermissionError):
        os.chown(path, like.st_uid, like.st_gid, follow_symlinks=False)
