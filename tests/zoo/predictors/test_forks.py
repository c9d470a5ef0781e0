"""Predictors in forked processes. Each test forks from a process of its own, which ends even if the child hangs."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

BEFORE = """
import gc, multiprocessing, os, signal, sys
import numpy as np
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.predictors.onnx import OnnxPredictor
from zoo.runtime import Runtime

pixels = np.random.default_rng(0).integers(0, 256, (9, 3, 32, 32), dtype=np.uint8)
package = open_model(DEFAULT_MODEL)

def in_child(work):
    child = os.fork()
    if not child:
        signal.alarm(40)
        try:
            work()
        except BaseException as error:
            print(error, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def same(actual, expected):
    for name, other in expected.items():
        np.testing.assert_allclose(actual[name], other, atol=1e-3)
"""


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", BEFORE + code], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("count", [1, 9])
@pytest.mark.parametrize("runtime", ["Runtime()", "Runtime(streams=1, part=0)", "Runtime(streams=2, spin=False)"])
def test_a_predictor_that_computed_before_a_fork_computes_after_it(runtime: str, count: int) -> None:
    run(f"""
predictor = OnnxPredictor(package.onnx(), "cpu", 4, {runtime})
expected = predictor(pixels[:{count}])

def work():
    for _ in range(2):
        same(predictor(pixels[:{count}]), expected)
    assert in_child(lambda: same(predictor(pixels[:{count}]), expected)) == 0

assert in_child(work) == 0
same(predictor(pixels[:{count}]), expected)
""")


def test_it_can_be_dropped_in_the_child() -> None:
    run("""
kept = [OnnxPredictor(package.onnx(), "cpu", 4)]
kept[0](pixels)

def work():
    kept[0](pixels)
    kept.clear()
    gc.collect()

assert in_child(work) == 0
""")


def test_in_a_pool_of_forked_processes() -> None:
    run("""
predictor = OnnxPredictor(package.onnx(), "cpu", 2)
expected = predictor(pixels)

def work(index):
    return predictor(pixels[index : index + 1])

with multiprocessing.get_context("fork").Pool(2) as pool:
    found = pool.map_async(work, range(9)).get(timeout=40)
for index, one in enumerate(found):
    same(one, expected.rows(index, index + 1))
""")


def test_forked_while_other_threads_compute() -> None:
    run("""
import threading
predictor = OnnxPredictor(package.onnx(), "cpu", 2)
expected = predictor(pixels)
ended = threading.Event()

def compute():
    while not ended.is_set():
        predictor(pixels)

thread = threading.Thread(target=compute)
thread.start()
codes = [in_child(lambda: same(predictor(pixels), expected)) for _ in range(3)]
ended.set()
thread.join()
assert codes == [0, 0, 0], codes
""")


def test_pytorch_too() -> None:
    run("""
import torch
from zoo.predictors.torch import TorchPredictor
torch.set_num_threads(4)
predictor = TorchPredictor.open(package)
expected = predictor(pixels)
assert in_child(lambda: same(predictor(pixels), expected)) == 0
assert in_child(lambda: same(TorchPredictor.open(package)(pixels), expected)) == 0
assert torch.get_num_threads() == 4
""")


def test_openvino_refuses() -> None:
    pytest.importorskip("openvino")
    run("""
from zoo.errors import DeviceError
from zoo.predictors.openvino import OpenVinoPredictor

def open_one():
    return OpenVinoPredictor.open(package, "openvino-fp32", 2)

def refused(call):
    try:
        call()
    except DeviceError as error:
        assert "forked from one where it had computed; start the process with the method `spawn`" in str(error)
    else:
        raise AssertionError("computed")

assert in_child(lambda: open_one()(pixels)) == 0  # this process has not computed with it
freed = open_one()
predictor = open_one()
expected = predictor(pixels)
del freed
assert in_child(lambda: refused(lambda: predictor(pixels))) == 0
assert in_child(lambda: refused(open_one)) == 0
assert in_child(lambda: in_child(lambda: refused(open_one)) and os._exit(1)) == 0
same(predictor(pixels), expected)
kept = [predictor]
del predictor
assert in_child(lambda: (kept.clear(), gc.collect())) == 0
""")
