"""What the documents say of the servers is what was measured."""

import json
from pathlib import Path
from typing import Any

import pytest
import serving_measured
import serving_tables
from serving_measured import by_model, closed_loop, strongest_peer


def turn(speed: float, *, rejected: int = 0, failed: int = 0) -> dict[str, Any]:
    return {
        "seconds": 4.0,
        "requests": 100,
        "rejected": rejected,
        "failed": failed,
        "unanswered": 0,
        "requests_per_second": speed,
        "latency": {"p50": 1000 / speed, "p90": 2000 / speed, "p99": 3000 / speed},
        "rejection": {"p50": 1.0, "p90": 2.0, "p99": 3.0},
        "lateness": {"p50": 0.0, "p90": 0.0, "p99": 0.1},
        "server_cpu_seconds": 6.0,
        "generator_cpu_seconds": 0.4,
    }


def record() -> dict[str, Any]:
    ours, theirs = [turn(200), turn(300), turn(250)], [turn(100, rejected=10), turn(100, failed=2), turn(50)]
    return {
        "closed": {"640x480": {"32": {"ours fp32": ours, "FastAPI": theirs}}},
        "no_http": {"640x480": {"fp32": [{"images_per_second": speed} for speed in (490, 510, 500)]}},
    }


def test_a_row_has_the_medians_and_the_ratios_of_the_turns() -> None:
    rows = closed_loop(record(), "640x480", "32")
    ours, theirs = rows["ours fp32"], rows["FastAPI"]
    assert ours.requests_per_second == 250
    assert ours.of_no_http == 0.5
    assert ours.latency["p99"] == 12
    # Not the ratio of the medians, 2.5: the turns' own are 2, 3 and 5.
    assert theirs.times == (3, 2, 5)
    assert theirs.rejected == pytest.approx(10 / 300)
    assert theirs.failed == 2
    assert theirs.cpu_ms == 15
    assert theirs.generator == 0.1


def test_a_server_that_answers_nothing_has_no_ratio() -> None:
    nothing = turn(1) | {"requests_per_second": 0.0, "latency": {}, "failed": 100}
    measured = record()
    measured["closed"]["640x480"]["32"]["FastAPI"] = [nothing] * 3
    row = closed_loop(measured, "640x480", "32")["FastAPI"]
    assert (row.times, row.cpu_ms, row.latency, row.failed) == (None, None, {}, 300)


def test_what_was_not_measured_has_no_rows() -> None:
    assert closed_loop({}, "640x480", "32") == {}
    assert closed_loop(record(), "640x480", "8") == {}


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_tables, "serving", record)
    headings, _, bound, ours, theirs = cells(serving_tables.comparison())
    assert bound[:3] == ["640x480", "no HTTP, fp32", "500"]
    assert ours[:5] == ["640x480", "ours fp32", "250", "1.00 (1.00 to 1.00)", "50%"]
    assert dict(zip(headings, theirs, strict=True)) == {
        "images": "640x480",
        "server": "FastAPI",
        "requests/s": "100",
        "ours fp32 / this": "3.00 (2.00 to 5.00)",
        "of no HTTP": "20%",
        "p50, ms": "10.0",
        "p90, ms": "20.0",
        "p99, ms": "30.0",
        "refused": "3.3%",
        "errors": "2",
        "CPU ms/request": "15.0",
    }


def test_the_speeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_tables, "serving", record)
    _, _, ours, theirs, bound = cells(serving_tables.speeds())
    assert [ours, theirs, bound] == [["ours fp32", "250 (1.00)"], ["FastAPI", "100 (3.00)"], ["no HTTP, fp32", "500"]]


def test_the_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    load = {"rate": 300.0, "memory": [100e6, 120e6], "minutes": [turn(200), turn(100)]} | turn(100, rejected=67)
    measured = record() | {"open": {"1.5": {"ours fp32": load}}}
    long = {"capacity": {"requests_per_second": 100.0}, "steady": load, "overload": load}
    monkeypatch.setattr(serving_tables, "serving", lambda: measured)
    monkeypatch.setattr(serving_tables, "soak", lambda: long)
    expected = ["300", "100", "10.0", "20.0", "30.0", "67.0%", "0"]
    assert cells(serving_tables.open_loop())[2:] == [["ours fp32", "150%", *expected]]
    assert cells(serving_tables.overload())[2:] == [["100", *expected, "1.0", "3.0", "120"]]
    first, second = cells(serving_tables.steady())[2:]
    assert first == ["1", "300", "200", "5.0", "10.0", "15.0", "0.0%", "0", "120"]
    assert second[0] == "2"
    assert second[-1] == ""


def test_nothing_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("serving", "soak", "by_model"):
        monkeypatch.setattr(serving_tables, name, dict)
    tables = serving_tables.SERVING | serving_tables.SERVERS | serving_tables.LONG_LOAD
    for name, table in tables.items():
        assert name == "settings" or table().startswith("Not measured yet")


def tuned_record(**more: Any) -> dict[str, Any]:
    """A comparison with the tuned peers, of which the one in int8 is slower than LitServe in fp32."""
    turns = {
        "ours": [turn(400), turn(600)],
        "ours fp32": [turn(200), turn(300)],
        "LitServe": [turn(250), turn(250)],
        "FastAPI, tuned, fp32": [turn(200), turn(200)],
        "FastAPI, tuned, int8": [turn(160), turn(200)],
    }
    return {"model": "a.b", "default": {"precision": "int8"}, "closed": {"640x480": {"32": turns}}} | more


def test_the_strongest_peer_is_the_fastest_of_its_precision() -> None:
    fp32 = strongest_peer(tuned_record(), "640x480", "32", "ours", "fp32")
    int8 = strongest_peer(tuned_record(), "640x480", "32", "ours fp32", "int8")
    assert fp32
    assert (fp32.name, fp32.row.requests_per_second, fp32.times) == ("LitServe", 250, (2.0, 1.6, 2.4))
    assert int8
    assert (int8.name, int8.times) == ("FastAPI, tuned, int8", (1.375, 1.25, 1.5))


def test_without_the_tuned_peer_there_is_no_strongest(monkeypatch: pytest.MonkeyPatch) -> None:
    assert strongest_peer(record(), "640x480", "32", "ours fp32", "fp32") is None
    monkeypatch.setattr(serving_tables, "by_model", lambda: {"a.b": record()})
    assert serving_tables.strongest().startswith("Not measured yet")


def test_a_peer_that_answers_nothing_is_not_compared() -> None:
    measured = tuned_record()
    loop = measured["closed"]["640x480"]["32"]
    for name in ("LitServe", "FastAPI, tuned, fp32"):
        loop[name] = [turn(1) | {"requests_per_second": 0.0, "latency": {}}] * 2
    assert strongest_peer(measured, "640x480", "32", "ours", "fp32") is None


def test_the_strongest_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    without_int8 = tuned_record(model="c.d")
    del without_int8["closed"]["640x480"]["32"]["FastAPI, tuned, int8"]
    monkeypatch.setattr(serving_tables, "by_model", lambda: {"a.b": tuned_record(), "c.d": without_int8})
    _, _, default, single, other, _ = cells(serving_tables.strongest())
    fp32, int8 = (
        ["LitServe: 250/s", "2.00 (1.60 to 2.40)", "12"],
        ["FastAPI, tuned, int8: 180/s", "2.75 (2.50 to 3.00)"],
    )
    assert default == ["`a.b`", "ours", "500", "6", *fp32, *int8, "17"]
    assert single[:3] == ["`a.b`", "ours fp32", "250"]
    assert other == ["`c.d`", "ours", "500", "6", *fp32, "", "", ""]


def test_models_are_read_from_files_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, model, device in (("", "a", "cpu"), (".b", "b", "cpu"), (".cuda", "a", "cuda"), (".cuda.b", "b", "cuda")):
        found = {"model": model, "machine": {"device": device}, "file": name}
        (tmp_path / f"serving{name}.json").write_text(json.dumps(found))
    monkeypatch.setattr(serving_measured, "RESULTS", tmp_path)
    serving_measured.serving.cache_clear()
    by_model.cache_clear()
    try:
        assert {model: found["file"] for model, found in by_model().items()} == {"a": "", "b": ".b"}
    finally:
        serving_measured.serving.cache_clear()
        by_model.cache_clear()


def test_every_setting_is_listed() -> None:
    rows = {row[0]: row[1:] for row in cells(serving_tables.settings())}
    assert rows["`--port`"][:2] == ["`ZOO_PORT`", "`8000`"]
    assert rows["`--max-queue`"][1] == "`128 per core`"
