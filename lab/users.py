"""Runs programs as other users of the system, as an installation does: Asterisk as one, the connector as another.

Needs root. A Python in a folder that others may not enter (one in root's home) is shown to the program at its own
place, in a mount namespace of its own.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from connector.asterisk import accounts
from connector.asterisk.accounts import ENTER, Account


def as_user(account: Account, groups: Sequence[int], command: Sequence[str]) -> list[str]:
    """The command that runs another one as an account, with further groups and without any privilege.

    Who is not root runs it as they are.
    """
    if os.geteuid() != 0:
        return list(command)
    chosen = [
        f"--reuid={account.uid}",
        f"--regid={account.gid}",
        f"--groups={','.join(map(str, (account.gid, *groups)))}",
    ]
    plain = ["setpriv", *chosen, "--inh-caps=-all", "--no-new-privs", "--", *command]
    python = Path(os.path.realpath(sys.executable)).parent.parent
    closed = accounts.obstacle(Account(account.name, account.uid, account.gid, (account.gid, *groups)), python, ENTER)
    if closed is None:
        return plain
    words = {"python": shlex.quote(str(python)), "closed": shlex.quote(str(closed))}
    show = (
        "mount --bind {python} /mnt && mount -t tmpfs -o mode=755 none {closed} && (umask 022 && mkdir -p {python})"
        ' && mount --bind /mnt {python} && umount /mnt && exec "$@"'
    ).format(**words)
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", show, "sh", *plain]
