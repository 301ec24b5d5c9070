import hashlib
import io
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from comparing import every_task
from tiny import load_tiny_model

import vqcodec
from vqcodec.bitstream.header import Header, ImageFacts
from vqcodec.bitstream.sections import Section, Tag
from vqcodec.bitstream.stream import Stream, build_stream, parse_stream
from vqcodec.errors import InputError, UsageError
from vqcodec.evaluation.metrics import audio as metrics
from vqcodec.evaluation.record import Record, mean_record, mean_records
from vqcodec.evaluation.run import Task, measure, measure_all, missing_metrics
from vqcodec.extras import install_hint
from vqcodec.signals.files import read_signal, write_signal
from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import AudioClip


class Coarse:
    """Drops low bits of pictures and keeps sounds; quality is the number of bits kept."""

    name = "coarse"

    def compress(self, signal, *, quality):
        if not 1 <= quality <= 8:
            raise UsageError(f"coarse: {quality} is not in 1 … 8")
        file = io.BytesIO()
        if isinstance(signal, Picture):
            step = np.uint8(2 ** (8 - quality))
            write_signal(Picture(signal.to_8_bits() // step * step), file, "PNG")
        else:
            write_signal(signal, file, "FLAC")
        return file.getvalue()

    def decompress(self, stream):
        return read_signal(io.BytesIO(stream))


class OneSection(Coarse):
    """Writes a stream of ours with one empty section."""

    name = "ours"

    def compress(self, signal, *, quality):
        facts = ImageFacts(width=signal.width, height=signal.height, grey=signal.grey)
        sections = (Section(Tag.SEGMENT, b"12345"), Section(Tag.ICC_PROFILE, b"6"))
        header = Header(fingerprint=b"abcd", rate=quality, facts=facts)
        return build_stream(Stream(header, (*sections, Section(Tag.SEGMENT, b"78"))))

    def decompress(self, stream):
        facts = parse_stream(stream).header.facts
        return Picture(np.zeros((facts.height, facts.width, 3), np.uint8))


@pytest.fixture
def folder(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    (tmp_path / "deeper").mkdir()
    for name in ("b.png", "a.png", "deeper/c.png"):
        with (tmp_path / name).open("wb") as file:
            write_signal(Picture(pixels), file, "PNG")
    (tmp_path / "notes.txt").write_text("neither")
    return tmp_path


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "sound.wav"
    waveform = np.random.default_rng(0).normal(size=(1, 8000)) / 10
    with path.open("wb") as file:
        write_signal(AudioClip(waveform.astype(np.float32), 16_000), file, "WAV")
    return path


def record(**changes):
    fields = {
        "file": "a.png",
        "codec": "coarse",
        "quality": 2,
        "size_bytes": 100,
        "payload_bytes": None,
        "bits_per_pixel": 1.0,
        "bits_per_second": None,
        "compress_s": 0.5,
        "decompress_s": 0.25,
        "metrics": {"psnr_db": 30.0, "ms_ssim": None},
    }
    return Record(**(fields | changes))


def test_a_record_holds_the_size_of_the_stream_and_its_quality(folder):
    path = folder / "a.png"
    result = measure(path, Coarse(), 4)
    stream = Coarse().compress(read_signal(path), quality=4)
    assert (result.file, result.codec, result.quality) == ("a.png", "coarse", 4)
    assert result.size_bytes == len(stream)
    assert result.bits_per_pixel == 8 * len(stream) / (12 * 16)
    assert result.bits_per_second is None
    assert result.payload_bytes is result.overhead_bytes is result.level_bits is None
    assert result.compress_s > 0 and result.decompress_s > 0
    assert result.compress_cpu_s > 0 and result.decompress_cpu_s > 0
    assert result.peak_memory_bytes is None or result.peak_memory_bytes >= 0
    assert result.file_digest == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert result.codec_digest is None
    assert 20 < result.metrics["psnr_db"] < 40


def test_a_perfect_picture_has_no_finite_psnr(folder):
    metrics = measure(folder / "a.png", Coarse(), 8).metrics
    assert metrics == {"psnr_db": None, "ms_ssim": 1, "ms_ssim_db": None, "ssimulacra2": 100}


def test_a_sound_has_a_rate_in_time(sound):
    result = measure(sound, Coarse(), 8)
    assert result.bits_per_second == 16 * result.size_bytes
    assert result.bits_per_pixel is None
    assert result.metrics["mel_distance"] == 0


def test_the_time_of_a_program_that_a_codec_starts_counts(folder):
    class Busy(Coarse):
        def compress(self, signal, *, quality):
            subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
            return super().compress(signal, quality=quality)

    result = measure(folder / "a.png", Busy(), 4)
    assert result.compress_cpu_s > 0.03
    assert result.compress_cpu_s > result.decompress_cpu_s


def test_the_payload_of_our_streams_is_that_of_the_segments(folder):
    result = measure(folder / "a.png", OneSection(), 1)
    assert result.payload_bytes == 7
    assert result.overhead_bytes == result.size_bytes - 7 > 0


def pictures_of(folder):
    return sorted(folder.rglob("*.png"))


def test_records_come_in_the_order_of_tasks(folder):
    files = [*pictures_of(folder), folder / "b.png"]
    told = []
    records = measure_all(every_task(files, [Coarse(), OneSection()], [2, 5]), finished=told.append)
    settings = [("coarse", 2), ("coarse", 5), ("ours", 2), ("ours", 5)]
    names = ["a.png", "b.png", "c.png", "b.png"]
    assert [r.file for r in records] == [name for name in names for _ in settings]
    assert [(r.codec, r.quality) for r in records] == settings * 4
    assert told == records


def test_failed_measurements_are_reported(folder, tmp_path):
    for path in (tmp_path / "missing.png", folder / "notes.txt"):
        with pytest.raises(InputError):
            measure_all([Task(path, Coarse(), 5)])
    with pytest.raises(InputError, match=r"a\.png: coarse: "):
        measure_all([Task(folder / "a.png", Coarse(), 9)])
    with pytest.raises(UsageError, match="jobs"):
        measure_all([Task(folder / "a.png", Coarse(), 5)], jobs=0)


def test_a_codec_that_fails_on_one_file_leaves_out_that_file(folder, tmp_path):
    class Particular(Coarse):
        def compress(self, signal, *, quality):
            if np.array_equal(signal.pixels, first.pixels):
                raise UsageError("too narrow")
            return super().compress(signal, quality=quality)

    files, told = pictures_of(folder), []
    first = read_signal(files[0])
    with (tmp_path / "other.png").open("wb") as file:
        write_signal(Picture(255 - first.pixels), file, "PNG")
    tasks = every_task([files[0], tmp_path / "other.png"], [Particular()], [1])
    records = measure_all(tasks, failed=lambda *failure: told.append(str(failure[1])))
    assert [record.file for record in records] == ["other.png"]
    assert told == [f"{files[0]}: coarse: too narrow"]


def test_after_a_failure_no_other_task_starts(folder):
    begun = []

    class Failing(Coarse):
        def compress(self, signal, *, quality):
            begun.append((signal, quality))
            raise UsageError("no")

    with pytest.raises(InputError):
        measure_all(every_task(pictures_of(folder) * 100, [Failing()], [1]))
    assert len(begun) == 1


def test_a_mean_is_over_the_values_of_each_column():
    mean = mean_record(
        [
            record(),
            record(
                size_bytes=300,
                bits_per_pixel=2.0,
                level_bits=[3.0, 0.0],
                metrics={"psnr_db": None, "ms_ssim": 0.5},
            ),
            record(
                compress_s=2.0,
                compress_cpu_s=4.0,
                peak_memory_bytes=10,
                file_digest="1",
                overhead_bytes=20,
                level_bits=[1.0, 4.0],
                metrics={"psnr_db": 40.0},
            ),
        ]
    )
    assert mean == record(
        file="mean of 3 files",
        size_bytes=500 / 3,
        bits_per_pixel=4 / 3,
        compress_s=1.0,
        compress_cpu_s=4.0,
        peak_memory_bytes=10.0,
        overhead_bytes=20.0,
        level_bits=[2.0, 2.0],
        metrics={"psnr_db": 35.0, "ms_ssim": 0.5},
    )


def test_a_mean_of_no_records_or_different_settings_is_refused():
    for records in ([], [record(), record(quality=3)], [record(), record(codec="x")]):
        with pytest.raises(UsageError):
            mean_record(records)


def test_each_setting_has_a_mean():
    records = [record(quality=quality, file=name) for name in "ab" for quality in (3, 1)]
    assert [(mean.quality, mean.file) for mean in mean_records(records)] == [
        (3, "mean of 2 files"),
        (1, "mean of 2 files"),
    ]
    assert mean_records([]) == []


def test_all_numbers_of_a_record_are_finite(folder):
    for result in measure_all(every_task(pictures_of(folder), [Coarse()], [1, 8])):
        values = [value for value in result.metrics.values() if value is not None]
        assert all(map(math.isfinite, values))
        assert replace(result) == result


def test_a_model_measures_the_same_in_another_process(tiny_folder, folder):
    model = vqcodec.load(str(tiny_folder / "image.safetensors"))
    tasks = [Task(folder / name, model, 5) for name in ("a.png", "b.png")]
    apart = measure_all(tasks, jobs=2)
    for first, second in zip(measure_all(tasks), apart, strict=True):
        assert (first.size_bytes, first.metrics) == (second.size_bytes, second.metrics)
        assert first.codec_digest == second.codec_digest is not None


def test_metrics_that_are_not_installed_are_named(monkeypatch):
    assert missing_metrics("image") == []
    monkeypatch.setattr(metrics, "find_spec", lambda name: None if name == "pesq" else object())
    assert missing_metrics("audio") == [f"pesq_wb; {install_hint('eval')}"]


def test_notes_name_only_what_the_model_leaves_out(tmp_path, audio_model):
    left, right = np.random.default_rng(0).normal(0, 0.1, (2, 16_000)).astype(np.float32)
    path = tmp_path / "stereo.wav"
    with path.open("wb") as file:
        write_signal(AudioClip(np.stack([left, right]), 16_000), file, "WAV")

    mono, pair = (measure(path, model, 5) for model in (audio_model, load_tiny_model("pairs")))

    assert [note["code"] for note in mono.notes] == ["mixed-down"]
    assert not pair.notes
