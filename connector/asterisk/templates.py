"""Fills in config files in which a word between two @ stands for what is known only where they are used.

Used for `asterisk-conf/`, the whole config of an Asterisk that serves the connector alone (the lab, docker/), and by
dropin/ for what is added to an Asterisk that others use too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from connector.errors import BadInput

# Asterisk complains if they are missing, and nothing of them is used.
UNUSED = (
    "acl.conf",
    "ccss.conf",
    "chan_websocket.conf",
    "indications.conf",
    "pjproject.conf",
    "stasis.conf",
    "udptl.conf",
    "websocket_client.conf",
)
_WORD = re.compile(r"@([a-z_]+)@")


def filled(text: str, words: Mapping[str, str], name: str) -> str:
    """A text with every word between two @ replaced; a single @ stays. BadInput, with the file's name, if one is not
    known.
    """

    def known(found: re.Match[str]) -> str:
        """What a word stands for."""
        try:
            return words[found.group(1)]
        except KeyError:
            raise BadInput("{name}: nothing is known for {group}", name=name, group=found.group(0)) from None

    return _WORD.sub(known, text)


def whole_config(sources: Sequence[Path], words: Mapping[str, str]) -> dict[str, str]:
    """Every file of a config folder, by name. A file of a later source replaces one of an earlier."""
    found = dict.fromkeys(UNUSED, "; Nothing of it is used; Asterisk complains if it is missing.\n")
    for source in sources:
        for path in sorted(source.glob("*.conf")):
            found[path.name] = filled(path.read_text(), words, str(path))
    return found
