"""On the CPU: the same buffers and sizes, without captured graphs."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from support.closeness import assert_alike

from zoo.hub import open_model
from zoo.images.preprocess import Pixels
from zoo.outputs import STANDARD, Output
from zoo.predictors.cuda_graph import SIZES, CudaGraphRunner
from zoo.predictors.onnx import run_session
from zoo.predictors.onnx_session import open_session
from zoo.runtime import Runtime


def noise(count: int) -> Pixels:
    return np.random.default_rng(count).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)


@pytest.fixture(scope="module")
def session() -> object:
    return open_session(open_model("wrn16-ours").onnx(), 1, Runtime())


@pytest.mark.parametrize("counts", [(3, 1, 4, 2, 3, 9), (9, 1, 9, 4, 9), (1, 9, 1)])
def test_batches_of_any_size_in_any_order(counts: tuple[int, ...], session: object) -> None:
    runner = CudaGraphRunner(session, STANDARD, 32, "cpu", sizes=(1, 2, 4))
    for count in counts:
        assert_alike(runner(noise(count)), run_session(session, STANDARD, noise(count)))


def test_an_answer_outlives_the_next_batch(session: object) -> None:
    runner = CudaGraphRunner(session, STANDARD, 32, "cpu")
    first = runner(noise(2))
    before = first.logits.copy()
    runner(255 - noise(2))
    np.testing.assert_array_equal(first.logits, before)


@pytest.mark.parametrize("count", [2, 3])
def test_pixels_that_are_not_contiguous(count: int, session: object) -> None:
    runner = CudaGraphRunner(session, STANDARD, 32, "cpu", sizes=(2, 4))
    pixels = noise(2 * count)[::2]
    assert_alike(runner(pixels), run_session(session, STANDARD, pixels))


def test_the_sizes_that_batches_can_have(session: object) -> None:
    runner = CudaGraphRunner(session, STANDARD, 32, "cpu")
    assert runner.sizes_for(1) == (1,)
    assert runner.sizes_for(3) == (1, 2, 4)
    assert runner.sizes_for(33) == (1, 2, 4, 8, 16, 32, 48)
    assert runner.sizes_for(256)[-1] == 256
    assert runner.sizes_for(5000) == SIZES


def test_outputs_of_other_types_and_sizes_share_one_buffer() -> None:
    """An index map, whose integers of 8 bytes follow outputs of odd sizes."""
    outputs = (Output("a", "vector", "A"), Output("b", "index map", "B", ("x", "y")), Output("c", "scalar map", "C"))
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 3, 5, 5])
    shapes = {"a": (TensorProto.FLOAT, [3]), "b": (TensorProto.INT64, [5, 5]), "c": (TensorProto.FLOAT, [5, 5])}
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["f", "grid"], ["a"], keepdims=0),
            helper.make_node("ArgMax", ["f"], ["b"], axis=1, keepdims=0),
            helper.make_node("ReduceMax", ["f", "channels"], ["c"], keepdims=0),
        ],
        "g",
        [image],
        [helper.make_tensor_value_info(name, kind, ["N", *shape]) for name, (kind, shape) in shapes.items()],
        [
            helper.make_tensor("grid", TensorProto.INT64, [2], [2, 3]),
            helper.make_tensor("channels", TensorProto.INT64, [1], [1]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = onnx_session(model)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 5, 5), dtype=np.uint8)
    answer = CudaGraphRunner(session, outputs, 5, "cpu", sizes=(4,))(pixels)
    assert answer["b"].dtype == np.int64
    np.testing.assert_allclose(answer["a"], pixels.mean(axis=(2, 3)), rtol=1e-6)
    np.testing.assert_array_equal(answer["b"], pixels.argmax(axis=1))
    np.testing.assert_array_equal(answer["c"], pixels.max(axis=1))


def onnx_session(model: onnx.ModelProto) -> object:
    import onnxruntime

    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
