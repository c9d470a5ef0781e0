import logging

import pytest
from prometheus_client import CollectorRegistry
from support.small_app import small_client

from serve.metrics import Metrics
from serve.shared import Shared


def report(caplog: pytest.LogCaptureFixture) -> dict[str, object]:
    [record] = [record for record in caplog.records if record.name == "serve.http.middleware"]
    fields: dict[str, object] = record.__dict__["fields"]
    return fields | {"level": record.levelname}


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


@pytest.fixture(autouse=True)
def _everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "serve")


def test_the_log_line_of_a_request(caplog: pytest.LogCaptureFixture) -> None:
    key = "k" * 16
    client = small_client(api_keys=(f"partner:{key}",))
    answer = client.post("/count?token=secret", content=b"12345", headers={"Authorization": f"Bearer {key}"})
    assert answer.text == "5"
    fields = report(caplog)
    assert 0 < float(str(fields.pop("ms"))) < 5000
    assert fields == {
        "client": "testclient",
        "method": "POST",
        "path": "/count",
        "route": "/count",
        "status": 200,
        "bytes_in": 5,
        "bytes_out": 1,
        "model": "counter",
        "key": "partner",
        "reason": "",
        "level": "INFO",
    }


def test_probes_are_logged_for_debugging_only(caplog: pytest.LogCaptureFixture) -> None:
    small_client().get("/healthz")
    assert report(caplog)["level"] == "DEBUG"


def test_a_long_path_is_cut_and_makes_no_time_series(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(Shared.create())
    small_client(metrics).get("/" + "x" * 1000)
    fields = report(caplog)
    assert fields["path"] == "/" + "x" * 199
    assert (fields["route"], fields["status"]) == ("other", 404)
    assert value(metrics.registry, "zoo_requests_total", route="other", code="404", model="") == 1


def test_an_unexpected_error_is_told_to_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(Shared.create())
    answer = small_client(metrics).get("/fail")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "secret" not in answer.text + str(answer.headers)
    assert "RuntimeError: /secret/path" in caplog.text
    fields = report(caplog)
    assert (fields["level"], fields["status"], fields["reason"]) == ("ERROR", 500, "internal")
    assert value(metrics.registry, "zoo_rejections_total", reason="internal") == 1


def test_requests_and_refusals_are_counted() -> None:
    metrics = Metrics(Shared.create())
    client = small_client(metrics, rate_limit=0.001, rate_burst=1)
    for _ in range(3):
        client.post("/count")
    assert value(metrics.registry, "zoo_requests_total", route="/count", code="200", model="counter") == 1
    assert value(metrics.registry, "zoo_requests_total", route="other", code="429", model="") == 2
    assert value(metrics.registry, "zoo_rejections_total", reason="rate_limit") == 2
    assert value(metrics.registry, "zoo_request_seconds_count", route="/count", model="counter") == 1
