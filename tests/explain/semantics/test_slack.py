from collections.abc import Callable

import numpy as np
import pytest
from support.patches import mixed

from explain.semantics.slack import THRESHOLDS, measure_slack
from zoo.search.image_index import ImageIndex

MakeIndex = Callable[..., ImageIndex]

RIGHT = mixed(0.5, 0.35, 0, 0, 0.15)
MISLEADING = mixed(0.0, 0.6, 0, 0, 0.4)
EMPTY = mixed(0.05, 0, 0, 0, 0.95)


def test_ignoring_misleading_patches_helps(make_index: MakeIndex) -> None:
    """Two of four patches vote for another class, and have much slack."""
    shares = np.tile(np.array([[RIGHT, RIGHT], [MISLEADING, MISLEADING]]), (20, 1, 1, 1))
    slack = measure_slack(make_index(shares), seed=0, highest=3)
    without = {one.threshold: one for one in slack.filtered_votes}
    assert tuple(without) == THRESHOLDS
    assert slack.vote_accuracy.value == 0
    assert without[0.2].accuracy.value == 1
    assert without[0.2].change == (1, 1, 1)
    assert without[0.2].ignored == pytest.approx(0.5)
    assert without[0.5].accuracy.value == 0
    assert without[0.5].ignored == 0


def test_an_image_without_patches_left_is_decided_by_all(make_index: MakeIndex) -> None:
    slack = measure_slack(make_index(np.tile(EMPTY, (8, 2, 2, 1))), seed=0, highest=3)
    last = slack.filtered_votes[-1]
    assert last.undecided == 8
    assert last.ignored == 1
    assert last.accuracy.value == slack.vote_accuracy.value == 1


def test_where_the_slack_is(make_index: MakeIndex) -> None:
    shares = np.tile(RIGHT, (6, 2, 3, 1))
    shares[4:, 1, 2] = EMPTY
    slack = measure_slack(make_index(shares, [0, 0, 0, 0, 1, 1]), seed=0, highest=2)
    assert slack.mean.value == pytest.approx((34 * 0.15 + 2 * 0.95) / 36, abs=1e-3)
    assert [one.value for one in slack.by_class] == pytest.approx([0.15, (5 * 0.15 + 0.95) / 6, 0, 0], abs=1e-3)
    assert slack.by_cell.shape == (2, 3)
    assert np.unravel_index(slack.by_cell.argmax(), (2, 3)) == (1, 2)
    assert [match[:3] for match in slack.highest] == [(4, 1, 2), (5, 1, 2)]
