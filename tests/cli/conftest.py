"""The command in this process, with models that are made up: no network, no torch."""

from __future__ import annotations

import io
import json
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from vqcodec.cli.main import main
from vqcodec.cli.models import load_model

import vqcodec
import vqcodec.codec.inspect  # keeps the real search for models, whatever test comes first
from vqcodec.bitstream.header import AudioFacts, Header, ImageFacts
from vqcodec.bitstream.sections import Section, Tag
from vqcodec.bitstream.stream import Stream, build_stream, parse_stream
from vqcodec.errors import MissingModelError, ModelFileError, TargetSizeError, UsageError
from vqcodec.modalities.base import ModelChoice
from vqcodec.notes import Note
from vqcodec.signals.files import LazySignal, Signal
from vqcodec.signals.measures import MeasuredSound
from vqcodec.signals.picture import Picture
from vqcodec.signals.picture_files import write_picture
from vqcodec.signals.sound import AudioClip, Sound
from vqcodec.signals.sound_files import write_clip


class FakeModel:
    """Streams grow by 100 bytes with each step of quality; decoded signals are silent or black."""

    def __init__(self, name: str, modality: str, fingerprint: str) -> None:
        self.name = name
        self.modality = modality
        self.fingerprint = fingerprint
        self.calls: list[dict[str, Any]] = []
        self.device = "cpu"

    @property
    def parts(self) -> FakeModel:
        """What the stand-ins of `vqcodec.codec.search` take."""
        return self

    @property
    def digest(self) -> str:
        return 16 * self.fingerprint[0]

    def to(self, device: str) -> FakeModel:
        if device == "nonsense":
            raise UsageError("device 'nonsense': not available")
        self.device = device
        return self

    def compress(
        self,
        signal: LazySignal,
        *,
        quality: float = 5,
        separate_channels: bool = False,
        progressive: bool = False,  # noqa: ARG002
        progress: Callable[[float], None] | None = None,
    ) -> bytes:
        if (self.modality == "image") != isinstance(signal, Picture):
            raise UsageError("this model is for the other kind")
        self.calls.append({"quality": quality, "separate_channels": separate_channels})
        if not isinstance(signal, Picture):
            assert sum(block.shape[1] for block in signal.blocks()) == signal.num_samples
        if progress is not None:
            progress(1.0)
        header = Header(fingerprint=bytes.fromhex(self.fingerprint), rate=0, facts=facts_of(signal))
        return build_stream(Stream(header, (Section(Tag.SEGMENT, bytes(int(100 * quality))),)))

    def decompress(
        self, stream: bytes, *, progress: Callable[[float], None] | None = None
    ) -> Signal:
        facts = parse_stream(stream).header.facts
        if progress is not None:
            progress(1.0)
        if isinstance(facts, ImageFacts):
            return black(facts.width, facts.height)
        return silence(facts.num_channels, facts.num_samples, facts.sample_rate)

    def open(
        self,
        stream: bytes,
        *,
        start_s: float = 0.0,
        duration_s: float | None = None,
        level: int | None = None,  # noqa: ARG002
        speaker: Sound | None = None,
        salvage: bool = False,  # noqa: ARG002
        progress: Callable[[float], None] | None = None,
    ) -> Signal:
        if speaker is not None:
            self.calls.append({"speaker": AudioClip.of_sound(speaker)})
        whole = self.decompress(stream, progress=progress)
        if start_s == 0 and duration_s is None:
            return whole
        if isinstance(whole, Picture):
            raise UsageError("a picture has no start and no duration")
        start = round(start_s * whole.sample_rate)
        stop = None if duration_s is None else start + round(duration_s * whole.sample_rate)
        return AudioClip(whole.waveform[:, start:stop], whole.sample_rate)

    def sample(self, **settings: Any) -> Signal:
        self.calls.append(settings)
        if self.modality == "image":
            return black(settings.get("width", 256), settings.get("height", 256))
        return silence(1, int(settings.get("duration_s", 3) * 16_000), 16_000)

    def measured(self, signal: LazySignal, *, separate_channels: bool | None = None) -> LazySignal:
        if isinstance(signal, Picture):
            return signal
        mixed_down = signal.num_channels > 1 and not separate_channels
        return MeasuredSound(signal, band_hz=8000.0, mixed_down=mixed_down)

    def complete(self, signal: Signal, **settings: Any) -> Signal:
        if (self.modality == "image") != isinstance(signal, Picture):
            raise UsageError("this model is for the other kind")
        self.calls.append(settings)
        return signal

    def indices_of(self, stream: bytes) -> list[NDArray[np.int64]]:
        parse_stream(stream)
        return [np.arange(12).reshape(2, 2, 3)]

    def bit_map_of(self, stream: bytes) -> SimpleNamespace:
        facts = parse_stream(stream).header.facts
        if isinstance(facts, ImageFacts):
            plane = np.array([[1.0, 2.0], [3.0, 4.0]])
            return SimpleNamespace(planes=[plane], step=4.0, num_bits=10.0)
        frames = np.full(-(-facts.num_samples // 1600), 100.0)
        planes = [frames] * facts.num_channels
        num_bits = sum(float(plane.sum()) for plane in planes)
        return SimpleNamespace(planes=planes, step=1600 / facts.sample_rate, num_bits=num_bits)


def facts_of(signal: LazySignal) -> ImageFacts | AudioFacts:
    if isinstance(signal, Picture):
        return ImageFacts(width=signal.width, height=signal.height, grey=signal.grey)
    return AudioFacts(
        num_samples=signal.num_samples,
        sample_rate=signal.sample_rate,
        num_channels=signal.num_channels,
        downmixed=False,
    )


def black(width: int, height: int) -> Picture:
    return Picture(np.zeros((height, width, 3), np.uint8))


def silence(num_channels: int, num_samples: int, sample_rate: int) -> AudioClip:
    return AudioClip(np.zeros((num_channels, num_samples), np.float32), sample_rate)


class Zoo:
    """Two installed models."""

    def __init__(self) -> None:
        self.image = FakeModel("image", "image", "0a0b0c0d")
        self.speech = FakeModel("speech", "audio", "01020304")
        self.installed = [self.image, self.speech]
        self.damage: list[str] = []  # errors of files that are no models
        self.note: Note | None = None  # on the choice of a model

    def load(self, name: str) -> FakeModel:
        for model in self.installed:
            if name in (model.name, model.fingerprint):
                return model
        raise MissingModelError(f"needs model {name}, which is not installed")

    def find_card(self, name: str) -> SimpleNamespace:
        return card_of(self.load(name))

    def is_installed(self, name: str) -> bool:
        return any(name in (model.name, model.fingerprint) for model in self.installed)

    def list_cards(
        self, on_damage: Callable[[ModelFileError], None] | None = None
    ) -> list[SimpleNamespace]:
        if on_damage is not None:
            for text in self.damage:
                on_damage(ModelFileError(text))
        return [card_of(model) for model in self.installed]


def card_of(model: FakeModel) -> SimpleNamespace:
    return SimpleNamespace(
        name=model.name,
        modality=model.modality,
        fingerprint=model.fingerprint,
        size_bytes=1234,
        path=Path("models") / model.name,
        summary={"licence": "CC0"},
    )


StandIn = Callable[..., None]


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Puts what it is given in the place of a module of the library."""

    def put(name: str, **contents: Any) -> None:
        module = ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)

    return put


def compress_to_goal(
    model: FakeModel,
    signal: Signal,
    *,
    quality: float | None,
    size_bytes: int | None,
    psnr_db: float | None,
    **options: Any,
) -> bytes:
    if psnr_db is not None:
        if psnr_db > 50:
            raise UsageError("target: the highest quality reaches 50 dB")
        return model.compress(signal, quality=max(1, psnr_db / 5), **options)
    if size_bytes is None:
        assert quality is not None
        return model.compress(signal, quality=quality, **options)
    for tried in range(10, 0, -1):
        stream = model.compress(signal, quality=tried, **options)
        if len(stream) <= size_bytes:
            return stream
    raise TargetSizeError(f"{size_bytes} bytes are too few", len(stream))


@pytest.fixture(autouse=True)
def no_loaded_models() -> Iterator[None]:
    """No test gets a model, or a stand-in for one, that another test has loaded."""
    load_model.cache_clear()
    yield
    load_model.cache_clear()


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch, stand_in: StandIn) -> Zoo:
    """Two made-up models in place of the installed ones."""
    models = Zoo()
    monkeypatch.setattr(vqcodec, "load", models.load)
    stand_in(
        "vqcodec.codec.zoo",
        default_model_name={"image": "image", "audio": "speech"}.__getitem__,
        choose_model=lambda signal: ModelChoice(
            "image" if isinstance(signal, Picture) else "speech", models.note
        ),
        find_model=models.find_card,
        is_installed=models.is_installed,
        list_models=models.list_cards,
    )
    stand_in("vqcodec.codec.search", compress_to_goal=compress_to_goal)
    return models


@dataclass(frozen=True)
class Outcome:
    """What a run of the command left."""

    exit_code: int
    stdout: bytes
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        record = json.loads(self.stdout, parse_constant=pytest.fail)
        assert isinstance(record, dict)
        return record


Command = Callable[..., Outcome]


@pytest.fixture
def vqc(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Iterator[Command]:
    """Runs `vqcodec ARGUMENTS...` in `tmp_path`; `stdin` is what it can read there."""

    def run(*arguments: str | Path, stdin: bytes = b"") -> Outcome:
        capfdbinary.readouterr()
        monkeypatch.setattr(sys, "argv", ["vqcodec", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            main()
            exit_code = 0
        except SystemExit as stop:
            exit_code = int(stop.code or 0)
        captured = capfdbinary.readouterr()
        return Outcome(exit_code, captured.out, captured.err.decode())

    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture of 8 x 6 pixels."""
    path = tmp_path / "photo.png"
    with path.open("wb") as file:
        write_picture(black(8, 6), file, "PNG")
    return path


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    """A stereo sound of a quarter of a second."""
    path = tmp_path / "voice.wav"
    with path.open("wb") as file:
        write_clip(silence(2, 4000, 16_000), file, "WAV")
    return path


@pytest.fixture
def photo_stream(zoo: Zoo, tmp_path: Path) -> Path:
    """A stream of a picture of 8 x 6 pixels."""
    path = tmp_path / "photo.vqc"
    path.write_bytes(zoo.image.compress(black(8, 6)))
    return path


@pytest.fixture
def voice_stream(zoo: Zoo, tmp_path: Path) -> Path:
    """A stream of a mono sound of a quarter of a second."""
    path = tmp_path / "voice.vqc"
    path.write_bytes(zoo.speech.compress(silence(1, 4000, 16_000)))
    return path
