import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from support.closeness import assert_alike
from support.fake_cuda import FakeCuda
from support.onnx_files import copy_as

from training.data.prepare import load_split
from zoo.errors import DeviceError, DigestError, InputError, PackageError
from zoo.files import sha256
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.machine import cores, processor
from zoo.nvidia import nvidia_driver
from zoo.package import ONNX_FILES, PARITY_FILE, Package
from zoo.package.timings import Serving
from zoo.predictors.file_predictor import require_onnx
from zoo.predictors.onnx import OnnxPredictor
from zoo.predictors.onnx_session import import_onnxruntime, open_session, session_options
from zoo.runtime import Runtime

MakePackage = Callable[..., Package]


@pytest.fixture(scope="module")
def predictor() -> OnnxPredictor:
    return OnnxPredictor.open(open_model(DEFAULT_MODEL), "cpu", threads=1)


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 5])
def test_shapes(count: int, predictor: OnnxPredictor) -> None:
    logits, patch_logits, assignment = predictor(noise(count)).values()
    assert logits.shape == (count, 10)
    assert patch_logits.shape == (count, 10, 8, 8)
    assert assignment.shape == (count, 11, 8, 8)
    np.testing.assert_allclose(assignment.sum(axis=1), 1, atol=1e-5)


def test_an_image_is_answered_alike_alone_and_in_a_batch(predictor: OnnxPredictor) -> None:
    pixels = noise(4)
    assert_alike(predictor(pixels[2:3]), predictor(pixels).rows(2, 3))


def test_it_knows_its_model_and_device(predictor: OnnxPredictor) -> None:
    assert predictor.config == open_model(DEFAULT_MODEL).config
    assert predictor.device == "ONNX Runtime on the CPU"


def test_pixels_of_another_size_are_refused(predictor: OnnxPredictor) -> None:
    with pytest.raises(InputError, match=rf"{re.escape(DEFAULT_MODEL)} expects uint8 pixels \[N, 3, 32, 32\]"):
        predictor(np.zeros((1, 3, 40, 40), dtype=np.uint8))


def test_a_directory_without_an_onnx_file(make_package: MakePackage) -> None:
    with pytest.raises(PackageError, match=r"has no ONNX file in fp32; create one with `zoo export .*`, which needs"):
        OnnxPredictor.open(make_package())


def test_an_onnx_file_of_other_weights(make_package: MakePackage) -> None:
    package, shipped = make_package("wrn16-ours"), open_model(DEFAULT_MODEL)
    shutil.copy(shipped.onnx(), package.path / ONNX_FILES["fp32"])
    with pytest.raises(PackageError, match="was not exported from this model directory") as caught:
        OnnxPredictor.open(package)
    assert "weights_sha256" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not ONNX"])
def test_a_file_that_is_not_onnx(content: bytes, make_package: MakePackage) -> None:
    package = make_package()
    (package.path / ONNX_FILES["fp32"]).write_bytes(content)
    with pytest.raises(PackageError, match=r"ONNX Runtime cannot open .*model\.onnx"):
        OnnxPredictor.open(package)


def test_an_onnx_file_of_another_program(tmp_path: Path) -> None:
    model = onnx.load(open_model(DEFAULT_MODEL).onnx())
    del model.metadata_props[:]
    onnx.save(model, tmp_path / ONNX_FILES["fp32"])
    with pytest.raises(PackageError, match=r"the metadata of .*model\.onnx is not a model configuration"):
        OnnxPredictor(tmp_path / ONNX_FILES["fp32"])


@pytest.mark.skipif(nvidia_driver(), reason="this machine has a GPU")
def test_cuda_where_there_is_none_says_why() -> None:
    with pytest.raises(DeviceError) as caught:
        OnnxPredictor.open(open_model(DEFAULT_MODEL), "cuda")
    built_with = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    assert ("has no NVIDIA driver" if built_with else "was built without CUDA") in str(caught.value)
    assert "use the CPU" in str(caught.value)


@pytest.mark.skipif(nvidia_driver(), reason="this machine has a GPU")
def test_auto_takes_the_cpu_where_there_is_nothing_else() -> None:
    assert OnnxPredictor.open(open_model(DEFAULT_MODEL), "auto").device == "ONNX Runtime on the CPU"


@pytest.mark.process
def test_without_onnx_runtime_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from zoo.errors import MissingDependencyError\n"
        "from zoo.hub import open_model; from zoo.predictors.onnx import OnnxPredictor\n"
        "try: OnnxPredictor.open(open_model('wrn16-ours'))\n"
        "except MissingDependencyError as error: print(error)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "pip install 'template-zoo[onnx]'" in ended.stdout, ended.stderr


def test_an_onnx_file_that_is_not_the_verified_one(tmp_path: Path) -> None:
    shutil.copytree(open_model(DEFAULT_MODEL).path, tmp_path / "model")
    package = Package.open(tmp_path / "model")
    assert package.onnx() is not None
    data = bytearray(package.onnx().read_bytes())
    data[len(data) // 2] ^= 1
    package.onnx().write_bytes(data)
    with pytest.raises(DigestError, match=r"parity\.json was written for"):
        OnnxPredictor.open(package)


@pytest.fixture(scope="module")
def small() -> OnnxPredictor:
    """The smaller of the bundled models, which computes each batch in one run."""
    return OnnxPredictor(open_model("wrn16-ours").onnx(), "cpu", 1, Runtime(streams=1, part=0))


@pytest.mark.slow
@pytest.mark.parametrize("streams", [1, 2, 3])
@pytest.mark.parametrize("part", [0, 1, 2, 4])
def test_however_a_batch_is_divided_its_answers_are_the_same(streams: int, part: int, small: OnnxPredictor) -> None:
    divided = OnnxPredictor(open_model("wrn16-ours").onnx(), "cpu", 3, Runtime(streams, part))
    assert divided.runtime.streams == streams
    for count in range(1, 10):
        pixels = noise(count)
        assert_alike(divided(pixels), small(pixels))


@pytest.mark.parametrize(("threads", "streams", "shared"), [(8, 8, 1), (8, 2, 7), (3, 2, 2), (2, 1, None)])
def test_streams_and_the_threads_that_they_share_are_all_threads(
    threads: int, streams: int, shared: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []

    def record(file: Path, threads: int, runtime: Runtime) -> object:
        opened.append(threads)
        return open_session(file, 1, runtime)

    monkeypatch.setattr("zoo.predictors.onnx.open_session", record)
    predictor = OnnxPredictor(open_model("wrn16-ours").onnx(), "cpu", threads, Runtime(streams=streams, part=1))
    predictor(noise(1))
    assert opened == [threads]  # an image alone opens nothing more
    predictor(noise(9))
    assert opened == ([threads] if shared is None else [threads, shared])


@pytest.mark.slow
@pytest.mark.parametrize("streams", [1, 2, 3])
@pytest.mark.parametrize("part", [0, 2])
@pytest.mark.parametrize("free", [1, 2, 3])
def test_with_some_of_its_threads_the_answers_are_the_same(
    streams: int, part: int, free: int, small: OnnxPredictor
) -> None:
    asked: list[int] = []

    @contextmanager
    def share(threads: int) -> Iterator[int]:
        asked.append(threads)
        yield free

    file = open_model("wrn16-ours").onnx()
    predictor = OnnxPredictor(file, "cpu", 3, Runtime(streams=streams, part=part), share)
    for count in range(1, 6):
        pixels = noise(count)
        assert_alike(predictor(pixels), small(pixels))
    assert asked == [3] * 5


def test_beside_others_no_thread_waits_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []

    def record(file: Path, threads: int, runtime: Runtime) -> object:
        opened.append(threads)
        return open_session(file, 1, runtime)

    monkeypatch.setattr("zoo.predictors.onnx.open_session", record)
    file = open_model("wrn16-ours").onnx()
    predictor = OnnxPredictor(file, "cpu", 4, share=lambda threads: nullcontext(threads // 2))
    predictor(noise(1))
    predictor(noise(9))
    assert opened == [4, 1]


def test_there_are_no_more_streams_than_threads(small: OnnxPredictor) -> None:
    predictor = OnnxPredictor(open_model("wrn16-ours").onnx(), "cpu", 2, Runtime(streams=5, part=1))
    assert predictor.runtime == Runtime(streams=2, part=1)
    assert_alike(predictor(noise(5)), small(noise(5)))


@pytest.mark.parametrize("changes", [{"spin": False}, {"arena": False}, {"optimization": "extended"}])
def test_other_options_change_no_answer(changes: dict[str, object], small: OnnxPredictor) -> None:
    predictor = OnnxPredictor(open_model("wrn16-ours").onnx(), "cpu", 2, Runtime(**changes))
    assert_alike(predictor(noise(3)), small(noise(3)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"streams": -1}, "streams = -1: must be at least 0"),
        ({"part": -2}, "part = -2: must be at least 0"),
        ({"optimization": "most"}, "optimization = 'most': must be one of basic, extended, all"),
    ],
)
def test_a_runtime_that_cannot_be_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Runtime(**values)


CHOSEN = Runtime(streams=1, part=2, spin=False)


@pytest.fixture
def tuned(tmp_path: Path) -> Package:
    """A model directory with an ONNX file in `int8` too, for which `serving.json` was measured here with 3 threads."""
    left_out = shutil.ignore_patterns(PARITY_FILE, ONNX_FILES["fp16"])
    shutil.copytree(open_model("wrn16-ours").path, tmp_path / "model", ignore=left_out)
    package = Package.open(tmp_path / "model")
    digest = sha256(package.path / ONNX_FILES["int8"])
    Serving("int8", cores(), 3, processor(), onnx_sha256=digest, runtime=CHOSEN).write(package)
    return package


def change(package: Package, **changes: object) -> None:
    replace(Serving.read(package), **changes).write(package)


def test_what_was_found_here_is_used(tuned: Package) -> None:
    predictor = OnnxPredictor.open(tuned, "cpu", 3)
    assert (predictor.precision, predictor.runtime, predictor.tuned) == ("int8", CHOSEN, True)


def test_what_was_found_on_other_cores_chooses_the_precision_only(tuned: Package) -> None:
    change(tuned, cores=cores() + 1)
    predictor = OnnxPredictor.open(tuned, "cpu", 3)
    assert (predictor.precision, predictor.runtime, predictor.tuned) == ("int8", Runtime().on(3), False)


def test_what_was_found_with_other_threads_chooses_the_precision_only(tuned: Package) -> None:
    predictor = OnnxPredictor.open(tuned, "cpu", 2)
    assert (predictor.precision, predictor.runtime, predictor.tuned) == ("int8", Runtime().on(2), False)


def test_what_was_found_for_another_file_chooses_the_precision_only(tuned: Package) -> None:
    change(tuned, onnx_sha256="0" * 64)
    predictor = OnnxPredictor.open(tuned, "cpu", 3)
    assert (predictor.precision, predictor.runtime, predictor.tuned) == ("int8", Runtime().on(3), False)


def test_what_is_asked_for_goes_before_what_was_found(tuned: Package) -> None:
    change(tuned, onnx_sha256="0" * 64)
    assert OnnxPredictor.open(tuned, "cpu", 3, precision="fp32").precision == "fp32"
    assert OnnxPredictor.open(tuned, "cpu", 3, runtime=CHOSEN).runtime == CHOSEN


def test_what_was_found_on_a_cpu_chooses_nothing_on_cuda(tuned: Package, fake_cuda: FakeCuda) -> None:
    predictor = OnnxPredictor.open(tuned)
    assert (predictor.precision, predictor.on_cuda) == ("fp32", True)
    assert fake_cuda.details("open")[-1]["use_tf32"] == "0"
    copy_as(tuned, "fp16")
    predictor = OnnxPredictor.open(tuned)
    assert predictor.precision == "fp16"
    assert fake_cuda.details("open")[-1]["use_tf32"] == "1"
    change(tuned, cuda_precision="fp32")
    assert OnnxPredictor.open(tuned).precision == "fp32"
    assert OnnxPredictor.open(tuned, "cpu", 3).precision == "int8"
    assert OnnxPredictor.open(tuned, precision="int8").precision == "int8"


def test_on_cuda_it_answers_as_on_the_cpu(fake_cuda: FakeCuda, small: OnnxPredictor) -> None:
    predictor = OnnxPredictor(open_model("wrn16-ours").onnx(), threads=3)
    assert (predictor.device, predictor.processor) == ("ONNX Runtime on CUDA", "NVIDIA Fake 100")
    assert predictor.captures
    for count in (1, 5):
        assert_alike(predictor(noise(count)), small(noise(count)))
    assert (small.processor, small.captures) == (processor(), False)


def test_a_file_in_another_precision_than_its_name_says(tuned: Package) -> None:
    shutil.copy(tuned.onnx(), tuned.path / ONNX_FILES["int8"])
    with pytest.raises(PackageError, match=r"model\.int8\.onnx has precision fp32, not int8"):
        OnnxPredictor.open(tuned, "cpu")


def test_a_chosen_precision_that_is_not_there(tuned: Package) -> None:
    tuned.onnx("int8").unlink()
    with pytest.raises(
        PackageError, match=r"has no ONNX file in int8; create one with `zoo export .* --precision int8`, which needs"
    ):
        OnnxPredictor.open(tuned)


def test_the_command_that_makes_an_onnx_file_names_the_model(
    make_package: MakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make_package("rn38", data="pets")
    with pytest.raises(PackageError, match=f"`zoo export local-dir:{package.path} --precision fp16`"):
        require_onnx(package, "fp16")
    monkeypatch.setenv("ZOO_WEIGHTS", str(tmp_path))
    with pytest.raises(
        PackageError, match=r"create one with `zoo export rn38\.pets`, which needs PyTorch: pip install"
    ):
        require_onnx(package, "fp32")


def test_int8_answers_as_fp32_on_any_processor(cifar: Path) -> None:
    """Without VNNI, ONNX Runtime's sums overflow by default: 94% of the patches then have the same class."""
    pixels = load_split(str(cifar), "test").images.numpy()
    package = open_model("wrn16-ours")
    whole, in_8_bits = (OnnxPredictor.open(package, "cpu", precision=one)(pixels) for one in ("fp32", "int8"))
    assert (whole.patch_logits.argmax(1) == in_8_bits.patch_logits.argmax(1)).mean() > 0.97
    assert (whole.logits.argmax(1) == in_8_bits.logits.argmax(1)).mean() > 0.97


@pytest.mark.parametrize(
    ("flags", "expected"),
    [((), True), (("avx2",), True), (("avx2", "avx_vnni"), False), (("avx512_vnni",), False), (("amx_int8",), False)],
)
def test_sums_are_kept_from_overflow_only_where_they_would(
    monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], expected: bool
) -> None:
    # On processors with VNNI, the option doubles the time of int8.
    monkeypatch.setattr("zoo.predictors.onnx_session.instructions", lambda: frozenset(flags))
    options = session_options(import_onnxruntime())
    try:
        found = options.get_session_config_entry("session.x64quantprecision")
    except RuntimeError:  # not set
        found = "0"
    assert found == ("1" if expected else "0")
