"""The registry of variants, the only place where facts about them are stated.

Counts, multiply-adds and accuracies of the ten variants of *Feature Embedding by Template Matching as a ResNet Block*
(BMVC 2022), and the networks that another paper distils. Documentation tables are generated from this module, and tests
build every network to check it. Nothing here imports torch.
"""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from zoo.errors import DuplicateVariantError, InputError, UnknownNameError

Mechanism = Literal["plain", "aux", "residual", "concat", "encoded aux", "convolution"]
"""The block before the last stage: none, patch supervision only, the semantic block added or concatenated, or one of
two controls: the block without its feedback, and a plain convolution block; see `zoo.networks.blocks`."""

AssignmentName = Literal["softmax", "softmax_no_slack", "bn_relu"]
"""How the semantic block turns scores into an assignment: a softmax with slack, a softmax without, or the batch
normalisation and ReLU of a convolution block; see `zoo.networks.matching`."""

PoolingName = Literal["gap", "gsp"]
"""How the head pools the features of the patches: global average pooling, or generalised sum pooling, which leaves
patches out; see `zoo.networks.pooling`."""

PROTOTYPES = 64
"""Number of prototypes of generalised sum pooling."""

PROTOTYPE_DIMENSIONS = 64
"""Dimensions of the space of the prototypes, to which features are projected."""

KEPT_MASS = 0.3
"""Default share of an image's patches that generalised sum pooling keeps: that of the authors' code."""

POOLING_GAMMA = 5.0
"""Default gamma of generalised sum pooling, the inverse weight of its entropy: that of the authors' configurations."""

MAX_POOLING_GAMMA = 40.0
"""Maximum gamma: exp(-gamma x distance), for distances up to 2, stays a normal number in single precision."""

MAX_TEMPLATES = 256
"""Maximum number of templates per class."""

OWN_PAPER = "BMVC 2022"
"""*Feature Embedding by Template Matching as a ResNet Block*, the paper of this project."""

LETKD = "BMVC 2023"
"""*Knowledge Distillation Layer that Lets the Student Decide*, whose teachers and students are usual networks."""

SemanticSource = Literal["semantic block", "auxiliary head", "class activation map"]
"""Source of a variant's patch logits."""

_PATCH_SOURCES: Mapping[Mechanism, SemanticSource] = MappingProxyType(
    {
        "plain": "class activation map",
        "aux": "auxiliary head",
        "residual": "semantic block",
        "concat": "semantic block",
        "encoded aux": "auxiliary head",
        "convolution": "class activation map",
    }
)

DATA_SETS: Mapping[str, str] = MappingProxyType(
    {"cifar10": "uoft-cs/cifar10", "cifar100": "uoft-cs/cifar100", "mini-imagenet": "timm/mini-imagenet"}
)
"""The paper's data sets and their ids on the Hub."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A network with a mechanism: one row of the paper's table, or a network of another paper."""

    name: str
    builder: str
    """`module:function` that builds the network; imported only when a network is created."""
    blocks: int
    """Residual blocks, or dense layers, in each stage."""
    mechanism: Mechanism
    fixed_parameters: int
    """Trainable parameters that do not depend on the number of classes C."""
    parameters_per_class: int
    """Trainable parameters per class, with one template; see `parameters`."""
    multiply_adds: int
    """Multiply-adds of the convolutions and linear layers for one 32x32 image, C = 10 and one template per class."""
    paper_accuracy: Mapping[str, float] = field(default_factory=dict)
    """Top-1 accuracy in percent reported in the paper, by data set; empty for variants that are not in the paper."""
    parameters_per_template: int = 0
    """Trainable parameters of each further template: 2d + 3 for a semantic block of d channels; 0 without one."""
    is_control: bool = False
    """Whether the variant is only a control for comparisons."""
    origin: str = OWN_PAPER
    """The paper to whose networks it belongs."""
    features: int = 0
    """Channels of the features that the head pools; for the number of parameters of generalised sum pooling."""

    @property
    def patch_source(self) -> SemanticSource:
        """Source of the patch logits."""
        return _PATCH_SOURCES[self.mechanism]

    @property
    def has_block(self) -> bool:
        """Whether the variant has a semantic block, and with it an assignment of its patches."""
        return self.patch_source == "semantic block"

    def parameters(self, num_classes: int, templates: int = 1, pooling: PoolingName = "gap") -> int:
        """Number of trainable parameters for `num_classes` classes with `templates` templates each."""
        per_class = self.parameters_per_class + self.parameters_per_template * (templates - 1)
        pooled = PROTOTYPE_DIMENSIONS * (self.features + PROTOTYPES) if pooling == "gsp" else 0
        return self.fixed_parameters + per_class * num_classes + pooled

    def check_templates(self, templates: int) -> None:
        """Check a number of templates per class.

        Raises:
            InputError: it is out of range, or is not 1 and the variant has no semantic block.
        """
        if not 1 <= templates <= MAX_TEMPLATES:
            raise InputError(f"templates = {templates}: must be from 1 to {MAX_TEMPLATES}")
        if templates > 1 and not self.has_block:
            raise InputError(
                f"templates = {templates}: {self.name} has no semantic block, and thus no templates; choose an -ours "
                "variant"
            )


_variants: dict[str, Variant] = {}


def register(variant: Variant) -> Variant:
    """Add a variant to the table.

    Raises:
        DuplicateVariantError: the name is already in use.
    """
    if variant.name in _variants:
        raise DuplicateVariantError(
            f"variant {variant.name!r} is already registered ({_variants[variant.name].builder}); choose another name"
        )
    _variants[variant.name] = variant
    return variant


def list_models(pattern: str = "*") -> list[str]:
    """Names of the registered variants that match a shell-style pattern, in the order of the paper's table.

    Controls are left out, since they exist only for comparisons; `info` has them.
    """
    return [name for name in _variants if fnmatch.fnmatchcase(name, pattern) and not _variants[name].is_control]


def info(name: str) -> Variant:
    """Facts about one variant.

    Raises:
        UnknownNameError: the variant is unknown; similar names are suggested.
    """
    try:
        return _variants[name]
    except KeyError:
        raise UnknownNameError("variant", name, _variants) from None


def _paper(cifar10: float, cifar100: float, mini_imagenet: float) -> Mapping[str, float]:
    return MappingProxyType(dict(zip(DATA_SETS, (cifar10, cifar100, mini_imagenet), strict=True)))


_RN, _WRN, _DN = "zoo.networks.resnet:build", "zoo.networks.resnet:build_wide", "zoo.networks.densenet:build"
_SOFT = "zoo.networks.resnet:build_soft"
_POST, _WIDE_1, _WIDE_2 = (f"zoo.networks.three_stage:{name}" for name in ("build", "build_wide_1", "build_wide_2"))

for _variant in (
    Variant("rn26", _RN, 2, "plain", 961_488, 257, 114_215_424, _paper(89.52, 65.94, 60.43), features=256),
    Variant("rn26-aux", _RN, 2, "aux", 961_488, 386, 114_297_344, _paper(90.57, 66.21, 60.70), features=256),
    Variant("rn26-ours", _RN, 2, "residual", 979_024, 516, 115_501_568, _paper(91.06, 66.78, 61.23), 259, features=256),
    Variant("rn38", _RN, 3, "plain", 1_423_824, 257, 166_644_224, _paper(90.78, 68.15, 60.72), features=256),
    Variant(
        "rn38-ours", _RN, 3, "residual", 1_441_360, 516, 167_930_368, _paper(91.36, 69.01, 63.83), 259, features=256
    ),
    Variant("wrn16", _WRN, 2, "plain", 1_281_232, 129, 138_855_680, _paper(90.52, 67.11, 60.73), features=128),
    Variant("wrn16-aux", _WRN, 2, "aux", 1_281_232, 258, 138_937_600, features=128),
    Variant(
        "wrn16-ours", _WRN, 2, "residual", 1_298_768, 388, 140_141_824, _paper(91.10, 67.36, 62.92), 259, features=128
    ),
    # Controls, which are not in the paper: see `reproduction.experiments`.
    Variant("wrn16-aux-encoded", _WRN, 2, "encoded aux", 1_298_768, 258, 140_059_904, is_control=True, features=128),
    Variant("wrn16-conv", _WRN, 2, "convolution", 1_298_768, 387, 140_141_824, is_control=True, features=128),
    Variant("rn26-softmax", _SOFT, 2, "plain", 961_488, 257, 114_215_424, is_control=True, features=256),
    Variant("dn100", _DN, 16, "plain", 1_196_196, 535, 314_473_692, _paper(92.62, 71.65, 65.03), features=534),
    Variant(
        "dn100-ours", _DN, 16, "residual", 1_316_238, 1222, 322_594_140, _paper(92.92, 71.25, 68.86), 687, features=534
    ),
    Variant(
        "dn100-ours-c", _DN, 16, "concat", 1_364_286, 1264, 325_578_240, _paper(92.71, 72.14, 68.93), 687, features=576
    ),
    # The networks of the other paper, from the smallest.
    *(
        Variant(f"rn{6 * blocks + 2}", _POST, blocks, "plain", fixed, 65, multiply_adds, origin=LETKD, features=64)
        for blocks, fixed, multiply_adds in (
            (3, 271_824, 40_813_184),
            (5, 466_256, 69_124_736),
            (9, 855_120, 125_747_840),
            (18, 1_730_064, 253_149_824),
        )
    ),
    Variant("wrn16-2", _WIDE_2, 2, "plain", 690_384, 129, 101_106_944, origin=LETKD, features=128),
    Variant("wrn40-1", _WIDE_1, 6, "plain", 563_280, 65, 83_280_512, origin=LETKD, features=64),
    Variant("wrn40-2", _WIDE_2, 6, "plain", 2_242_256, 129, 327_599_360, origin=LETKD, features=128),
):
    register(_variant)
