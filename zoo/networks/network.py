"""Base class of the zoo's networks: pixels -> stem -> three stages -> block -> last stage -> head."""

import math
from os import PathLike
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.errors import InputError
from zoo.images.decode import decode_pixels, read_pixels
from zoo.images.preprocess import Normalization, to_pixels
from zoo.networks.blocks import Block, Encoder, SemanticBlock, Tap
from zoo.outputs import ASSIGNMENT, LOGITS, PATCH_LOGITS, TEMPLATES, Output, templates_output
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


class Activations(NamedTuple):
    """Features, block output and class logits of a network."""

    before: Tensor
    """[N, d, h, w], the features that enter the block."""
    block: Tap
    features: Tensor
    """[N, features, h, w], which the linear head averages."""
    logits: Tensor
    """[N, C], the class logits."""


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
        if pixels.dim() != 4 or pixels.shape[1] != 3:
            raise InputError(f"expected pixels of shape [N, 3, H, W], got {list(pixels.shape)}")
        mean, std = self.mean[:, None, None], self.std[:, None, None]
        if pixels.dtype == torch.uint8:
            return ((pixels.float() - 255 * mean) / (255 * std)).to(mean.dtype)
        if not pixels.is_floating_point():
            raise InputError(f"expected uint8 pixels in 0..255 or floating-point pixels in 0..1, got {pixels.dtype}")
        # The range is checked in `Network.pixels`; a check here would synchronise with a GPU and break tracing.
        return (pixels.to(mean.dtype) - mean) / std


class Network(nn.Module):
    """A classifier in four stages with a block before the last.

    Arguments:
        stem: maps normalised pixels [N, 3, H, W] to features.
        stages: first three stages, with features [N, d, h, w] as output and h about H / 4.
        block: one of `zoo.networks.blocks`; maps features to a `Tap`.
        last_stage: last stage, with features [N, features, h, w] as output.
        features: number of channels of the last stage.
        num_classes: number of classes C.
        normalization: normalisation of the pixels; part of the network, so that its input is always raw pixels.
    """

    config: ModelConfig | None = None
    """Identity of the model whose weights were loaded; None for random weights."""

    def __init__(
        self,
        *,
        stem: nn.Module,
        stages: nn.Module,
        block: Block,
        last_stage: nn.Module,
        features: int,
        num_classes: int,
        normalization: Normalization,
    ) -> None:
        super().__init__()
        self.normalize = Normalize(normalization)
        self.stem = stem
        self.stages = stages
        self.block = block
        self.last_stage = last_stage
        self.norm = nn.BatchNorm2d(features)
        self.classifier = nn.Linear(features, num_classes)
        self.apply(_initialize)

    @property
    def num_classes(self) -> int:
        """C, the number of classes."""
        return self.classifier.out_features

    @property
    def device(self) -> torch.device:
        """Device of the weights, on which pixels must be."""
        return self.classifier.weight.device

    def pixels(self, image: str | PathLike[str] | bytes | Image.Image | Tensor, size: int | None = None) -> Tensor:
        """Convert an image to the network's input [1, 3, size, size], uint8; by default of the training images' size.

        Arguments:
            image: an image file or its bytes, decoded as by the server: upright, transparency over white. An image that
                is already decoded is not rotated. A tensor of pixels, [3, H, W] or [N, 3, H, W], is checked and keeps
                its size and type: uint8 in 0..255, or floating point in 0..1.
            size: side in pixels to which images are scaled.

        Raises:
            ImageError: the file cannot be read, or is not an image.
            InputError: the tensor has another shape or type, or values out of range.
        """
        if isinstance(image, Tensor):
            return _validate(image if image.dim() == 4 else image[None]).to(self.device)
        size = size or (self.config.input_size if self.config else MIN_INPUT_SIZE)
        if isinstance(image, Image.Image):
            pixels = to_pixels(image, size)[0]
        else:
            pixels = (decode_pixels(image, size) if isinstance(image, bytes) else read_pixels(image, size)).pixels
        return torch.from_numpy(pixels)[None].to(self.device)

    def class_tensors(self) -> set[str]:
        """Names of the tensors whose shape depends on the number of classes."""
        prefixes = ("classifier.", "block.keys.", "block.assign.", "block.values.")
        return {name for name in self.state_dict() if name.startswith(prefixes)} - self.configured_tensors()

    def configured_tensors(self) -> set[str]:
        """Names of the state's tensors that are configured, not trained: the normalisation and the slack."""
        return {name for name in self.state_dict() if name.startswith("normalize.") or name.endswith(".none_logit")}

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
                "by zoo.load(NAME, num_classes=C)"
            )
        if differing := {name: count for name, count in classes.items() if count != self.num_classes}:
            raise InputError(
                f"the classifier has {self.num_classes} classes, but "
                + " and ".join(f"{name} has {count:g}" for name, count in differing.items())
                + "; start from zoo.load(NAME, num_classes=C), which replaces all of them together"
            )

    def forward(self, pixels: Tensor) -> Tensor:
        """Class logits [N, C] of pixels [N, 3, H, W], uint8 in 0..255 or floating point in 0..1."""
        return self.activations(pixels).logits

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Declarations of the outputs of `predict`, in the order of an ONNX file.

        A network with other outputs overrides this and `compute_outputs`; its ONNX files, parity, the server and its
        page follow. Class logits and patch logits must be among them.
        """
        if not isinstance(self.block, SemanticBlock):
            return (LOGITS, PATCH_LOGITS)
        templates = self.block.templates
        return (LOGITS, PATCH_LOGITS, ASSIGNMENT, *([templates_output(templates)] if templates > 1 else []))

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
        return predicted

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
        return Activations(before, tap, features, self.classifier(features.mean(dim=(2, 3))))

    def semantics(self, pixels: Tensor, assignment: Tensor | None = None, source: Tensor | None = None) -> Semantics:
        """Class logits, patch logits and assignment.

        Variants without patch supervision return class activation maps as patch logits: the head applied at every
        location, so that their mean over the grid equals the class logits.

        Arguments:
            pixels: [N, 3, H, W].
            assignment: used by the semantic block instead of its own, to see how the rest of the network responds: of
                classes, [N, C + 1, h, w], or of templates, [N, C * M + 1, h, w]; `none` last.
            source: [N], index of the image whose assignment each image uses; None for its own.

        Raises:
            InputError: an assignment or a source was given, and the network has no semantic block.
        """
        return self._semantics(self.activations(pixels, assignment, source))

    def _semantics(self, activations: Activations) -> Semantics:
        _, tap, features, logits = activations
        if tap.patch_logits is None:
            weight = self.classifier.weight[:, :, None, None]
            maps = F.conv2d(features, weight, self.classifier.bias)
            return Semantics(logits, maps, None, "class activation map")
        patch_source: SemanticSource = "auxiliary head" if tap.assignment is None else "semantic block"
        return Semantics(logits, tap.patch_logits, tap.assignment, patch_source, tap.templates)


def _validate(pixels: Tensor) -> Tensor:
    """Pixels [N, 3, H, W], uint8, or floating point in 0..1.

    Raises:
        InputError: they have another shape or type, or values out of range.
    """
    if pixels.dim() != 4 or pixels.shape[1] != 3 or not pixels.numel():
        raise InputError(f"expected pixels of shape [3, H, W] or [N, 3, H, W], got {list(pixels.shape)}")
    if pixels.dtype == torch.uint8:
        return pixels
    if not pixels.is_floating_point():
        raise InputError(f"expected uint8 pixels in 0..255 or floating-point pixels in 0..1, got {pixels.dtype}")
    low, high = (float(bound) for bound in pixels.aminmax())
    if not 0 <= low <= high <= 1:
        raise InputError(f"floating-point pixels from {low:g} to {high:g}: expected 0..1; divide 0..255 by 255")
    return pixels


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
