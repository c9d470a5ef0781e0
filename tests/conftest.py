"""What many tests share. No test reaches the network, and none sees the caches or the models of who runs it."""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import TYPE_CHECKING

import hypothesis
import pytest
from support.gpu import has_gpu
from support.loopback_hub import Hub, loopback_hub

import zoo
from zoo.cli import app, main
from zoo.files import sha256
from zoo.images.preprocess import CIFAR10_NORMALIZATION
from zoo.package import CONFIG_FILE, WEIGHTS_FILE, ModelConfig, Package
from zoo.registry import PoolingName

if TYPE_CHECKING:
    from support.fake_cuda import FakeCuda

DATA = Path(__file__).parent / "data"
OWN_COMMANDS = tuple(app.registered_commands)

# Read when huggingface_hub and datasets are imported; nothing above imports them.
_cache = tempfile.TemporaryDirectory(prefix="zoo-tests-", ignore_cleanup_errors=True)
os.environ["HF_HOME"] = _cache.name
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
for _variable in ("HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_ASSETS_CACHE", "HF_ENDPOINT"):
    os.environ.pop(_variable, None)

# The tests' tensors are so small that on a busy machine threads would mostly wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Under `nohup` the tests, and all that they start, would ignore what tests send.
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A loaded machine makes single examples slow; that says nothing about the code.
hypothesis.settings.register_profile("zoo", deadline=None, max_examples=50, database=None)
hypothesis.settings.register_profile("thorough", hypothesis.settings.get_profile("zoo"), max_examples=1000)
hypothesis.settings.load_profile("zoo")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and "browser" in item.fixturenames:
            item.add_marker(pytest.mark.browser)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("cuda") and not has_gpu():
        pytest.skip("needs an NVIDIA GPU")


def pytest_unconfigure() -> None:
    _cache.cleanup()


@pytest.fixture(autouse=True)
def _no_chosen_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZOO_WEIGHTS", raising=False)
    monkeypatch.delenv("ZOO_HUB_ORG", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _plain_processor() -> Iterator[None]:
    """Every machine chooses alike: as if its CPU had no instructions for int8 and bf16, and OpenVINO were missing."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("zoo.predictors.choice.instructions", frozenset)
        monkeypatch.setattr("zoo.predictors.choice.find_spec", lambda name: name if name == "onnxruntime" else None)
        yield


@pytest.fixture(scope="session")
def photo_file() -> Path:
    """A photograph of a cat, JPEG, 451 x 300."""
    return DATA / "cat.jpg"


@pytest.fixture(scope="session")
def photo(photo_file: Path) -> bytes:
    """The photograph's file."""
    return photo_file.read_bytes()


@pytest.fixture(scope="session")
def cifar() -> Path:
    """A folder of Parquet files in the Hub's layout, named as the data set: 256 rows of each split of CIFAR-10."""
    return DATA / "cifar10"


@pytest.fixture
def make_package(tmp_path: Path) -> Callable[..., Package]:
    """Save a model directory with random weights, `tmp_path/VARIANT.DATA` unless `folder` says where."""

    def make(
        variant: str = "wrn16-ours",
        *,
        classes: tuple[str, ...] = tuple(f"class {index}" for index in range(10)),
        data: str = "cifar10",
        size: int = 32,
        half: bool = False,
        templates: int = 1,
        pooling: PoolingName = "gap",
        folder: Path | None = None,
    ) -> Package:
        # Imported late: the server's tests need no PyTorch.
        from safetensors.torch import save_file

        network = zoo.create(variant, num_classes=len(classes), templates=templates, pooling=pooling)
        if half:
            network = network.half()
        folder = folder or tmp_path / f"{variant}.{data}"
        folder.mkdir(parents=True)
        save_file(network.state_dict(), folder / WEIGHTS_FILE)
        digest = sha256(folder / WEIGHTS_FILE)
        config = ModelConfig(
            *(variant, data, classes, size, CIFAR10_NORMALIZATION, digest),
            templates=templates,
            pooling=pooling,
            kept_mass=network.pooling.mean_kept,
            pooling_gamma=network.pooling.sharpness,
        )
        (folder / CONFIG_FILE).write_text(config.to_json())
        return Package.open(folder)

    return make


@pytest.fixture
def fake_cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator["FakeCuda"]:
    """A GPU that does not exist, with a record of what is called on it."""
    # Imported late: not every installation has ONNX Runtime.
    from support.fake_cuda import with_fake_cuda

    with with_fake_cuda(monkeypatch) as gpu:
        yield gpu


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A Hub of its own for the test, without repositories and users."""
    with loopback_hub() as running:
        yield running


@pytest.fixture
def run_zoo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., CompletedProcess[str]]:
    """Run the program `zoo` with arguments, in this process."""
    # Wide enough that no table is folded.
    monkeypatch.setenv("COLUMNS", "250")

    def run(*arguments: object) -> CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["zoo", *map(str, arguments)])
        # Each time, `main` adds the commands of the other packages to these.
        monkeypatch.setattr(app, "registered_commands", [*OWN_COMMANDS])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return CompletedProcess(sys.argv, int(ended.value.code or 0), output.out, output.err)

    return run
