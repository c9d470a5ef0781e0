"""Named recipes, one per file; the docstring has the command and the expected accuracy."""

from training.recipe import Recipe
from training.recipes import fast, finetune, paper, smoke
from zoo.errors import UnknownNameError

RECIPES = {module.__name__.rpartition(".")[2]: module.RECIPE for module in (paper, fast, finetune, smoke)}


def get(name: str) -> Recipe:
    """The recipe called `name`.

    Raises:
        UnknownNameError: the recipe is unknown.
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return RECIPES[name]
