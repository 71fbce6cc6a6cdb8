"""Words that must not come back: the wording that docs, pages, errors and comments are being freed of.

`words-left.json` counts what is left in files that are not rewritten yet. A count cannot rise, and a file that is
rewritten leaves the list. To write the list again: `python -m tests.test_words`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

PROJECT = Path(__file__).parent.parent
LEFT = PROJECT / "tests" / "words-left.json"
FOLDERS = ("connector", "lab", "docs", "docker", "asterisk-conf", ".")
ENDINGS = {".py", ".md", ".html", ".js", ".conf", ".toml", ".csv"}
# Write instead: "is not a", "not found", "cannot" or "is not allowed to", the platform, the ledger, an action, failed,
# unknown, reachable, reports, the caller, the user, the node.
WORDS = re.compile(
    r"""
    \b(?:
      (?:is|are|was|were|be)\ no\ (?!longer\b)(?:\w+\ )?(?:number|sum|channel|name|codec|time|event|call|good)
    | as\ many\ (?:\w+\ ){1,8}as\ may
    | more\ often\ (?:\w+\ ){1,4}than\ may\ be
    | whoever | whomever | nobody's | somebody\ else's
    | the\ house | a\ deed | the\ deed | the\ books | by\ and\ by | in\ vain
    | stumbled | fell\ out\ of\ our\ hands
    | strangers? | is\ well\b
    | every\ so\ many | do\ not\ \(button\)
    | dearest | talks\ for | go\ on\ \(link\)
    | without\ its\ being\ so | what\ would\ be,
    )\b
    """,
    re.VERBOSE | re.IGNORECASE,
)


def files() -> list[Path]:
    """All files with text for people, except tests, which quote inputs, and this list's own."""
    found: set[Path] = set()
    for folder in FOLDERS:
        paths = (PROJECT / folder).glob("*") if folder == "." else (PROJECT / folder).rglob("*")
        found |= {path for path in paths if path.suffix in ENDINGS and path.is_file()}
    return sorted(found)


def counted() -> dict[str, int]:
    """How many of these words each file has, if it has any."""
    counts = Counter({str(path.relative_to(PROJECT)): len(WORDS.findall(path.read_text())) for path in files()})
    return {name: count for name, count in sorted(counts.items()) if count}


def test_no_file_gets_more_of_these_words() -> None:
    """A new or rewritten file has none of them, any other at most as many as before."""
    left = json.loads(LEFT.read_text())
    more = {name: (count, left.get(name, 0)) for name, count in counted().items() if count > left.get(name, 0)}
    assert more == {}, "see the list in tests/test_words.py, and write it in plain words"


def test_the_list_is_true() -> None:
    """What was rewritten leaves the list, so that it cannot come back."""
    found = counted()
    fewer = {name: (found.get(name, 0), count) for name, count in json.loads(LEFT.read_text()).items()}
    assert {name: both for name, both in fewer.items() if both[0] < both[1]} == {}, "run: python -m tests.test_words"


def test_the_words_are_found() -> None:
    """The examples that the list began with are found, and plain words are not."""
    for text in (
        "As many visitors call by the call button as may at once.",
        "The number was called more often in an hour than may be.",
        "What was dialled is no number.",
        "the amount 'abc' is no sum of money",
        "the writer stumbled",
        "call 1 fell out of our hands",
        "You are owner of the house",
        "Dearest minute",
        "a stranger's leg",
    ):
        assert WORDS.search(text), text
    for text in (
        "'x' is not a valid call count",
        "Unknown profile.",
        "is no longer active",
        "Maximum price per minute",
    ):
        assert not WORDS.search(text), text


if __name__ == "__main__":
    LEFT.write_text(json.dumps(counted(), indent=1) + "\n")
