import pytest

from zoo import errors


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.DuplicateVariantError, ValueError),
        (errors.BarePathError, ValueError),
        (errors.PackageError, ValueError),
        (errors.MissingDependencyError, ImportError),
        (errors.InputError, ValueError),
        (errors.ImageError, ValueError),
        (errors.UnknownNameError, LookupError),
    ],
)
def test_an_error_is_a_zoo_error_and_a_builtin_one(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, errors.ZooError)
    assert issubclass(error, builtin)


def test_an_unknown_name_where_nothing_is_known() -> None:
    assert str(errors.UnknownNameError("model", "x", [])) == "unknown model 'x'; available: none"


def test_several_close_names_are_all_suggested() -> None:
    assert errors.UnknownNameError("class", "car", ["cat", "cab", "ship"]).close == ["cat", "cab"]
