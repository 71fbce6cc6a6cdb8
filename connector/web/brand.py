"""How an installation looks: its name, logo and colour (`[web] brand_name`, `brand_logo`, `brand_color`).

A colour may have too little contrast to be read (WCAG 2.2, 1.4.3): it is made darker on light pages, and lighter on
dark ones, until it has enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from connector.config import WebSettings

Colour = tuple[int, int, int]
# As in manager.css: what a colour stands on, in light and in dark, as text and as the ground of a button.
_LIGHT: Colour = (0xE6, 0xEE, 0xFB)
_DARK: Colour = (0x23, 0x2C, 0x3C)
_WHITE: Colour = (0xFF, 0xFF, 0xFF)
_BLACK: Colour = (0x0B, 0x12, 0x20)
LEAST_CONTRAST = 4.6


@dataclass(frozen=True)
class Brand:
    """`name` is in the title of each page; `icon` is where the logo is; `sheet` is the style sheet with the colour."""

    name: str
    icon: str
    logo: Path | None
    sheet: str


def of(settings: WebSettings) -> Brand:
    """The brand that the settings name, or the usual one."""
    return Brand(
        settings.brand_name or USUAL.name,
        "/brand/logo" if settings.brand_logo else USUAL.icon,
        settings.brand_logo,
        sheet_of(settings.brand_color) if settings.brand_color else USUAL.sheet,
    )


USUAL = Brand("Connector", "/static/icon.svg", None, "/* the usual colours */\n")


def sheet_of(colour: str) -> str:
    """The style sheet for a colour like #1d5bc4."""
    wanted = (int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16))
    light, dark = readable(wanted, _LIGHT), readable(wanted, _DARK)
    ink = [_BLACK if contrast(each, _BLACK) > contrast(each, _WHITE) else _WHITE for each in (light, dark)]
    return (
        ":root {\n"
        f"  --accent: light-dark({_hex(light)}, {_hex(dark)});\n"
        f"  --on-accent: light-dark({_hex(ink[0])}, {_hex(ink[1])});\n"
        "  --accent-soft: color-mix(in srgb, var(--accent) 10%, var(--card));\n"
        "}\n"
    )


def readable(colour: Colour, ground: Colour) -> Colour:
    """The colour, or one as near to it as can be that is readable on the ground."""
    end = (0, 0, 0) if _luminance(ground) > 0.5 else _WHITE
    for step in range(101):
        found = _mixed(colour, end, step / 100)
        if contrast(found, ground) >= LEAST_CONTRAST:
            return found
    return end


def contrast(one: Colour, other: Colour) -> float:
    """The contrast of two colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Colour) -> float:
    parts = [each / 255 for each in colour]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
