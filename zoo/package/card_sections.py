"""Sections of a model card: usage, results, classes, probe and training."""

from collections.abc import Mapping, Sequence

from zoo.files import sha256
from zoo.package import ONNX_FILES, WEIGHTS_FILE, Package
from zoo.package.metrics import ONNX, THROUGH, ModelMetrics, Score, own_metrics
from zoo.package.pooling import read_pooling
from zoo.package.probe import INTERVENTIONS, read_probe
from zoo.package.timings import Speed, read_speed
from zoo.registry import info
from zoo.reporting import literal, markdown
from zoo.runtime import ENGINE_NAMES, EXECUTIONS, Execution, Precision

SAME_CLASS = "same class, %"

MAX_CLASSES = 20
"""Largest number of classes whose accuracy is shown."""


def usage_section(package: Package, repository: str | None) -> str:
    """Examples for a repository `ORG/NAME` on the Hub, or for a local directory."""
    reference = f"hf-hub:{repository}" if repository else "local-dir:PATH"
    parts = [_python(package, reference)]
    if package.precisions:
        parts += [_onnx(package, repository), _server(package, reference)]
    return "\n".join(parts)


def results_section(package: Package) -> str:
    """Accuracy, size and speed by engine and precision."""
    metrics, speeds = own_metrics(package), read_speed(package)
    measured = metrics.measured
    rows = [_row(package, "PyTorch", WEIGHTS_FILE, measured.get("torch"))]
    for through, execution in THROUGH.items():
        method = EXECUTIONS[execution]
        if file := package.onnx(method.file):
            agreement = _agreement(package, execution) if package.verified_sha256(execution) == sha256(file) else ""
            name, result, speed = ONNX_FILES[method.file], measured.get(through), speeds.get(execution)
            if through in ONNX or result or agreement or speed:
                runtime = f"{ENGINE_NAMES[method.engine]}, {method.precision}"
                rows.append(_row(package, runtime, name, result, agreement, *_times(speed)))
    if "server" in measured:
        rows.append(_row(package, "server", "", measured["server"]))
    scores = [f"{metrics.measured_split} images", "accuracy, %", "patches, %"]
    headings = ["runtime", "file", "MB", *scores, SAME_CLASS, "1 image, ms", "images/s"]
    filled = [index for index in range(len(headings)) if any(row[index] for row in rows)]
    headings, *rows = ([row[index] for index in filled] for row in (headings, *rows))
    alignment = "".join("llrrrrrrr"[index] for index in filled)
    parts = [markdown(headings, alignment, rows), _about_accuracy(package, metrics)]
    if SAME_CLASS in headings:
        parts.append(
            "`same class` is the share of images for which PyTorch predicts the same class; `parity.json` has the full "
            "comparison."
        )
    if speeds:
        parts.append(_about_speed(speeds))
    return "## Accuracy, size and speed\n\n" + "\n\n".join(parts) + "\n"


def classes_section(package: Package) -> str:
    """Accuracy by class, of the classes with the lowest if there are many; empty if it was not measured."""
    metrics = own_metrics(package)
    runtimes = sorted(metrics.measured, key="torch".__ne__)
    through = next((each for each in runtimes if metrics.measured[each].class_accuracy), None)
    if through is None:
        return ""
    accuracy = metrics.measured[through].class_accuracy or {}
    lowest = sorted(accuracy, key=lambda name: accuracy[name])[:MAX_CLASSES]
    some = "" if len(lowest) == len(accuracy) else f" These are the {len(lowest)} lowest of {len(accuracy):,}."
    rows = ([literal(name), f"{accuracy[name]:.2f}"] for name in lowest)
    about = f"Accuracy on the {metrics.measured_split} images by class, through {through}.{some}"
    return f"## Accuracy by class\n\n{about}\n\n{markdown(['class', 'accuracy, %'], 'lr', rows)}\n"


def probe_section(package: Package) -> str:
    """Whether the network uses its semantic block; empty if it has none."""
    if not info(package.config.variant).has_block:
        return ""
    heading = "## Does the network use its semantic block?\n\n"
    probes = read_probe(package)
    if not probes:
        return f"{heading}Not measured yet; run `zoo probe`.\n"
    columns = ["runtime", "images", "assignment", "accuracy, %", "predictions changed, %"]
    rows = []
    for through, probe in probes.items():
        rows.append([through, f"{probe.images:,} {probe.split}", "the block's own", f"{probe.accuracy:.2f}", ""])
        for intervention, effect in probe.effects.items():
            cells = [f"{effect.accuracy:.2f}", f"{effect.changed[0]:.2f}"]
            rows.append(["", "", INTERVENTIONS[intervention], *cells])
    verdicts = "\n".join(f"- With {through}, {probe.verdict}." for through, probe in probes.items())
    about = "How answers change when the assignment of every patch is replaced (`zoo probe`)."
    return f"{heading}{about}\n\n{markdown(columns, 'lllrr', rows)}\n\n{verdicts}\n"


def pooling_section(package: Package) -> str:
    """What generalised sum pooling does by leaving patches out; empty for global average pooling."""
    if package.config.pooling == "gap":
        return ""
    heading = "## What does the pooling leave out?\n\n"
    found = read_pooling(package)
    if found is None:
        return f"{heading}Not measured yet; run `zoo probe`.\n"
    value, low, high = found.difference
    return (
        f"{heading}Generalised sum pooling weights the patches of an image, with a mean weight of 1 (`zoo probe`, "
        f"{found.images:,} {found.split} images). The weights range from {found.lowest:.2f} to {found.highest:.2f}, "
        f"with a standard deviation of {found.spread:.2f}, in the mean over images. With all weights 1, the accuracy "
        f"is {found.accuracy_unweighted:.2f}% instead of {found.accuracy:.2f}%: {value:+.2f} points [{low:+.2f}, "
        f"{high:+.2f}].\n"
    )


def training_section(package: Package) -> str:
    """How the model was trained, with the log; empty if it is not recorded."""
    training = own_metrics(package).training
    if training is None:
        return ""
    recipe = markdown(["setting", "value"], "ll", ([name, str(value)] for name, value in training.recipe.items()))
    teacher = training.teacher
    notes = f" Distilled from {teacher.name} (weights {teacher.weights_sha256[:16]})." if teacher else ""
    notes += " The weights were then rounded to half precision." if training.rounded_from_sha256 else ""
    return (
        f"## Training\n\nTrained on {training.images:,} images of {training.data} in {training.minutes} minutes "
        f"({training.machine.device}; torch {training.torch}).{notes}\n\n{recipe}\n{_log(training.history)}"
    )


def _python(package: Package, reference: str) -> str:
    size, classes = package.config.input_size, len(package.config.classes)
    assignment = (
        f"answer.assignment  # [1, {classes + 1}, h, w]: shares of the classes, `none` last\n"
        if info(package.config.variant).has_block
        else ""
    )
    kept = "" if package.config.pooling == "gap" else "answer.kept  # [1, h, w]: what the pooling keeps of each patch\n"
    return f"""## Use

In Python (`pip install 'template-zoo[torch]'`):

```python
import zoo

model = zoo.load("{reference}")
pixels = model.pixels("photo.jpg")  # [1, 3, {size}, {size}], uint8
answer = model.semantics(pixels)
print(model.config.classes[answer.logits.argmax()])
answer.patch_logits  # [1, {classes}, h, w]: how much each patch looks like each class
{assignment}{kept}```
"""


def _onnx(package: Package, repository: str | None) -> str:
    size, classes = package.config.input_size, len(package.config.classes)
    file = package.onnx(package.precisions[0])
    assert file
    path = f'hf_hub_download("{repository}", "{file.name}")' if repository else f'"PATH/{file.name}"'
    imported = "from huggingface_hub import hf_hub_download\n" if repository else ""
    return f"""With ONNX Runtime alone (`pip install onnxruntime pillow huggingface_hub`); the network \
normalises its pixels itself:

```python
import json

import numpy as np
import onnxruntime
{imported}from PIL import Image, ImageOps

upright = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")  # composite transparent images over white
image = ImageOps.fit(upright, ({size}, {size}), Image.Resampling.BICUBIC)
pixels = np.asarray(image).transpose(2, 0, 1)[None]  # [N, 3, {size}, {size}], uint8
session = onnxruntime.InferenceSession({path})
[logits] = session.run(["logits"], {{"image": pixels}})  # [N, {classes}]; also: patch_logits
classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
print(classes[logits[0].argmax()])
```
"""


def _server(package: Package, reference: str) -> str:
    precisions: tuple[Precision, ...] = package.precisions
    option = "" if "fp32" in precisions else f" --precision {precisions[0]}"
    return f"""As a server (`pip install 'template-zoo[serve]'`):

```sh
zoo serve --model {reference}{option}
curl -F file=@photo.jpg localhost:8000/classify
curl -F file=@photo.jpg -H 'Accept: image/png' localhost:8000/patch-semantics -o map.png
```
"""


def _log(history: Sequence[Mapping[str, float]]) -> str:
    if not history:
        return ""
    names = list(history[0])
    table = markdown(names, "r" * len(names), ([str(epoch.get(name, "")) for name in names] for epoch in history))
    validated = any(name.startswith("validation") for name in names)
    others = " and, for validation, on images that were not trained on" if validated else ""
    summary = f"Training log, on the augmented training images{others}"
    return f"\n<details>\n<summary>{summary}</summary>\n\n{table}\n\n</details>\n"


def _row(
    package: Package, through: str, name: str, result: Score | None, agreement: str = "", *times: str
) -> list[str]:
    file = package.path / name
    size = f"{file.stat().st_size / 1e6:.2f}" if name and file.is_file() else ""
    shown = ["", "", ""]
    if result:
        shown = [f"{result.images:,}", f"{result.accuracy:.2f}", f"{result.patch_accuracy:.2f}"]
    return [through, f"`{name}`" if size else "", size, *shown, agreement, *(times or ("", ""))]


def _agreement(package: Package, execution: Execution) -> str:
    share = package.agreement(execution)
    return "" if share is None else f"{100 * share:.2f}"


def _times(speed: Speed | None) -> tuple[str, str]:
    if speed is None:
        return "", ""
    batch = max(speed.seconds)
    one = f"{1000 * speed.seconds[1]:.2f}" if 1 in speed.seconds else ""
    return one, f"{batch / speed.seconds[batch]:.0f}"


def _about_accuracy(package: Package, metrics: ModelMetrics) -> str:
    if not metrics.measured:
        return "Accuracy was not measured."
    config, split = package.config, metrics.measured_split
    variant = info(config.variant)
    paper = variant.paper_accuracy.get(config.data)
    compared = f" The paper reports {paper:.2f}; its recipe is not known." if paper and split == "test" else ""
    by = "by patch logits"
    if "server" in metrics.measured and variant.has_block:
        by += ", or by the assignment for the server"
    kept = _KEPT[split]
    return (
        f"Images are from {config.data}.{compared} `patches` is the share of all patches whose strongest class is the "
        f"image's label, {by}. {kept}"
    )


_KEPT = {
    "test": "Only the training split was used for training.",
    "held-out": "The images were held out of the training split.",
    "validation": "Only the training split was used for training; the validation split was measured after each epoch.",
}


def _about_speed(speeds: dict[Execution, Speed]) -> str:
    speed = next(iter(speeds.values()))
    openvino = next((f" and OpenVINO {one.openvino}" for one in speeds.values() if one.openvino), "")
    return (
        f"Median times with {speed.device} (version {speed.onnxruntime}){openvino}, {speed.processor}, "
        f"{speed.threads} threads; throughput at batch size {max(speed.seconds)}."
    )
