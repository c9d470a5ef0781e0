"""Estimate of the time that the rest of a run takes, from its steps so far."""

from training.recipe import Recipe

SETTLED_SECONDS = 3.0
"""Time over which steps of one image size are measured before an estimate is made from them."""


class Pace:
    """Seconds per step, and what follows for the steps to come.

    A step's time is taken to be proportional to the number of its pixels, which matters until images of the full size
    have been measured. On a GPU, small images take longer than that, and the first estimates are too high.

    Arguments:
        recipe: recipe with the run's input size.
        steps_per_epoch: number of steps in an epoch.
    """

    def __init__(self, recipe: Recipe, steps_per_epoch: int) -> None:
        self._recipe = recipe
        self._steps_per_epoch = steps_per_epoch
        self._side = 0
        self._from = (0, 0.0)
        """Step and time from which steps of this size are measured."""
        self._seconds_per_pixel: float | None = None
        self._validation_seconds = 0.0

    def observe(self, step: int, now: float) -> None:
        """Take note of the time in seconds at which a number of steps is done; also on a GPU, they must be complete."""
        side = self._recipe.side(min(step // self._steps_per_epoch, self._recipe.epochs - 1))
        if side != self._side:
            self._side, self._from = side, (step, now)  # the first steps of a size, which are slow, do not count
            return
        steps, seconds = step - self._from[0], now - self._from[1]
        if steps and seconds >= SETTLED_SECONDS:
            self._seconds_per_pixel = seconds / steps / side**2

    def validated(self, seconds: float) -> None:
        """Take note of the time that a validation took."""
        self._validation_seconds = seconds
        self._from = (self._from[0], self._from[1] + seconds)

    def left(self, step: int) -> float | None:
        """Seconds that the rest of the run takes after a number of steps; None until some have been measured."""
        if self._seconds_per_pixel is None:
            return None
        recipe, done = self._recipe, step / self._steps_per_epoch
        pixels = sum(recipe.side(epoch) ** 2 * min(1, max(epoch + 1 - done, 0)) for epoch in range(recipe.epochs))
        validations = recipe.epochs - int(done)
        return self._seconds_per_pixel * self._steps_per_epoch * pixels + self._validation_seconds * validations
