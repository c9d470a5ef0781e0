"""What supports a class and what opposes it, as the server computes it."""

from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from PIL import ImageColor
from playwright.sync_api import Page, Route, expect
from support.page import OURS, PLAIN, cells, choose

from explain.pages.drawing import AGAINST, FOR


def drops(url: str, image: Path, label: str, model: str = OURS) -> Any:
    files = {"file": (image.name, image.read_bytes())}
    answer = httpx2.post(f"{url}/occlusion", params={"model": model, "label": label}, files=files)
    return np.array(answer.raise_for_status().json()["results"][0]["drops"])


def view(page: Page, name: str) -> None:
    page.get_by_text(name, exact=True).click()


def test_the_map_is_drawn_in_the_colours_of_zoo_explain(page: Page, url: str, photo_file: Path) -> None:
    choose(page, photo_file)
    view(page, "Why")
    expect(page.locator("#note")).to_contain_text("the logit of cat")
    expected = drops(url, photo_file, "cat")
    drawn = cells(page)
    np.testing.assert_allclose(drawn[..., 3], 255 * np.abs(expected) / np.abs(expected).max(), atol=1)
    for place in (expected.argmax(), expected.argmin()):
        colour = FOR if expected.flat[place] > 0 else AGAINST
        assert np.abs(drawn.reshape(-1, 4)[place, :3] - ImageColor.getrgb(colour)).max() <= 3
    seen = page.locator(".seen")
    box = seen.bounding_box()
    assert box
    seen.hover(position={"x": 3.5 / 8 * box["width"], "y": 2.5 / 8 * box["height"]})
    expect(page.locator(".readout .declared")).to_have_text(
        f"Covered, the logit of cat {'falls' if expected[2, 3] > 0 else 'rises'} by {abs(expected[2, 3]):.2f}"
    )
    page.locator("#class").select_option("dog")
    expect(page.locator("#note")).to_contain_text("the logit of dog")
    other = drops(url, photo_file, "dog")
    np.testing.assert_allclose(cells(page)[..., 3], 255 * np.abs(other) / np.abs(other).max(), atol=1)


def test_two_models_share_the_scale(page: Page, url: str, photo_file: Path) -> None:
    choose(page, photo_file, compare=PLAIN)
    view(page, "Why")
    expect(page.locator("#note")).to_contain_text("the logit of cat")
    both = [np.abs(drops(url, photo_file, "cat", model)) for model in (OURS, PLAIN)]
    for pane, own in enumerate(both):
        np.testing.assert_allclose(cells(page, pane)[..., 3], 255 * own / np.max(both), atol=1)


def test_a_map_that_is_refused_leaves_the_answer(page: Page, photo_file: Path) -> None:
    def refuse(route: Route) -> None:
        route.fulfill(status=504, json={"error": {"code": "deadline", "message": "no result in time"}})

    page.route("**/occlusion*", refuse)
    choose(page, photo_file)
    before = cells(page)
    view(page, "Why")
    expect(page.get_by_role("alert")).to_have_text("no result in time")
    expect(page.locator("[name=view][value=best]")).to_be_checked()
    np.testing.assert_array_equal(cells(page), before)
