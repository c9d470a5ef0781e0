"""The nearest images of the server's index, below an answer."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from support.images import coloured
from support.indices import write_images
from support.onnx_files import with_embedding
from support.page import OURS
from support.serving import running

from serve.app import create_app
from serve.inference.service import Service
from serve.settings import Settings
from zoo.hub import open_model
from zoo.images.decode import decode_pixels
from zoo.predictors.onnx import OnnxPredictor


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with an index of a photograph and some images of one colour."""
    folder = tmp_path_factory.mktemp("nearest")
    package = with_embedding(open_model(OURS), folder / OURS)
    predictor = OnnxPredictor.open(package, "cpu", threads=1)
    photo = (Path(__file__).parents[3] / "data/cat.jpg").read_bytes()
    files = [coloured(0), photo, *(coloured(number) for number in range(1, 6))]
    embeddings = predictor(np.stack([decode_pixels(file, 32).pixels for file in files])).embedding
    assert embeddings is not None
    write_images(folder / "index", embeddings, package.config.weights_sha256, [0, 0, 1, 1, 1, -1, 1])
    settings = replace(Settings(), threads=1, index=str(folder / "index"))
    with running(create_app(Service(settings, [package], lambda package: predictor))) as url:
        yield url


def test_the_nearest_images_are_shown(page: Page, photo_file: Path) -> None:
    page.locator("#file").set_input_files(photo_file)
    items = page.locator("#near li")
    expect(items).to_have_count(7)
    expect(items.first).to_have_attribute("title", "photos/01.png")
    expect(items.first).to_have_text("cat1.000")
    assert items.first.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 32
    # An image without a class has the name of its file.
    expect(items.filter(has_text=re.compile("^05.png"))).to_have_count(1)
