"""Every rule on made-up findings, on both sides of each threshold."""

from typing import Any

import pytest

from explain.stats import Estimate
from reproduction.claims.rules import agreement, clusters, entities, groups, order, replacement
from reproduction.claims.rules.agreement import EQUAL, LIMITS
from reproduction.claims.rules.order import AUX, OURS, PLAIN, STEPS

ABOVE, UNCLEAR, BELOW = Estimate(0.2, 0.01, 0.4), Estimate(0.2, 0.0, 0.4), Estimate(-0.2, -0.4, -0.01)


def by_rival(*below: str, of: tuple[str, ...] = (*LIMITS, EQUAL)) -> dict[str, Estimate]:
    return {name: UNCLEAR if name in below else ABOVE for name in of}


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([by_rival(), by_rival()], "holds"),
        ([by_rival(), by_rival(EQUAL)], "holds in part"),
        ([by_rival(), by_rival("arg-max", EQUAL)], "holds in part"),
        ([by_rival("permuted templates")], "does not hold"),
        ([], "does not hold"),
    ],
)
def test_claim_1a(layers: list[dict[str, Estimate]], expected: str) -> None:
    assert agreement.verdict(layers) == expected


def test_agreement_is_learnt_only_if_every_untrained_network_agrees_less() -> None:
    assert agreement.is_learnt([ABOVE, ABOVE])
    assert not agreement.is_learnt([ABOVE, UNCLEAR])
    assert not agreement.is_learnt([])


@pytest.mark.parametrize(
    ("difference", "seeds", "expected"),
    [
        (Estimate(-0.2, -0.99, 0.6), 4, "holds"),
        (Estimate(-0.2, -1.0, 0.6), 4, "not shown"),
        (Estimate(-0.2, -0.99, 0.6), 3, "not shown"),
        (Estimate(-1.5, -2.9, -0.1), 4, "does not hold"),
        (Estimate(-1.5, -2.9, 0.0), 4, "not shown"),
        (Estimate(-1.0, -1.9, -0.1), 4, "not shown"),
        (Estimate(-1.5, -2.9, -0.1), 3, "not shown"),
        (Estimate(-0.5, -0.9, -0.1), 4, "holds"),  # worse, but by less than the margin
        (None, 1, "not shown"),
    ],
)
def test_claim_1b(difference: Estimate | None, seeds: int, expected: str) -> None:
    assert replacement.verdict(difference, seeds) == expected


@pytest.mark.parametrize(
    ("ours", "aux", "expected"),
    [
        (ABOVE, ABOVE, "holds"),
        (ABOVE, UNCLEAR, "holds in part"),
        (UNCLEAR, ABOVE, "holds in part"),
        (UNCLEAR, UNCLEAR, "not shown"),
        (UNCLEAR, BELOW, "not shown"),
        (BELOW, UNCLEAR, "does not hold"),
        (BELOW, ABOVE, "does not hold"),
        (None, ABOVE, "not shown"),
    ],
)
def test_claim_2(ours: Estimate | None, aux: Estimate, expected: str) -> None:
    assert order.verdict({(OURS, AUX): ours, (AUX, PLAIN): aux}, dict.fromkeys(STEPS, 4)) == expected


@pytest.mark.parametrize("step", STEPS)
def test_claim_2_needs_four_seeds_of_both_differences(step: order.Step) -> None:
    assert order.verdict(dict.fromkeys(STEPS, ABOVE), dict.fromkeys(STEPS, 4) | {step: 3}) == "not shown"


RIVALS = clusters.RIVALS


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([by_rival(of=RIVALS)] * 6, "holds"),
        ([by_rival(of=RIVALS)] * 5 + [by_rival("aux", of=RIVALS)], "holds in part"),
        ([by_rival("aux", of=RIVALS)] * 5 + [by_rival(of=RIVALS)], "holds in part"),
        ([by_rival("aux", of=RIVALS)] * 6, "does not hold"),
        ([by_rival("plain", of=RIVALS)] * 6, "does not hold"),
        ([{"plain": ABOVE}] * 6, "does not hold"),
    ],
)
def test_claim_3a(parts: list[dict[str, Estimate]], expected: str) -> None:
    assert clusters.verdict(parts) == expected


@pytest.mark.parametrize(
    ("families", "expected"),
    [
        ([(by_rival(of=RIVALS), 0.049)] * 2, "holds"),
        ([(by_rival(of=RIVALS), 0.049), (by_rival(of=RIVALS), 0.05)], "holds in part"),
        ([(by_rival(of=RIVALS), 0.05)] * 2, "does not hold"),
        ([(by_rival("plain", of=RIVALS), 0.005)] * 2, "does not hold"),
        ([(by_rival("aux", of=RIVALS), 0.005)] * 2, "does not hold"),
    ],
)
def test_claim_3b(families: list[tuple[dict[str, Estimate], float]], expected: str) -> None:
    assert groups.verdict(families) == expected


def mixture(**unclear: str) -> dict[str, dict[str, Estimate]]:
    """Differences of a mixture; `share="plain"` has an unclear difference of the share from the plain network."""
    return {measure: by_rival(unclear.get(measure, ""), of=entities.NULLS) for measure in entities.MEASURES}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([mixture()] * 6, "holds"),
        ([mixture()] * 5 + [mixture(share="plain")], "holds in part"),
        ([mixture(share="plain")] * 5 + [mixture()], "holds in part"),
        ([mixture(share="plain")] * 6, "does not hold"),
        ([mixture(share="Dirichlet")] * 6, "does not hold"),
        ([mixture(enrichment="plain")] * 6, "does not hold"),
        ([mixture(enrichment="Dirichlet")] * 6, "does not hold"),
        ([{"share": mixture()["share"]}] * 6, "does not hold"),
    ],
)
def test_claim_4(parts: list[Any], expected: str) -> None:
    assert entities.verdict(parts) == expected


PAIR, FOUR = (0, 1), (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("shares", "classes", "expected"),
    [
        ((0.55, 0.20, 0.05, 0.05, 0.15), PAIR, True),
        ((0.55, 0.19, 0.05, 0.05, 0.16), PAIR, False),  # together below 0.75
        ((0.66, 0.14, 0.05, 0.05, 0.10), PAIR, False),  # the second below 0.15
        ((0.70, 0.25, 0.05, 0.00, 0.00), PAIR, False),  # pure
        ((0.30, 0.30, 0.15, 0.00, 0.25), FOUR, True),
        ((0.30, 0.30, 0.14, 0.01, 0.25), FOUR, False),  # the third below 0.15
        ((0.20, 0.20, 0.20, 0.14, 0.26), FOUR, False),  # together below 0.75
        ((0.05, 0.05, 0.05, 0.05, 0.80), FOUR, False),
    ],
)
def test_a_named_mixture(shares: tuple[float, ...], classes: tuple[int, ...], expected: bool) -> None:
    assert entities.is_mixture(shares, classes) is expected


def test_the_classes_of_named_mixtures_do_not_overlap() -> None:
    names = [name for classes in entities.NAMED["cifar10"].values() for name in classes]
    assert len(set(names)) == len(names)
