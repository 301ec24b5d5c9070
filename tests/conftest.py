"""Tiny models; see `tiny`."""

from __future__ import annotations

import os
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # importing the codec is slow, and many tests do not need it
    from tiny_training import Graphs

    from vqcodec.codec.model import Model
    from vqcodec.networks.autoencoder import Autoencoder


def pytest_configure() -> None:
    """Unblock SIGINT: a shell starts background jobs with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


# What takes more than a few seconds: `make quick` leaves it out.
SLOW = (
    *("training", "networks", "evaluation", "signals", "benchmarks", "priors", "golden"),
    *("test_reference_decoder.py", "test_packaging.py"),
    *("codec/test_long_sounds.py", "codec/test_damage.py", "codec/test_progressive.py"),
    *("codec/test_salvage.py", "cli/test_batches.py"),
)


def is_slow(path: Path) -> bool:
    """Return whether all tests of a file are slow."""
    return path.relative_to(Path(__file__).parent).as_posix().startswith(SLOW)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import slow tests if none is wanted: torch alone takes seconds."""
    unwanted = config.getoption("markexpr") == "not slow" and is_slow(collection_path)
    return True if unwanted else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests, and put them first: then all processes end at about the same time."""
    for item in items:
        if is_slow(item.path):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the four tiny models, as in an installation."""
    from tiny import TABLES, tiny_model_path

    folder = tmp_path_factory.mktemp("models")
    for name in TABLES:
        shutil.copy(tiny_model_path(name), folder)
    return folder


@pytest.fixture(scope="session")
def tiny_models() -> dict[str, Model]:
    """The four tiny models by name."""
    from tiny import TABLES, load_tiny_model

    return {name: load_tiny_model(name) for name in TABLES}


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a server that speaks S3, in this process."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty bucket; other processes find it by the environment."""
    import s3fs

    settings = {"ENDPOINT_URL": s3_server, "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test"}
    for name, value in {**settings, "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    s3fs.S3FileSystem.clear_instance_cache()
    name = f"s3://test-{uuid.uuid4()}"
    s3fs.S3FileSystem().mkdir(name)
    return name


@pytest.fixture(scope="session")
def remembered_graphs(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[Autoencoder], Graphs]]:
    """Networks of equal shape are exported once, because an export takes seconds."""
    from tiny_training import keep_operators, remembering_exporter

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # the folder of all workers
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        keep_operators(patch)
        export = remembering_exporter(folder)
        patch.setattr("vqcodec.training.export.export_graphs", export)
        yield export


@pytest.fixture(scope="session")
def image_model(tiny_models: dict[str, Model]) -> Model:
    """Pictures; a lattice, and a grid prior with a logistic head."""
    return tiny_models["image"]


@pytest.fixture(scope="session")
def audio_model(tiny_models: dict[str, Model]) -> Model:
    """Sounds; a lattice, and a frames prior with a logistic head."""
    return tiny_models["speech"]


@pytest.fixture(scope="session")
def residual_image_model(tiny_models: dict[str, Model]) -> Model:
    """Pictures; four residual codebooks, and a grid prior with a categorical head."""
    return tiny_models["residual-image"]


@pytest.fixture(scope="session")
def residual_audio_model(tiny_models: dict[str, Model]) -> Model:
    """Sounds; four residual codebooks, and a frames prior with a categorical head."""
    return tiny_models["residual-speech"]
