import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from zoo.errors import PackageError
from zoo.machine import cores, processor
from zoo.package import SERVING_FILE, Package
from zoo.package.timings import Serving, Trial
from zoo.runtime import Runtime

MakePackage = Callable[..., Package]

RUNTIME = Runtime(streams=1, part=0, spin=False, arena=False, optimization="extended")
TRIAL = Trial(RUNTIME, {"1": 0.002, "64": 0.05}, {"1": 0.003, "64": 0.06}, True, "faster")
SERVING = Serving("int8", 2, 1, "a processor", "1.22.0", "0" * 64, RUNTIME, (TRIAL,))


def test_a_model_directory_without_one_has_the_defaults(make_package: MakePackage) -> None:
    assert Serving.read(make_package()) == Serving(None, runtime=Runtime())


def test_what_is_written_is_read(make_package: MakePackage) -> None:
    package = make_package()
    SERVING.write(package)
    assert Serving.read(package) == SERVING
    assert json.loads((package.path / SERVING_FILE).read_text())["runtime"]["streams"] == 1


def test_what_is_not_said_is_as_by_default(make_package: MakePackage) -> None:
    package = make_package()
    # "precision" is the field's name in files of earlier versions.
    (package.path / SERVING_FILE).write_text('{"precision": "fp16", "runtime": {"part": 8}}')
    assert Serving.read(package) == Serving("fp16", runtime=Runtime(part=8))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "file: Invalid JSON"),
        ("{", "file: Invalid JSON"),
        ("[]", "file: Input should be an object"),
        ({"precission": "fp16"}, "precission: Unexpected keyword argument"),
        ({"runtime": {"stream": 1}}, "runtime.stream: Unexpected keyword argument"),
        (
            {"trials": [{"runtime": {}, "seconds": {}, "against": {}, "kept": True, "why": "", "how": ""}]},
            "trials.0.how: Unexpected keyword argument",
        ),
        ({"precision": "fp64"}, "precision: Input should be 'fp32', 'fp16', 'int8', 'openvino-fp32'"),
        ({"cores": "two"}, "cores: Input should be a valid integer"),
        ({"runtime": {"spin": "perhaps"}}, "runtime.spin: Input should be a valid boolean"),
        ({"runtime": []}, "runtime: Input should be an object"),
        ({"runtime": {"streams": -1}}, "streams = -1: must be at least 0"),
        ({"runtime": {"optimization": "most"}}, "runtime.optimization: Input should be 'basic', 'extended' or 'all'"),
        ({"trials": [{"runtime": {}}]}, "trials.0.seconds: Field required"),
    ],
)
def test_a_file_that_is_not_valid_says_where(content: Any, problem: str, make_package: MakePackage) -> None:
    package = make_package()
    (package.path / SERVING_FILE).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(PackageError) as caught:
        Serving.read(package)
    assert str(caught.value).startswith(f"{package.path / SERVING_FILE} is not a serving configuration: ")
    assert problem in str(caught.value)
    assert str(caught.value).endswith("; remove it, or run `zoo tune` again")


def test_it_fits_where_it_was_measured_and_nowhere_else() -> None:
    serving = Serving(cores=cores(), threads=2, processor=processor(), onnx_sha256="a")
    assert serving.fits("a", 2)
    assert not serving.fits("b", 2)
    assert not serving.fits("a", 1)
    assert not replace(serving, cores=cores() + 1).fits("a", 2)
    assert not replace(serving, processor="another").fits("a", 2)
    assert not Serving().fits("a", 2)
