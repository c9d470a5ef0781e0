import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import generate_latest

from serve.metrics import BatchReport, Metrics
from serve.shared import Shared

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana-dashboard.json"


@pytest.fixture
def fake_pynvml(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The Python module of NVIDIA's library, on a machine with two GPUs."""
    module = SimpleNamespace(
        NVMLError=OSError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetMemoryInfo=lambda index: SimpleNamespace(used=100 + index, total=1000),
    )
    monkeypatch.setitem(sys.modules, "pynvml", module)
    return module


def test_the_process_is_measured() -> None:
    text = generate_latest(Metrics(Shared.create()).registry).decode()
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"):
        assert re.search(rf"^{name} [1-9.]", text, re.MULTILINE) or not Path("/proc/self").exists()


def test_gpu_memory(fake_pynvml: SimpleNamespace) -> None:
    registry = Metrics(Shared.create()).registry
    assert registry.get_sample_value("zoo_gpu_memory_used_bytes", {"gpu": "1"}) == 101
    assert registry.get_sample_value("zoo_gpu_memory_total_bytes", {"gpu": "0"}) == 1000
    fake_pynvml.nvmlDeviceGetCount = _fail
    assert b"zoo_requests" in generate_latest(registry)


def _fail() -> int:
    raise OSError("the GPU has fallen off the bus")


@pytest.mark.parametrize("there", [True, False])
def test_without_a_gpu_nothing_is_said_of_it(
    there: bool, fake_pynvml: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pynvml.nvmlInit = _fail
    if not there:
        monkeypatch.setitem(sys.modules, "pynvml", None)
    assert b"zoo_gpu" not in generate_latest(Metrics(Shared.create()).registry)


def panels() -> list[dict[str, Any]]:
    dashboard = json.loads(DASHBOARD.read_text())
    assert dashboard["templating"]["list"][0]["name"] == "datasource"
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_the_dashboard_names_only_metrics_that_are_there(fake_pynvml: SimpleNamespace) -> None:
    metrics = Metrics(Shared.create())
    metrics.request("/classify", 429, "a", 0.1, "queue_full")
    metrics.decode.labels("a").observe(0.1)
    metrics.observer("a")(BatchReport([0.1], 0.1, 1))
    metrics.watch(metrics.waiting.labels("a"), lambda: 0)
    metrics.model_loaded("a", "fp32", 0.1)
    metrics.model_unloaded("a", "fp32")
    # Prometheus adds these two.
    labels = {
        sample.name: {*sample.labels, "job", "instance"}
        for metric in metrics.registry.collect()
        for sample in metric.samples
    }
    expressions = [target["expr"] for panel in panels() for target in panel["targets"]]
    assert len(expressions) >= 10
    for expression in expressions:
        named = re.findall(r"\b(?:zoo|process)_\w+", expression)
        assert named, expression
        for name in named:
            assert name in labels, expression
            grouped = re.findall(r"\bby \(([\w, ]+)\)", expression)
            filtered = re.findall(r"(\w+)[!=]=?~?\"", expression)
            assert {*", ".join(grouped).split(", "), *filtered} - {""} <= labels[name], expression


def test_the_panels_take_the_data_source_that_is_chosen() -> None:
    for panel in panels():
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["title"]
