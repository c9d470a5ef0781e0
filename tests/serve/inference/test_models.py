import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.serving import GatedPredictor

from serve.errors import ModelUnavailableError
from serve.inference import models as module
from serve.inference.batcher import Promise
from serve.inference.models import LoadError, Models
from serve.metrics import Metrics
from serve.settings import Settings
from serve.shared import Shared
from zoo.errors import AmbiguousNameError, InputError, PackageError, UnknownNameError
from zoo.hub import open_model
from zoo.package import Package
from zoo.predictors import Predictor

MB = 1_000_000
FAR = 1e9


@pytest.fixture
def packages() -> list[Package]:
    """Three models that differ in their names."""
    package = open_model("wrn16-ours")
    return [replace(package, config=replace(package.config, data=data)) for data in ("a", "b", "c")]


A, B, C = ("wrn16-ours.a", "wrn16-ours.b", "wrn16-ours.c")


class Opener:
    """Loads predictors that take 60 MB each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.resident = 0
        self.opened: list[str] = []
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        monkeypatch.setattr(module, "used_bytes", lambda device: self.resident)

    def __call__(self, package: Package) -> Predictor:
        assert self.gate.wait(20)
        if self.error:
            raise self.error
        self.resident += 60 * MB
        self.opened.append(package.config.name)
        return GatedPredictor(package.config)


@pytest.fixture
def opener(monkeypatch: pytest.MonkeyPatch) -> Opener:
    return Opener(monkeypatch)


@pytest.fixture
def make(packages: list[Package], opener: Opener) -> Iterator[Callable[..., Models]]:
    made: list[Models] = []

    def build(**settings: object) -> Models:
        made.append(Models(packages, opener, Settings(workers=1, **settings), Metrics(Shared.create())))  # type: ignore[arg-type]
        made[-1].load_first()
        return made[-1]

    yield build
    for models in made:
        assert models.close(10)


def loaded(models: Models) -> list[str]:
    return [name for name, model in models.items() if model.loaded]


def ask(models: Models, *names: str) -> None:
    """A request to each, one after the other."""

    async def main() -> None:
        for name in names:
            async with models.use(models[name]) as batcher:
                promise: Promise = asyncio.get_running_loop().create_future()
                batcher.submit(np.zeros((1, 3, 32, 32), np.uint8), FAR, promise)
                await promise

    asyncio.run(main())


def test_all_are_loaded_at_the_start(make: Callable[..., Models]) -> None:
    models = make()
    assert list(models) == loaded(models) == [A, B, C]
    assert models.named(None).name == A
    assert models.named(B).name == B
    with pytest.raises(UnknownNameError, match=r"wrn16-ours\.d"):
        models.named("wrn16-ours.d")


def test_a_variant_is_a_name_where_there_is_one_model_of_it(
    make: Callable[..., Models], packages: list[Package]
) -> None:
    models = make()
    assert models.names == [A, B, C]
    with pytest.raises(AmbiguousNameError, match=f"{A}, {B}, {C}"):
        models.named("wrn16-ours")
    del packages[1:]
    models = make()
    assert models.named("wrn16-ours").name == A
    assert models.names == [A, "wrn16-ours"]


def test_or_when_they_are_first_asked_for(make: Callable[..., Models], opener: Opener) -> None:
    models = make(load="use")
    assert loaded(models) == [A]
    ask(models, B, B)
    assert loaded(models) == [A, B]
    assert opener.opened == [A, B]


def test_the_budget_holds_from_the_start(make: Callable[..., Models]) -> None:
    assert loaded(make(model_memory_mb=130)) == [A, B]


def test_the_least_lately_used_makes_room(make: Callable[..., Models], opener: Opener) -> None:
    models = make(model_memory_mb=130)
    ask(models, B, A, C)
    assert loaded(models) == [A, C]
    ask(models, B)
    assert loaded(models) == [B, C]
    assert opener.opened == [A, B, C, C, B]


def test_one_that_is_larger_than_its_file_makes_room_once_that_is_known(make: Callable[..., Models]) -> None:
    models = make(model_memory_mb=130, load="use")
    ask(models, B, C)
    assert loaded(models) == [B, C]


def test_one_that_is_in_use_stays(make: Callable[..., Models]) -> None:
    models = make(model_memory_mb=130)

    async def main() -> None:
        async with models.use(models[A]):
            async with models.use(models[B]):
                with pytest.raises(ModelUnavailableError, match=r"memory to load the model wrn16-ours\.c"):
                    async with models.use(models[C]):
                        pass
            async with models.use(models[C]):
                assert loaded(models) == [A, C]

    asyncio.run(main())
    assert all(model.users == 0 for model in models.values())


def test_requests_at_the_same_time_load_it_once(make: Callable[..., Models], opener: Opener) -> None:
    models = make(load="use")

    async def main() -> None:
        async def one() -> None:
            async with models.use(models[B]):
                pass

        await asyncio.gather(*(one() for _ in range(5)))

    asyncio.run(main())
    assert opener.opened == [A, B]


def test_one_that_cannot_be_loaded_says_nothing_of_the_machine(
    make: Callable[..., Models], opener: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    models = make(load="use")
    opener.error = PackageError("/secret/path is damaged")
    with pytest.raises(ModelUnavailableError, match=r"wrn16-ours\.b cannot be loaded"):
        ask(models, B)
    assert "/secret/path is damaged" in caplog.text
    ask(models, A)
    opener.error = None
    ask(models, B)
    assert models.alive


def test_one_that_fails_in_its_first_run_is_tried_again(
    make: Callable[..., Models], opener: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    models = make(load="use")
    opener.error = RuntimeError("no memory is left on /dev/secret")
    for _ in range(2):
        caplog.clear()
        with pytest.raises(ModelUnavailableError, match=r"wrn16-ours\.b cannot be loaded"):
            ask(models, B)
        [record] = caplog.records
        assert "RuntimeError: no memory is left on /dev/secret; " in record.getMessage()
        assert record.exc_info
        assert record.exc_info[1] is opener.error
    opener.error = None
    ask(models, B)
    assert models.alive


def test_the_default_one_that_fails_in_its_first_run_is_an_error(packages: list[Package], opener: Opener) -> None:
    models = Models(packages, opener, Settings(), Metrics(Shared.create()))
    opener.error = RuntimeError("no memory is left")
    with pytest.raises(LoadError, match="cannot be loaded: RuntimeError: no memory is left; "):
        models.load_first()


def test_a_default_model_above_the_budget_is_an_error(make: Callable[..., Models]) -> None:
    with pytest.raises(InputError, match=r"model_memory_mb = 50: wrn16-ours\.a alone needs 60 MB"):
        make(model_memory_mb=50)


def test_two_of_one_name_are_an_error(packages: list[Package], opener: Opener, tmp_path: Path) -> None:
    copy = Package.open(Path(shutil.copytree(open_model("wrn16-ours").path, tmp_path / "copy")))
    with pytest.raises(InputError, match=r"both contain a model named .wrn16-ours\.cifar10."):
        Models([open_model("wrn16-ours"), copy], opener, Settings(), Metrics(Shared.create()))


def test_a_directory_that_is_named_twice_is_served_once(opener: Opener, tmp_path: Path) -> None:
    package = open_model("wrn16-ours")
    (tmp_path / "link").symlink_to(package.path)
    named = [package, open_model("wrn16-ours.cifar10"), Package.open(tmp_path / "link")]
    models = Models(named, opener, Settings(), Metrics(Shared.create()))
    assert list(models) == ["wrn16-ours.cifar10"]


def test_loads_are_counted(packages: list[Package], opener: Opener) -> None:
    metrics = Metrics(Shared.create())
    models = Models(packages, opener, Settings(model_memory_mb=70), metrics)
    models.load_first()
    ask(models, B)
    value = metrics.registry.get_sample_value
    assert value("zoo_model_loads_total", {"model": B}) == 2
    assert value("zoo_model_unloads_total", {"model": A}) == 1
    assert [value("zoo_model_loaded", {"model": one, "execution": ""}) for one in (A, B)] == [0, 1]
    assert models.close(10)


def test_a_request_that_no_longer_waits_leaves_the_load_to_others(make: Callable[..., Models], opener: Opener) -> None:
    models = make(load="use")
    opener.gate.clear()

    async def main() -> None:
        async def one(seconds: float) -> bool:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds), models.use(models[B]):
                    return True
            return False

        assert not await one(0.02)
        assert not await one(0.02)
        waiting = asyncio.create_task(one(20))
        await asyncio.sleep(0)
        opener.gate.set()
        assert await waiting

    asyncio.run(main())
    assert opener.opened == [A, B]
    assert models[B].users == 0


def test_one_that_is_asked_for_while_it_makes_room_answers(make: Callable[..., Models]) -> None:
    models = make(model_memory_mb=130)

    async def one(name: str) -> None:
        async with models.use(models[name]) as batcher:
            await asyncio.sleep(0.001)  # its images are decoded
            promise = asyncio.get_running_loop().create_future()
            batcher.submit(np.zeros((1, 3, 32, 32), np.uint8), FAR, promise)
            await promise

    async def main() -> None:
        for _ in range(20):
            await one(A)
            await one(B)
            await asyncio.gather(one(C), one(A))

    asyncio.run(main())
