"""Long training, the same for all ten variants, so that differences in accuracy are due to the block.

    zoo train VARIANT --recipe paper --data cifar10
    zoo reproduce --recipe paper

Meant for a GPU: 100 epochs at full size. The poster gives no recipe, so all values are this project's.
Expected: not measured yet; see `docs/results.md` for measured runs.
"""

from training.recipe import Recipe

RECIPE = Recipe(epochs=100, peak_learning_rate=0.1, warmup=0.1, flip="alternating", cutout=8, label_smoothing=0.1)
