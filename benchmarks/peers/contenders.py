"""Contenders: runtimes that are built for a batch size and then called."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from peers.openvino_requests import build_openvino
from peers.subject import AnswerTuple, HalfAnswerTuple, Subject
from peers.turns import fastest

from serve.tuning.tune import PARTS
from zoo.images.preprocess import Pixels
from zoo.outputs import INPUT
from zoo.predictors import Prediction
from zoo.predictors.cuda_session import CudaOptions
from zoo.predictors.file_predictor import FilePredictor
from zoo.predictors.onnx import OnnxPredictor
from zoo.predictors.openvino import OpenVinoPredictor
from zoo.runtime import ENGINE_NAMES, EXECUTIONS, ComputePrecision, Execution, Runtime

Call = Callable[[Pixels], Sequence[Any]]
"""Pixels [N, 3, S, S] to arrays in the CPU's memory, the first of them the class logits [N, C]."""

ONE_RUN = Runtime(streams=1, part=0)
"""The whole batch at once, with all threads sharing each operation."""


class Built(NamedTuple):
    """A contender built for one batch size."""

    call: Call
    setting: str = ""
    """Description of the chosen setting."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One runtime."""

    name: str
    build: Callable[[Subject, Pixels], Built]
    precision: str = "fp32"
    """Precision; fp32 is TF32 on a GPU where that is the runtime's default."""
    package: str = "onnxruntime"
    """Package without which it is skipped."""
    devices: tuple[str, ...] = ("cpu", "cuda")
    required: bool = False
    """Whether a failure ends the run; others are skipped."""
    ordinary: bool = False
    """Whether it is a different network, with another image size."""
    exact: bool = False
    """Whether it computes fp32 without TF32 on a GPU."""

    def precision_on(self, device: str) -> str:
        """Precision of its products on a device."""
        return "tf32" if self.precision == "fp32" and device != "cpu" and not self.exact else self.precision


def build_eager(subject: Subject, pixels: Pixels) -> Built:
    """Eager PyTorch with its default options."""
    return Built(_torch_call(AnswerTuple(subject.on_device()), subject.device))


def build_compiled(subject: Subject, pixels: Pixels) -> Built:
    """torch.compile in its default mode; compiled for this batch size only, its best case."""
    torch.compiler.reset()
    return Built(_torch_call(torch.compile(AnswerTuple(subject.on_device()), dynamic=False), subject.device))


def build_compiled_half(subject: Subject, pixels: Pixels) -> Built:
    """torch.compile in half precision, whose runs on a GPU replay a captured graph."""
    torch.compiler.reset()
    module = torch.compile(HalfAnswerTuple(subject.on_device()), dynamic=False, mode="reduce-overhead")
    return Built(_torch_call(module, subject.device))


def build_torchscript(subject: Subject, pixels: Pixels) -> Built:
    """A trace, frozen and optimised for inference."""
    module, example = AnswerTuple(subject.on_device()), torch.from_numpy(pixels).to(subject.device)
    with warnings.catch_warnings(), torch.no_grad():
        # TorchScript's deprecation, and checks of the pixels' shape that tracing cannot see.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module, example, check_trace=False)
        module = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
    return Built(_torch_call(module, subject.device))


def build_session(subject: Subject, pixels: Pixels, kind: str) -> Built:
    """ONNX Runtime with its default options, with new arrays for each call or kept ones, whichever is faster."""
    session = _session(subject, kind)
    if kind == "ordinary":
        assert subject.ordinary is not None
        side = subject.ordinary.side
        pixels = np.random.default_rng(0).integers(0, 256, (len(pixels), 3, side, side), dtype=np.uint8)
    ways = session_ways(session, pixels)
    best = fastest({name: partial(call, pixels) for name, call in ways.items()})
    call = ways[best]
    return Built(call if kind != "ordinary" else lambda _: call(pixels), best)


def session_ways(session: Any, pixels: Pixels) -> dict[str, Call]:
    """A session called with new arrays, and one bound to arrays that are kept from call to call, by name."""
    import onnxruntime

    inputs, arrays = np.empty_like(pixels), session.run(None, {INPUT: pixels})
    binding = session.io_binding()
    binding.bind_ortvalue_input(INPUT, onnxruntime.OrtValue.ortvalue_from_numpy(inputs))
    for output, array in zip(session.get_outputs(), arrays, strict=True):
        binding.bind_ortvalue_output(output.name, onnxruntime.OrtValue.ortvalue_from_numpy(array))

    def kept(pixels: Pixels) -> list[Any]:
        inputs[:] = pixels
        session.run_with_iobinding(binding)
        return arrays

    return {"new arrays": lambda pixels: session.run(None, {INPUT: pixels}), "kept arrays": kept}


def file_of(subject: Subject, kind: str) -> Path:
    """A file of the subject.

    Raises:
        RuntimeError: its export failed.
    """
    if kind in subject.failed:
        raise RuntimeError(subject.failed[kind])
    return subject.files[kind].path


def build_ours(
    subject: Subject,
    pixels: Pixels,
    precision: str,
    runtime: Runtime | None = None,
    cuda: CudaOptions = CudaOptions(),
) -> Built:
    """This project's predictor."""
    file = file_of(subject, precision)
    return Built(_arrays_of(OnnxPredictor(file, subject.device, subject.threads, runtime, cuda=cuda)))


def build_tuned(subject: Subject, pixels: Pixels, precision: ComputePrecision) -> Built:
    """This project's predictor with the fastest engine and split of the batch, as by `zoo tune`."""
    divisions = dict.fromkeys(Runtime(part=part).on(subject.threads) for part in PARTS)
    ways = {}
    for execution, method in EXECUTIONS.items():
        if method.precision != precision or find_spec(method.engine) is None:
            continue
        for runtime in (ONE_RUN, *divisions):
            way = f"{ENGINE_NAMES[method.engine]}, {runtime.describe(subject.threads)}"
            ways[way] = _arrays_of(_open(execution, file_of(subject, method.file), subject.threads, runtime))
    best = fastest({name: partial(call, pixels) for name, call in ways.items()})
    return Built(ways[best], best)


def build_with_openvino(subject: Subject, pixels: Pixels, precision: str, file: str = "fp32") -> Built:
    """OpenVINO on one of our files; build time includes the trials of its settings."""
    return Built(*build_openvino(file_of(subject, file), pixels, subject.threads, precision))


CPU, CUDA = ("cpu",), ("cuda",)

CONTENDERS = (
    Contender("PyTorch eager", build_eager, package="torch", required=True),
    Contender("torch.compile", build_compiled, package="torch"),
    Contender("torch.compile fp16, graph", build_compiled_half, "fp16", "torch", CUDA),
    Contender("TorchScript", build_torchscript, package="torch"),
    Contender("plain ONNX", partial(build_session, kind="plain")),
    Contender("OpenVINO fp32", partial(build_with_openvino, precision="f32"), package="openvino", devices=CPU),
    Contender("OpenVINO bf16", partial(build_with_openvino, precision="bf16"), "bf16", "openvino", CPU),
    Contender("OpenVINO int8", partial(build_with_openvino, precision="f32", file="int8"), "int8", "openvino", CPU),
    Contender("plain session int8", partial(build_session, kind="int8"), "int8", devices=CPU),
    Contender("ours fp32, one run", partial(build_ours, precision="fp32", runtime=ONE_RUN), devices=CPU, required=True),
    Contender("ours fp32", partial(build_ours, precision="fp32"), required=True, exact=True),
    Contender("ours fp32, TF32", partial(build_ours, precision="fp32", cuda=CudaOptions(tf32=True)), devices=CUDA),
    Contender("ours fp32, tuned", partial(build_tuned, precision="fp32"), devices=CPU),
    Contender("ours int8", partial(build_ours, precision="int8"), "int8", devices=CPU),
    Contender("ours int8, tuned", partial(build_tuned, precision="int8"), "int8", devices=CPU),
    Contender("ours bf16, tuned", partial(build_tuned, precision="bf16"), "bf16", "openvino", CPU),
    Contender("ours fp16", partial(build_ours, precision="fp16"), "fp16", devices=CUDA),
    Contender(
        "ours fp16, NHWC", partial(build_ours, precision="fp16", cuda=CudaOptions(nhwc=True)), "fp16", devices=CUDA
    ),
    Contender("timm resnet", partial(build_session, kind="ordinary"), package="timm", ordinary=True),
)
"""Contenders in the order of the tables; the first is the reference."""


def _open(execution: Execution, file: Path, threads: int, runtime: Runtime) -> FilePredictor:
    if EXECUTIONS[execution].engine == "openvino":
        return OpenVinoPredictor(file, execution, threads, runtime)
    return OnnxPredictor(file, "cpu", threads, runtime)


def _arrays_of(predict: Callable[[Pixels], Prediction]) -> Call:
    return lambda pixels: list(predict(pixels).values())


def _session(subject: Subject, kind: str) -> Any:
    """ONNX Runtime session of a file with the default options of its provider."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = subject.threads
    settings.log_severity_level = 3
    providers: list[Any] = ["CPUExecutionProvider"]
    if subject.device == "cuda":
        providers.insert(0, "CUDAExecutionProvider")
    # Without CUDA, a session would silently open on the CPU.
    session = onnxruntime.InferenceSession(file_of(subject, kind), settings, providers, enable_fallback=0)
    if subject.device == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise RuntimeError("ONNX Runtime does not compute on CUDA")
    return session


def _torch_call(module: Any, device: str) -> Call:
    @torch.inference_mode()
    def call(pixels: Pixels) -> list[Any]:
        return [output.cpu().numpy() for output in module(torch.from_numpy(pixels).to(device))]

    return call
