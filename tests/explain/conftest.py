from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from support.patches import write_index

from explain.similar.index import PatchIndex


@pytest.fixture
def make_index(tmp_path: Path) -> Callable[..., PatchIndex]:
    """`make_index(shares, labels)`: an index in a folder of the test's own."""
    return partial(write_index, tmp_path / "index")
