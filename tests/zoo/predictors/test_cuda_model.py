"""Models on CUDA: on a GPU that does not exist, and marked `cuda`, on a real one."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.closeness import assert_alike
from support.fake_cuda import SESSION_BYTES, FakeCuda
from support.onnx_files import with_determinant

from export.images import read_folder_pixels
from zoo.hub import open_model
from zoo.images.preprocess import Pixels
from zoo.predictors.cuda_graph import SIZES, SIZES_WITHOUT_GRAPHS
from zoo.predictors.cuda_model import CudaModel
from zoo.predictors.cuda_session import CudaOptions
from zoo.predictors.cuda_thread import cuda_thread
from zoo.predictors.onnx import OnnxPredictor
from zoo.predictors.onnx_session import read_declarations

FILE = open_model("wrn16-ours").path / "model.onnx"


def noise(count: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)


@pytest.fixture(scope="module")
def on_cpu() -> OnnxPredictor:
    return OnnxPredictor(FILE, "cpu", threads=1)


@pytest.fixture
def make(fake_cuda: FakeCuda) -> Iterator[Callable[[], CudaModel]]:
    yield lambda: CudaModel(FILE, read_declarations(FILE), CudaOptions())
    gc.collect()
    cuda_thread.run(gc.collect)


def ask_from_many_threads(models: list[Callable[[Pixels], object]], on_cpu: OnnxPredictor, requests: int) -> None:
    random = np.random.default_rng(0)
    asked = [noise(int(count), seed) for seed, count in enumerate(random.integers(1, 12, requests))]
    expected = [on_cpu(pixels) for pixels in asked]
    with ThreadPoolExecutor(4 * len(models)) as pool:
        answers = pool.map(lambda index: models[index % len(models)](asked[index]), range(requests))
        for answer, other in zip(answers, expected, strict=True):
            assert_alike(answer, other, provider="CUDAExecutionProvider")


def test_two_models_asked_from_many_threads_without_a_warm_up(
    make: Callable[[], CudaModel], fake_cuda: FakeCuda, on_cpu: OnnxPredictor
) -> None:
    ask_from_many_threads([make(), make()], on_cpu, 40)
    assert fake_cuda.threads == {"cuda_0"}
    assert len(fake_cuda.details("open")) == 2


def test_after_the_warm_up_nothing_is_captured_or_allocated(
    make: Callable[[], CudaModel], fake_cuda: FakeCuda, on_cpu: OnnxPredictor
) -> None:
    model = make()
    model.warm_up(33)
    # The largest first: the others then fit into its memory. Then all are replayed once more.
    assert fake_cuda.details("capture") == fake_cuda.details("replay") == [48, 32, 16, 8, 4, 2, 1]
    assert model.captures
    fake_cuda.calls.clear()
    for count in (33, 1, 3, 7, 30, 48):
        assert_alike(model(noise(count)), on_cpu(noise(count)))
    assert {call.what for call in fake_cuda.calls} == {"upload", "replay", "download"}
    assert fake_cuda.details("replay") == [48, 1, 4, 8, 32, 48]
    # All outputs are read with one copy.
    assert len(fake_cuda.details("download")) == 6


def test_graphs_that_do_not_outlive_others_are_given_up(
    make: Callable[[], CudaModel], fake_cuda: FakeCuda, on_cpu: OnnxPredictor, caplog: pytest.LogCaptureFixture
) -> None:
    fake_cuda.replays_stale = True
    model = make()
    model.warm_up(4)
    assert not model.captures
    assert "a replay differs" in caplog.text
    assert [chosen["enable_cuda_graph"] for chosen in fake_cuda.details("open")] == ["1", "0"]
    assert_alike(model(noise(3)), on_cpu(noise(3)))
    assert fake_cuda.used == (1 << 30) + SESSION_BYTES


def test_without_graphs_there_is_one_size(
    make: Callable[[], CudaModel], fake_cuda: FakeCuda, on_cpu: OnnxPredictor
) -> None:
    fake_cuda.refuses_graphs = True
    model = make()
    model.warm_up(256)
    assert fake_cuda.details("run") == list(SIZES_WITHOUT_GRAPHS)
    for count in (1, 65):
        assert_alike(model(noise(count)), on_cpu(noise(count)))
    assert set(fake_cuda.details("run")) == set(SIZES_WITHOUT_GRAPHS)


def test_a_model_is_released_in_the_cuda_thread_whoever_drops_it(
    make: Callable[[], CudaModel], fake_cuda: FakeCuda
) -> None:
    models = [make(), make()]
    before = fake_cuda.used
    del models[0]
    gc.collect()
    assert fake_cuda.used == before
    models[0](noise(1))
    assert fake_cuda.used == before - SESSION_BYTES
    assert fake_cuda.threads == {"cuda_0"}


def test_a_failing_run_releases_nothing_elsewhere(
    make: Callable[[], CudaModel], fake_cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_cuda.broken = "out of memory"
    with pytest.raises(Exception, match="out of memory"):
        make()
    gc.collect()
    assert fake_cuda.threads == {"cuda_0"}


def test_an_added_operation_changes_no_answer(on_cpu: OnnxPredictor, tmp_path: Path) -> None:
    file = with_determinant(FILE, tmp_path / "model.onnx")
    assert_alike(OnnxPredictor(file, "cpu", threads=1)(noise(3)), on_cpu(noise(3)))


@pytest.fixture
def on_gpu() -> OnnxPredictor:
    return OnnxPredictor(FILE, "cuda")


@pytest.mark.cuda
@pytest.mark.parametrize("counts", [(256, 1, 256, 3, 8, 33, 300), (1, 300, 33, 8, 3, 1)])
def test_fp32_on_a_gpu(counts: tuple[int, ...], on_gpu: OnnxPredictor, on_cpu: OnnxPredictor) -> None:
    on_gpu.warm_up(300)
    for count in counts:
        got, expected = on_gpu(noise(count)), on_cpu(noise(count))
        assert_alike(got, expected, provider="CUDAExecutionProvider")
        np.testing.assert_allclose(got.logits, expected.logits, rtol=0, atol=1e-3)
        np.testing.assert_array_equal(got.logits.argmax(axis=1), expected.logits.argmax(axis=1))


@pytest.mark.cuda
def test_graphs_on_a_gpu_outlive_each_other(on_gpu: OnnxPredictor) -> None:
    on_gpu.warm_up(SIZES[-1])
    assert on_gpu.captures


@pytest.mark.cuda
def test_two_models_on_a_gpu_asked_from_many_threads_without_a_warm_up(on_cpu: OnnxPredictor) -> None:
    ask_from_many_threads([OnnxPredictor(FILE, "cuda"), OnnxPredictor(FILE, "cuda")], on_cpu, 500)


@pytest.mark.cuda
def test_models_on_a_gpu_are_opened_and_dropped_while_another_answers(on_cpu: OnnxPredictor) -> None:
    answering = OnnxPredictor(FILE, "cuda")
    with ThreadPoolExecutor(1) as pool:
        loads = pool.submit(lambda: [OnnxPredictor(FILE, "cuda").warm_up(8) for _ in range(5)])
        while not loads.done():
            assert_alike(answering(noise(3)), on_cpu(noise(3)), provider="CUDAExecutionProvider")
        loads.result()


@pytest.mark.cuda
def test_an_operation_that_cuda_lacks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    file = with_determinant(FILE, tmp_path / "model.onnx")
    on_gpu, expected = OnnxPredictor(file, "cuda"), OnnxPredictor(file, "cpu")(noise(65))
    on_gpu.warm_up(64)
    assert on_gpu.on_cuda
    assert not on_gpu.captures
    assert len([record for record in caplog.records if "without captured graphs" in record.message]) == 1
    assert_alike(on_gpu(noise(65)), expected, provider="CUDAExecutionProvider")
    assert capfd.readouterr().out == ""


@pytest.mark.cuda
def test_fp16_on_a_gpu(cifar: Path) -> None:
    """Its speed, too: without tensor cores, which a wrong option forbids, it is as slow as fp32."""
    single, half = OnnxPredictor(FILE, "cuda"), OnnxPredictor(FILE.with_name("model.fp16.onnx"), "cuda")
    pixels = read_folder_pixels(cifar, 32, 256)
    expected, got = single(pixels), half(pixels)
    assert (got.logits.argmax(axis=1) == expected.logits.argmax(axis=1)).mean() >= 0.99
    assert np.abs(got.logits - expected.logits).max() < 0.1

    def seconds(predictor: OnnxPredictor) -> float:
        times = []
        for _ in range(25):
            started = time.perf_counter()
            predictor(pixels)
            times.append(time.perf_counter() - started)
        return statistics.median(times[5:])

    assert seconds(single) / seconds(half) > 1.5


@pytest.mark.cuda
def test_int8_on_a_gpu(cifar: Path) -> None:
    file, pixels = FILE.with_name("model.int8.onnx"), read_folder_pixels(cifar, 32, 256)
    got, expected = OnnxPredictor(file, "cuda")(pixels), OnnxPredictor(file, "cpu")(pixels)
    assert (got.logits.argmax(axis=1) == expected.logits.argmax(axis=1)).mean() >= 0.97
