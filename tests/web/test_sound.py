"""The telephone in the browser (static/sound.js), in a real Chromium: samples and G.711, at sound cards' rates."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from connector.web.render import STATIC_FILES

# What a browser gives a processor of sound to live in.
STAGE = """
(rate) => {
  globalThis.sampleRate = rate;
  globalThis.currentTime = 0;
  globalThis.AudioWorkletProcessor = class {
    constructor() { this.port = { sent: [], postMessage(what) { this.sent.push(what); } }; }
  };
  globalThis.registerProcessor = (name, made) => { globalThis[name] = made; };
}
"""
# A tone through it, back from a far end that echoes at once, 128 samples at a time; what was sent and what was heard.
THROUGH = """
([hertz, seconds]) => {
  const it = new globalThis.telephone();
  const [heard, codes] = [[], []];
  for (let at = 0; at < seconds * sampleRate; at += 128) {
    const samples = Float32Array.from({ length: 128 },
      (_, each) => 0.5 * Math.sin(2 * Math.PI * hertz * (at + each) / sampleRate));
    const out = new Float32Array(128);
    it.process([[samples]], [[out]]);
    heard.push(...out);
    for (const { frame } of it.port.sent.splice(0)) {
      if (!frame) continue;
      codes.push(...new Uint8Array(frame));
      it.port.onmessage({ data: { frame } });
    }
  }
  return { heard, codes };
}
"""
# How much of a signal is a tone, and how much is anything else, in decibels.
PURITY = """
([signal, hertz]) => {
  let [sine, cosine, all] = [0, 0, 0];
  signal.forEach((sample, at) => {
    sine += sample * Math.sin(2 * Math.PI * hertz * at / sampleRate);
    cosine += sample * Math.cos(2 * Math.PI * hertz * at / sampleRate);
    all += sample * sample;
  });
  const tone = 2 * (sine * sine + cosine * cosine) / signal.length;
  return 10 * Math.log10(tone / (all - tone));
}
"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Page:
    """An empty page."""
    return browser.new_page()


def staged(page: Page, rate: int) -> None:
    """The telephone, by a sound card of this rate."""
    page.goto("about:blank")
    page.evaluate(STAGE, rate)
    page.evaluate(f"() => {{ {STATIC_FILES['sound.js'].read_text()}\n globalThis.encode = toMuLaw; "
                  "globalThis.table = FROM_MU_LAW; }")  # fmt: skip


def test_codes_are_those_of_g711(page: Page) -> None:
    """ITU-T G.711, tables 2a and 2b: silence, the ends of the scale and of its segments; every code comes back as
    itself.
    """
    staged(page, 48_000)
    # Decision values of the standard, of 14 bits, and the code that begins there.
    for value, code in ((0, 0xFF), (31, 0xEF), (95, 0xDF), (223, 0xCF), (479, 0xBF), (991, 0xAF), (2015, 0x9F),
                        (4063, 0x8F), (8158, 0x80)):  # fmt: skip
        assert page.evaluate("value => encode(value / 8159)", value) == code, value
        if value:
            assert page.evaluate("value => encode(-value / 8159)", value) == code & 0x7F, value
    assert [page.evaluate("value => encode(value)", value) for value in (1, 5, -1, -5)] == [0x80, 0x80, 0, 0]
    back: list[int] = page.evaluate("() => Array.from(table, encode)")
    assert [code for code, found in enumerate(back) if found != code] == [0x7F]  # there are two zeros
    assert back[0x7F] == 0xFF


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_a_tone_comes_back_as_it_went(page: Page, rate: int) -> None:
    """8,000 codes a second; and what is heard is the tone, 28 dB above all noise, before any filter."""
    staged(page, rate)
    found: dict[str, Any] = page.evaluate(THROUGH, [1000, 2])
    assert abs(len(found["codes"]) - 16_000) <= 160
    later = found["heard"][rate:]  # after it has begun to play
    assert page.evaluate(PURITY, [later, 1000]) > 28
    assert 0.4 < max(later) < 0.55


def test_what_comes_late_is_left_out(page: Page) -> None:
    """Two seconds of sound at once, after a stall: less than a third of one is kept to be heard."""
    staged(page, 48_000)
    kept = page.evaluate("""() => {
      const it = new globalThis.telephone();
      for (let each = 0; each < 100; each += 1) it.port.onmessage({ data: { frame: new ArrayBuffer(160) } });
      return it.queued;
    }""")
    assert 0.06 * 8000 <= kept <= 0.3 * 8000
