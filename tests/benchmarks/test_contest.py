"""Servers that take turns: started, compared, paused, loaded and ended."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from peers import contest as contest_module
from peers.contest import Contest
from peers.loops import Loops, capacities, lines
from peers.messages import exchange, models_request
from peers.photographs import KINDS
from peers.random_model import random_model
from peers.serving_contenders import DEFAULT, OURS, Contender, contenders, environment
from serving import main, measured_model, results_file

from zoo.hub import DEFAULT_MODEL, open_model
from zoo.predictors.onnx import OnnxPredictor

pytestmark = pytest.mark.process

KIND = "32x32"

PROGRAM = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"classes": [{"label": "%s"}]}' % sys.argv[2].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def answering(name: str, label: str = "cat") -> Contender:
    """A server that answers every image with one class."""
    return Contender(name, (sys.executable, "-c", PROGRAM, "{port}", label))


@pytest.fixture
def contest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Contest]:
    monkeypatch.setitem(contest_module.TRAINING, "seconds", 0.1)
    with Contest(tmp_path, [KINDS[KIND]]) as contest:
        yield contest


def test_turns_are_taken_by_all(contest: Contest) -> None:
    for name in (OURS, "other"):
        contest.enter(answering(name), {})
    turns = Loops(contest, repeats=2, warmup=0.0).closed(KINDS[KIND], clients=2, seconds=0.1)
    assert {name: len(own) for name, own in turns.items()} == {OURS: 2, "other": 2}
    for turn in (*turns[OURS], *turns["other"]):
        assert turn["requests"] > 0
        assert (turn["rejected"], turn["failed"], turn["unanswered"]) == (0, 0, 0)
    most = capacities({"2": turns})
    assert most[OURS] > 0
    loads = Loops(contest, repeats=1, warmup=0.0).open(
        KINDS[KIND], 0.5, {OURS: 100.0, "other": 0.0}, seconds=0.2, seed=1
    )
    assert list(loads) == [OURS]
    assert loads[OURS]["rate"] == 50
    assert [line.partition(":")[0] for line in lines(turns)] == [OURS, "other"]


def test_who_has_no_turn_is_paused_and_answers_afterwards(contest: Contest) -> None:
    contest.enter(answering("one"), {})
    server = contest.server("one")
    request = Path(contest.files[KIND].forms[0]).read_bytes()
    with pytest.raises(OSError, match="timed out"):
        exchange(server.port, request, timeout=0.2)
    server.resume()
    assert exchange(server.port, request, timeout=20) == (200, b'{"classes": [{"label": "cat"}]}')
    assert server.cpu_seconds() > 0
    assert server.memory() > 1e6


def test_one_that_answers_otherwise_is_left_out(contest: Contest) -> None:
    contest.enter(answering("one"), {})
    contest.enter(answering("two", "dog"), {})
    assert contest.names == ["one"]
    assert contest.left_out == {"two": "it answers 'dog' for an image of 32x32 where the first answered 'cat'"}


def test_a_question_is_answered_by_one_that_has_no_turn(contest: Contest) -> None:
    contest.enter(answering("one"), {})
    request = Path(contest.files[KIND].forms[0]).read_bytes()
    for _ in range(2):  # paused again in between
        assert contest.ask("one", request) == b'{"classes": [{"label": "cat"}]}'


def test_peers_compute_the_file_of_their_precision(tmp_path: Path) -> None:
    package = open_model(DEFAULT_MODEL)
    known = contenders(DEFAULT_MODEL, sys.executable, "cpu")
    files = {name: environment(one, package, tmp_path, "cpu")["MODEL"] for name, one in known.items()}
    assert {name for name, file in files.items() if file == str(package.onnx("int8"))} == {
        "ours int8",
        "FastAPI, tuned, int8",
    }
    assert {file for name, file in files.items() if "int8" not in name} == {str(package.onnx("fp32"))}
    assert environment(known["FastAPI, one process per core"], package, tmp_path, "cpu")["THREADS"] == "1"
    assert "--precision" not in known[DEFAULT].command
    assert known[OURS].command[-2:] == ("--precision", "fp32")


@pytest.mark.slow
def test_tuned_peers_answer_as_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(contest_module.TRAINING, "seconds", 0.1)
    package = open_model(DEFAULT_MODEL)
    known = contenders(DEFAULT_MODEL, sys.executable, "cpu")
    with Contest(tmp_path, [KINDS["640x480"]]) as contest:
        for name in (DEFAULT, "FastAPI, tuned, fp32", "FastAPI, tuned, int8"):
            contest.enter(known[name], environment(known[name], package, tmp_path, "cpu"))
        assert contest.left_out == {}
        assert [model["name"] for model in json.loads(contest.ask(DEFAULT, models_request()))] == [DEFAULT_MODEL]


@pytest.mark.slow
def test_a_variant_without_weights_is_measured_with_random_ones(tmp_path: Path) -> None:
    steps: list[str] = []
    package = random_model("rn26", ("fp32",), tmp_path, steps.append)
    assert (package.config.name, package.precisions) == ("rn26.random", ("fp32",))
    assert steps == ["rn26.random: exporting fp32"]
    pixels = np.zeros((1, 3, 32, 32), np.uint8)
    assert np.isfinite(OnnxPredictor.open(package, "cpu", threads=1)(pixels).logits).all()


def test_results_of_other_models_have_files_of_their_own() -> None:
    package = open_model(DEFAULT_MODEL)
    assert results_file(package, "cpu").name == "serving.json"
    other = replace(package, config=replace(package.config, variant="dn100-ours-c", data="random"))
    assert results_file(other, "cpu").name == "serving.dn100-ours-c.random.json"
    assert results_file(other, "cuda").name == "serving.cuda.dn100-ours-c.random.json"


def test_a_model_directory_is_measured_wherever_the_servers_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = open_model(DEFAULT_MODEL)
    monkeypatch.chdir(own.path.parent)
    package = measured_model(f"local-dir:{own.path.name}", "cpu", tmp_path, print)
    assert package.path == own.path.absolute()
    assert measured_model("wrn16-ours", "cpu", tmp_path, print).config.name == DEFAULT_MODEL


@pytest.mark.parametrize(
    ("model", "reason"), [("wrn61", "unknown variant 'wrn61'"), ("local-dir:none", "there is no folder none")]
)
def test_a_model_that_does_not_exist(model: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["serving.py", "--model", model])
    with pytest.raises(SystemExit, match=reason):
        main()


def test_one_that_ends_is_left_out_with_its_last_words(contest: Contest) -> None:
    contest.enter(Contender("one", (sys.executable, "-c", "raise SystemExit('no such package')")), {})
    assert contest.left_out["one"] == "exit status 1; end of its output: 'no such package\\n'"


def test_one_that_is_not_there_is_left_out(contest: Contest) -> None:
    contest.enter(Contender("one", ("/no/such/python",)), {})
    assert contest.left_out["one"] == "/no/such/python: No such file or directory"


def test_all_end_with_the_contest(contest: Contest) -> None:
    contest.enter(answering("one"), {})
    processes = contest.server("one").processes
    contest.__exit__(None, None, None)
    assert not any(map(psutil.Process.is_running, processes))


def test_one_that_does_not_answer_in_time_is_left_out(tmp_path: Path) -> None:
    silent = Contender("silent", (sys.executable, "-c", "import time; time.sleep(60)"))
    with Contest(tmp_path, [KINDS[KIND]], starts_within=0.5) as contest:
        contest.enter(silent, {})
        assert contest.names == []
    assert "Connection refused" in contest.left_out["silent"]
