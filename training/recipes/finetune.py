"""Fine-tuning of a model of the zoo on other classes, such as a folder of your own images.

zoo train wrn16-ours --recipe finetune --data ./my-images
"""

from training.recipe import Recipe

RECIPE = Recipe(
    epochs=20, batch_size=64, peak_learning_rate=0.03, flip="alternating", label_smoothing=0.1, start_from="released"
)
