"""Claim 1a: BN-ReLU's output for template responses, compared with the closed form of the soft maximiser with slack.

Patch by patch, at every BN-ReLU of trained networks, and of untrained ones beside them. Two closed forms are compared,
each with one slack and one temperature per layer, fitted on training images:

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

from explain.stats import Estimate, mean_estimate, mean_estimates
from reproduction.claims.finding import Finding, Number
from reproduction.claims.inputs import ClaimInputs
from reproduction.claims.maximiser.agreement import MEASURES, Floats, agreement, effective_templates, fit
from reproduction.claims.maximiser.plot import UNTRAINED
from reproduction.claims.maximiser.responses import LayerResponses, sample_responses
from reproduction.claims.maximiser.text import finding_text, layers_table, means_table
from reproduction.claims.maximiser.untrained import untrained_network
from reproduction.claims.rules.agreement import (
    BARE,
    CONTENDERS,
    EQUAL,
    FITTED,
    LIMITS,
    NETWORKS,
    STATISTICS_IMAGES,
    UNTRAINED_SEEDS,
    verdict,
)
from training.data.images import LabelledImages
from zoo.networks.load import load_package
from zoo.networks.network import Network
from zoo.soft_maximiser import Assigned, soft_maximiser

LOCATIONS = 8
"""Number of locations per image and layer."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """Measurements at one BN-ReLU."""

    facts: dict[str, Any]
    by_image: Floats
    """[N, contenders, measures]"""


def measure(inputs: ClaimInputs) -> Finding:
    """Measure claim 1a."""
    networks, gains = {}, {}
    for variant in NETWORKS:
        package = inputs.package(variant)
        train, test = (inputs.split(split, package, inputs.images) for split in ("train", "test"))
        statistics = inputs.split("train", package, STATISTICS_IMAGES)
        networks[variant] = _network(load_package(package), train, test, inputs.seed)
        for seed in range(UNTRAINED_SEEDS):
            network = untrained_network(package.config, statistics, seed)
            name = f"{variant}{UNTRAINED}{seed}"
            networks[name] = _network(network, train, test, inputs.seed)
            gains[name] = _gain(networks[variant], networks[name], inputs.seed)
    layers = {name: [layer.facts for layer in found] for name, found in networks.items()}
    means = {name: _means(found, inputs.seed) for name, found in networks.items()}
    trained = {variant: layers[variant] for variant in NETWORKS}
    images = len(networks[NETWORKS[0]][0].by_image)
    return Finding(
        verdict=verdict([layer["overlap_above"] for found in trained.values() for layer in found]),
        text=finding_text(trained, means, gains),
        measured_on=(
            f"{inputs.data}, {images:,} images of the test split, {LOCATIONS} locations per image and layer, sampled "
            f"with seed {inputs.seed}; slack and temperature fitted on the same number of training images; one trained "
            "network per variant"
        ),
        numbers=(
            *(
                Number.of(f"overlap, mean of the layers, {name}, `{variant}`", means[variant][name]["overlap"])
                for variant in NETWORKS
                for name in (FITTED, EQUAL, BARE)
            ),
            *(
                Number.of(f"advantage over equal shares, trained minus untrained, `{name}`", gain)
                for name, gain in gains.items()
            ),
        ),
        tables=(means_table(means), *(layers_table(variant, facts) for variant, facts in trained.items())),
        raw={"layers": layers, "means": means, "gains": gains},
    )


def _network(network: Network, train: LabelledImages, test: LabelledImages, seed: int) -> list[_Layer]:
    fitted, measured = (sample_responses(network, images, LOCATIONS, seed) for images in (train, test))
    return [_layer(*both, seed) for both in zip(fitted, measured, strict=True)]


def _gain(trained: list[_Layer], untrained: list[_Layer], seed: int) -> Estimate:
    """Advantage of the closed form over equal shares, averaged over the layers: trained minus untrained."""
    of_trained, of_untrained = (
        _mean_of_defined(np.stack([_advantage(layer) for layer in layers], axis=1)) for layers in (trained, untrained)
    )
    return mean_estimate(of_trained - of_untrained, seed).rounded()


def _advantage(layer: _Layer) -> Floats:
    """Overlap of the closed form of BN's output minus that of equal shares, [N]."""
    overlap = layer.by_image[:, :, MEASURES.index("overlap")]
    return overlap[:, CONTENDERS.index(FITTED)] - overlap[:, CONTENDERS.index(EQUAL)]


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
    found = dict(zip(defined, map(Estimate.rounded, mean_estimates(flat[:, defined], seed)), strict=True))
    estimates = [found.get(column) for column in range(flat.shape[1])]
    rows = [estimates[start : start + len(MEASURES)] for start in range(0, len(estimates), len(MEASURES))]
    return {name: dict(zip(MEASURES, row, strict=True)) for name, row in zip(CONTENDERS, rows, strict=True)}


def _above(by_image: Floats, seed: int) -> dict[str, Estimate]:
    """Overlap of the closed form of BN's output minus that of the others, paired by image."""
    overlap = by_image[:, :, MEASURES.index("overlap")]
    names = (*LIMITS, EQUAL)
    differences = overlap[:, [CONTENDERS.index(FITTED)]] - overlap[:, [CONTENDERS.index(name) for name in names]]
    return {name: one.rounded() for name, one in zip(names, mean_estimates(differences, seed), strict=True)}
