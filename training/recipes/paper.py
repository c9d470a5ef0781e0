"""The long recipe, the same for all ten variants, so that a difference in accuracy is the block's.

    zoo train VARIANT --recipe paper --data cifar10
    zoo reproduce --recipe paper

It is made for a GPU: 100 epochs at full size. The poster prints no recipe, so every figure here is this project's.
Expected: not measured yet; `docs/results.md` has what was.
"""

from training.recipe import Recipe

RECIPE = Recipe(epochs=100, peak_learning_rate=0.1, warmup=0.1, flip="alternating", cutout=8, label_smoothing=0.1)
