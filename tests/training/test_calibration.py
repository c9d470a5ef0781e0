import numpy as np
import pytest

from training.calibration import BINS, calibration_error, calibration_estimate

GENERATOR = np.random.default_rng(0)


def test_a_calibrated_network_has_a_small_error() -> None:
    confidence = GENERATOR.uniform(0.1, 1, 20_000)
    correct = (GENERATOR.random(20_000) < confidence).astype(float)
    assert calibration_error(confidence, correct) < 2


def test_an_overconfident_one_has_its_excess() -> None:
    confidence = GENERATOR.uniform(0.8, 1, 20_000)
    correct = (GENERATOR.random(20_000) < confidence - 0.3).astype(float)
    error, low, high = calibration_estimate(confidence, correct)
    assert error == pytest.approx(30, abs=1.5)
    assert low < error < high
    assert error == calibration_error(confidence, correct)


def test_bins_have_equal_mass() -> None:
    """In each bin of two images one is right: by hand, over all bins."""
    confidence = np.linspace(0.5, 1, 2 * BINS)
    correct = np.tile([0.0, 1.0], BINS)
    means = confidence.reshape(BINS, 2).mean(axis=1)
    shuffled = GENERATOR.permutation(2 * BINS)
    assert calibration_error(confidence[shuffled], correct[shuffled]) == pytest.approx(100 * abs(0.5 - means).mean())


def test_fewer_images_than_bins() -> None:
    assert calibration_error(np.array([0.9, 0.6]), np.array([1.0, 0.0])) == pytest.approx(100 * (0.1 + 0.6) / 2)
