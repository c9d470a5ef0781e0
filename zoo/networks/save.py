"""Model directories of networks that were trained in a loop of one's own."""

import copy
import hashlib
import os
from collections.abc import Iterable, Mapping
from os import PathLike

import numpy as np
import torch
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.files import expand_path, new_folder, write_atomically, writing
from zoo.images.image_files import listed
from zoo.images.preprocess import Normalization
from zoo.networks.blocks import SemanticBlock
from zoo.networks.load import create
from zoo.networks.matching import assignment_name
from zoo.networks.network import Network
from zoo.networks.pooling import pooling_name
from zoo.package import CONFIG_FILE, WEIGHTS_FILE, ModelConfig, Package
from zoo.package.card import write_card
from zoo.registry import AssignmentName

TOLERANCE = 1e-4
"""Largest difference of an output, as a share of its largest magnitude, between a network and its saved weights."""


def save(network: nn.Module, folder: str | PathLike[str], *, classes: Iterable[str], data: str) -> Package:
    """Write a network as a model directory, which `zoo.load`, `zoo export`, `zoo publish` and other commands open.

    Its `config.json` has the network's `input_size`: set it if the images had another size. Training and accuracy are
    not recorded; `zoo eval --record` measures.

    Arguments:
        network: a network that `zoo.load` or `zoo.create` made, on any device; also wrapped, as by
            `DistributedDataParallel`, `AveragedModel` or `torch.compile`. It is not changed.
        folder: the model directory, new or empty.
        classes: names of its C classes, in the order of the class logits.
        data: short name of the data set, of letters, digits, dots, underscores and hyphens.

    Raises:
        InputError: the network is not of the zoo, its layers were changed, its weights are not finite, its classes are
            not C distinct names, or the folder is not empty or cannot be written.
    """
    own = _unwrap(network)
    own.require_consistent_classes()
    _require_finite(own)
    weights = weights_file(own)
    config = _describe(own, classes, data, hashlib.sha256(weights).hexdigest())
    _require_reproducible(own, config)
    path = expand_path(os.fspath(folder))
    with writing(path), new_folder(path) as made:
        write_atomically(made / WEIGHTS_FILE, weights)
        write_atomically(made / CONFIG_FILE, config.to_json().encode())
        write_card(Package.open(made))
    return Package.open(path)


def weights_file(network: Network) -> bytes:
    """The weights of a network as a safetensors file."""
    return to_safetensors({name: value.contiguous() for name, value in _state(network).items()})


def _state(network: Network) -> Mapping[str, Tensor]:
    """State on the CPU, with single instead of double precision."""
    state = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    return {name: value.float() if value.dtype == torch.float64 else value for name, value in state.items()}


def _unwrap(module: nn.Module) -> Network:
    """The network within the wrappers of training loops."""
    inner: object = module
    while isinstance(inner, nn.Module) and not isinstance(inner, Network):
        inner = getattr(inner, "_orig_mod", None) or getattr(inner, "module", None)
    if not isinstance(inner, Network):
        raise InputError(f"{type(module).__name__} is not a network of the zoo; make one by zoo.load or zoo.create")
    if inner.variant is None:
        raise InputError(
            f"the variant of this {type(inner).__name__} is not known; make it by zoo.load or zoo.create, with a "
            "variant of your own if necessary (zoo.register)"
        )
    return inner


def _require_finite(network: Network) -> None:
    trained = {name: value for name, value in network.state_dict().items() if name not in network.configured_tensors()}
    if network.device.type == "meta":
        raise InputError("the network is on the device meta, and has no weights")
    if wrong := [name for name, value in trained.items() if not torch.isfinite(value).all()]:
        raise InputError(
            f"{len(wrong)} of {len(trained)} tensors have values that are not finite: {listed(wrong)}; train with a "
            "lower learning rate, or save an earlier state"
        )


def _describe(network: Network, classes: Iterable[str], data: str, weights_sha256: str) -> ModelConfig:
    names = tuple(classes) if isinstance(classes, Iterable) and not isinstance(classes, str) else (None,)
    if not all(isinstance(name, str) and name for name in names):
        raise InputError(f"classes = {classes!r}: expected a list of names, such as ['cat', 'dog']")
    if len(names) != network.num_classes:
        raise InputError(
            f"{len(names)} classes were given ({listed(map(str, names))}), but the network has {network.num_classes}; "
            "name each of them, in the order of the class logits"
        )
    if not isinstance(data, str):
        raise InputError(f"data = {data!r}: expected a short name of the data set, such as 'pets'")
    block = network.block
    matching: tuple[AssignmentName, int] = ("softmax", 1)
    if isinstance(block, SemanticBlock):
        matching = assignment_name(block.assign), block.templates
    assert network.variant is not None
    try:
        return ModelConfig(
            variant=network.variant,
            data=data,
            classes=tuple(map(str, names)),  # plain strings, also of NumPy's
            input_size=network.input_size,
            normalization=_normalization(network),
            weights_sha256=weights_sha256,
            assignment=matching[0],
            templates=matching[1],
            pooling=pooling_name(network.pooling),
            kept_mass=network.pooling.mean_kept,
            pooling_gamma=network.pooling.sharpness,
        )
    except ValueError as error:
        raise InputError(str(error)) from None


def _normalization(network: Network) -> Normalization:
    """The normalisation in a network's state, by the shortest decimals that stand for it."""
    state = network.normalize.state_dict()
    red, green, blue = zip(*(map(float, map(str, _single(state[name]))) for name in ("mean", "std")), strict=True)
    return Normalization(mean=(red[0], green[0], blue[0]), std=(red[1], green[1], blue[1]))


def _single(values: Tensor) -> list[np.float32]:
    return list(values.cpu().float().numpy())


def _require_reproducible(network: Network, config: ModelConfig) -> None:
    """Refuse a network whose state, loaded into the variant's own layers, gives other answers.

    Raises:
        InputError: layers were replaced.
    """
    with torch.random.fork_rng(devices=[]):
        saved = create(
            config.variant,
            num_classes=network.num_classes,
            assignment=config.assignment,
            normalization=config.normalization,
            templates=config.templates,
            pooling=config.pooling,
            kept_mass=config.kept_mass,
            pooling_gamma=config.pooling_gamma,
        ).float()
    remedy = "register your own network as a variant: zoo.register"
    try:
        saved.load_state_dict(_state(network))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"the network has other layers than {config.variant}: {reason}; {remedy}") from None
    same = copy.deepcopy(network).cpu().float().eval()
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (2, 3, config.input_size, config.input_size), dtype=torch.uint8, generator=generator)
    with torch.inference_mode():
        expected, found = same.predict(pixels), saved.eval().predict(pixels)
    for name, value in expected.items():
        tolerance = TOLERANCE * float(value.abs().max())
        if not torch.allclose(found[name], value, rtol=0, atol=tolerance, equal_nan=True):
            raise InputError(
                f"the network computes other {name} than a {config.variant} with its weights, so that layers without "
                f"weights were changed; {remedy}"
            )
