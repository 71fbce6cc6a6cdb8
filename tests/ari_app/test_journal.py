"""Asterisk's journal of its legs: what is read from it, and what is passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.ari_app.journal import CelFile, LegStory, read_emergencies, read_stories
from connector.errors import JournalUnavailable


def line(kind: str, at: float, leg: str, call_id: str = "", cause: int | None = None) -> str:
    """One line as cel_custom writes it."""
    extra = "" if cause is None else f'{{""hangupcause"":{cause},""hangupsource"":"""",""dialstatus"":""""}}'
    return f'"{kind}","{at:.6f}","{leg}","n-1.0","{call_id}","PJSIP/x-00000001","{extra}"\n'


CALL = [
    line("CHAN_START", 100.5, "n-100.4"),
    line("CHAN_START", 100.6, "n-100.5"),
    line("ANSWER", 101.0, "n-100.5", "call1"),
    line("ANSWER", 101.001999, "n-100.4"),
    line("CHAN_START", 102, "n-102.6"),
    line("HANGUP", 107.25, "n-100.5", "call1", 16),
    line("HANGUP", 107.26, "n-100.4", "", 102),
    line("HANGUP", 107.27, "n-102.6", "call2", 16),
]


def test_a_call_is_read_with_the_legs_it_dialled() -> None:
    """Answers and ends to the millisecond, cut down, causes, and nothing of other calls, linked or not."""
    found = read_stories(iter(CALL), {"n-100.4"}, {"call1"}, 50_000)
    assert found == {
        "n-100.4": LegStory("n-100.4", "", 100_500, 107_260, 101_001, 107_260, 102),
        "n-100.5": LegStory("n-100.5", "call1", 101_000, 107_250, 101_000, 107_250, 16),
    }


@pytest.mark.parametrize("torn", ["", "\n", '"HANGUP","107', '"HANGUP","x","n-100.4","n-100.4","c",""\n', "\x00\xff\n"])
def test_torn_lines_are_passed_over(torn: str) -> None:
    """A crash may leave half a line, and the next one begins behind it."""
    assert read_stories(iter([torn, *CALL, torn]), {"n-100.4"}, set(), 0) == read_stories(
        iter(CALL), {"n-100.4"}, set(), 0
    )


@pytest.mark.parametrize(
    ("epoch", "more", "alive_at"),
    [
        (50, [], 101_001),  # the same Asterisk: that nothing more is written proves nothing
        (200, [], 102_000),  # it was started anew at 200: until its last line the leg was there
        (200, [line("CHAN_START", 201, "n-201.0")], 102_000),
        # started anew at 150 too, where it counts from 0
        (200, [line("CHAN_START", 150, "n-150.0"), line("HANGUP", 160, "n-150.0", "", 16)], 102_000),
    ],
)
def test_a_leg_whose_end_is_not_written_was_there_until_asterisk_died(
    epoch: int, more: list[str], alive_at: int
) -> None:
    """Asterisk was killed: it wrote the end of every leg before its last line, so whoever has none lived then."""
    found = read_stories(iter([*CALL[:5], *more]), {"n-100.4"}, set(), epoch * 1000)
    assert (found["n-100.4"].ended_at, found["n-100.4"].alive_at) == (None, alive_at)


async def test_a_long_journal_is_read_from_where_it_matters(tmp_path: Path) -> None:
    """Of 200,000 lines only the last are read; and the file before it, if it was rotated meanwhile."""
    path = tmp_path / "connector.csv"
    old = [line("HANGUP", at / 10, f"o-{at}", "", 16) for at in range(1_000_000, 1_200_000)]
    path.write_text("".join(old))
    file = CelFile(path)
    assert len(list(file._lines(119_990_000))) <= 200
    assert set(await file.stories({"o-1199990"}, set(), 119_999_000, 0)) == {"o-1199990"}
    path.rename(tmp_path / "connector.csv.1")
    path.write_text(line("HANGUP", 120_000, "o-1199990", "", 17))
    assert (await file.stories({"o-1199990"}, set(), 119_999_000, 0))["o-1199990"].cause == 17
    (tmp_path / "connector.csv").unlink()
    (tmp_path / "connector.csv.1").rename(tmp_path / "connector.csv-20261123")
    assert (await file.stories({"o-1199985"}, set(), 119_998_000, 0))["o-1199985"].cause == 16


async def test_a_journal_that_is_not_there_knows_nothing(tmp_path: Path) -> None:
    """None is made, or we may not read it: the calls are estimated; one that breaks while it is read is asked again."""
    assert await CelFile(tmp_path / "no" / "connector.csv").stories({"a"}, set(), 0, 0) == {}
    (tmp_path / "connector.csv").mkdir()
    with pytest.raises(JournalUnavailable):
        await CelFile(tmp_path / "connector.csv").stories({"a"}, set(), 0, 0)


def test_emergency_calls_are_read_by_their_mark() -> None:
    """Answered, or over; those of other calls, and torn lines, are none."""
    mark = "emergency-999-local-pabc"
    lines = [
        line("CHAN_START", 100.1, "n-100.1"),
        line("ANSWER", 101.5, "n-100.1", mark),
        line("HANGUP", 103, "n-100.1", mark, 16),
        line("HANGUP", 104, "n-100.2", "emergency-112-unavailable-pabc", 42),
        line("HANGUP", 105, "n-100.3", "emergency-", 42),
        line("HANGUP", 106, "n-100.4", "call1", 16),
        line("HANGUP", 107, "n-100.5", mark)[:-9],
    ]
    found = [(leg.leg, leg.dialled, leg.outcome, leg.profile, leg.at) for leg in read_emergencies(iter(lines))]
    assert found == [
        ("n-100.1", "999", "local", "pabc", 101_500),
        ("n-100.1", "999", "local", "pabc", 103_000),
        ("n-100.2", "112", "unavailable", "pabc", 104_000),
    ]
