import json
import sys
from pathlib import Path

import pooling
import pytest


def test_both_poolings_are_timed_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooling, "training_step", lambda name, arguments: {"nothing": lambda: None})
    out = tmp_path / "pooling.json"
    options = ["--repeats", "3", "--batch", "2", "--channels", "8", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["pooling.py", *options])
    pooling.main()
    measured = json.loads(out.read_text())["measured"]
    assert list(measured) == ["8 x 8", "21 x 21", "8 x 8, whole network"]
    for row in [*measured["8 x 8"].values(), *measured["21 x 21"].values()]:
        assert {name: len(turns) for name, turns in row["seconds"].items()} == {"gap": 3, "gsp": 3}
        assert row["median_ratio"] > 0
