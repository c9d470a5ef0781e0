"""The example for Kubernetes is valid, and fits the image and the server."""

from typing import Any

import pytest
from starlette.testclient import TestClient
from support.deploying import DEPLOY, DOCKERFILE, USER, read_yaml, unknown_variables

from serve.http.auth import ApiKeys
from serve.process.supervisor import SHUTDOWN_GRACE_SECONDS
from serve.settings import Settings
from zoo.errors import InputError

KUSTOMIZATION = "kustomization.yaml"
FILES = sorted(file.name for file in (DEPLOY / "kubernetes").iterdir())


def read(name: str) -> Any:
    return read_yaml(f"kubernetes/{name}")


@pytest.fixture
def pod() -> Any:
    return read("deployment.yaml")["spec"]["template"]["spec"]


@pytest.fixture
def container(pod: Any) -> Any:
    [container] = pod["containers"]
    return container


@pytest.fixture
def variables(container: Any) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["env"]}


@pytest.mark.parametrize("name", [name for name in FILES if name != KUSTOMIZATION])
def test_files_are_valid(name: str) -> None:
    # Its schemas take 100 MB: whoever changes these files installs it.
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    kubernetes_validate.validate(read(name), kubernetes_validate.latest_version(), strict=True)


def test_all_but_the_example_of_keys_are_applied() -> None:
    assert {*read(KUSTOMIZATION)["resources"], KUSTOMIZATION, "secret.example.yaml"} == set(FILES)


def test_what_refers_to_each_other(pod: Any, container: Any) -> None:
    labels = read("deployment.yaml")["spec"]["template"]["metadata"]["labels"]
    assert read("deployment.yaml")["spec"]["selector"]["matchLabels"] == labels
    assert read("service.yaml")["spec"]["selector"] == labels
    assert read("disruption-budget.yaml")["spec"]["selector"]["matchLabels"] == labels
    assert read("autoscaler.yaml")["spec"]["scaleTargetRef"]["name"] == read("deployment.yaml")["metadata"]["name"]
    assert [image["name"] for image in read(KUSTOMIZATION)["images"]] == [container["image"]]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    secrets = [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume]
    assert secrets == [read("secret.example.yaml")["metadata"]["name"]]


def test_ports(container: Any) -> None:
    [port] = container["ports"]
    assert port["containerPort"] == Settings().port
    assert [each["targetPort"] for each in read("service.yaml")["spec"]["ports"]] == [port["name"]]


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_probes_ask_what_is_there_without_a_key(probe: str, container: Any, client: TestClient) -> None:
    asked = container[probe]["httpGet"]
    assert asked["port"] == container["ports"][0]["name"]
    assert client.get(asked["path"]).status_code == 200


def test_variables_are_settings(variables: dict[str, str]) -> None:
    assert unknown_variables(variables) == set()


def test_a_pod_has_the_time_that_the_server_takes_to_end(pod: Any, variables: dict[str, str]) -> None:
    takes = float(variables["ZOO_NOTICE_SECONDS"]) + float(variables["ZOO_DRAIN_SECONDS"]) + SHUTDOWN_GRACE_SECONDS
    assert pod["terminationGracePeriodSeconds"] > takes


def test_an_accepted_request_is_answered_before_its_pod_ends(variables: dict[str, str]) -> None:
    assert float(variables["ZOO_DRAIN_SECONDS"]) * 1000 >= Settings().deadline_ms


def test_the_user_is_the_image_s(pod: Any) -> None:
    assert str(pod["securityContext"]["runAsUser"]) == USER
    assert f"\nUSER {USER}\n" in DOCKERFILE.read_text()


def test_what_must_be_writable_is(container: Any) -> None:
    assert container["securityContext"]["readOnlyRootFilesystem"]
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/tmp", "/cache"}


def test_keys_are_read_where_they_are_mounted(container: Any, variables: dict[str, str]) -> None:
    [folder] = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "keys"]
    [file] = read("secret.example.yaml")["stringData"]
    assert variables["ZOO_API_KEYS_FILE"] == f"{folder}/{file}"


def test_the_example_of_keys_is_none() -> None:
    [text] = read("secret.example.yaml")["stringData"].values()
    with pytest.raises(InputError, match="openssl rand -hex 32"):
        ApiKeys(text.splitlines())
