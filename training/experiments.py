"""Experiments beside the paper's table: several arms at one recipe, seed by seed on the same images.

`zoo reproduce --experiment NAME` makes their runs, and `training.experiment_table` says what came of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from training.plan import Change, Run
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


EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    {
        "feedback": Experiment(
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
            recipe_name="fast",
            changes=(("crop_padding", 0), ("epochs", 20), ("flip", "none"), ("growth", (1.0,))),
            limit=10_000,
            hold_out=0.4,
            seeds=8,
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
    from training.pictures import data_set_name

    chosen = [experiment(name) for name in names]
    by_name = {data_set_name(source): source for source in sources}
    if unused := by_name.keys() - {one.data for one in chosen}:
        raise InputError(
            f"no chosen experiment is about {', '.join(sorted(unused))}; they are about "
            f"{', '.join(sorted({one.data for one in chosen} & set(DATA_SETS)))}"
        )
    return list(dict.fromkeys(run for one in chosen for run in one.plan(seeds, by_name.get(one.data))))
