"""The command `zoo probe`."""

from dataclasses import replace
from typing import Annotated

import typer

from zoo.errors import InputError
from zoo.extras import require
from zoo.options import SPLITS, Data, ModelArgument, RecordOption
from zoo.package.metrics import HELD_OUT_FIRST, ONNX

MIN_RECORDED = 5000
"""Minimum number of images of a recorded probe, unless the split has fewer."""


def probe(
    model: ModelArgument,
    data: Data = "cifar10",
    split: Annotated[
        str | None,
        typer.Option(
            help=f"Split to measure on: {SPLITS}, or train. The held-out images come first, so that recipes can be "
            "chosen without the test split.",
            show_default=", else ".join(HELD_OUT_FIRST),
        ),
    ] = None,
    through: Annotated[str, typer.Option(help="Runtime: torch, onnx (fp32), onnx-fp16 or onnx-int8.")] = "torch",
    images: Annotated[
        int | None, typer.Option(min=2, help="Number of randomly sampled images.", show_default="all")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    record: RecordOption = False,
) -> None:
    """Measure whether an -ours network uses its semantic block, by replacing its map of the patches.

    The map is replaced by no match, the mean map, that of another image, the image's own class or another class; a
    network that uses its block then answers otherwise. A network with generalised sum pooling is also measured with all
    weights of its patches set to 1.
    """
    require("train")
    require("explain", "scipy")
    from explain.probe import measure as probing
    from explain.probe.diagnostics import cosine_to_start, mixture_strength
    from explain.probe.models import BlockModel, OnnxBlockModel, TorchBlockModel
    from explain.probe.pooling import probe_pooling
    from explain.probe.report import pooling_lines, probe_lines, probe_table
    from training.data.data_set import data_set_name
    from training.data.model_split import ModelData, require_recordable
    from zoo.files import sha256
    from zoo.hub import open_model
    from zoo.package.card import write_card
    from zoo.package.pooling import write_pooling
    from zoo.package.probe import write_probe
    from zoo.predictors.torch import TorchPredictor
    from zoo.registry import info
    from zoo.terminal import Terminal, progress_bar

    package = open_model(model)
    config = package.config
    has_block, pools = info(config.variant).has_block, config.pooling == "gsp" and through == "torch"
    if not (has_block or config.pooling == "gsp"):
        raise InputError(f"{config.variant} has no semantic block to probe; choose an -ours variant")
    if not (has_block or pools):
        raise InputError(f"--through {through}: the pooling of {config.variant} is probed through torch")
    if through != "torch" and through not in ONNX:
        raise InputError(f"--through {through}: must be one of torch, {', '.join(ONNX)}")
    if record:
        require_recordable(config, data)
    if record and images is not None and images < MIN_RECORDED:
        raise InputError(f"--record --images {images}: must be at least {MIN_RECORDED:,}; omit --images for all")
    images_of = ModelData(package, data)
    split = images_of.choose(split, prefer_held_out=True)
    loaded = images_of.load(split, images, seed)
    console = Terminal()
    for note in images_of.notes:
        console.print(note)
    probed: BlockModel
    if through in ONNX:
        require("export", "onnx", "onnxruntime")
        file = package.onnx(ONNX[through])
        if file is None:
            raise InputError(f"{package.path} has no {ONNX[through]} ONNX file; create it with `zoo export`")
        probed, digest = OnnxBlockModel.open(file), sha256(file)
    else:
        network = TorchPredictor.open(package).network
        probed, digest = TorchBlockModel(network), config.weights_sha256
    settings = probing.ProbeSettings(data_set_name(data), split, seed, digest)
    if pools:
        with progress_bar() as progress:
            task = progress.add_task(f"{config.name}: pooling", total=len(loaded.labels), status="")
            pooled = probe_pooling(network, loaded, settings, lambda done: progress.update(task, completed=done))
        if record:
            write_pooling(package, pooled)
            write_card(package)
        console.print(pooling_lines(config.name, pooled))
    if not has_block:
        return
    with progress_bar() as progress:
        task = progress.add_task(
            f"{config.name} through {through}", total=probing.PASSES * len(loaded.labels), status=""
        )
        found = probing.probe_block(
            probed,
            loaded,
            settings,
            shares_sum_to_1=config.assignment != "bn_relu",
            progress=lambda done: progress.update(task, completed=done),
        )
    if through == "torch":
        found = replace(
            found,
            strength=mixture_strength(network, loaded),
            cosine_to_start=cosine_to_start(package, network),
        )
    if record:
        write_probe(package, through, found)
        write_card(package)
    console.print(probe_table(config.name, through, found))
    console.print(probe_lines(found))
    console.print(found.verdict)
