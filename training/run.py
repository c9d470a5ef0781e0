"""A whole training: data, network, model directory."""

import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from training.data import LabelledImages, data_set_name
from training.evaluate import Evaluation
from training.loop import TrainedNetwork
from training.recipe import Recipe
from zoo.card import write_card
from zoo.package import (
    CONFIG_FILE,
    METRICS_FILE,
    WEIGHTS_FILE,
    ModelConfig,
    Package,
    sha256,
    write_atomically,
    write_json,
)


def save_model(
    out: Path, variant: str, source: str, data: LabelledImages, trained: TrainedNetwork, recipe: Recipe
) -> Package:
    """Write a model directory: weights, configuration, what was run, and the card.

    Arguments:
        out: the directory; files of the same names are replaced.
        variant: that was trained.
        source: where the data came from; its last part names the data set.
        data: the training split.
        trained: the network and what it took.
        recipe: how it was trained.
    """
    weights = {name: value.detach().cpu().contiguous() for name, value in trained.network.state_dict().items()}
    write_atomically(out / WEIGHTS_FILE, save(weights))
    config = ModelConfig(
        variant=variant,
        data=data_set_name(source),
        classes=data.classes,
        input_size=recipe.input_sizes[-1],
        normalization=data.normalization(),
        weights_sha256=sha256(out / WEIGHTS_FILE),
        assignment=recipe.assignment,
    )
    write_atomically(out / CONFIG_FILE, config.to_json().encode())
    training = {
        "data": config.data,
        "split": "train",
        "images": len(data.labels),
        "recipe": asdict(recipe),
        "minutes": round(trained.seconds / 60, 1),
        "machine": _machine(next(trained.network.parameters()).device),
        "torch": torch.__version__,
        "history": [{name: round(value, 4) for name, value in epoch.items()} for epoch in trained.history],
    }
    write_json(out / METRICS_FILE, {"training": training})
    package = Package.open(out)
    write_card(package)
    return package


def record_evaluation(package: Package, split: str, through: str, evaluation: Evaluation) -> None:
    """Add an evaluation on the model's own data set to its `metrics.json`, and write the card anew.

    Arguments:
        package: the model directory.
        split: that was measured.
        through: what answered: `torch`, `onnx` or `server`.
        evaluation: the result.
    """
    metrics = package.metrics()
    metrics.setdefault(split, {})[through] = evaluation.to_json()
    write_json(package.path / METRICS_FILE, metrics)
    write_card(package)


def _machine(device: torch.device) -> dict[str, Any]:
    if device.type == "cuda":
        return {"device": torch.cuda.get_device_name(device)}
    return {"device": f"CPU, {platform.machine()}", "threads": torch.get_num_threads()}
