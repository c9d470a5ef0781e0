"""Does everything work? One epoch.

zoo train wrn16-ours --recipe smoke --data cifar10
"""

from training.recipe import Recipe

RECIPE = Recipe(epochs=1, peak_learning_rate=0.1)
