"""The model card, generated from a model directory's files."""

from typing import Any

from zoo.package import CARD_FILE, Package, write_atomically
from zoo.registry import DATA_SETS, Mechanism, info

_MECHANISMS: dict[Mechanism, str] = {
    "plain": "no semantic block; its patch answers are class activation maps",
    "aux": "patches supervised by the image's label in the middle of the network, without the semantic block",
    "residual": "a semantic block whose mixture of class vectors is added to the features",
    "concat": "a semantic block whose mixture of class vectors is compressed and concatenated to the features",
}


def write_card(package: Package) -> None:
    """Write `README.md` anew."""
    write_atomically(package.path / CARD_FILE, model_card(package).encode())


def model_card(package: Package) -> str:
    """The card's text: YAML for the Hub, then what a person wants to know."""
    from huggingface_hub import EvalResult, ModelCardData

    config, metrics = package.config, package.metrics()
    variant = info(config.variant)
    split = measured_split(metrics)
    accuracy = next((result["accuracy"] for result in metrics.get(split, {}).values()), None)
    data = ModelCardData(
        license="apache-2.0",
        library_name="template-zoo",
        pipeline_tag="image-classification",
        tags=["image-classification", "interpretability", "template-matching"],
        datasets=[DATA_SETS[config.data]] if config.data in DATA_SETS else None,
        model_name=config.name,
        eval_results=None
        if accuracy is None
        else [
            EvalResult(
                task_type="image-classification",
                dataset_type=config.data,
                dataset_name=config.data,
                dataset_split=split,
                metric_type="accuracy",
                metric_value=accuracy,
            )
        ],
    )
    parts = [
        f"---\n{data.to_yaml()}\n---\n\n# {config.name}\n",
        f"An image classifier of the template-zoo: `{config.variant}`, "
        f"{_MECHANISMS[variant.mechanism]}. {variant.parameters(len(config.classes)):,} weights, "
        f"{config.input_size}x{config.input_size} pixels, {len(config.classes)} classes"
        + (f": {', '.join(config.classes)}.\n" if len(config.classes) <= 20 else ".\n"),
        _usage(package),
        _results(metrics, variant.paper_accuracy.get(config.data)),
        _training(metrics.get("training", {})),
        _limits(package),
    ]
    return "\n".join(part for part in parts if part)


def _usage(package: Package) -> str:
    name = package.config.name
    return f"""## Use

```python
import zoo

model = zoo.load("local-dir:PATH")  # of this directory; where it is bundled, "{name}"
answer = model.semantics(pixels)  # [N, 3, {package.config.input_size}, {package.config.input_size}], uint8
answer.logits, answer.patch_logits, answer.assignment
```
"""


def measured_split(metrics: dict[str, Any]) -> str:
    """The split that says how good a model is: `test`, or `held-out` images where there is no test split."""
    return "test" if "test" in metrics else "held-out"


def _results(metrics: dict[str, Any], paper: float | None) -> str:
    split = measured_split(metrics)
    if split not in metrics:
        return ""
    rows = [
        f"| {through} | {result['images']:,} | {result['accuracy']:.2f} | {result['patch_accuracy']:.2f} |"
        for through, result in metrics[split].items()
    ]
    table = "\n".join([f"| through | {split} images | accuracy, % | patches, % |", "|---|--:|--:|--:|", *rows])
    compared = f"\n\nThe paper prints {paper:.2f}; its recipe is not known." if paper and split == "test" else ""
    read = (
        "Training read the training split only."
        if split == "test"
        else "The images were held out of the training split."
    )
    return (
        f"## Accuracy\n\n{table}{compared}\n\n`patches` is the share of all patches whose strongest class is the "
        f"image's label: by patch logits, and through the server by the assignment. {read}\n"
    )


def _training(training: dict[str, Any]) -> str:
    if not training:
        return ""
    recipe = "\n".join(f"| {name} | {value} |" for name, value in training["recipe"].items())
    return (
        f"## Training\n\n{training['images']:,} images of {training['data']}, {training['minutes']} minutes on "
        f"{training['machine']['device']}, torch {training['torch']}.\n\n| setting | value |\n|---|---|\n{recipe}\n"
    )


def _limits(package: Package) -> str:
    config = package.config
    return f"""## Limits

It knows {len(config.classes)} classes and {config.input_size}x{config.input_size} pixels: any picture is scaled to \
that, and gets one of the classes. The map of the patches comes from a layer that sees a part of the picture around \
each patch; it shows what the network matched there, not where an object ends.

## Source

Görgün, Gürbüz, Alatan: *Feature Embedding by Template Matching as a ResNet Block*, BMVC 2022 (arXiv 2210.00992). \
An independent implementation.
"""
