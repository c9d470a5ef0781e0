import json
from dataclasses import replace

import pytest
from hypothesis import given
from support.configs import CONFIG, CONFIGS

from zoo.errors import PackageError
from zoo.outputs import STANDARD, Output, templates_output
from zoo.package import ModelConfig
from zoo.package.onnx_metadata import (
    config_from_metadata,
    onnx_metadata,
    outputs_from_metadata,
    precision_from_metadata,
)
from zoo.runtime import Precision

OWN = Output("parts", "index map", "Parts", ("wing", "tail"))


@given(CONFIGS)
def test_a_configuration_survives_metadata(config: ModelConfig) -> None:
    assert config_from_metadata(onnx_metadata(config, "fp32", STANDARD), "model.onnx") == config


def test_metadata_names_the_model_in_plain_text() -> None:
    assert onnx_metadata(CONFIG, "int8", STANDARD)["name"] == CONFIG.name == "wrn16-ours.cifar10"


def test_one_template_per_class_is_not_mentioned() -> None:
    one = replace(CONFIG, templates=1)
    assert "templates" not in onnx_metadata(one, "fp32", STANDARD)
    assert "per_class" not in onnx_metadata(one, "fp32", STANDARD)["outputs"]
    several = onnx_metadata(replace(CONFIG, templates=8), "fp32", (*STANDARD, templates_output(8)))
    assert several["templates"] == "8"
    assert outputs_from_metadata(several, ["templates"], "it")[0].per_class == 8


def test_metadata_of_another_program_is_ignored() -> None:
    metadata = onnx_metadata(CONFIG, "int8", STANDARD) | {"author": "someone", "note": "not JSON"}
    assert config_from_metadata(metadata, "model.onnx") == CONFIG


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_metadata_say_the_precision(precision: Precision) -> None:
    assert precision_from_metadata(onnx_metadata(CONFIG, precision, STANDARD), "model.onnx") == precision


def test_metadata_without_a_precision_mean_single_and_of_an_unknown_one_are_refused() -> None:
    assert precision_from_metadata({}, "model.onnx") == "fp32"
    with pytest.raises(PackageError, match=r'the metadata of model\.onnx has precision = "int4": must be one of fp32'):
        precision_from_metadata({"precision": '"int4"'}, "model.onnx")


def test_metadata_without_a_configuration() -> None:
    with pytest.raises(PackageError, match=r"the metadata of a/model\.onnx is not .*: variant: Field required"):
        config_from_metadata({"author": "someone"}, "a/model.onnx")


def test_declared_outputs_survive_in_the_order_of_the_graph() -> None:
    metadata = onnx_metadata(CONFIG, "fp32", (*STANDARD, OWN))
    names = ["parts", "logits", "patch_logits", "assignment"]
    assert outputs_from_metadata(metadata, names, "it") == (OWN, *STANDARD)


def test_files_that_declare_nothing_have_the_standard_outputs() -> None:
    assert outputs_from_metadata({}, ["logits", "patch_logits"], "it") == STANDARD[:2]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, r"model\.onnx does not declare its outputs parts; export it again"),
        ({"outputs": "[]"}, "does not declare its outputs logits, parts"),
        ({"outputs": "{"}, "does not declare valid outputs: outputs: Invalid JSON"),
        ({"outputs": json.dumps([{"name": "logits", "kind": "tensor", "title": ""}])}, r"valid outputs: 0\.kind"),
        ({"outputs": json.dumps([{"name": "a b", "kind": "vector", "title": ""}])}, "expected an identifier"),
        (
            {"outputs": json.dumps([{"name": "a", "kind": "index map", "title": ""}])},
            "output of kind 'index map' without a legend",
        ),
    ],
)
def test_outputs_that_are_not_declared_are_refused(metadata: dict[str, str], message: str) -> None:
    with pytest.raises(PackageError, match=message):
        outputs_from_metadata(metadata, ["logits", "parts"], "model.onnx")
