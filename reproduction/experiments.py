"""Experiments beyond the paper's table: several arms with one recipe, paired by seed on the same images.

`zoo reproduce --experiment NAME` executes their runs, and `reproduction.experiment_table` reports the results.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

from reproduction.plan import TEXTURES, Backgrounds, Change, Run
from zoo.errors import InputError, UnknownNameError
from zoo.registry import DATA_SETS


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm of an experiment."""

    title: str
    variant: str
    changes: tuple[Change, ...] = ()
    """Changes to the experiment's recipe."""
    seeds: int | None = None
    """Maximum number of seeds; None for no limit."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """A question with the runs that answer it."""

    title: str
    question: str
    arms: tuple[Arm, ...]
    against: str
    """Title of the arm with which the others are compared."""
    recipe_name: str
    changes: tuple[Change, ...] = ()
    """Changes to that recipe for all arms."""
    data: str = "cifar10"
    limit: int | None = None
    """Limit on the number of training images; None for all that are not held out."""
    hold_out: float = 0.1
    """Share of the training split to hold out and measure on; the test split is not used."""
    seeds: int = 1
    """Default number of seeds."""
    backgrounds: tuple[Backgrounds, ...] = ()
    """Backgrounds on which `zoo slack` measures the trained networks."""

    @property
    def data_sets(self) -> set[str]:
        """Names of the data sets that the experiment needs."""
        return {self.data, *(one.source for one in self.backgrounds)} - {TEXTURES}

    def run(self, arm: Arm, seed: int, sources: Mapping[str, str] = MappingProxyType({})) -> Run:
        """Run of an arm with a seed.

        Arguments:
            arm: the arm.
            seed: the seed.
            sources: locations of data sets, by name; others are fetched.
        """
        changes = tuple(sorted({**dict(self.changes), **dict(arm.changes)}.items()))
        return Run(
            variant=arm.variant,
            source=sources.get(self.data, self.data),
            recipe_name=self.recipe_name,
            changes=changes,
            seed=seed,
            hold_out=self.hold_out,
            limit=self.limit,
            backgrounds=tuple(replace(one, source=sources.get(one.source, one.source)) for one in self.backgrounds),
        )

    def plan(self, seeds: int | None = None, sources: Mapping[str, str] = MappingProxyType({})) -> list[Run]:
        """All runs, the first seed of every arm before the second of any.

        Arguments:
            seeds: number of seeds, from 0 up; None for the experiment's own.
            sources: locations of data sets, by name; others are fetched.

        Raises:
            InputError: the number of seeds is below 1.
        """
        seeds = self.seeds if seeds is None else seeds
        if seeds < 1:
            raise InputError(f"seeds = {seeds}: must be at least 1")
        return [
            self.run(arm, seed, sources)
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
"""An experiment in which networks overfit: 10,000 images without augmentation; 20,000 others are held out."""

CANVASES: Change = ("canvas", 0.5)
SLACK_LOSS: Change = ("patch_loss", "slack")
TEMPLATES: Change = ("templates", 8)
SUM_POOLING: Change = ("pooling", "gsp")
FOREIGN_CLASSES = (
    *("bottle", "bowl", "can", "cup", "plate", "apple", "mushroom", "orange", "pear", "sweet_pepper"),
    *("clock", "keyboard", "lamp", "telephone", "television", "bed", "chair", "couch", "table", "wardrobe"),
    *("orchid", "poppy", "rose", "sunflower", "tulip", "cloud", "forest", "mountain", "plain", "sea"),
    *("maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree"),
    *("bridge", "castle", "house", "road", "skyscraper"),
)
"""Classes of CIFAR-100 for backgrounds: those that are neither animals, people nor vehicles."""
BACKGROUNDS = (Backgrounds(), Backgrounds("cifar100", FOREIGN_CLASSES))

EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    {
        "feedback": on_few_images(
            title="What does the feedback add to the supervision?",
            question="Controls that the paper lacks. With few images and no augmentation, the networks overfit.",
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
        "feedback-full": Experiment(
            title="What does the feedback add with all images and the recipe fast?",
            question="The main arms of the experiment `feedback` with crops, flips and all images that are not held "
            "out.",
            arms=(Arm("plain", "wrn16"), Arm("aux", "wrn16-aux"), Arm("ours", "wrn16-ours")),
            against="aux",
            recipe_name="fast",
            seeds=2,
        ),
        "block": on_few_images(
            title="Which settings make the block help?",
            question="Settings of patch supervision, interchange and assignment, changed one at a time.",
            arms=(
                Arm("aux", "wrn16-aux"),
                Arm("ours", "wrn16-ours"),
                *(Arm(f"ours, lambda {value}", "wrn16-ours", (("patch_weight", value),)) for value in (0.05, 0.1, 0.5)),
                Arm("ours, lambda falling to 0 over the last half", "wrn16-ours", (("patch_weight_fall", 0.5),)),
                *(Arm(f"ours, interchange {value}", "wrn16-ours", (("interchange", value),)) for value in (0.05, 0.25)),
                # The assignment is then as unreliable in training as it is on new images.
                Arm(
                    "ours, interchange 0.25, own labels only",
                    "wrn16-ours",
                    (("interchange", 0.25), ("interchanged_label", 0.0)),
                ),
                Arm("ours, no slack", "wrn16-ours", (("assignment", "softmax_no_slack"),)),
            ),
            against="ours",
            seeds=2,
        ),
        "softmax": on_few_images(
            title="Can a softmax with a slack replace BN-ReLU?",
            question="The plain network, and the same network with a softmax after each of its eight 3x3 convolutions.",
            arms=(Arm("BN-ReLU", "rn26"), Arm("softmax with slack", "rn26-softmax")),
            against="BN-ReLU",
            seeds=4,
        ),
        "slack": on_few_images(
            title="Does a patch loss with a slack mark background?",
            question="The paper's patch loss and the slack loss, with canvases and without; networks without the block "
            "as controls.",
            arms=(
                Arm("plain, canvases", "wrn16", (CANVASES,)),
                Arm("aux, canvases", "wrn16-aux", (CANVASES,), seeds=2),
                Arm("aux, slack loss, canvases", "wrn16-aux", (CANVASES, SLACK_LOSS)),
                Arm("ours", "wrn16-ours", seeds=1),
                Arm("ours, canvases", "wrn16-ours", (CANVASES,)),
                Arm("ours, slack loss", "wrn16-ours", (SLACK_LOSS,), seeds=1),
                Arm("ours, slack loss, canvases", "wrn16-ours", (CANVASES, SLACK_LOSS)),
                Arm("8 templates, slack loss, canvases", "wrn16-ours", (CANVASES, SLACK_LOSS, TEMPLATES), seeds=2),
                Arm("plain", "wrn16", seeds=1),
                Arm(
                    "ours, slack loss, canvases, object share at least 0.4",
                    "wrn16-ours",
                    (CANVASES, SLACK_LOSS, ("min_object_share", 0.4)),
                    seeds=1,
                ),
                Arm(
                    "ours, slack loss, canvases, CutMix",
                    "wrn16-ours",
                    (CANVASES, SLACK_LOSS, ("cutmix", 0.25)),
                    seeds=1,
                ),
            ),
            against="ours, canvases",
            seeds=3,
            backgrounds=BACKGROUNDS,
        ),
        "slack-full": Experiment(
            title="Does the slack loss cost accuracy with all images and the recipe fast?",
            question="The networks of the experiment `slack` with crops, flips and all images that are not held out.",
            arms=(
                Arm("ours", "wrn16-ours"),
                Arm("ours, slack loss, canvases", "wrn16-ours", (CANVASES, SLACK_LOSS)),
            ),
            against="ours",
            recipe_name="fast",
            backgrounds=BACKGROUNDS,
        ),
        "gsp": on_few_images(
            title="Does generalised sum pooling help?",
            question="Global average pooling, and generalised sum pooling that keeps 30% of each image's patches. The "
            "larger gamma (5 unless named), the more the weights of the patches differ.",
            arms=(
                Arm("plain, average pooling", "wrn16"),
                Arm("plain, sum pooling", "wrn16", (SUM_POOLING,)),
                Arm("ours, average pooling", "wrn16-ours"),
                Arm("ours, sum pooling", "wrn16-ours", (SUM_POOLING,)),
                Arm("plain, sum pooling, gamma 10", "wrn16", (SUM_POOLING, ("pooling_gamma", 10.0)), seeds=1),
                Arm("plain, sum pooling, gamma 20", "wrn16", (SUM_POOLING, ("pooling_gamma", 20.0)), seeds=1),
            ),
            against="plain, average pooling",
            seeds=3,
        ),
        "tricks": Experiment(
            title="How much does each trick of the recipe help?",
            question="The recipe as it is, and with one field changed.",
            arms=(
                Arm("unchanged", "wrn16-ours"),
                Arm("no growth", "wrn16-ours", (("growth", (1.0,)),)),
                Arm("alternating flips", "wrn16-ours", (("flip", "alternating"),)),
                Arm("label smoothing 0.1", "wrn16-ours", (("label_smoothing", 0.1),)),
                Arm("moving average 0.99", "wrn16-ours", (("ema_decay", 0.99),)),
                Arm("gradient norm at most 1", "wrn16-ours", (("clip_norm", 1.0),)),
                Arm("cutout 8", "wrn16-ours", (("cutout", 8),)),
                Arm("mixup 0.2", "wrn16-ours", (("mixup", 0.2),)),
            ),
            against="unchanged",
            recipe_name="fast",
        ),
    }
)


def experiment(name: str) -> Experiment:
    """The experiment called `name`.

    Raises:
        UnknownNameError: the experiment is unknown.
    """
    try:
        return EXPERIMENTS[name]
    except KeyError:
        raise UnknownNameError("experiment", name, EXPERIMENTS) from None


def plan_experiments(names: list[str], seeds: int | None, sources: list[str]) -> list[Run]:
    """Runs of experiments, without duplicates.

    Arguments:
        names: names of experiments in `EXPERIMENTS`.
        seeds: number of seeds; None for each experiment's own.
        sources: locations of data sets, identified by their short names; other data sets are fetched.

    Raises:
        UnknownNameError: an experiment is unknown.
        InputError: no experiment uses a source, or the number of seeds is below 1.
    """
    from training.data.data_set import data_set_name

    chosen = [experiment(name) for name in names]
    by_name = {data_set_name(source): source for source in sources}
    used = {name for one in chosen for name in one.data_sets}
    if unused := by_name.keys() - used:
        raise InputError(
            f"no chosen experiment uses {', '.join(sorted(unused))}; they use "
            f"{', '.join(sorted(used & set(DATA_SETS)))}"
        )
    runs: dict[str, Run] = {}
    for one in chosen:
        for run in one.plan(seeds, by_name):
            if run.name not in runs or run.backgrounds:
                runs[run.name] = run
    return list(runs.values())
