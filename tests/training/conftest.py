from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from training.data.images import LabelledImages
from training.data.prepare import load_split
from training.recipe import Recipe


@pytest.fixture(autouse=True)
def decoded_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of decoded images, empty for each test."""
    assets = tmp_path_factory.mktemp("assets")
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(assets))
    return assets / "template-zoo" / "decoded" / "default"


@pytest.fixture(scope="session")
def images(cifar: Path) -> LabelledImages:
    """The shipped 256 training images."""
    return load_split(str(cifar), "train")


@pytest.fixture(scope="session")
def first(images: LabelledImages) -> Callable[[int], LabelledImages]:
    """`first(count)`: the first so many of them."""
    return lambda count: LabelledImages(images.images[:count], images.labels[:count], images.classes)


@pytest.fixture
def tiny() -> Recipe:
    """Four steps an epoch for 64 images, three epochs at two sizes; so few steps bear no high learning rate."""
    return Recipe(epochs=3, batch_size=16, peak_learning_rate=0.02, input_size=32, growth=(0.5, 1.0), precision="fp32")
