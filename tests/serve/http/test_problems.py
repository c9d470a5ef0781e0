import json
from contextvars import copy_context

import pytest

from serve.errors import QueueFullError
from serve.http.problems import problem_of
from serve.logs import begin
from zoo.errors import ImageError, PackageError, UnknownNameError


def told(error: Exception) -> tuple[int, dict[str, str]]:
    answer = problem_of(error)
    return answer.status_code, json.loads(bytes(answer.body))["error"]


def test_an_error_for_the_client_is_told_with_its_headers() -> None:
    assert told(ImageError("damaged")) == (422, {"code": "image", "message": "damaged"})
    assert told(UnknownNameError("model", "a", ["b"]))[0] == 404
    assert problem_of(QueueFullError("full")).headers["retry-after"] == "1"


@pytest.mark.parametrize("error", [PackageError("/srv/models/a is damaged"), RuntimeError("/srv/models")])
def test_an_error_of_the_server_is_told_to_the_log_only(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    status, told_ = told(error)
    assert (status, told_["code"]) == (500, "internal")
    assert "/srv/models" not in told_["message"]
    assert "/srv/models" in caplog.text


def test_the_open_inference_protocol_has_its_own_form() -> None:
    def answer() -> None:
        context = begin("/v2/models/a/infer", [])
        assert json.loads(bytes(problem_of(ImageError("damaged")).body)) == {"error": "damaged"}
        assert context.reason == "image"

    copy_context().run(answer)
