import json
from pathlib import Path

import pytest
import search_tables
from search import TYPES, measure

from zoo.files import write_json


def test_both_types_find_the_same() -> None:
    found = measure(2000, 16, 3)
    assert set(found["turns"]) == set(TYPES)
    assert all(len(turns) == 3 for turns in found["turns"].values())
    assert found["half_precision_agreement"] > 0.9
    assert found["medians"]["float32"]["cpu_seconds"] > 0


def test_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_tables, "RESULTS", tmp_path / "search.json")
    assert "Not measured yet" in search_tables.search()
    medians = {"float32": {"cpu_seconds": 0.0123, "seconds": 0.02}, "float16": {"cpu_seconds": 0.1, "seconds": 0.2}}
    record = {
        "images": 100_000,
        "repeats": 15,
        "machine": {"processor": "AMD", "cores": 2, "load": 1.5},
        "report": {"64": {"medians": medians, "half_precision_agreement": 0.995}},
    }
    write_json(tmp_path / "search.json", json.loads(json.dumps(record)))
    assert "| 64 | 12.3 | 20.0 | 100.0 | 99.5% |" in search_tables.search()
    assert "100,000 random vectors" in search_tables.search()
