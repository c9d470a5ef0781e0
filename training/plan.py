"""Which runs the paper's table and the ablations take, and in which order."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from training import recipes
from training.records import Record, RecordError, run_name, shown
from zoo.errors import InputError, UnknownNameError
from zoo.metrics import HELD_OUT_SHARE
from zoo.registry import DATA_SETS, info, list_models

Change = tuple[str, Any]
"""A field of the recipe and its value instead."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training."""

    variant: str
    source: str
    """Where the data comes from: a folder, a name of `zoo.registry.DATA_SETS` or a Hub data set's id."""
    recipe_name: str
    changes: tuple[Change, ...] = ()
    """What differs from that recipe."""
    seed: int = 0
    hold_out: float = 0.0
    """Share of the training split to keep away and measure on, so that the test split is not read; 0 for none."""
    limit: int | None = None
    """So many training images only; None for all."""

    @property
    def data(self) -> str:
        """Short name of the data set."""
        from training.pictures import data_set_name

        return data_set_name(self.source)

    @property
    def name(self) -> str:
        """What its folder and its record are called."""
        changes = dict(self.changes)
        return run_name(self.variant, self.data, self.recipe_name, changes, self.hold_out, self.seed, self.limit)

    def arguments(self) -> list[str]:
        """Of the command `zoo`."""
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
        """Whether the network has a semantic block, which it may use or not."""
        return info(self.variant).has_block

    def check(self, record: Record) -> None:
        """That a record is of this run.

        Raises:
            RecordError: it is of another; names what differs.
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
            f"{key}: {recorded.get(key)} there, {value} planned"
            for key, value in planned.items()
            if shown(recorded.get(key)) != shown(value)
        ]
        if differing:
            raise RecordError(f"the record of {self.name} is of another run ({', '.join(differing)}); remove it")


@dataclass(frozen=True, slots=True)
class Ablation:
    """A comparison of runs at one recipe and the same seeds."""

    title: str
    variants: tuple[str, ...]
    """Those compared unless others are chosen."""
    changes: tuple[tuple[Change, ...], ...] = ((),)
    """What each of its runs changes in the recipe; with nothing to change the variants themselves are compared."""

    @property
    def fields(self) -> set[str]:
        """Of the recipe, that its runs change."""
        return {name for change in self.changes for name, _ in change}

    @property
    def hold_out(self) -> float:
        """A setting is chosen on held-out images; a comparison of the table's rows chooses nothing."""
        return HELD_OUT_SHARE if self.fields else 0.0


FAMILIES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {"rn26": ("rn26", "rn26-aux", "rn26-ours"), "wrn16": ("wrn16", "wrn16-aux", "wrn16-ours")}
)
"""Networks of which there are a plain variant, one with per-patch supervision alone, and one with the block."""

ABLATIONS: Mapping[str, Ablation] = MappingProxyType(
    {
        "lambda": Ablation(
            "λ, the share of the per-patch loss",
            ("wrn16-ours",),
            tuple((("patch_weight", value),) for value in (0.0, 0.1, 0.25, 0.5)),
        ),
        "assignment": Ablation(
            "Assignment: soft-max with slack, without, and batch normalisation with ReLU",
            ("wrn16-ours",),
            tuple((("assignment", value),) for value in ("softmax", "softmax_no_slack", "bn_relu")),
        ),
        "tricks": Ablation(
            "What each trick gives",
            ("wrn16-ours",),
            (
                (),
                (("growth", (1.0,)),),
                (("flip", "alternating"),),
                (("label_smoothing", 0.1),),
                (("ema_decay", 0.99),),
                (("clip_norm", 1.0),),
                (("cutout", 8),),
                (("mixup", 0.2),),
            ),
        ),
        "claim2": Ablation(
            "Plain, per-patch supervision, semantic block",
            tuple(variant for family in FAMILIES.values() for variant in family),
        ),
    }
)
"""The per-patch loss's share; how scores become an assignment; the recipe's tricks one by one; and the paper's second
claim, plain < aux < ours."""


def plan(
    sources: Sequence[str] = (),
    patterns: Sequence[str] = (),
    seeds: int = 1,
    recipe_name: str = "fast",
    ablations: Sequence[str] = (),
    changes: Mapping[str, Any] | None = None,
) -> list[Run]:
    """The runs, each once: seed 0 of everything first, in the order of the paper's table.

    Arguments:
        sources: data sets; none for all of the paper's, and for ablations the first of them.
        patterns: shell-style patterns of variants; none for the paper's ten, and for ablations their own.
        seeds: how many, from 0 up.
        recipe_name: a name of `training.recipes`.
        ablations: names of `ABLATIONS`, whose runs are planned instead of the table's.
        changes: what all runs have otherwise than the recipe, by field.

    Raises:
        UnknownNameError: no variant, data set, recipe or ablation is called so.
        InputError: a number is out of its range, two data sets share a name, or no variant is left.
    """
    if seeds < 1:
        raise InputError(f"seeds = {seeds}: it must be at least 1")
    sources = _data_sets(sources or (list(DATA_SETS)[:1] if ablations else list(DATA_SETS)))
    wanted: list[tuple[str, tuple[Change, ...], float]] = []
    for name in ablations:
        ablation = _ablation(name)
        for variant in _compared(name, ablation, patterns):
            wanted += [(variant, change, ablation.hold_out) for change in ablation.changes]
    if not ablations:
        chosen = _matching(patterns) if patterns else [name for name in list_models() if info(name).paper_accuracy]
        wanted = [(variant, (), 0.0) for variant in chosen]
    runs = [
        Run(variant, source, recipe_name, _differing(recipe_name, {**(changes or {}), **dict(change)}), seed, hold_out)
        for seed in range(seeds)
        for source in sources
        for variant, change, hold_out in wanted
    ]
    return list(dict.fromkeys(runs))


def _differing(recipe_name: str, changes: Mapping[str, Any]) -> tuple[Change, ...]:
    """The changes that change something, so that equal runs are equal; the recipe checks their values."""
    recipe = recipes.get(recipe_name)
    replace(recipe, **changes)
    return tuple((key, changes[key]) for key in sorted(changes) if getattr(recipe, key) != changes[key])


def _ablation(name: str) -> Ablation:
    try:
        return ABLATIONS[name]
    except KeyError:
        raise UnknownNameError("ablation", name, ABLATIONS) from None


def _compared(name: str, ablation: Ablation, patterns: Sequence[str]) -> Sequence[str]:
    if not patterns:
        return ablation.variants
    if ablation.hold_out:
        able = [variant for variant in list_models() if info(variant).has_block]
    else:
        able = list(ablation.variants)
    chosen = [variant for variant in _matching(patterns) if variant in able]
    if not chosen:
        raise InputError(
            f"none of the variants {', '.join(patterns)} is of the ablation {name}; choose of {', '.join(able)}"
        )
    return chosen


def _matching(patterns: Iterable[str]) -> list[str]:
    chosen = set()
    for pattern in patterns:
        chosen |= set(list_models(pattern) or [info(pattern).name])
    return [name for name in list_models() if name in chosen]


def _data_sets(sources: Iterable[str]) -> list[str]:
    from training.pictures import data_set_name

    known: dict[str, str] = {}
    for source in dict.fromkeys(sources):
        on_the_hub = re.fullmatch(r"[\w-][\w.-]*/[\w.-]+(:[\w.-]+)?", source)
        if source not in DATA_SETS and not on_the_hub and not os.path.isdir(source):
            raise UnknownNameError("data set or folder", source, DATA_SETS)
        name = data_set_name(source)
        if name in known:
            raise InputError(f"the data sets {known[name]} and {source} are both called {name}; choose one of them")
        known[name] = source
    return list(known.values())
