"""Sums that change on a page while it is looked at are written as the page was: by manager.js as by core/formats.py."""

from __future__ import annotations

import random

import pytest
from playwright.sync_api import Browser

from connector.core import formats
from connector.core.money import minor_digits
from connector.web.render import STATIC_FILES
from connector.words import LANGUAGE, LANGUAGES, locale

EDGES = [0, 1, 6_000, 13_200, 999_999, 1_000_000, 1_005_000, 1_125_000, 1_124_999, 4_999_988_000, 87_845_500_000]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("currency", ["GBP", "EUR", "JPY", "KWD", "CHF", "HUF", "USD"])
def test_script_and_server_write_the_same(browser: Browser, currency: str, language: str) -> None:
    """To the last digit, at the halves too, where a browser would round by its binary fractions."""
    page = browser.new_page()
    text = STATIC_FILES["manager.js"].read_text()
    page.evaluate(f"() => {{ {text}\n globalThis.written = money; }}")
    rand = random.Random(7)
    sums = [*EDGES, *(rand.randrange(10**10) for _ in range(200)), *(rand.randrange(10**9) * 5_000 for _ in range(200))]
    sums += [-each for each in EDGES[1:]]
    before = LANGUAGE.set(language)
    found = page.evaluate(
        "([sums, pattern, digits, locale]) => sums.map((each) => written(each, pattern, digits, locale))",
        [sums, formats.pattern(currency), minor_digits(currency), locale().replace("_", "-")],
    )
    assert found == [formats.rounded(each, currency).translated() for each in sums]
    LANGUAGE.reset(before)
    page.close()
