"""The parts of a model card that say what was measured, and how the model was trained."""

from collections.abc import Iterable
from typing import Any

from zoo.package import ONNX_FILES, WEIGHTS_FILE, Package
from zoo.registry import info
from zoo.runtime import Precision
from zoo.speed import Speed, read_speed


def measured_split(metrics: dict[str, Any]) -> str:
    """The split that says how good a model is: `test`, or `held-out` images where there is no test split."""
    return "test" if "test" in metrics else "held-out"


def results_section(package: Package) -> str:
    """Accuracy, size and speed by precision."""
    metrics = package.metrics()
    split = measured_split(metrics)
    measured = metrics.get(split, {})
    speeds = read_speed(package)
    rows = [_row(package, "PyTorch", WEIGHTS_FILE, measured.get("torch"))]
    for precision in ONNX_FILES:
        result = measured.get("onnx" if precision == "fp32" else f"onnx-{precision}")
        if result or package.onnx(precision):
            agreement, speed = _agreement(package, precision), speeds.get(precision)
            rows.append(
                _row(package, f"ONNX Runtime, {precision}", ONNX_FILES[precision], result, agreement, *_times(speed))
            )
    if "server" in measured:
        rows.append(_row(package, "the server", "", measured["server"]))
    accuracy = [f"{split} images" if measured else "images", "accuracy, %", "patches, %", "same class, %"]
    headings = ["through", "file", "MB", *accuracy, "1 picture, ms", "pictures/s"]
    parts = [_table(headings, "llrrrrrrr", rows), _about_accuracy(package, split, measured)]
    if package.parity():
        parts.append(
            "`same class` is the share of pictures with PyTorch's class; all of the comparison is in `parity.json`."
        )
    if speeds:
        parts.append(_about_speed(speeds))
    return "## Accuracy, size and speed\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def training_section(package: Package) -> str:
    """How it was trained, with the log; empty where nothing says so."""
    training = package.metrics().get("training", {})
    if "recipe" not in training:
        return ""
    recipe = _table(["setting", "value"], "ll", ([name, str(value)] for name, value in training["recipe"].items()))
    return (
        f"## Training\n\n{training['images']:,} images of {training['data']}, {training['minutes']} minutes on "
        f"{training['machine']['device']}, torch {training['torch']}.\n\n{recipe}\n{_log(training.get('history', []))}"
    )


def _log(history: list[dict[str, Any]]) -> str:
    if not history:
        return ""
    names = list(history[0])
    table = _table(names, "r" * len(names), ([str(epoch.get(name, "")) for name in names] for epoch in history))
    return f"\n<details>\n<summary>The log, on the augmented training images</summary>\n\n{table}\n\n</details>\n"


def _row(
    package: Package, through: str, name: str, result: dict[str, Any] | None, agreement: str = "", *times: str
) -> list[str]:
    file = package.path / name
    size = f"{file.stat().st_size / 1e6:.2f}" if name and file.is_file() else ""
    shown = ["", "", ""]
    if result:
        shown = [f"{result['images']:,}", f"{result['accuracy']:.2f}", f"{result['patch_accuracy']:.2f}"]
    return [through, f"`{name}`" if size else "", size, *shown, agreement, *(times or ("", ""))]


def _agreement(package: Package, precision: Precision) -> str:
    records = package.parity().get(precision, {}).values()
    return next((f"{100 * record['agreement']['logits']:.2f}" for record in records), "")


def _times(speed: Speed | None) -> tuple[str, str]:
    if speed is None:
        return "", ""
    batch = max(speed.seconds)
    one = f"{1000 * speed.seconds[1]:.2f}" if 1 in speed.seconds else ""
    return one, f"{batch / speed.seconds[batch]:.0f}"


def _about_accuracy(package: Package, split: str, measured: dict[str, Any]) -> str:
    if not measured:
        return "Its accuracy was not measured."
    config = package.config
    paper = info(config.variant).paper_accuracy.get(config.data)
    compared = f" The paper prints {paper:.2f}; its recipe is not known." if paper and split == "test" else ""
    kept = (
        "Training read the training split only."
        if split == "test"
        else "The images were held out of the training split."
    )
    return (
        f"The images are of {config.data}.{compared} `patches` is the share of all patches whose strongest class is "
        "the image's label: by patch logits, and through the server by the assignment. " + kept
    )


def _about_speed(speeds: dict[Precision, Speed]) -> str:
    speed = next(iter(speeds.values()))
    return (
        f"Times are medians of {speed.device}, {speed.processor}, {speed.threads} threads, ONNX Runtime "
        f"{speed.onnxruntime}; pictures per second with {max(speed.seconds)} at once."
    )


def _table(headings: list[str], alignment: str, rows: Iterable[list[str]]) -> str:
    ruler = [{"l": "---", "r": "--:"}[side] for side in alignment]
    return "\n".join("| " + " | ".join(row) + " |" for row in (headings, ruler, *rows))
