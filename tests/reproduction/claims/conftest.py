"""Inputs for claims about the bundled models on 256 images."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reproduction.claims.inputs import ClaimInputs


@pytest.fixture
def inputs(cifar: Path, tmp_path: Path) -> Callable[..., ClaimInputs]:
    """Inputs of so many images; without records of runs."""

    def make(images: int = 12, **others: object) -> ClaimInputs:
        return ClaimInputs(**({"source": str(cifar), "images": images, "seed": 0, "records": tmp_path} | others))

    return make
