"""Upper bounds on inference: the machine's fastest matrix product and memory copy.

    python benchmarks/peers/roofline.py DEVICE

On the CPU, several libraries multiply in fp32, since none is fastest on every machine; on a GPU, PyTorch does, in fp32,
TF32 (as in its convolutions) and fp16. `OMP_NUM_THREADS` sets the number of threads.
"""

import json
import sys

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from peak import best_seconds, multiply_adds_per_second

SIDES = {"cpu": (1024, 2048), "cuda": (4096, 8192)}
COPIED = {"cpu": 2**29, "cuda": 2**32}
"""Size in bytes, many times that of the caches."""

Speeds = dict[str, dict[int, float]]
"""Multiply-adds per second, by library and side of the matrices."""


def numpy_product(side: int) -> float:
    """Multiply-adds per second of NumPy's product of two matrices with this side."""
    left, right = np.random.default_rng(0).standard_normal((2, side, side), dtype=np.float32)
    result = np.empty_like(left)
    return side**3 / best_seconds(lambda: np.matmul(left, right, out=result), on_gpu=False)


def onnxruntime_product(side: int) -> float:
    """The same for ONNX Runtime, with a constant right matrix, as for weights."""
    left, right = np.random.default_rng(0).standard_normal((2, side, side), dtype=np.float32)
    values = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [side, side]) for name in ("left", "product")
    }
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["left", "right"], ["product"])],
        "product",
        [values["left"]],
        [values["product"]],
        [numpy_helper.from_array(right, "right")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return side**3 / best_seconds(lambda: session.run(None, {"left": left}), on_gpu=False)


def products(device: torch.device) -> dict[str, Speeds]:
    """Speeds by precision."""
    sides = SIDES[device.type]

    def of_pytorch(dtype: torch.dtype, precision: str = "highest") -> Speeds:
        torch.set_float32_matmul_precision(precision)
        return {"PyTorch": {side: multiply_adds_per_second(side, device, dtype) for side in sides}}

    single = of_pytorch(torch.float32)
    if device.type == "cuda":
        return {"fp32": single, "tf32": of_pytorch(torch.float32, "high"), "fp16": of_pytorch(torch.float16)}
    single["NumPy"] = {side: numpy_product(side) for side in sides}
    single["ONNX Runtime"] = {side: onnxruntime_product(side) for side in sides}
    return {"fp32": single}


def bytes_per_second(device: torch.device) -> float:
    """Bytes per second read and written by the copy of a large array."""
    source = torch.ones(COPIED[device.type] // 4, device=device)
    target = torch.zeros_like(source)
    return 2 * source.nbytes / best_seconds(lambda: target.copy_(source), device.type == "cuda")


def main(name: str) -> None:
    device = torch.device(name)
    print(
        json.dumps({"multiply_adds_per_second": products(device), "bytes_per_second": bytes_per_second(device)}),
        flush=True,
    )


if __name__ == "__main__":
    main(sys.argv[1])
