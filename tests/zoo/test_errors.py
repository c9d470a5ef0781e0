from zoo import errors


def test_an_unknown_name_where_nothing_is_known() -> None:
    assert str(errors.UnknownNameError("model", "x", [])) == "unknown model 'x'; available: none"


def test_several_close_names_are_all_suggested() -> None:
    assert errors.UnknownNameError("class", "car", ["cat", "cab", "ship"]).close == ["cat", "cab"]
