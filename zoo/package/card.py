"""The model card, generated from the files of a model directory; its hand-written section is kept."""

import re
from collections.abc import Mapping

from zoo.errors import PackageError
from zoo.files import write_atomically
from zoo.package import CARD_FILE, MAP_FILE, Package
from zoo.package.card_sections import (
    classes_section,
    pooling_section,
    probe_section,
    results_section,
    training_section,
    usage_section,
)
from zoo.package.metrics import own_metrics
from zoo.registry import DATA_SETS, Mechanism, info
from zoo.reporting import literal

_MECHANISMS: dict[Mechanism, str] = {
    "plain": "a network without a semantic block; its patch logits are class activation maps",
    "aux": "a network without a semantic block; in its middle, each patch is supervised with the image's label",
    "residual": "a network with a semantic block, whose mixture of class vectors is added to the features",
    "concat": "a network with a semantic block, whose mixture of class vectors is compressed and concatenated to the "
    "features",
    "encoded aux": "a control: patches are supervised through the encoder of the semantic block, without its feedback",
    "convolution": "a control: a convolution block of the same size takes the place of the semantic block",
}

OLD_CARD_FILE = "README.old.md"

_BEGIN = "<!-- by hand: text between these two lines is kept when the card is generated again -->"
_END = "<!-- /by hand -->"
_SECTION = re.compile(r"<!-- by hand\b[^\n]*?-->[ \t]*\n?(.*)<!-- /by hand -->", re.DOTALL)
"""From the first such line to the last, since they may have been edited."""


class ForeignCardError(PackageError):
    """A card that the zoo did not write, or does not recognise any more."""


def write_card(package: Package) -> None:
    """Write `README.md`; a card that the zoo did not write is kept as `README.old.md`."""
    try:
        text = model_card(package)
    except ForeignCardError:
        (package.path / CARD_FILE).replace(package.path / OLD_CARD_FILE)
        text = model_card(package)
    write_atomically(package.path / CARD_FILE, text.encode())


def model_card(
    package: Package, repository: str | None = None, by_hand: str = "", licence: Mapping[str, str] | None = None
) -> str:
    """Text of the card: YAML for the Hub, followed by Markdown.

    Arguments:
        package: the model directory; the hand-written section and the licence are taken from its `README.md`.
        repository: `ORG/NAME` on the Hub, for the examples; None for a local directory.
        by_hand: hand-written section if that card has none.
        licence: from `stated_licence`, if that card states none.

    Raises:
        ForeignCardError: there is a `README.md` that the zoo did not write.
        PackageError: it is not UTF-8, or another file is not valid.
    """
    old = read_card(package)
    own = hand_written(old, str(package.path / CARD_FILE))
    parts = [
        f"---\n{_metadata(package, stated_licence(old) or licence or {})}\n---\n\n# {package.config.name}\n",
        _introduction(package),
        f"{_BEGIN}\n{own or by_hand}{_END}\n",
        usage_section(package, repository),
        results_section(package),
        classes_section(package),
        probe_section(package),
        pooling_section(package),
        training_section(package),
        _uses_and_limits(package),
        _CITATION,
    ]
    return "\n".join(part for part in parts if part)


def read_card(package: Package) -> str:
    """The text of `README.md`; empty where there is none.

    Raises:
        ForeignCardError: it is not UTF-8.
    """
    file = package.path / CARD_FILE
    try:
        return file.read_text(encoding="utf-8") if file.is_file() else ""
    except UnicodeDecodeError as error:
        raise ForeignCardError(
            f"{file} is not UTF-8 at byte {error.start}; save it as UTF-8, or remove it to have it generated"
        ) from None


def hand_written(card: str, where: str) -> str:
    """Hand-written section of a card; may be empty.

    Raises:
        ForeignCardError: the card has no such section, so it was not written by the zoo; names `where`.
    """
    if not card.strip():
        return ""
    if not (found := _SECTION.search(card)):
        raise ForeignCardError(
            f"{where} was not written by the zoo, or lacks a marker line, and would be overwritten. Put the text to "
            f"keep between the lines {_BEGIN!r} and {_END!r}, or remove the file"
        )
    text = found[1].lstrip("\n").rstrip()
    return f"{text}\n" if text else ""


def stated_licence(card: str) -> dict[str, str]:
    """Licence in a card's YAML, as stated by its owner: `license`, `license_name` and `license_link`."""
    front = re.match(r"---\n(.*?)^---$", card, re.DOTALL | re.MULTILINE)
    lines = re.findall(r"^(license(?:_name|_link)?):[ \t]*(\S.*)$", front[1] if front else "", re.MULTILINE)
    return {key: value.strip().strip("\"'") for key, value in lines}


def _metadata(package: Package, licence: Mapping[str, str]) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    config, metrics = package.config, own_metrics(package)
    measured = metrics.measured
    # Only one, PyTorch's if available: the Hub would take others of the same data set and metric for another model's.
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=DATA_SETS.get(config.data, config.data),
            dataset_name=config.data,
            dataset_split=metrics.measured_split,
            metric_type="accuracy",
            metric_value=measured[through].accuracy,
        )
        for through in sorted(measured, key="torch".__ne__)[:1]
    ]
    onnx = ["onnx"] if package.precisions else []
    data = ModelCardData(
        license=licence.get("license"),
        license_name=licence.get("license_name"),
        license_link=licence.get("license_link"),
        library_name="template-zoo",
        pipeline_tag="image-classification",
        tags=["image-classification", "interpretability", "template-matching", *onnx],
        datasets=[DATA_SETS[config.data]] if config.data in DATA_SETS else None,
        model_name=config.name,
        eval_results=results or None,
    )
    return data.to_yaml()


def _introduction(package: Package) -> str:
    config, variant = package.config, info(package.config.variant)
    classes = f": {', '.join(map(literal, config.classes))}" if len(config.classes) <= 20 else ""
    templates = f" with {config.templates} templates each" if config.templates > 1 else ""
    pooling = (
        ""
        if config.pooling == "gap"
        else f" Pooling: gsp (gamma {config.pooling_gamma:g}), which keeps {config.kept_mass:.0%} of the patches."
    )
    text = (
        "An image classifier from template-zoo that also shows what each patch of an image looks like. Variant "
        f"`{config.variant}`: {_MECHANISMS[variant.mechanism]}. "
        f"{config.parameters:,} parameters, "
        f"{config.input_size}x{config.input_size} pixels, {len(config.classes)} classes{templates}{classes}.{pooling}\n"
    )
    if not (package.path / MAP_FILE).is_file():
        return text
    return (
        f"{text}\n![A photograph overlaid with its semantic map]({MAP_FILE})\n\n"
        "One cell per patch, one colour per class. The opacity is proportional to the class's share, as computed by "
        f"the {variant.patch_source}.\n"
    )


def _uses_and_limits(package: Package) -> str:
    config = package.config
    return f"""## Intended use and limits

For research and teaching: which parts of an image are evidence for which class, and how the middle layers of a \
network can be made to show it. Not for decisions about people, nor where a wrong class does harm.

The model has {len(config.classes)} classes and an input of {config.input_size}x{config.input_size} pixels: any image \
is scaled to that size and assigned one of the classes, even if it shows something else. Accuracy depends on how \
similar your images are to those of its data set, so measure it on yours. Each cell of the map depends on the area \
around its patch: the map shows what the network matched there, not the outline of an object.
"""


_CITATION = """## Citation

```bibtex
@inproceedings{gorgun2022feature,
  title = {Feature Embedding by Template Matching as a ResNet Block},
  author = {G{\\"o}rg{\\"u}n, Ada and G{\\"u}rb{\\"u}z, Yeti Z. and Alatan, A. Ayd{\\i}n},
  booktitle = {British Machine Vision Conference (BMVC)},
  year = {2022},
  url = {https://arxiv.org/abs/2210.00992}
}
```

This is an independent implementation. It chooses the details that the paper leaves open, and these are not the \
authors' weights.
"""
