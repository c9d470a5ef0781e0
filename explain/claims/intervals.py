"""Means over images with their bootstrap intervals."""

from explain.stats import mean_estimate, mean_estimates

__all__ = ["mean_estimate", "mean_estimates"]
