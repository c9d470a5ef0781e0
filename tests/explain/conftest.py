from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from support.patches import write_index

from zoo.search.image_index import ImageIndex


@pytest.fixture
def make_index(tmp_path: Path) -> Callable[..., ImageIndex]:
    """`make_index(shares, labels)`: an index in a folder of the test's own."""
    return partial(write_index, tmp_path / "index")
