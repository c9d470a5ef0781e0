"""The process itself: started as a user starts it."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from support.fake_cuda import FakeCuda
from support.onnx_files import break_network, copy_under_name
from support.process import PROGRAM, free_port, half_a_request, rest_of, serving
from support.serving import GatedPredictor

from serve.process.server import describe_predictor
from serve.process.sockets import AddressError, listening
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.predictors.onnx import OnnxPredictor
from zoo.predictors.openvino import OpenVinoPredictor
from zoo.runtime import Runtime

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[4]


def test_a_request_and_a_clean_end(photo_file: Path) -> None:
    with serving() as (process, url):
        answer = httpx2.post(f"{url}/classify", files={"file": photo_file.read_bytes()}).json()
        assert answer["results"][0]["classes"][0]["label"] == "cat"
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "Application shutdown complete" in output
        assert f"{DEFAULT_MODEL}: ONNX Runtime on " in output
        assert "Traceback" not in output


def test_it_says_how_it_computes(fake_cuda: FakeCuda) -> None:
    file = open_model("wrn16-ours").onnx()
    described = describe_predictor(OnnxPredictor(file, "cpu", threads=2))
    assert described.startswith("ONNX Runtime on the CPU, fp32, 2 streams, parts of up to 4 images; default")
    tuned = OnnxPredictor(open_model("wrn16-ours").onnx("int8"), "cpu", 1, Runtime(part=0))
    assert describe_predictor(tuned) == "ONNX Runtime on the CPU, int8, whole batches; tuned"
    assert describe_predictor(GatedPredictor()) == "a test"
    described = describe_predictor(OnnxPredictor(file, "cuda"))
    assert described == "ONNX Runtime on CUDA, NVIDIA Fake 100, fp32, captured graphs"
    fake_cuda.refuses_graphs = True
    assert describe_predictor(OnnxPredictor(file, "cuda")).endswith("fp32, no graphs")


def test_it_says_that_openvino_computes() -> None:
    pytest.importorskip("openvino")
    predictor = OpenVinoPredictor.open(open_model("wrn16-ours"), "openvino-fp32", 2)
    assert describe_predictor(predictor).startswith("OpenVINO on the CPU, fp32, 2 streams, parts of up to 4 images; d")


def test_openvino_serves(photo_file: Path) -> None:
    pytest.importorskip("openvino")
    with serving(ZOO_ENGINE="openvino", ZOO_PRECISION="fp32") as (process, url):
        answer = httpx2.post(f"{url}/classify", files={"file": photo_file.read_bytes()}).json()
        assert answer["results"][0]["classes"][0]["label"] == "cat"
        [model] = httpx2.get(f"{url}/models").json()
        assert (model["execution"], model["precision"]) == ("openvino-fp32", "fp32")
        assert model["device"] == "OpenVINO on the CPU"
        assert f'zoo_model_loaded{{execution="openvino-fp32",model="{DEFAULT_MODEL}"}} 1.0' in (
            httpx2.get(f"{url}/metrics").text
        )
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        assert f"{DEFAULT_MODEL}: OpenVINO on the CPU, fp32, " in output
        assert "Traceback" not in output


def test_settings_come_from_the_environment(photo_file: Path) -> None:
    with serving(ZOO_MAX_PIXELS="1000") as (_, url):
        response = httpx2.post(f"{url}/classify", files={"file": photo_file.read_bytes()})
        assert response.status_code == 413
        assert "above the limit of 1000" in response.json()["error"]["message"]


def test_a_body_that_does_not_arrive_in_time() -> None:
    with serving("--upload-seconds", "0.3") as (_, url), half_a_request(url) as connection:
        answer = rest_of(connection)
        assert answer.startswith("HTTP/1.1 408")
        assert "slow_upload" in answer
        assert "0.3 s" in answer
        assert "connection: close" in answer.lower()


def test_a_client_that_leaves_is_no_fault_of_the_server(photo_file: Path) -> None:
    with serving() as (process, url):
        half_a_request(url).close()
        deadline = time.monotonic() + 20
        while 'code="499"' not in (metrics := httpx2.get(f"{url}/metrics").text) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert f'zoo_requests_total{{code="499",model="{DEFAULT_MODEL}",route="/classify"}} 1.0' in metrics
        assert httpx2.post(f"{url}/classify", files={"file": photo_file.read_bytes()}).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert "Traceback" not in process.communicate(timeout=30)[0]


def test_two_models_of_one_name_are_an_error(tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / "weights" / DEFAULT_MODEL, tmp_path / "copy")
    result = run("--port", str(free_port()), "--model", DEFAULT_MODEL, "--model", f"local-dir:{folder}")
    assert result.returncode == 1
    assert f"both contain a model named {DEFAULT_MODEL!r}" in result.stderr


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, "serve", *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_a_host_whose_name_cannot_be() -> None:
    with pytest.raises(AddressError, match=r"cannot listen on no\.\.host port 0: .*; choose another with --host"):
        listening("no..host", 0, 1).__enter__()


def test_a_variable_with_a_mistake_in_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_API_KEY", "k" * 16)
    result = run("--port", str(free_port()))
    assert result.returncode == 1
    assert (
        result.stderr
        == "error: unknown environment variable ZOO_API_KEY; did you mean ZOO_API_KEYS? Otherwise unset it\n"
    )


def test_a_taken_port_is_an_error() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        result = run("--port", str(listener.getsockname()[1]))
    assert result.returncode == 1
    assert "cannot listen on 127.0.0.1" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(Path("/proc/driver/nvidia/version").exists(), reason="CUDA is here")
def test_cuda_that_is_not_there_is_an_error() -> None:
    result = run("--port", str(free_port()), "--device", "cuda")
    assert result.returncode == 1
    assert "CUDA was requested, but" in result.stderr


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("wrn16-our", "did you mean wrn16-ours"),
        ("weights/wrn16-ours.cifar10", "use local-dir:weights/wrn16-ours.cifar10"),
        ("local-dir:tests", "is not a model directory"),
    ],
)
def test_a_model_that_is_not_there_is_an_error(reference: str, message: str) -> None:
    result = run("--port", str(free_port()), "--model", reference)
    assert result.returncode == 1
    assert message in result.stderr


def test_a_model_without_an_onnx_file_is_an_error_at_once(tmp_path: Path) -> None:
    package = copy_under_name(open_model("wrn16-ours"), tmp_path / "a", "a")
    for file in package.path.glob("*.onnx"):
        file.unlink()
    flags = ("--load", "use", "--model", "wrn16-ours", "--model", f"local-dir:{package.path}")
    result = run("--port", str(free_port()), *flags)
    assert result.returncode == 1
    assert f"has no ONNX file in fp32; create one with `zoo export local-dir:{package.path}`, which" in result.stderr


def test_a_network_that_cannot_be_computed_is_an_error(tmp_path: Path) -> None:
    package = copy_under_name(open_model("wrn16-ours"), tmp_path / "a", "a")
    break_network(package)
    result = run("--port", str(free_port()), "--model", f"local-dir:{package.path}")
    assert result.returncode == 1
    assert f"error: {package.path} cannot be loaded: " in result.stderr
    assert "Traceback" not in result.stderr


def test_serving_loads_no_network_library() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from serve.app import create_app; from serve.inference.service import Service, Settings\n"
        "create_app(Service.open(Settings()))\n"
        "assert not {'torchvision', 'onnx', 'datasets'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
