"""Experiments beside the paper's table: several arms at one recipe, seed by seed on the same images.

`zoo reproduce --experiment NAME` makes their runs, and `reproduction.experiment_table` says what came of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from reproduction.plan import Change, Run
from zoo.errors import InputError, UnknownNameError
from zoo.registry import DATA_SETS


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a comparison."""

    title: str
    variant: str
    changes: tuple[Change, ...] = ()
    """What it changes in the experiment's recipe."""
    seeds: int | None = None
    """Seeds at most; None for as many as are asked for."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """A question, and the runs that answer it."""

    title: str
    question: str
    arms: tuple[Arm, ...]
    against: str
    """Title of the arm from which the others' differences are taken."""
    recipe_name: str
    changes: tuple[Change, ...] = ()
    """Of that recipe, for all arms."""
    data: str = "cifar10"
    limit: int | None = None
    """Number of training images; None for all that are not held out."""
    hold_out: float = 0.1
    """Share of the training split that is measured on; the test split is not read."""
    seeds: int = 1
    """Seeds that are made unless others are asked for."""

    def run(self, arm: Arm, seed: int, source: str | None = None) -> Run:
        """The run of an arm with a seed."""
        changes = tuple(sorted({**dict(self.changes), **dict(arm.changes)}.items()))
        return Run(arm.variant, source or self.data, self.recipe_name, changes, seed, self.hold_out, self.limit)

    def plan(self, seeds: int | None = None, source: str | None = None) -> list[Run]:
        """All runs, the first seed of every arm before the second of any.

        Arguments:
            seeds: number of seeds, from 0 up; None for the experiment's own.
            source: where the data comes from; None for the data set by its name.

        Raises:
            InputError: the number of seeds is below 1.
        """
        seeds = self.seeds if seeds is None else seeds
        if seeds < 1:
            raise InputError(f"seeds = {seeds}: it must be at least 1")
        return [
            self.run(arm, seed, source)
            for seed in range(seeds)
            for arm in self.arms
            if arm.seeds is None or seed < arm.seeds
        ]


on_few_images = partial(
    Experiment,
    recipe_name="fast",
    changes=(("crop_padding", 0), ("epochs", 20), ("flip", "none"), ("growth", (1.0,))),
    limit=10_000,
    hold_out=0.4,
)
"""An experiment where a network overfits: 10,000 images, not augmented; 20,000 others are held out."""

EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    {
        "feedback": on_few_images(
            title="What does the feedback add to the supervision?",
            question="The controls that the paper's table lacks, where a network overfits: few images, not augmented.",
            arms=(
                Arm("plain", "wrn16"),
                Arm("aux", "wrn16-aux"),
                Arm("aux through the block's encoder, no feedback", "wrn16-aux-encoded"),
                Arm("ours", "wrn16-ours"),
                Arm("ours, bn_relu", "wrn16-ours", (("assignment", "bn_relu"),), seeds=4),
                Arm("ours, no interchange", "wrn16-ours", (("interchange", 0.0),), seeds=4),
                Arm(
                    "ours, lambda 0, no interchange",
                    "wrn16-ours",
                    (("interchange", 0.0), ("patch_weight", 0.0)),
                    seeds=4,
                ),
                Arm("convolution block of equal size", "wrn16-conv", seeds=4),
            ),
            against="aux",
            seeds=8,
        ),
        "block": on_few_images(
            title="What lets the block gain?",
            question="Settings of the supervision, of the interchanges and of the assignment, each alone.",
            arms=(
                Arm("aux", "wrn16-aux"),
                Arm("ours", "wrn16-ours"),
                *(Arm(f"ours, lambda {value}", "wrn16-ours", (("patch_weight", value),)) for value in (0.05, 0.1, 0.5)),
                Arm("ours, lambda falling over the last half", "wrn16-ours", (("patch_weight_fall", 0.5),)),
                *(Arm(f"ours, interchange {value}", "wrn16-ours", (("interchange", value),)) for value in (0.05, 0.25)),
                Arm("ours, no slack", "wrn16-ours", (("assignment", "softmax_no_slack"),)),
            ),
            against="ours",
            seeds=2,
        ),
        "tricks": Experiment(
            title="What does each trick of the recipe give?",
            question="The recipe as it is, and with one field changed.",
            arms=(
                Arm("as it is", "wrn16-ours"),
                Arm("no growth", "wrn16-ours", (("growth", (1.0,)),)),
                Arm("alternating flips", "wrn16-ours", (("flip", "alternating"),)),
                Arm("label smoothing 0.1", "wrn16-ours", (("label_smoothing", 0.1),)),
                Arm("moving average 0.99", "wrn16-ours", (("ema_decay", 0.99),)),
                Arm("gradient norm at most 1", "wrn16-ours", (("clip_norm", 1.0),)),
                Arm("cutout 8", "wrn16-ours", (("cutout", 8),)),
                Arm("mixup 0.2", "wrn16-ours", (("mixup", 0.2),)),
            ),
            against="as it is",
            recipe_name="fast",
        ),
    }
)


def experiment(name: str) -> Experiment:
    """The experiment called `name`.

    Raises:
        UnknownNameError: there is none.
    """
    try:
        return EXPERIMENTS[name]
    except KeyError:
        raise UnknownNameError("experiment", name, EXPERIMENTS) from None


def plan_experiments(names: list[str], seeds: int | None, sources: list[str]) -> list[Run]:
    """The runs of experiments, each once.

    Arguments:
        names: of `EXPERIMENTS`.
        seeds: number of seeds; None for each experiment's own.
        sources: where the data lies, by the name of its last part; a data set that is not among them is fetched.

    Raises:
        UnknownNameError: there is no such experiment.
        InputError: a source is of no experiment, or the number of seeds is below 1.
    """
    from training.data.data_set import data_set_name

    chosen = [experiment(name) for name in names]
    by_name = {data_set_name(source): source for source in sources}
    if unused := by_name.keys() - {one.data for one in chosen}:
        raise InputError(
            f"no chosen experiment is about {', '.join(sorted(unused))}; they are about "
            f"{', '.join(sorted({one.data for one in chosen} & set(DATA_SETS)))}"
        )
    return list(dict.fromkeys(run for one in chosen for run in one.plan(seeds, by_name.get(one.data))))
