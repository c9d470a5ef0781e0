"""Claim 1: BN-ReLU's output for template responses, compared with the closed form of the soft maximiser with slack.

Patch by patch, at every BN-ReLU of trained networks. Two closed forms are compared, each with one slack and one
temperature per layer, fitted on training images:

- of BN's output: each template's response with BN's scale and shift, as in the block's own assignment. A share is then
  above the slack's where the output is above the slack: with slack 0, support and order are the ReLU's by construction,
  up to ties. The open question is whether the shares are similar.
- of BN's input: the bare response, with one slack and one temperature for all templates. Nothing holds by construction.

The baselines are the two limits (arg-max with slack; the plain softmax of BN's output, temperature 1), the first closed
form with its templates permuted at random, and equal shares for all templates that the ReLU passes, which has only the
support.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from explain.stats import Estimate, mean_estimates
from reproduction.claims.finding import Finding, Number
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.maximiser.agreement import MEASURES, Floats, agreement, effective_templates, fit
from reproduction.claims.maximiser.responses import LayerResponses, sample_responses
from reproduction.claims.maximiser.text import finding_text, layers_table, means_table
from reproduction.claims.maximiser.verdict import BARE, CONTENDERS, EQUAL, FITTED, LIMITS, RULE, verdict
from zoo.networks.load import load_package
from zoo.soft_maximiser import Assigned, soft_maximiser

PLAIN, COMPARED = ("rn26", "wrn16"), ("rn26-aux", "rn26-ours", "wrn16-aux", "wrn16-ours")
"""Networks that decide the verdict, and networks for comparison."""

LOCATIONS = 8
"""Number of locations per image and layer."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """Measurements at one BN-ReLU."""

    facts: dict[str, Any]
    by_image: Floats
    """[N, contenders, measures]"""


def measure(inputs: ClaimInputs) -> Finding:
    """Measure claim 1."""
    networks = {variant: _network(inputs, variant) for variant in (*PLAIN, *COMPARED)}
    layers = {variant: [layer.facts for layer in networks[variant]] for variant in PLAIN}
    means = {variant: _means(found, inputs.seed) for variant, found in networks.items()}
    images = len(networks[PLAIN[0]][0].by_image)
    return Finding(
        verdict=verdict(layers),
        rule=RULE,
        text=finding_text(layers, means),
        measured_on=(
            f"{inputs.data}, {images:,} images of the test split, {LOCATIONS} locations per image and layer, sampled "
            f"with seed {inputs.seed}; slack and temperature fitted on the same number of training images; one seed "
            "per network"
        ),
        numbers=tuple(
            Number.of(f"overlap, mean of the layers, {name}, `{variant}`", means[variant][name]["overlap"])
            for variant in PLAIN
            for name in (FITTED, EQUAL, BARE)
        ),
        tables=(means_table(means), *(layers_table(variant, facts) for variant, facts in layers.items())),
        raw={"layers": layers, "means": means},
    )


def _network(inputs: ClaimInputs, variant: str) -> list[_Layer]:
    package = inputs.package(variant)
    network = load_package(package)
    train, test = (
        sample_responses(network, inputs.split(split, package, inputs.images), LOCATIONS, inputs.seed)
        for split in ("train", "test")
    )
    return [_layer(*both, inputs.seed) for both in zip(train, test, strict=True)]


def _layer(train: LayerResponses, test: LayerResponses, seed: int) -> _Layer:
    """Fit on training images, measure on test images."""
    passed = train.normalised.clip(0)
    fitted, bare = (fit(_patches(scores), _patches(passed)) for scores in (train.normalised, train.inputs))
    passed = test.normalised.clip(0)
    contenders = _contenders(test, fitted, bare, np.random.default_rng(seed))
    by_patch = np.stack([agreement(passed, contenders[name]) for name in CONTENDERS], axis=-2)
    by_image = _mean_of_defined(by_patch)
    some = (passed > 0).any(axis=-1)
    facts = {
        "name": test.name,
        "after_3x3": test.after_3x3,
        "templates": passed.shape[-1],
        "passed": round(float((passed > 0).mean()), 4),
        "nothing_passed": round(float(1 - some.mean()), 4),
        "effective_templates": round(float(effective_templates(passed[some]).mean()), 2),
        "falling_templates": int((test.scale < 0).sum()),
        "slack": round(fitted[0], 4),
        "temperature": round(fitted[1], 4),
        "slack_of_input": round(bare[0], 4),
        "temperature_of_input": round(bare[1], 4),
        "agreement": _by_name(by_image, seed),
        "overlap_above": _above(by_image, seed),
    }
    return _Layer(facts, by_image)


def _contenders(
    layer: LayerResponses, fitted: tuple[float, float], bare: tuple[float, float], generator: np.random.Generator
) -> dict[str, Assigned]:
    outputs = layer.normalised
    closed = soft_maximiser(outputs, *fitted)
    active = outputs > 0
    return {
        FITTED: closed,
        BARE: soft_maximiser(layer.inputs, *bare),
        "arg-max": soft_maximiser(outputs, fitted[0], 0),
        "plain softmax": soft_maximiser(outputs, -np.inf, 1),
        "permuted templates": Assigned(generator.permuted(closed.shares, axis=-1), closed.none),
        EQUAL: Assigned(active / np.maximum(active.sum(axis=-1, keepdims=True), 1), np.zeros(active.shape[:-1])),
    }


def _patches(values: Floats) -> Floats:
    """Reshape [N, L, K] to [N L, K]."""
    return values.reshape(-1, values.shape[-1])


def _mean_of_defined(values: Floats) -> Floats:
    """Mean along the second axis over defined values, NaN if there are none: [N, L, ...] to [N, ...]."""
    there = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(there, values, 0).sum(axis=1) / there.sum(axis=1)


def _means(layers: list[_Layer], seed: int) -> dict[str, dict[str, Any]]:
    """`_by_name` of the mean over the layers."""
    return _by_name(_mean_of_defined(np.stack([layer.by_image for layer in layers], axis=1)), seed)


def _by_name(by_image: Floats, seed: int) -> dict[str, dict[str, Any]]:
    """Estimates of [N, contenders, measures] by contender and measure; None if undefined for all images."""
    flat = by_image.reshape(len(by_image), -1)
    defined = np.flatnonzero(np.isfinite(flat).any(axis=0)).tolist()
    found = dict(zip(defined, map(_rounded, mean_estimates(flat[:, defined], seed)), strict=True))
    estimates = [found.get(column) for column in range(flat.shape[1])]
    rows = [estimates[start : start + len(MEASURES)] for start in range(0, len(estimates), len(MEASURES))]
    return {name: dict(zip(MEASURES, row, strict=True)) for name, row in zip(CONTENDERS, rows, strict=True)}


def _above(by_image: Floats, seed: int) -> dict[str, Estimate]:
    """Overlap of the closed form of BN's output minus that of the others, paired by image."""
    overlap = by_image[:, :, MEASURES.index("overlap")]
    names = (*LIMITS, EQUAL)
    differences = overlap[:, [CONTENDERS.index(FITTED)]] - overlap[:, [CONTENDERS.index(name) for name in names]]
    return {name: _rounded(one) for name, one in zip(names, mean_estimates(differences, seed), strict=True)}


def _rounded(estimate: Estimate) -> Estimate:
    return Estimate(*(round(value, 4) for value in estimate))
