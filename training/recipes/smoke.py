"""Smoke test: one epoch.

    zoo train wrn16-ours --recipe smoke --data cifar10

Expected on CIFAR-10: 64.4% of the test split (seed 0), in under two minutes on a CPU with two cores.
"""

from training.recipe import Recipe

RECIPE = Recipe(epochs=1, peak_learning_rate=0.1)
