import json
from pathlib import Path

import classify_tables
import pytest
from classify_folder import OURS, PLAIN, labels, report, run


def turn(seconds: float, cpu_seconds: float, peak: int) -> dict[str, float]:
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak * 2**20}


TURNS = {
    "10": [turn(2, 3, 100), turn(90, 3, 101), turn(1, 3, 102)],
    "110": [turn(4, 5, 110), turn(3, 5, 111), turn(4, 5, 112)],
}


def test_medians_with_and_without_the_start() -> None:
    assert report({OURS: TURNS})[OURS] == {
        "images_per_second": 110 / 4,
        "images_per_second_without_start": 100 / 2,
        "cpu_ms_per_image": 20,
        "peak_bytes": {"10": 101 * 2**20, "110": 111 * 2**20},
    }


@pytest.mark.process
def test_time_and_memory_of_a_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nopen(sys.argv[1], 'w').write('file,label\\na,cat\\n')\nlarge = bytes(range(256)) * 400_000\n"
    )
    found = run(tmp_path, str(script), str(tmp_path / "out.csv"))
    assert labels(tmp_path / "out.csv") == ["cat"]
    assert 0 < found["cpu_seconds"] <= 2 * found["seconds"]
    assert 100e6 < found["peak_bytes"] < 300e6
    script.write_text("raise SystemExit(3)")
    with pytest.raises(SystemExit, match="failed"):
        run(tmp_path, str(script))


def test_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classify_tables, "RESULTS", tmp_path / "x.json")
    assert classify_tables.folder() == classify_tables.NOT_MEASURED
    turns = {OURS: TURNS, PLAIN: TURNS}
    record = {"model": "m", "repeats": 3, "machine": {"cores": 2, "processor": "P", "load": 0.1}, "turns": turns}
    (tmp_path / "x.json").write_text(json.dumps(record | {"report": report(turns)}))
    assert "| zoo classify | 28 | 50 | 20.00 | 101 | 111 |" in classify_tables.folder()
