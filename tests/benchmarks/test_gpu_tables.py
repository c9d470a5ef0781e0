"""The tables of docs/gpu.md, with and without measurements."""

import json
from pathlib import Path

import gpu_tables
import pytest
from gpu_tables import GPU, NOT_MEASURED, inference, machines, serving

MACHINE = {
    "gpu": {
        "name": "A GPU",
        "memory": 2**34,
        "driver": "600.1",
        "libraries": {"cuDNN": 91000, "CUDA of PyTorch": "13.0"},
    }
}


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of results instead of the project's."""
    monkeypatch.setattr(gpu_tables, "ROOT", tmp_path)
    gpu_tables._record.cache_clear()
    folder = tmp_path / "benchmarks/results"
    folder.mkdir(parents=True)
    return folder


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_without_measurements_the_tables_say_so() -> None:
    assert {table() for table in GPU.values()} == {NOT_MEASURED}


def test_inference_by_batch_size(results: Path) -> None:
    def row(speed: float, precision: str = "fp32") -> dict[str, object]:
        return {"images_per_second": speed, "precision": precision}

    batches = {
        "256": {"contenders": {"ours fp16": row(123456.7, "fp16")}},
        "1": {"contenders": {"PyTorch eager": row(999.5, "tf32"), "ours fp16": row(2000, "fp16")}},
    }
    record = {"variants": {"wrn16-ours": {"machine": MACHINE, "batches": batches}}}
    (results / "inference.cuda.json").write_text(json.dumps(record))
    assert rows(inference()) == [
        ["`wrn16-ours`", "PyTorch eager", "tf32", "1,000", ""],
        ["`wrn16-ours`", "ours fp16", "fp16", "2,000", "123,457"],
    ]
    assert rows(machines()) == [
        ["inference, `wrn16-ours`", "A GPU", "16", "600.1", "cuDNN 91000, CUDA of PyTorch 13.0"]
    ]
    assert serving() == NOT_MEASURED


def test_servers_by_number_of_clients(results: Path) -> None:
    turn = {
        **{"seconds": 4.0, "requests": 400, "rejected": 0, "failed": 0, "unanswered": 0, "requests_per_second": 100.0},
        **{"latency": {"p50": 9.0, "p99": 21.0}, "server_cpu_seconds": 4.0, "generator_cpu_seconds": 1.0},
    }
    record = {"machine": MACHINE, "closed": {"640x480": {"32": {"ours fp32": [turn, turn]}}}}
    (results / "serving.cuda.json").write_text(json.dumps(record))
    assert rows(serving()) == [["ours fp32", "100 (p50 9.0 ms, p99 21.0 ms)"]]
