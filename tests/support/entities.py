"""Entities of a model with three classes."""

from zoo.package.entities import Entities, Entity, FoundOn

CLASSES = ("bird", "airplane", "cat")


def some_entities(weights_sha256: str = "ab" * 32, classes: tuple[str, ...] = CLASSES) -> Entities:
    """`bird + airplane`, `cat` and `none`, named by the first three classes."""
    more = (0.0,) * (len(classes) - 3)
    return Entities(
        weights_sha256,
        classes,
        FoundOn("pets", 10, 640, 8, 0),
        (
            Entity("bird + airplane", "pair", 0.5, (0.5, 0.45, 0.0, *more, 0.05)),
            Entity("cat", "pure", 0.3, (0.05, 0.0, 0.95, *more, 0.0)),
            Entity("none", "none", 0.2, (0.1, 0.1, 0.1, *more, 0.7)),
        ),
    )
