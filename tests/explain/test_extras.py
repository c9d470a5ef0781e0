import importlib.util

import pytest

from explain.extras import require_explaining
from zoo.errors import MissingDependencyError


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    require_explaining()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openTSNE" else object())
    with pytest.raises(MissingDependencyError, match=r"needs openTSNE: pip install 'template-zoo\[explain\]'"):
        require_explaining()
