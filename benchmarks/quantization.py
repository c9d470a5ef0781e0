"""This project's int8 files compared with those of NNCF, OpenVINO's quantiser.

    pip install nncf    # beside the group `bench`
    python benchmarks/quantization.py --data FOLDER [--models MODEL MODEL] [--batches N N] [--repeats N] [--out FILE]

Both quantise the same file in single precision with the same training images. Accuracy and agreement with single
precision are measured on the test images through ONNX Runtime, times through ONNX Runtime and OpenVINO, in interleaved
turns. Models without a directory, such as `dn100-ours-c`, get random weights, and no accuracy.

Raw results are written to benchmarks/results/quantization.json.
"""

import argparse
import logging
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from peers.machine import describe
from peers.openvino_requests import build_openvino
from peers.random_model import random_model
from peers.turns import in_turn, ratios
from rich.console import Console

from export.images import read_folder_pixels
from export.onnx_file import export_onnx
from export.quantize import BATCH, CALIBRATION_IMAGES
from training.data.images import LabelledImages
from training.data.prepare import load_split
from zoo.files import write_json
from zoo.hub import DEFAULT_DATA, DEFAULT_MODEL, local_models, open_model
from zoo.images.preprocess import Pixels
from zoo.machine import cores
from zoo.outputs import INPUT, LOGITS
from zoo.package import ONNX_FILES, Package
from zoo.predictors.onnx_session import open_session
from zoo.predictors.openvino import without_telemetry
from zoo.runtime import Runtime

RESULTS = Path(__file__).parent / "results" / "quantization.json"
OURS, NNCF = "ours", "NNCF"
DIGITS = 2


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="int8 files of this project and of NNCF.")
    parser.add_argument("--data", type=Path, required=True, help="data set as for zoo train, for both splits")
    parser.add_argument("--models", nargs="+", default=[DEFAULT_MODEL, "dn100-ours-c"], help="models, or variants")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32], help="images per call")
    parser.add_argument("--threads", type=int, default=cores(), help="threads of every call")
    parser.add_argument("--repeats", type=int, default=21, help="turns")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file for the raw results")
    return parser.parse_args()


def quantize_with_nncf(file: Path, target: Path, pixels: Pixels) -> None:
    """NNCF's post-training quantisation with its defaults for ONNX, except that activations of residual sums may be
    unsigned (`MIXED`), as it recommends for networks with other activations than ReLU."""
    logging.getLogger("nncf").setLevel(logging.ERROR)
    batches = [{INPUT: pixels[start : start + BATCH]} for start in range(0, len(pixels), BATCH)]
    with without_telemetry():
        import nncf

        data_set = nncf.Dataset(batches)
        preset = nncf.QuantizationPreset.MIXED
        onnx.save(nncf.quantize(onnx.load(file), data_set, preset=preset, subset_size=len(batches)), target)


def logits_of(file: Path, pixels: Pixels, threads: int) -> NDArray[np.float32]:
    """Class logits [N, C] through ONNX Runtime."""
    session = open_session(file, threads, Runtime())
    parts = [
        session.run([LOGITS.name], {INPUT: pixels[start : start + BATCH]})[0] for start in range(0, len(pixels), BATCH)
    ]
    return np.concatenate(parts)


def quality(files: dict[str, Path], tested: LabelledImages, has_weights: bool, threads: int) -> dict[str, Any]:
    """Size, agreement with single precision, and accuracy in percent, of each file."""
    logits = {name: logits_of(file, tested.images.numpy(), threads) for name, file in files.items()}
    best = {name: values.argmax(1) for name, values in logits.items()}
    labels = tested.labels.numpy()
    return {
        name: {
            "bytes": file.stat().st_size,
            "agreement": round(100 * float((best[name] == best["fp32"]).mean()), DIGITS),
            "accuracy": round(100 * float((best[name] == labels).mean()), DIGITS) if has_weights else None,
        }
        for name, file in files.items()
    }


def speed(files: dict[str, Path], size: int, batch: int, threads: int, repeats: int) -> dict[str, Any]:
    """Times of the int8 files through both engines, and the ratios of NNCF's to ours."""
    pixels = np.random.default_rng(0).integers(0, 256, (batch, 3, size, size), np.uint8)
    found = {}
    for engine in ("ONNX Runtime", "OpenVINO"):
        calls: dict[str, Callable[[], object]] = {}
        for name in (OURS, NNCF):
            if engine == "OpenVINO":
                call, _ = build_openvino(files[name], pixels, threads, "f32")
                calls[name] = partial(call, pixels)
            else:
                session = open_session(files[name], threads, Runtime())
                calls[name] = partial(session.run, None, {INPUT: pixels})
        times = in_turn(calls, repeats)
        found[engine] = {"NNCF / ours": ratios(times[NNCF], times[OURS]), "seconds": times}
    return found


def measure(name: str, arguments: argparse.Namespace, calibration: Pixels, tested: LabelledImages) -> dict[str, Any]:
    """Everything about one model."""
    has_weights = name in local_models() or f"{name}.{DEFAULT_DATA}" in local_models()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        package: Package = open_model(name) if has_weights else random_model(name, (), folder, print)
        files = {"fp32": folder / "fp32.onnx", OURS: folder / ONNX_FILES["int8"], NNCF: folder / "nncf.onnx"}
        export_onnx(package, files["fp32"])
        export_onnx(package, files[OURS], precision="int8", pixels=calibration)
        quantize_with_nncf(files["fp32"], files[NNCF], calibration)
        size = package.config.input_size
        return {
            "weights": package.config.name,
            "files": quality(files, tested, has_weights, arguments.threads),
            "batches": {
                str(batch): speed(files, size, batch, arguments.threads, arguments.repeats)
                for batch in arguments.batches
            },
        }


def main() -> None:
    arguments = read_arguments()
    machine = describe("cpu", arguments.threads)
    calibration = read_folder_pixels(arguments.data, 32, 2 * CALIBRATION_IMAGES, training=True)
    tested = load_split(str(arguments.data), "test")
    assert isinstance(tested, LabelledImages)
    record: dict[str, Any] = {
        "machine": machine,
        "data": arguments.data.name,
        "calibration": len(calibration),
        "tested": len(tested.labels),
        "repeats": arguments.repeats,
        "models": {},
    }
    console = Console(width=120)
    for name in arguments.models:
        found = record["models"][name] = measure(name, arguments, calibration, tested)
        write_json(arguments.out, record)
        for file, row in found["files"].items():
            console.print(f"{name}, {file}: {row}")
        for batch, engines in found["batches"].items():
            for engine, row in engines.items():
                median, low, high = row["NNCF / ours"]
                console.print(f"{name}, {batch} images, {engine}: NNCF / ours {median:.2f} ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
