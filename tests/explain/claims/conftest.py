"""Studies of the bundled models on 256 images."""

from collections.abc import Callable
from pathlib import Path

import pytest

from explain.claims.study import Study


@pytest.fixture
def study(cifar: Path, tmp_path: Path) -> Callable[..., Study]:
    """A study of so many images; without records of runs."""

    def make(images: int = 12, **others: object) -> Study:
        return Study(**({"source": str(cifar), "images": images, "seed": 0, "records": tmp_path} | others))

    return make
