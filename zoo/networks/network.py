"""Base class of the zoo's networks: pixels -> stem -> three stages -> block -> last stage -> head."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, overload

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.errors import InputError
from zoo.images.preprocess import Normalization
from zoo.networks.blocks import Block, Encoder, SemanticBlock, Tap
from zoo.networks.features import Feature, FeatureInfo
from zoo.networks.pixels import ImageLike, make_pixels
from zoo.networks.pooling import AveragePooling, Pooling
from zoo.outputs import (
    ASSIGNMENT,
    EMBEDDING,
    KEPT_MASS,
    LOGITS,
    PATCH_LOGITS,
    TEMPLATES,
    Output,
    templates_output,
)
from zoo.package import MIN_INPUT_SIZE, ModelConfig
from zoo.registry import SemanticSource


class Semantics(NamedTuple):
    """Output of a network for images and their patches: C classes, with M templates each, on an h x w patch grid."""

    logits: Tensor
    """[N, C], the class logits."""
    patch_logits: Tensor
    """[N, C, h, w], class logits of each patch."""
    assignment: Tensor | None
    """[N, C + 1, h, w], the share of each class in the patch, `none` last; None where the variant has no block."""
    source: SemanticSource
    """Source of the patch logits."""
    templates: Tensor | None = None
    """[N, C * M + 1, h, w], the share of each template, class by class, `none` last; None where M = 1."""
    classes: tuple[str, ...] = ()
    """Names of the classes; empty for a network without identity."""
    kept: Tensor | None = None
    """[N, h, w], the share of each patch that generalised sum pooling keeps; None for global average pooling."""


class Activations(NamedTuple):
    """Features, block output and class logits of a network."""

    before: Tensor
    """[N, d, h, w], the features that enter the block."""
    block: Tap
    features: Tensor
    """[N, features, h, w], which the head pools."""
    embedding: Tensor
    """[N, features], the pooled features, which the classifier takes."""
    logits: Tensor
    """[N, C], the class logits."""
    kept: Tensor | None = None
    """[N, h, w], the share of each patch that the pooling keeps; None where it keeps all."""


class Normalize(nn.Module):
    """Pixels [N, 3, H, W], uint8 in 0..255 or floating point in 0..1, to zero mean and unit variance per channel.

    The two vectors are part of the state, since they affect every output.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, normalization: Normalization) -> None:
        super().__init__()
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(getattr(normalization, name)))

    def forward(self, pixels: Tensor) -> Tensor:
        return scale_pixels(pixels, self.mean, self.std)


@torch.fx.wrap
def scale_pixels(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Pixels [N, 3, H, W] with a mean [3] subtracted, divided by a standard deviation [3].

    One step of a graph traced by torch.fx, since it depends on the type of the pixels.

    Raises:
        InputError: the pixels have another shape, or are integers of another type than uint8.
    """
    if pixels.dim() != 4 or pixels.shape[1] != 3:
        raise InputError(f"expected pixels of shape [N, 3, H, W], got {list(pixels.shape)}")
    mean, std = mean[:, None, None], std[:, None, None]
    if pixels.dtype == torch.uint8:
        return ((pixels.float() - 255 * mean) / (255 * std)).to(mean.dtype)
    if not pixels.is_floating_point():
        raise InputError(f"expected uint8 pixels in 0..255 or floating-point pixels in 0..1, got {pixels.dtype}")
    # The range is checked in `Network.pixels`; a check here would synchronise with a GPU and break tracing.
    return (pixels.to(mean.dtype) - mean) / std


_REDUCTIONS = (1, 1, 2, 4, 4)
"""Ratio of the input's height and width to those of the features: stem, first three stages, last stage."""

EMBED_BATCH = 256
"""Images per batch of `Network.embed`, so that the memory for features does not grow with the number of images."""

_CLASS_MODULES = ("classifier", "block.keys", "block.assign", "block.values")
"""Modules with tensors whose shape depends on the number of classes."""


class Network(nn.Module):
    """A classifier in four stages with a block before the last.

    Arguments:
        stem: maps normalised pixels [N, 3, H, W] to features.
        stages: modules of the first three stages and between them, with features [N, d, h, w] as output and h about
            H / 4.
        block: one of `zoo.networks.blocks`; maps features to a `Tap`.
        last_stage: last stage, with features [N, num_features, h, w] as output.
        channels: number of channels at each depth, by the module that computes them: `stem`, the last module of each
            of the first three stages, such as `stages.0`, and `last_stage`.
        num_classes: number of classes C.
        normalization: normalisation of the pixels; part of the network, so that its input is always raw pixels.
        final_norm: whether batch normalisation follows the last stage, as its blocks need whose output is a plain sum.
    """

    config: ModelConfig | None = None
    """Identity of the model whose weights were loaded; None for random weights and new classes."""

    variant: str | None = None
    """Name of the variant; None for a network that neither `zoo.create` nor `zoo.load` made."""

    input_size: int = MIN_INPUT_SIZE
    """Height and width in pixels to which images are scaled, that of the training images; may be set."""

    feature_info: FeatureInfo
    """Facts about the features of the stem, the three stages before the block, and the last stage."""

    num_features: int
    """Number of channels of the features that the head pools: the length of an embedding."""

    pooling: Pooling
    """Pooling of these features: their mean, unless `zoo.create` was given another."""

    def __init__(
        self,
        *,
        stem: nn.Module,
        stages: nn.Sequential,
        block: Block,
        last_stage: nn.Module,
        channels: Mapping[str, int],
        num_classes: int,
        normalization: Normalization,
        final_norm: bool = True,
    ) -> None:
        super().__init__()
        self.feature_info = FeatureInfo(
            Feature(num_chs=count, reduction=reduction, module=name)
            for (name, count), reduction in zip(channels.items(), _REDUCTIONS, strict=True)
        )
        self.num_features = channels["last_stage"]
        self.normalize = Normalize(normalization)
        self.stem = stem
        self.stages = stages
        self.block = block
        self.last_stage = last_stage
        self.norm = nn.BatchNorm2d(self.num_features) if final_norm else nn.Identity()
        self.pooling = AveragePooling()
        self.classifier = nn.Linear(self.num_features, num_classes)
        self.apply(_initialize)

    @property
    def num_classes(self) -> int:
        """C, the number of classes; 0 for a network whose classifier was removed."""
        return 0 if isinstance(self.classifier, nn.Identity) else self.classifier.out_features

    @property
    def device(self) -> torch.device:
        """Device of the weights, on which pixels must be."""
        return next(self.parameters()).device

    @property
    def pretrained_cfg(self) -> dict[str, Any]:
        """Facts about the model under timm's names, for code that reads them from any model.

        Pixels are normalised by the network itself, so that `mean` is 0 and `std` is 1: timm's transforms then give
        the pixels in 0..1 that it expects.
        """
        return {
            "architecture": self.variant,
            "tag": self.config.data if self.config else None,
            "num_classes": self.num_classes,
            "label_names": self.config.classes if self.config else None,
            "input_size": (3, self.input_size, self.input_size),
            "min_input_size": (3, MIN_INPUT_SIZE, MIN_INPUT_SIZE),
            "fixed_input_size": False,
            "interpolation": "bicubic",
            "crop_pct": 1.0,
            "crop_mode": "center",
            "mean": (0.0, 0.0, 0.0),
            "std": (1.0, 1.0, 1.0),
            "first_conv": "stem",
            "classifier": "classifier",
        }

    def pixels(self, images: ImageLike | Iterable[ImageLike], size: int | None = None) -> Tensor:
        """Convert images to the network's input [N, 3, size, size], uint8, on its device.

        Arguments:
            images: one image or several. An image is the path of a file or its bytes, decoded as by the server
                (upright, transparency over white); a Pillow image, which is not rotated; or an array [H, W], [H, W, 3]
                or [H, W, 4], uint8 in 0..255 or floating point in 0..1. A tensor or an array of pixels, [3, H, W] or
                [N, 3, H, W], is checked and keeps its size and type.
            size: side in pixels to which images are scaled; None for `input_size`.

        Raises:
            ImageError: a file cannot be read, or is not an image.
            InputError: an array or a tensor has another shape or type, or values out of range.
        """
        return make_pixels(images, self.input_size if size is None else size).to(self.device)

    def get_classifier(self) -> nn.Module:
        """The last linear layer; `torch.nn.Identity` if it was removed."""
        return self.classifier

    def reset_classifier(self, num_classes: int) -> None:
        """Replace all that depends on the number of classes by new tensors with random values.

        These are the classifier and, in the block, keys (the templates, or the head of the patches), assignment and
        class vectors: `class_tensors`. All others are kept, as with `zoo.load(NAME, num_classes=C)`. The network has no
        identity then (`config` is None).

        Arguments:
            num_classes: C, at least 2; 0 to remove the classifier alone, so that the network returns embeddings
                [N, num_features]. Its block keeps its classes, on which the embeddings depend.

        Raises:
            InputError: it is negative or 1.
        """
        require_classes(num_classes, or_none=True)
        self.config = None
        if num_classes == 0:
            self.set_submodule("classifier", nn.Identity())
            return
        like = next(self.parameters())
        self.classifier = nn.Linear(self.num_features, num_classes)
        self.block.reset_classes(num_classes)
        modules = dict(self.named_modules())
        for module in (modules[name] for name in _CLASS_MODULES if name in modules):
            module.apply(_initialize).to(like.device, like.dtype).train(self.training)

    def class_tensors(self) -> set[str]:
        """Names of the tensors whose shape depends on the number of classes."""
        prefixes = tuple(f"{name}." for name in _CLASS_MODULES)
        return {name for name in self.state_dict() if name.startswith(prefixes)} - self.configured_tensors()

    def configured_tensors(self) -> set[str]:
        """Names of the state's tensors that are configured, not trained: of normalisation, slack and pooling."""
        own = ("none_logit", "pooling.mass", "pooling.gamma")
        return {name for name in self.state_dict() if name.startswith("normalize.") or name.endswith(own)}

    def require_consistent_classes(self) -> None:
        """Refuse a network whose head was replaced but not its templates.

        Raises:
            InputError: head, templates and class vectors have different numbers of classes.
        """
        templates = self.block.templates if isinstance(self.block, SemanticBlock) else 1
        classes = {
            name: (module.in_channels if name == "block.values" else module.out_channels) / templates
            for name, module in self.named_modules()
            if name in ("block.keys", "block.values") and isinstance(module, nn.Conv2d)
        }
        if not isinstance(self.classifier, nn.Linear):
            raise InputError(
                f"the classifier is a {type(self.classifier).__name__}; it must be a torch.nn.Linear, as created "
                "by network.reset_classifier(C)"
            )
        if differing := {name: count for name, count in classes.items() if count != self.num_classes}:
            raise InputError(
                f"the classifier has {self.num_classes} classes, but "
                + " and ".join(f"{name} has {count:g}" for name, count in differing.items())
                + "; use network.reset_classifier(C), which replaces all of them together"
            )

    def forward(self, pixels: Tensor) -> Tensor:
        """Class logits [N, C] of pixels [N, 3, H, W], uint8 in 0..255 or floating point in 0..1."""
        return self.activations(pixels).logits

    def forward_features(self, pixels: Tensor) -> Tensor:
        """Features [N, num_features, h, w] of pixels [N, 3, H, W], which the head pools."""
        return self.activations(pixels).features

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """Class logits [N, C] of features [N, num_features, h, w].

        Arguments:
            features: from `forward_features`.
            pre_logits: whether to return the input of the classifier instead, [N, num_features].
        """
        pooled = self.pooling(features).features
        return pooled if pre_logits else self.classifier(pooled)

    def embed(self, images: ImageLike | Iterable[ImageLike], size: int | None = None) -> Tensor:
        """Embeddings [N, num_features] of images: the input of the classifier, computed in batches of `EMBED_BATCH`.

        The same as `forward_head(forward_features(pixels), pre_logits=True)`, also after `reset_classifier(0)`.

        Arguments:
            images, size: as for `pixels`.

        Raises:
            ImageError, InputError: as `pixels`.
        """
        parts = torch.split(self.pixels(images, size), EMBED_BATCH)
        return torch.cat([self.activations(part).embedding for part in parts])

    @overload
    def forward_intermediates(
        self, pixels: Tensor, indices: int | Iterable[int] | None = None, *, intermediates_only: Literal[False] = False
    ) -> tuple[Tensor, list[Tensor]]: ...

    @overload
    def forward_intermediates(
        self, pixels: Tensor, indices: int | Iterable[int] | None = None, *, intermediates_only: Literal[True]
    ) -> list[Tensor]: ...

    def forward_intermediates(
        self, pixels: Tensor, indices: int | Iterable[int] | None = None, *, intermediates_only: bool = False
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """Features at several depths, [N, num_chs, H / reduction, W / reduction], with those of `forward_features`.

        Arguments:
            pixels: [N, 3, H, W].
            indices: indices of `feature_info`; a number n for the last n; None for all.
            intermediates_only: whether to return the features at these depths alone, and compute nothing beyond them.

        Raises:
            InputError: an index is out of range.
        """
        modules = self.feature_info.take(indices).module_name()
        found = []
        x = pixels
        for name, x in self._depths(pixels):
            if name in modules:
                found.append(x)
            if intermediates_only and len(found) == len(modules):
                return found
        return self.norm(x).relu(), found

    def _depths(self, pixels: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Name and output of the stem, of each module of `stages`, and of the last stage."""
        x = self.stem(self.normalize(pixels))
        yield "stem", x
        for name, module in self.stages.named_children():
            x = module(x)
            yield f"stages.{name}", x
        yield "last_stage", self.last_stage(self.block(x).features)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Declarations of the outputs of `predict`, in the order of an ONNX file.

        A network with other outputs overrides this and `compute_outputs`; its ONNX files, parity, the server and its
        page follow. Class logits and patch logits must be among them.
        """
        kept = () if isinstance(self.pooling, AveragePooling) else (KEPT_MASS,)
        if not isinstance(self.block, SemanticBlock):
            return (LOGITS, PATCH_LOGITS, *kept, EMBEDDING)
        templates = self.block.templates
        own = (templates_output(templates),) if templates > 1 else ()
        return (LOGITS, PATCH_LOGITS, ASSIGNMENT, *own, *kept, EMBEDDING)

    def predict(self, pixels: Tensor) -> dict[str, Tensor]:
        """Declared outputs for pixels [N, 3, H, W], by name."""
        return self.compute_outputs(self.activations(pixels))

    def compute_outputs(self, activations: Activations) -> dict[str, Tensor]:
        """Declared outputs by name, computed from the activations of N images."""
        semantics = self._semantics(activations)
        predicted = {LOGITS.name: semantics.logits, PATCH_LOGITS.name: semantics.patch_logits}
        if semantics.assignment is not None:
            predicted[ASSIGNMENT.name] = semantics.assignment
        if semantics.templates is not None:
            predicted[TEMPLATES] = semantics.templates
        if semantics.kept is not None:
            predicted[KEPT_MASS.name] = semantics.kept
        return predicted | {EMBEDDING.name: activations.embedding}

    def activations(
        self, pixels: Tensor, assignment: Tensor | None = None, source: Tensor | None = None
    ) -> Activations:
        """Features, block and class logits of pixels [N, 3, H, W]; the arguments are those of `semantics`."""
        before = self.stages(self.stem(self.normalize(pixels)))
        if assignment is None and source is None:
            tap = self.block(before)
        elif isinstance(self.block, SemanticBlock):
            tap = self.block(before, assignment, source)
        else:
            raise InputError("assignment or source given for a network without a semantic block; use an -ours variant")
        features = self.norm(self.last_stage(tap.features)).relu()
        pooled = self.pooling(features)
        return Activations(before, tap, features, pooled.features, self.classifier(pooled.features), pooled.kept)

    def semantics(self, pixels: Tensor, assignment: Tensor | None = None, source: Tensor | None = None) -> Semantics:
        """Class logits, patch logits and assignment.

        Variants without patch supervision return class activation maps as patch logits: the head applied at every
        location, so that their mean over the grid equals the class logits. With generalised sum pooling, it is their
        mean weighted by the kept shares.

        Arguments:
            pixels: [N, 3, H, W].
            assignment: used by the semantic block instead of its own, to see how the rest of the network responds: of
                classes, [N, C + 1, h, w], or of templates, [N, C * M + 1, h, w]; `none` last.
            source: [N], index of the image whose assignment each image uses; None for its own.

        Raises:
            InputError: an assignment or a source was given, and the network has no semantic block; or its classifier
                was removed.
        """
        return self._semantics(self.activations(pixels, assignment, source))

    def _semantics(self, activations: Activations) -> Semantics:
        tap, features, logits = activations.block, activations.features, activations.logits
        kept = activations.kept
        if not self.num_classes:
            raise InputError("the classifier was removed; network.reset_classifier(C) makes one for C classes")
        classes = self.config.classes if self.config else ()
        if tap.patch_logits is None:
            weight = self.classifier.weight[:, :, None, None]
            maps = F.conv2d(features, weight, self.classifier.bias)
            return Semantics(logits, maps, None, "class activation map", classes=classes, kept=kept)
        patch_source: SemanticSource = "auxiliary head" if tap.assignment is None else "semantic block"
        return Semantics(logits, tap.patch_logits, tap.assignment, patch_source, tap.templates, classes, kept)


def require_classes(num_classes: int, or_none: bool = False) -> None:
    """Check a number of classes.

    Arguments:
        num_classes: C.
        or_none: whether it may be 0, for a network without a classifier.

    Raises:
        InputError: there are fewer than 2.
    """
    if num_classes < 2 and not (or_none and num_classes == 0):
        raise InputError(
            f"num_classes = {num_classes}: a classifier needs at least 2"
            + (", and 0 is for none at all" if or_none else "")
        )


def conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias, padded so that only its stride changes the size."""
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)


def _initialize(module: nn.Module) -> None:
    # He initialisation by fan-in; the linear layer keeps PyTorch's default, as no activation follows it.
    if isinstance(module, nn.Conv2d):
        fan_in = module.weight[0].numel()
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_in))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, Encoder):
        module.reset_parameters()
