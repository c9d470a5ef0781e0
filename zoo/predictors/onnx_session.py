"""ONNX Runtime sessions on the CPU, and the declarations in their files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import InputError, PackageError
from zoo.extras import importing
from zoo.machine import X86_INT8, instructions
from zoo.outputs import PATCH_LOGITS, Output, check_outputs, check_shape
from zoo.package import ModelConfig
from zoo.package.onnx_metadata import config_from_metadata, outputs_from_metadata, precision_from_metadata
from zoo.predictors.forks import leak_after_fork
from zoo.runtime import Precision, Runtime


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """Declarations in an ONNX file's metadata."""

    config: ModelConfig
    precision: Precision
    outputs: tuple[Output, ...]
    shapes: Mapping[str, tuple[int, ...]]
    """Shape of each output for one image."""


def open_session(file: Path, threads: int, runtime: Runtime) -> Any:
    """Open an `onnxruntime.InferenceSession` on the CPU; its threads belong to this process, so a forked one must open
    its own.

    Arguments:
        file: the ONNX file.
        threads: number of threads that share an operation.
        runtime: settings.

    Raises:
        PackageError: ONNX Runtime cannot open the file.
        MissingDependencyError: ONNX Runtime is not installed.
    """
    ort = import_onnxruntime()
    options = session_options(ort)
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = runtime.arena
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_ENABLE_{runtime.optimization.upper()}")
    if not runtime.spin:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        # With its fallback, it would print errors on standard output.
        session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # ONNX Runtime's errors have no common base of their own
        raise PackageError(f"ONNX Runtime cannot open {file}: {error}") from None
    leak_after_fork(session)
    return session


def session_options(ort: Any) -> Any:
    """New `onnxruntime.SessionOptions` with which int8 files give the same answers on all processors.

    By default, sums of 8-bit products overflow on x86 processors without VNNI. The option that prevents it doubles the
    time on those that have it.
    """
    options = ort.SessionOptions()
    if X86_INT8.isdisjoint(instructions()):
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def declared_by(session: Any, file: Path) -> OnnxFile:
    """Declarations in the file of a session.

    Raises:
        PackageError: the file lacks a model's metadata, or does not declare its outputs.
    """
    metadata, where = session.get_modelmeta().custom_metadata_map, str(file)
    found = {output.name: output for output in session.get_outputs()}
    shapes = {name: tuple(output.shape[1:]) for name, output in found.items()}
    config = config_from_metadata(metadata, where)
    outputs = outputs_from_metadata(metadata, list(found), where)
    try:
        check_outputs(outputs)
        for output in outputs:
            integer = found[output.name].type == "tensor(int64)"
            check_shape(output, shapes[output.name], integer, config.classes, shapes[PATCH_LOGITS.name][1:])
    except (InputError, ValueError) as error:
        raise PackageError(f"{where}: {error}; export it again") from None
    return OnnxFile(config, precision_from_metadata(metadata, where), outputs, shapes)


def read_declarations(file: Path) -> OnnxFile:
    """Declarations in an ONNX file, opened as cheaply as ONNX Runtime can.

    Raises:
        PackageError: as `open_session` and `declared_by`.
        MissingDependencyError: ONNX Runtime is not installed.
    """
    return declared_by(open_session(file, 1, Runtime(optimization="basic", arena=False)), file)


def import_onnxruntime() -> Any:
    """The module `onnxruntime`.

    Raises:
        MissingDependencyError: it is not installed.
    """
    with importing("onnx"):
        import onnxruntime
    return onnxruntime
