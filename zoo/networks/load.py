"""Networks by name: created with random weights, or loaded with trained ones."""

import importlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, cast, overload

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from zoo.errors import InputError, WeightsMismatchError
from zoo.files import expand_path
from zoo.hub import HUB_PREFIX, LOCAL_PREFIX, open_model, refuse_path
from zoo.hub.download import fetch
from zoo.images.preprocess import CIFAR10_NORMALIZATION, Normalization
from zoo.networks.backbone import Backbone
from zoo.networks.network import Network, require_classes
from zoo.networks.pooling import make_pooling
from zoo.package import CONFIG_FILE, NETWORK_FILES, Package
from zoo.registry import KEPT_MASS, POOLING_GAMMA, AssignmentName, PoolingName, info


def create(
    name: str,
    *,
    num_classes: int = 10,
    assignment: AssignmentName = "softmax",
    normalization: Normalization = CIFAR10_NORMALIZATION,
    templates: int = 1,
    pooling: PoolingName = "gap",
    kept_mass: float = KEPT_MASS,
    pooling_gamma: float = POOLING_GAMMA,
) -> Network:
    """Create a variant's network with random weights, in training mode.

    Arguments:
        name: a variant of `zoo.list_models()`.
        num_classes: C, at least 2.
        assignment: how the semantic block turns scores into an assignment; plain and aux variants have none.
        normalization: normalisation of the pixels, applied as the network's first operation.
        templates: M, templates per class of the semantic block; 1 for plain and aux variants.
        pooling: how the head pools the features of the patches: `gap`, their mean, or `gsp`, generalised sum pooling,
            which leaves patches out.
        kept_mass: with `gsp`, the share of the patches that is kept, above 0 and at most 1; 1 is `gap`.
        pooling_gamma: with `gsp`, the inverse weight of the entropy, above 0 and at most 40; the larger, the more the
            weights of the patches differ.

    Raises:
        UnknownNameError: the variant, the assignment or the pooling is unknown.
        InputError: fewer than 2 classes, a number of templates that the variant cannot have, or a kept mass or gamma
            out of range.
    """
    refuse_path(name)
    variant = info(name)
    require_classes(num_classes)
    variant.check_templates(templates)
    module, _, function = variant.builder.partition(":")
    build = getattr(importlib.import_module(module), function)
    network = cast(Network, build(variant, num_classes, assignment, normalization, templates))
    # Made last, so that networks with the same random state differ in nothing else.
    network.pooling = make_pooling(pooling, network.num_features, kept_mass, pooling_gamma)
    network.variant = variant.name
    return network


@overload
def load(
    name: str,
    *,
    pretrained: bool | str = True,
    num_classes: int | None = None,
    features_only: Literal[False] = False,
) -> Network: ...


@overload
def load(
    name: str,
    *,
    pretrained: bool | str = True,
    num_classes: int | None = None,
    features_only: Literal[True],
    out_indices: int | Iterable[int] | None = None,
) -> Backbone: ...


def load(
    name: str,
    *,
    pretrained: bool | str = True,
    num_classes: int | None = None,
    features_only: bool = False,
    out_indices: int | Iterable[int] | None = None,
) -> Network | Backbone:
    """Load a network with trained weights, in evaluation mode; its identity is in `network.config`.

    Arguments:
        name: a variant, `VARIANT.DATA`, `local-dir:PATH` or `hf-hub:ORG/NAME@REVISION`.
        pretrained: True for the weights of `name`, the name of a data set for those trained on it, False for random
        weights.
        num_classes: number of classes if it differs from that of the weights: tensors that depend on it are random, to
        be trained, and `network.config` is None; see `Network.reset_classifier`, also for 0.
        features_only: whether to return a `zoo.Backbone` instead, a network that returns its features.
        out_indices: depths of these features, of `network.feature_info`; a number n for the last n; None for all.

    Raises:
        BarePathError, UnknownNameError: `name` is a path, or not a variant.
        InputError: a number of classes or an index that is not possible.
        PackageError: the weights are missing (`DigestError`: damaged; `WeightsMismatchError`: for another network).

    Nothing from the Hub is executed or unpickled: weights are safetensors files, and networks are the zoo's own code.
    """
    if out_indices is not None and not features_only:
        raise InputError("out_indices are of features; add features_only=True")
    network = _load(name, pretrained, num_classes)
    return Backbone(network, out_indices).eval() if features_only else network


def _load(name: str, pretrained: bool | str, num_classes: int | None) -> Network:
    if pretrained is False:
        if name.startswith((LOCAL_PREFIX, HUB_PREFIX)):
            raise InputError(f"{name!r} names weights; leave out pretrained=False")
        return create(name, num_classes=10 if num_classes is None else num_classes).eval()
    if isinstance(pretrained, str):
        if name.startswith((LOCAL_PREFIX, HUB_PREFIX)):
            raise InputError(f"{name!r} already names its weights; leave out pretrained={pretrained!r}")
        refuse_path(name)
        if "." in name:
            raise InputError(f"{name!r} already names its data set; leave out pretrained={pretrained!r}")
        name = f"{name}.{pretrained}"
    package = open_model(name, NETWORK_FILES)
    return load_package(package, num_classes)


def load_package(package: Package, num_classes: int | None = None) -> Network:
    """The network of a model directory, in evaluation mode; see `load`."""
    config = package.config
    classes = len(config.classes)
    weights = _read_weights(package)
    # Checked before a network is created for the numbers of classes and templates in an untrusted file.
    if (head := weights.get("classifier.weight")) is not None and len(head) != classes:
        raise WeightsMismatchError(
            f"the weights in {package.path} do not match {CONFIG_FILE}: they have {len(head)} classes, the file names "
            f"{classes}; fetch or train the model again"
        )
    if (keys := weights.get("block.keys.weight")) is not None and len(keys) != classes * config.templates:
        raise WeightsMismatchError(
            f"the weights in {package.path} do not match {CONFIG_FILE}: they have {len(keys)} templates, the file "
            f"names {classes} classes of {config.templates}; fetch or train the model again"
        )
    # Weights that will be replaced must not advance the caller's random state.
    with torch.random.fork_rng(devices=[]):
        network = create(
            config.variant,
            num_classes=classes,
            assignment=config.assignment,
            normalization=config.normalization,
            templates=config.templates,
            pooling=config.pooling,
            kept_mass=config.kept_mass,
            pooling_gamma=config.pooling_gamma,
        )
    own = network.state_dict()
    for name in sorted(network.configured_tensors()):
        if name in weights and not torch.equal(weights[name], own[name].to(weights[name].dtype)):
            raise WeightsMismatchError(
                f"the weights in {package.path} do not match {CONFIG_FILE}: {name} is {weights[name].tolist()}, in the "
                f"file {own[name].tolist()}; fetch or train the model again"
            )
    try:
        network.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise WeightsMismatchError(f"the weights in {package.path} do not match {config.variant}: {reason}") from None
    network.config = config
    network.input_size = config.input_size
    if num_classes is not None and num_classes != classes:
        network.reset_classifier(num_classes)
    return network.eval()


class AutoModel:
    """Networks with the interface of huggingface_hub's `PyTorchModelHubMixin`.

    `AutoModel.from_pretrained("ORG/NAME")`, or the path of a model directory, returns the same network as `zoo.load`.
    Classes derived from the mixin can read a model directory too, since it has `config.json` and `model.safetensors`;
    this one finds the variant's network, checks digests and never reads a pickle.
    """

    @staticmethod
    def from_pretrained(
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        map_location: str = "cpu",
        num_classes: int | None = None,
    ) -> Network:
        """The network of a model directory.

        Arguments:
            pretrained_model_name_or_path: `ORG/NAME` or a path; without `revision`, also what lies in a folder ORG
                that exists here is a path.
            revision: branch, tag or commit; None for the newest.
            cache_dir, force_download, local_files_only, token: as for `huggingface_hub.snapshot_download`.
            map_location: device to move the network to.
            num_classes: as for `zoo.load`.

        Raises:
            PackageError: as for `zoo.load`.
        """
        if revision is None and _is_path(pretrained_model_name_or_path):
            package = Package.open(expand_path(os.fspath(pretrained_model_name_or_path)))
        else:
            package = fetch(
                str(pretrained_model_name_or_path),
                revision,
                NETWORK_FILES,
                cache_dir=cache_dir,
                force_download=force_download,
                local_files_only=local_files_only,
                token=token,
            )
        return load_package(package, num_classes).to(map_location)


def _is_path(name: str | Path) -> bool:
    """Whether a name is a path, even if nothing is there: the Hub is not asked for a mistyped folder."""
    text = os.fspath(name)
    only_path = isinstance(name, Path) or text.count("/") != 1 or "\\" in text or text.startswith((".", "~", "/"))
    return only_path or Path(text).parent.is_dir()


def _read_weights(package: Package) -> dict[str, Tensor]:
    file = package.weights()
    try:
        return load_file(file)
    except SafetensorError as error:
        raise WeightsMismatchError(f"{file} is not a safetensors file: {error}") from None
