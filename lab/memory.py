"""Where files of tests can be kept in memory: a commit waits for no disk there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

FOLDER = Path("/dev/shm")
_ENOUGH_BYTES = 2 * 1024**3


def enough() -> bool:
    """Whether this machine has such a folder, and enough is free in it."""
    return os.path.ismount(FOLDER) and shutil.disk_usage(FOLDER).free > _ENOUGH_BYTES
