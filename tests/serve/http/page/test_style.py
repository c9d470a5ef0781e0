"""Small screens and colour schemes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ImageColor
from support.page import PLAIN, OpenPage, choose


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(open_page: OpenPage, photo_file: Path, scheme: str) -> None:
    page = open_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) == 360
    choose(page, photo_file, compare=PLAIN)
    page.get_by_text("curl commands").click()
    page.get_by_text("Single class").click()
    assert page.evaluate(wide) == 360


@pytest.mark.parametrize(("scheme", "lightest"), [("light", "paper"), ("dark", "ink")])
def test_text_has_contrast_in_both_schemes(open_page: OpenPage, scheme: str, lightest: str) -> None:
    page = open_page(color_scheme=scheme)

    def luminance(name: str) -> float:
        """Relative luminance of a colour of the style (WCAG 2.2)."""
        colour = page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('--{name}')")
        channels = np.array(ImageColor.getrgb(colour)[:3]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    assert luminance(lightest) > 0.5
    pairs = ("ink", "paper"), ("quiet", "paper"), ("accent", "surface"), ("on-accent", "accent"), ("bad", "bad-paper")
    for pair in pairs:
        darker, lighter = sorted(map(luminance, pair))
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, pair
