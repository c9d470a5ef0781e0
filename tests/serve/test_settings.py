from dataclasses import fields

import pytest
from support.fake_cuda import FakeCuda

from serve.settings import Settings
from zoo.errors import InputError

NUMBERS = [item.name for item in fields(Settings) if isinstance(item.default, int | float)]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [-1, -0.5, float("nan"), float("inf"), float("-inf")])
def test_no_number_is_negative_or_infinite(name: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"{name} = {value}: must be (a finite number, )?(above|at least) "):
        Settings(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [
        ("port", 65_536, "at least 0 and at most 65,535"),
        ("processes", 100_000, "at least 0 and at most 256"),
        ("threads", 100_000, "at least 0 and at most 1,024"),
        ("max_batch", 100_000, "at least 0 and at most 4,096"),
        ("deadline_ms", 1e9, "above 0 and at most 86,400,000"),
        ("max_pixels", 10**9, "at least 1 and at most 178,956,970"),
        ("max_head_bytes", 10, "at least 256"),
    ],
)
def test_numbers_have_limits(name: str, value: float, limit: str) -> None:
    with pytest.raises(InputError, match=f"{name} = {value}: must be {limit}"):
        Settings(**{name: value})


@pytest.mark.parametrize(
    ("proxy", "reason"),
    [
        ("10.0.0.0/8,127.0.0.1", "separate several by spaces"),
        ("10.0.0.1/8", "has host bits set"),
        ("300.0.0.1", "does not appear to be an IPv4 or IPv6 network"),
        ("proxy.example.org", "set an address such as 10.0.0.7"),
        ("*", "or \\* alone for all"),
        ("", "set an address such as 10.0.0.7"),
    ],
)
def test_a_proxy_is_an_address_or_a_network(proxy: str, reason: str) -> None:
    with pytest.raises(InputError, match=f"trusted_proxy = .*{reason}"):
        Settings(trusted_proxy=("127.0.0.1", proxy))


@pytest.mark.parametrize("proxies", [("*",), (), ("10.0.0.0/8", "fd00::/8", "::1")])
def test_proxies_that_may_be(proxies: tuple[str, ...]) -> None:
    assert Settings(trusted_proxy=proxies).trusted_proxy == proxies


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate_burst": 5}, "rate_burst = 5 has no effect without rate_limit"),
        ({"max_body_bytes": 2**30}, "max_body_bytes = .* is above max_queue_bytes"),
        ({"host": " "}, "host = ' ': set an address"),
        ({"api_keys_file": ""}, "api_keys_file = '': name a file"),
        ({"api_keys": ("k" * 16, "")}, "api_keys: one of the keys is empty"),
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings(**settings)


@pytest.mark.parametrize("name", ["max_queue", "deadline_ms", "max_body_bytes", "max_files"])
def test_limits_must_be_above_zero(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} = 0"):
        Settings(**{name: 0})


def test_a_model_is_needed() -> None:
    with pytest.raises(InputError, match="at least one model"):
        Settings(model=())


def test_a_full_request_must_fit_the_queue() -> None:
    with pytest.raises(InputError, match="max_files = 5 is above max_queue = 4"):
        Settings(max_files=5, max_queue=4)


def test_an_unknown_device_is_an_error() -> None:
    with pytest.raises(InputError, match="device = 'gpu': must be one of auto, cpu, cuda"):
        Settings(device="gpu")


@pytest.mark.parametrize("name", ["log_format", "log_level"])
def test_an_unknown_choice_is_an_error(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} = 'loud': must be one of "):
        Settings(**{name: "loud"})


@pytest.mark.parametrize(
    "origin", ["example.org", "https://example.org/", "https://a b", "", "https://a.org,b.org", "https://Example.org"]
)
def test_an_origin_has_a_scheme_and_no_path(origin: str) -> None:
    with pytest.raises(InputError, match=rf"cors_origin = '{origin}'"):
        Settings(cors_origin=("https://example.org", origin))


def test_origins_that_may_be() -> None:
    assert Settings(cors_origin=("*", "http://localhost:5173", "https://example.org")).cors_origin


@pytest.mark.parametrize("path", ["zoo", "/zoo/", "/a//b", "/a/../b", "/..", "/./a", "/a/."])
def test_a_root_path_that_no_client_sends(path: str) -> None:
    with pytest.raises(InputError, match=f"root_path = '{path}'"):
        Settings(root_path=path)


@pytest.mark.parametrize("path", ["", "/zoo", "/a/b.c", "/.well-known/zoo", "/..a/a.."])
def test_a_root_path_that_may_be(path: str) -> None:
    assert Settings(root_path=path).root_path == path


def test_a_batch_is_larger_on_cuda_unless_it_is_chosen() -> None:
    assert Settings().batch_on("cuda") > Settings().batch_on("cpu")
    assert Settings(max_batch=5).batch_on("cuda") == Settings(max_batch=5).batch_on("cpu") == 5


def test_the_file_in_8_bits_is_fetched_where_it_may_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "model.int8.onnx" not in Settings(device="cpu").files
    monkeypatch.setattr("zoo.predictors.choice.instructions", lambda: frozenset({"avx_vnni"}))
    assert {"model.onnx", "model.int8.onnx"} <= set(Settings(device="cpu").files)
    assert "model.int8.onnx" not in Settings(precision="fp32").files
    assert "model.onnx" in Settings(precision="bf16").files


def test_an_engine_that_cannot() -> None:
    with pytest.raises(InputError, match="engine = 'openvino' computes on the CPU only: set device to cpu, or engine"):
        Settings(engine="openvino", device="cuda")
    with pytest.raises(InputError, match="OpenVINO does not compute in fp16 here: must be one of fp32, bf16, int8"):
        Settings(engine="openvino", precision="fp16")
    with pytest.raises(InputError, match="engine = 'tensorrt': must be one of auto, onnxruntime, openvino"):
        Settings(engine="tensorrt")  # type: ignore[arg-type]
    assert Settings(engine="openvino").computing_device == "cpu"
    assert Settings().computing_device == "auto"


def test_the_file_for_a_gpu_is_fetched_where_there_may_be_one(fake_cuda: FakeCuda) -> None:
    assert {"model.onnx", "model.fp16.onnx"} <= set(Settings().files)
    assert "model.fp16.onnx" not in Settings(device="cpu").files
    assert "model.fp16.onnx" not in Settings(precision="int8").files
