"""The compose files are valid, and fit the image, the server and the dashboard."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from support.deploying import DEPLOY, DOCKERFILE, ROOT, read_yaml, unknown_variables

from serve.process.supervisor import SHUTDOWN_GRACE_SECONDS
from serve.settings import Settings

FILES = ("compose.yaml", "compose.cuda.yaml")


@pytest.fixture
def services() -> dict[str, Any]:
    found: dict[str, Any] = read_yaml("compose.yaml")["services"]
    return found


def sources(service: Any) -> dict[str, str]:
    """What is mounted where."""
    volumes = (volume.split(":") for volume in service["volumes"])
    return {target: source for source, target, *_ in volumes}


@pytest.mark.process
@pytest.mark.parametrize("name", FILES)
def test_files_are_valid(name: str) -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    subprocess.run([sys.executable, "-m", "check_jsonschema", *schema, DEPLOY / name], check=True)


def test_files_that_are_mounted_are_there(services: dict[str, Any]) -> None:
    mounted = {source for service in services.values() for source in sources(service).values()}
    named = set(read_yaml("compose.yaml")["volumes"])
    assert len(mounted - named) == 4
    for source in mounted - named:
        assert (DEPLOY / source).is_file(), source


def test_images_are_built_from_the_dockerfile(services: dict[str, Any]) -> None:
    assert (DEPLOY / services["server"]["build"]).resolve() == ROOT
    target = read_yaml("compose.cuda.yaml")["services"]["server"]["build"]["target"]
    assert f" AS {target}\n" in DOCKERFILE.read_text()


def test_variables_are_settings(services: dict[str, Any]) -> None:
    assert unknown_variables(services["server"]["environment"]) == set()


def test_what_must_be_writable_is(services: dict[str, Any]) -> None:
    server = services["server"]
    assert server["read_only"]
    assert {*server["tmpfs"], *sources(server)} == {"/tmp", "/cache"}


def test_a_container_has_the_time_that_the_server_takes_to_end(services: dict[str, Any]) -> None:
    settings = Settings()
    takes = settings.notice_seconds + settings.drain_seconds + SHUTDOWN_GRACE_SECONDS
    assert int(services["server"]["stop_grace_period"].removesuffix("s")) > takes


def test_prometheus_asks_the_server(services: dict[str, Any], client_with_key: TestClient) -> None:
    [job] = read_yaml("prometheus.yaml")["scrape_configs"]
    [target] = job["static_configs"][0]["targets"]
    assert target == f"server:{Settings().port}"
    assert "server" in services
    assert f"{Settings().port}:{Settings().port}" in services["server"]["ports"]
    # Its default path.
    assert list(text_string_to_metric_families(client_with_key.get("/metrics").text))


def test_grafana_asks_prometheus(services: dict[str, Any]) -> None:
    [source] = read_yaml("grafana/datasources.yaml")["datasources"]
    assert re.fullmatch(r"http://(\w+):9090", source["url"])[1] in services
    assert source["isDefault"]
    assert source["jsonData"]["timeInterval"] == read_yaml("prometheus.yaml")["global"]["scrape_interval"]
    dashboard = json.loads((ROOT / "docs/grafana-dashboard.json").read_text())
    assert dashboard["templating"]["list"][0]["query"] == source["type"]


def test_grafana_finds_the_dashboard(services: dict[str, Any]) -> None:
    grafana = services["grafana"]
    [provider] = read_yaml("grafana/dashboards.yaml")["providers"]
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    assert sources(grafana)[str(home)] == "../docs/grafana-dashboard.json"
