"""Charts as SVG: bars over days, drawn at the server; no script, and colours of the page's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from connector.words import grouped

WIDTH = 720
HEIGHT = 200
LEFT = 44
BELOW = 24
ABOVE = 12
_TEXT = 11


@dataclass(frozen=True)
class Bar:
    """One bar: what stands below it, how high its parts are (by their names, lowest first), and what is said of it.

    `line`: how high the line over it runs; None for no line.
    """

    label: str
    parts: Sequence[tuple[str, int]]
    words: str
    line: int | None = None


def bars(title: str, found: Sequence[Bar]) -> Markup:
    """A chart of bars, one above the other's parts; with a line of steps if they have one. "" for none at all."""
    most = max((max(sum(size for _, size in bar.parts), bar.line or 0) for bar in found), default=0)
    if not most:
        return Markup("")
    top = _round_up(most)
    step = (WIDTH - LEFT) / len(found)
    drawn = [_grid(top), *(_bar(bar, LEFT + number * step, step, top) for number, bar in enumerate(found))]
    drawn += [_label(bar, LEFT + number * step, step, number, len(found)) for number, bar in enumerate(found)]
    if any(bar.line is not None for bar in found):
        points = []
        for number, bar in enumerate(found):
            at = _y(bar.line or 0, top)
            points += [f"{LEFT + number * step:.1f},{at:.1f}", f"{LEFT + (number + 1) * step:.1f},{at:.1f}"]
        drawn.append(Markup('<polyline class="bought" points="{}"/>').format(" ".join(points)))
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT + BELOW, title, Markup("").join(drawn)
    )


def _bar(bar: Bar, left: float, step: float, top: int) -> Markup:
    drawn, below = [], 0
    for name, size in bar.parts:
        if size:
            high = _y(below, top) - _y(below + size, top)
            drawn.append(
                Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                    name, left + step * 0.12, _y(below + size, top), step * 0.76, high
                )
            )
        below += size
    cover = Markup('<rect class="over" x="{:.1f}" y="{}" width="{:.1f}" height="{}"/>').format(
        left, ABOVE, step, HEIGHT - ABOVE
    )
    return Markup("<g><title>{}</title>{}{}</g>").format(bar.words, Markup("").join(drawn), cover)


def _label(bar: Bar, left: float, step: float, number: int, count: int) -> Markup:
    if count > 16 and number % 5:  # they would stand on each other
        return Markup("")
    return Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
        left + step / 2, HEIGHT + _TEXT + 4, bar.label
    )


def _grid(top: int) -> Markup:
    drawn = []
    for share in (0, top // 2, top) if top > 1 else (0, top):
        at = _y(share, top)
        drawn.append(
            Markup(
                '<line x1="{}" y1="{:.1f}" x2="{}" y2="{:.1f}"/><text x="{}" y="{:.1f}" text-anchor="end">{}</text>'
            ).format(LEFT, at, WIDTH, at, LEFT - 6, at + 4, escape(grouped(share)))
        )
    return Markup("").join(drawn)


def _y(size: int, top: int) -> float:
    return HEIGHT - (HEIGHT - ABOVE) * size / top


def _round_up(most: int) -> int:
    """The next number that reads well: 1, 2, 4, 6, 8, 10 times a power of ten."""
    power: int = 10 ** (len(str(most)) - 1)
    return next(digit * power for digit in (1, 2, 4, 6, 8, 10) if digit * power >= most)
