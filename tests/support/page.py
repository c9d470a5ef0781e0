"""What a test sees of the page, and what the server says of the same image."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from playwright.sync_api import Page, expect

OURS, PLAIN = "wrn16-ours.cifar10", "wrn16.cifar10"
NOTHING = ""

OpenPage = Callable[..., Page]
"""`open_page(before, **options)`: a new page, `before(page)` before its first request, in a context with options."""


def choose(page: Page, image: Path, compare: str = NOTHING) -> None:
    """Choose an image and wait for the answers."""
    expect(page.locator("#model")).to_have_value(OURS)
    page.locator("#compare").select_option(compare)
    page.locator("#file").set_input_files(image)
    expect(page.locator("#status")).to_contain_text(f"{OURS}:")


def ask(url: str, path: str, image: Path, model: str = OURS) -> Any:
    """What the server answers about the only image."""
    files = {"file": (image.name, image.read_bytes())}
    answer = httpx2.post(f"{url}/{path}", params={"model": model, "top_k": 10}, files=files)
    return answer.raise_for_status().json()["results"][0]


def cells(page: Page, pane: int = 0) -> np.ndarray:
    """The drawn map, [h, w, 4]: red, green, blue, opacity."""
    rows, columns, values = (
        page.locator(".cells")
        .nth(pane)
        .evaluate("c => [c.height, c.width, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]]")
    )
    return np.array(values).reshape(rows, columns, 4)


def percent(share: float) -> str:
    return f"{round(100 * share, 1):g}%"


def bars(page: Page, selector: str) -> list[list[str]]:
    return [item.inner_text().split() for item in page.locator(f"{selector} li").all()]


def shares_of(result: Any, label: str) -> np.ndarray:
    return np.array(
        [[{t["label"]: t["probability"] for t in patch["top"]}[label] for patch in row] for row in result["patches"]]
    )
