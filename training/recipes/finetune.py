"""Fine-tuning of a model of the zoo on other classes, such as a folder of your own images.

    zoo train wrn16-ours --recipe finetune --data ./my-images --input-size 32

Expected on ten classes of mini-ImageNet (600 training images, 600 test images, seed 0): wrn16-ours 68.5% at 32 x 32
pixels, 66.5% at 64 x 64, and 64.3% at 84 x 84, the images' own size, where a step costs seven times as much. With more
images, larger ones may be worth their cost.
"""

from training.recipe import Recipe

RECIPE = Recipe(
    epochs=20, batch_size=64, peak_learning_rate=0.03, flip="alternating", label_smoothing=0.1, start_from="released"
)
