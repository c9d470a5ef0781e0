"""The recipe of a training: a frozen dataclass, each field of which is an option of `zoo train`."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

from zoo.errors import InputError
from zoo.options import option, require_bounds
from zoo.package import MAX_INPUT_SIZE, MIN_INPUT_SIZE
from zoo.registry import KEPT_MASS, MAX_POOLING_GAMMA, MAX_TEMPLATES, POOLING_GAMMA, AssignmentName, PoolingName

TrainingPrecision = Literal["auto", "bf16", "fp32"]

Flip = Literal["none", "random", "alternating"]

PatchLossName = Literal["paper", "slack"]

MIN_TRAINING_SIZE = 16
"""Minimum side in pixels of the images in the first epochs."""


_CHOICES = (
    ("precision", TrainingPrecision),
    ("flip", Flip),
    ("assignment", AssignmentName),
    ("patch_loss", PatchLossName),
    ("pooling", PoolingName),
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Stochastic gradient descent with a one-cycle learning rate and the paper's loss.

    Named recipes are in `training.recipes`; each field can be changed on the command line.
    """

    epochs: int = option(10, "Number of passes over the training images.", group="Recipe: optimisation")
    batch_size: int = option(128, "Images per step, of all processes together; at most the number of training images.")
    peak_learning_rate: float = option(0.15, "Highest learning rate of the one-cycle schedule.")
    warmup: float = option(
        0.25,
        "Share of all steps in which the learning rate rises; afterwards it falls along a cosine.",
        least=0,
        below=1,
    )
    momentum: float = option(0.9, "Nesterov momentum.", least=0, below=1)
    weight_decay: float = option(
        5e-4, "Weight decay of convolutions and linear layers; none for biases and normalisations.", least=0
    )
    clip_norm: float = option(0.0, "Maximum gradient norm; 0 for no limit.", least=0)
    ema_decay: float = option(
        0.0, "Decay per step of the moving average of the weights; 0 for no average.", least=0, below=1
    )
    label_smoothing: float = option(
        0.0, "Share of each label that is spread evenly over all classes.", least=0, below=1
    )
    balance: bool = option(False, "Weight the loss of each class by the inverse of its number of images.")
    patch_weight: float = option(
        0.25,
        "Lambda in the loss of -aux and -ours: (1 - lambda) x image loss + lambda x mean loss of the patches. The "
        "patch loss compares each patch's classes with the image's label. The paper does not give its value.",
        least=0,
        below=1,
        group="Recipe: semantic block",
    )
    patch_weight_fall: float = option(
        0.0,
        "Share of all steps, at the end, in which lambda falls linearly to 0; 0 keeps it constant.",
        least=0,
        most=1,
    )
    patch_loss: PatchLossName = option(
        "paper",
        "Patch loss: paper (every patch shows the image's class) or slack (a patch may show nothing instead).",
    )
    min_object_share: float = option(
        0.2, "With the slack loss, the share of an image's patches that show its class, at least.", below=1
    )
    max_object_share: float = option(
        0.8, "With the slack loss, the share of an image's patches that show its class, at most.", below=1
    )
    interchange: float = option(
        0.1,
        "Share of the images of -ours whose assignment (the shares of the classes in each patch) is replaced by "
        "another image's, so that the network learns to use it; 0 for none.",
        least=0,
        below=1,
    )
    interchanged_label: float = option(0.25, "Share of the other image in the label of these images.", least=0, below=1)
    assignment: AssignmentName = option(
        "softmax",
        "How the block computes the shares of the classes in a patch: softmax over the classes and `none`, the share "
        "that matches no class. For comparison: softmax_no_slack, without `none`; bn_relu, batch normalisation and "
        "ReLU.",
    )
    templates: int = option(
        1,
        "Templates per class of the semantic block, so that parts of an object can have one of their own.",
        least=1,
        most=MAX_TEMPLATES,
    )
    pooling: PoolingName = option(
        "gap",
        "How the head pools the features of the patches: gap, their mean, or gsp, generalised sum pooling, which keeps "
        "the patches that match one of 64 learned prototypes.",
        group="Recipe: pooling",
    )
    kept_mass: float = option(
        KEPT_MASS, "With gsp, the share of an image's patches that is kept; 1 keeps all, as gap.", most=1
    )
    pooling_gamma: float = option(
        POOLING_GAMMA,
        "With gsp, the inverse weight of the entropy: the larger, the more the weights of the patches differ.",
        most=MAX_POOLING_GAMMA,
    )
    teacher: str = option(
        "",
        "Model whose class probabilities the network learns beside the labels, in any form that `zoo --help` lists; it "
        "must have the same classes. Without one, only the labels count.",
        group="Recipe: distillation",
    )
    distill_weight: float = option(
        0.9,
        "With a teacher, its weight w in the image loss: (1 - w) x cross-entropy + w x distillation loss.",
        most=1,
    )
    distill_temperature: float = option(
        4.0, "With a teacher, the temperature that softens the probabilities of both networks."
    )
    input_size: int = option(
        0,
        "Height and width of the network's input in pixels, at least 32; a patch is 4 x 4 of them. 0 for the median "
        "short side of the images, limited to 32 to 96.",
        least=0,
        most=MAX_INPUT_SIZE,
        group="Recipe: images",
    )
    growth: tuple[float, ...] = option(
        (1.0,),
        "Image size as a share of the input size in each of several equal parts of the epochs: repeatable, ascending "
        "to 1, as in --growth 0.5 --growth 1.",
    )
    crop_padding: int = option(
        4,
        "Padding in pixels, by reflection, for random crops. Images too large or too many to be held in memory get "
        "random resized crops instead.",
        least=0,
    )
    flip: Flip = option("random", "Horizontal flips: none, random, or alternating (each image in every other epoch).")
    cutout: int = option(0, "Side in pixels of the cutout square; 0 for none.", least=0)
    mixup: float = option(0.0, "Alpha of mixup's Beta distribution; 0 for no mixup.", least=0)
    canvas: float = option(
        0.0,
        "Share of the images that are shrunk and moved onto a texture; there, patches have no label (paper) or show "
        "nothing (slack).",
        least=0,
        most=1,
    )
    cutmix: float = option(
        0.0, "Share of the images with a rectangle of another image, whose patches have its label.", least=0, most=1
    )
    precision: TrainingPrecision = option(
        "auto",
        "Precision; bf16 uses autocast, with weights and losses in fp32; auto uses it where the device has bf16 "
        "instructions, without which it is many times slower than fp32.",
        group="Recipe: run",
    )
    start_from: str = option(
        "",
        "Model of this variant whose weights to start from, in any form that `zoo --help` lists, or `released` for the "
        "model called VARIANT. Without one, the weights are random.",
    )
    seed: int = option(0, "Seed of random weights, the order of the images and their augmentation.", least=0)

    def __post_init__(self) -> None:
        require_bounds(self)
        for name, kind in _CHOICES:
            self._require(name, getattr(self, name) in get_args(kind), f"must be one of {', '.join(get_args(kind))}")
        self._require(
            "input_size",
            self.input_size == 0 or self.input_size >= MIN_INPUT_SIZE,
            f"must be 0, for the images' own size, or at least {MIN_INPUT_SIZE} pixels",
        )
        self._require(
            "patch_loss",
            self.patch_loss == "paper" or self.assignment == "softmax",
            f"needs assignment = 'softmax'; {self.assignment} has no entry for patches that show nothing",
        )
        self._require(
            "min_object_share",
            self.min_object_share <= self.max_object_share,
            f"must be at most max_object_share = {self.max_object_share}",
        )
        self._require(
            "canvas", self.canvas + self.cutmix <= 1, f"its sum with cutmix = {self.cutmix} must be at most 1"
        )
        self._require(
            "mixup",
            not (self.mixup and self.composed),
            "cannot be combined with canvas or cutmix, which say what each patch shows",
        )
        ascending = list(self.growth) == sorted(self.growth) and all(share > 0 for share in self.growth)
        self._require(
            "growth",
            ascending and 1 <= len(self.growth) <= self.epochs and self.growth[-1] == 1,
            f"must be 1 to {self.epochs} (epochs) shares above 0, ascending, the last 1; --growth 1 keeps to one size",
        )

    @property
    def composed(self) -> bool:
        """Whether some images are composed of two; see `training.composition`."""
        return self.canvas + self.cutmix > 0

    @property
    def changes_images(self) -> bool:
        """Whether anything random changes the images from step to step."""
        return bool(self.crop_padding or self.flip != "none" or self.cutout or self.mixup or self.composed)

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise InputError(f"{name} = {getattr(self, name)!r}: {rule}")

    def side(self, epoch: int) -> int:
        """Side in pixels of the training images in an epoch (from 0): a multiple of 4, as the patch grid needs."""
        share = self.growth[epoch * len(self.growth) // self.epochs]
        return self.input_size if share == 1 else max(MIN_TRAINING_SIZE, round(share * self.input_size / 4) * 4)

    def patch_weight_at(self, progress: float) -> float:
        """Lambda at a share `progress` in 0..1 of all steps: constant, then falling linearly to 0."""
        if not self.patch_weight_fall:
            return self.patch_weight
        return self.patch_weight * min(1, (1 - progress) / self.patch_weight_fall)

    def fitted(self, input_size: int, images: int, processes: int = 1) -> "Recipe":
        """The recipe for a data set, with an input size and a batch no larger than the data set.

        Raises:
            InputError: the batch cannot be divided among the processes.
        """
        paired = self.mixup or self.interchange or self.composed
        unit = processes * (2 if paired and processes > 1 else 1)
        batch_size = min(self.batch_size, images - images % unit)
        if batch_size < 1 or batch_size % unit:
            raise InputError(
                f"batch_size = {self.batch_size} with {images} images: {processes} processes need a multiple of {unit}"
            )
        return replace(self, input_size=input_size, batch_size=batch_size)
