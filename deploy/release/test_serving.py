"""Tests of `pip install 'template-zoo[serve,client]'`."""

import json

import pytest
from release.environment import Environment
from release.readme import CLIENT_EXAMPLE, CURL_LINES

from zoo.hub import DEFAULT_MODEL

CAT = "tests/data/cat.jpg"


def test_nothing_of_the_source_tree_is_used(serving: Environment) -> None:
    places = serving.run("python", "-c", "import zoo, serve, training, export; print(zoo, serve, training, export)")
    assert places.count(str(serving.path)) == 4


def test_no_network_library_is_installed(serving: Environment) -> None:
    installed = serving.run("python", "-m", "pip", "list")
    assert "torch" not in installed
    assert "onnxruntime" in installed


def test_zoo_list_and_info(serving: Environment) -> None:
    listed = serving.run("zoo", "list")
    assert "models available locally: none" in listed
    [on_the_hub] = [line for line in listed.splitlines() if line.startswith("models on the Hub: ")]
    assert DEFAULT_MODEL in on_the_hub
    assert json.loads(serving.run("zoo", "info", "wrn16-ours"))["mechanism"] == "residual"
    assert json.loads(serving.run("zoo", "info", DEFAULT_MODEL))["metrics"]


@pytest.mark.parametrize("model", [DEFAULT_MODEL, "wrn16-ours", "hf-hub:template-zoo/wrn16-ours.cifar10@main"])
def test_zoo_classify(model: str, serving: Environment) -> None:
    answer = json.loads(serving.run("zoo", "classify", CAT, "--model", model, "--json"))
    assert answer["results"][0]["classes"][0]["label"] == "cat"


@pytest.mark.parametrize("kind", ["png", "npy", "json"])
def test_zoo_patches(kind: str, serving: Environment) -> None:
    assert "8 x 8 patches" in serving.run("zoo", "patches", CAT, "-o", f"map.{kind}")
    assert (serving.folder / f"map.{kind}").stat().st_size > 500


@pytest.mark.parametrize(("line", "label"), [*zip(CURL_LINES, ("cat", "bird"), strict=True)])
def test_curl(line: str, label: str, serving: Environment, url: str) -> None:
    answer = json.loads(serving.shell(line.replace("localhost:8000", url)))
    result = answer["results"][0]
    shares = result["classes"] if "classes" in result else result["patches"][4][4]["top"]
    assert shares[0]["label"] == label


@pytest.mark.parametrize(("kind", "start"), [("application/x-npy", b"\x93NUMPY"), ("image/png", b"\x89PNG")])
def test_the_map_in_other_forms(kind: str, start: bytes, serving: Environment, url: str) -> None:
    serving.shell(f"curl -sf -F file=@{CAT} -H 'Accept: {kind}' {url}/patch-semantics -o answer")
    assert (serving.folder / "answer").read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "<!doctype html>"),
        ("/page/main.js", "import"),
        ("/docs", "swagger"),
        ("/openapi.json", "/patch-semantics"),
        ("/models", DEFAULT_MODEL),
        ("/metrics", "zoo_requests_total"),
        ("/healthz", "ok"),
        ("/readyz", "ready"),
        ("/v2", "template-zoo"),
        (f"/v2/models/{DEFAULT_MODEL}/ready", ""),
    ],
)
def test_what_else_the_server_answers(path: str, text: str, serving: Environment, url: str) -> None:
    assert text in serving.shell(f"curl -sf {url}{path}")


def test_the_example_of_the_client(serving: Environment, url: str) -> None:
    code = CLIENT_EXAMPLE.replace("http://localhost:8000", url)
    assert serving.run("python", "-c", code).strip() == "cat"


def test_the_server_answers_as_the_program(serving: Environment, url: str) -> None:
    asked = json.loads(serving.shell(f"curl -sf -F file=@{CAT} {url}/classify"))
    alone = json.loads(serving.run("zoo", "classify", CAT, "--json"))
    assert asked["model"] == alone["model"]
    assert asked["results"][0]["classes"] == alone["results"][0]["classes"]


def test_without_the_hub_the_cache_answers(serving: Environment) -> None:
    answer = serving.shell(f"HF_HUB_OFFLINE=1 zoo classify {CAT} --json")
    assert json.loads(answer)["results"][0]["classes"][0]["label"] == "cat"


def test_a_model_of_the_hub_is_tuned(serving: Environment) -> None:
    assert "chosen: " in serving.run("zoo", "tune", "wrn16-ours", "--seconds", 0.05)
