"""The runs of the paper's table, in the order of its rows or of their value."""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reproduction.records import Record, RecordError, run_name, shown
from training import recipes
from training.recipe import Recipe
from zoo.errors import InputError, UnknownNameError
from zoo.registry import DATA_SETS, OWN_PAPER, info, list_models

FAMILIES = (("rn26", "rn26-aux", "rn26-ours"), ("wrn16", "wrn16-aux", "wrn16-ours"))
"""Networks with a plain variant, one with patch supervision alone, and one with the block."""

Change = tuple[str, Any]
"""A field of the recipe and its new value."""

TEXTURES = "textures"
"""Backgrounds of `zoo slack` that are not the images of a data set."""

MOST_VALUABLE = (
    ("cifar10", ("rn26", "rn26-aux", "rn26-ours", "rn38", "rn38-ours", "wrn16", "wrn16-ours")),
    ("cifar10", ("dn100-ours-c",)),
    ("cifar100", ("rn26", "rn26-aux", "rn26-ours", "wrn16", "wrn16-ours")),
    ("mini-imagenet", ("wrn16-ours",)),
)
"""Rows of the table whose numbers are worth most for the time that they take, best first."""

PROBED_IMAGES = 5000
"""Number of images for measuring whether a network uses its semantic block and the weights of its pooling."""


@dataclass(frozen=True, slots=True)
class Backgrounds:
    """Backgrounds of `zoo slack`."""

    source: str = TEXTURES
    """`TEXTURES` or a data set."""
    classes: tuple[str, ...] = ()
    """Classes of the data set to use."""

    @property
    def arguments(self) -> list[str]:
        """Arguments of `zoo slack`."""
        classes = ["--background-classes", ",".join(self.classes)] if self.classes else []
        return ["--backgrounds", self.source, *classes]


@dataclass(frozen=True, slots=True)
class Run:
    """One training run."""

    variant: str
    source: str
    """Data set: a folder, a name in `zoo.registry.DATA_SETS` or a Hub data set id."""
    recipe_name: str
    changes: tuple[Change, ...] = ()
    """Changes to that recipe."""
    seed: int = 0
    hold_out: float = 0.0
    """Share of the training split to hold out and measure on instead of the test split; 0 for none."""
    limit: int | None = None
    """Limit on the number of training images; None for all."""
    backgrounds: tuple[Backgrounds, ...] = ()
    """Backgrounds on which `zoo slack` measures the trained network."""

    @property
    def data(self) -> str:
        """Short name of the data set."""
        from training.data.data_set import data_set_name

        return data_set_name(self.source)

    @property
    def name(self) -> str:
        """Name of the run's folder and record."""
        changes = dict(self.changes)
        return run_name(self.variant, self.data, self.recipe_name, changes, self.hold_out, self.seed, self.limit)

    @property
    def recipe(self) -> Recipe:
        """The recipe with its changes."""
        return replace(recipes.get(self.recipe_name), **dict(self.changes), seed=self.seed)

    def arguments(self) -> list[str]:
        """Arguments of the command `zoo`."""
        changed = [
            text
            for key, value in self.changes
            for one in (value if isinstance(value, tuple) else (value,))
            for text in (f"--{key.replace('_', '-')}", str(one))
        ]
        held_out = ["--hold-out", str(self.hold_out)] if self.hold_out else []
        limit = [] if self.limit is None else ["--limit", str(self.limit)]
        return [
            *("train", self.variant, "--data", self.source, "--recipe", self.recipe_name, "--seed", str(self.seed)),
            *changed,
            *held_out,
            *limit,
        ]

    @property
    def has_block(self) -> bool:
        """Whether the network has a semantic block, used or not."""
        return info(self.variant).has_block

    def measurements(self, model: str) -> list[list[str]]:
        """Arguments of the commands `zoo` that measure the trained network, in order."""
        common = [model, "--data", self.source, "--record"]
        probed = self.has_block or self.recipe.pooling == "gsp"
        probe = [["probe", *common, "--images", str(PROBED_IMAGES)]] if probed else []
        return [*probe, *(["slack", *common, *one.arguments] for one in self.backgrounds)]

    def is_measured(self, record: Record) -> bool:
        """Whether a record has the measurements of this run by `zoo slack`, on any backgrounds."""
        return bool(record.slack) or not self.backgrounds

    def check(self, record: Record) -> None:
        """Check that a record belongs to this run.

        Raises:
            RecordError: it belongs to another run; names the differences.
        """
        planned = {
            "epochs": recipes.get(self.recipe_name).epochs,
            "variant": self.variant,
            "data": self.data,
            "recipe_name": self.recipe_name,
            "hold_out": self.hold_out,
            "seed": self.seed,
            "limit": self.limit,
            **dict(self.changes),
        }
        recorded = record.training.recipe | {
            "variant": record.variant,
            "data": record.data,
            "recipe_name": record.training.recipe_name,
            "hold_out": record.hold_out,
            "limit": record.training.limit,
        }
        differing = [
            f"{key}: {recorded.get(key)} recorded, {value} planned"
            for key, value in planned.items()
            if shown(recorded.get(key)) != shown(value)
        ]
        if differing:
            raise RecordError(f"the record of {self.name} belongs to another run ({', '.join(differing)}); remove it")


def plan(
    sources: Sequence[str] = (),
    patterns: Sequence[str] = (),
    seeds: int = 1,
    recipe_name: str = "fast",
    changes: Mapping[str, Any] | None = None,
) -> list[Run]:
    """Runs of the paper's table, in its order: first seed 0 of every row, then seed 1, and so on.

    Arguments:
        sources: data sets; empty for the paper's.
        patterns: shell-style patterns of variants; empty for the paper's ten.
        seeds: number of seeds, from 0 up.
        recipe_name: name of a recipe in `training.recipes`.
        changes: changes to the recipe for all runs, by field.

    Raises:
        UnknownNameError: a variant, data set or recipe is unknown.
        InputError: a number is out of range, or two data sets have the same name.
    """
    if seeds < 1:
        raise InputError(f"seeds = {seeds}: must be at least 1")
    sources = _data_sets(sources or list(DATA_SETS))
    variants = _matching(patterns) if patterns else [name for name in list_models() if info(name).paper_accuracy]
    changed = _differing(recipe_name, changes or {})
    return [
        Run(variant, source, recipe_name, changed, seed)
        for seed in range(seeds)
        for source in sources
        for variant in variants
    ]


def by_value(planned: Iterable[Run], minutes: Callable[[Run], float]) -> list[Run]:
    """Runs of the table, best value first: each seed by `MOST_VALUABLE`, then all others, the shortest first.

    Arguments:
        planned: the runs.
        minutes: how long a run will take.
    """
    ranks = {(data, variant): rank for rank, (data, variants) in enumerate(MOST_VALUABLE) for variant in variants}

    def key(run: Run) -> tuple[int, int, float]:
        rank = ranks.get((run.data, run.variant))
        return (run.seed, len(ranks), minutes(run)) if rank is None else (run.seed, rank, 0.0)

    return sorted(planned, key=key)


def _differing(recipe_name: str, changes: Mapping[str, Any]) -> tuple[Change, ...]:
    """Changes that differ from the recipe, so that equal runs compare equal; the recipe validates their values."""
    recipe = recipes.get(recipe_name)
    replace(recipe, **changes)
    return tuple((key, changes[key]) for key in sorted(changes) if getattr(recipe, key) != changes[key])


def _matching(patterns: Iterable[str]) -> list[str]:
    """Variants that match patterns, which only networks of other papers must match exactly."""
    chosen = set()
    for pattern in patterns:
        own = [name for name in list_models(pattern) if info(name).origin == OWN_PAPER]
        chosen |= set(own or [info(pattern).name])
    return [name for name in list_models() if name in chosen]


def _data_sets(sources: Iterable[str]) -> list[str]:
    from training.data.data_set import data_set_name

    known: dict[str, str] = {}
    for source in dict.fromkeys(sources):
        on_the_hub = re.fullmatch(r"[\w-][\w.-]*/[\w.-]+(:[\w.-]+)?", source)
        if source not in DATA_SETS and not on_the_hub and not os.path.exists(source):
            raise UnknownNameError("data set, folder or table", source, DATA_SETS)
        name = data_set_name(source)
        if name in known:
            raise InputError(f"the data sets {known[name]} and {source} have the same name, {name}; choose one of them")
        known[name] = source
    return list(known.values())
