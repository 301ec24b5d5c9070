"""Batches that threads load, and files that memory keeps."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from PIL import Image
from tiny import noise_clip, noise_picture
from training_recipes import AUDIO, IMAGE, SEED, same

from vqcodec.errors import InputError
from vqcodec.signals.picture_files import write_picture
from vqcodec.signals.sound_files import write_clip
from vqcodec.training.audio.dataset import AudioDataConfig, AudioExcerpts
from vqcodec.training.audio.pairs import PairDataConfig, PairExcerpts
from vqcodec.training.audio.recordings import (
    Form,
    RecordingFiles,
    facts_of,
    open_recordings,
    read_recording,
)
from vqcodec.training.autoencoder import AutoencoderTraining, TrainingOptions
from vqcodec.training.cache import DecodedFiles
from vqcodec.training.image.dataset import ImageCrops, ImageDataConfig
from vqcodec.training.inputs import InputReader
from vqcodec.training.loading import Loader, map_in_threads
from vqcodec.training.recipe import parse_recipe
from vqcodec.training.state import load_state


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_the_batch_of_a_step_does_not_depend_on_threads(workers):
    def load(step):
        time.sleep(0.002 * (step % 3))
        return step**2

    loader = Loader(load, workers)
    assert [loader(step) for step in range(20)] == [step**2 for step in range(20)]
    assert loader(7) == 49  # back, as after a resumption
    loader.close()


def test_few_batches_are_loaded_ahead():
    loaded = []
    loader = Loader(lambda step: loaded.append(step) or step, 2)
    for step in range(5):
        loader(step)
    loader.close()
    assert max(loaded) <= 4 + 2


def test_a_file_that_cannot_be_read_ends_the_step_that_needs_it():
    def load(step):
        if step == 3:
            raise InputError("broken.png: cannot be read as a picture")
        return step

    loader = Loader(load, 2)
    assert [loader(step) for step in range(3)] == [0, 1, 2]
    with pytest.raises(InputError, match="broken"):
        loader(3)
    loader.close()


def test_the_first_failure_in_order_is_reported():
    def fail(number):
        if number > 1:
            raise InputError(f"{number}")
        return number

    with pytest.raises(InputError, match="2"):
        map_in_threads(fail, range(9))


def test_memory_keeps_as_much_as_it_may():
    decoded, calls = DecodedFiles(1000), []

    def decode(number):
        calls.append(number)
        return np.zeros(400 if number < 9 else 2000, np.uint8)

    for number in (0, 1, 0, 2, 0, 1):
        decoded.get(number, decode)
        assert decoded.num_bytes <= 1000
    assert calls == [0, 1, 2, 1]  # 1 was used least recently when 2 came
    assert len(decoded.get(9, decode)) == 2000  # larger than the memory: not kept
    assert decoded.num_bytes <= 1000


def test_memory_stays_bounded_with_many_threads():
    decoded = DecodedFiles(5000)

    def work(seed):
        for number in np.random.default_rng(seed).integers(20, size=200):
            found = decoded.get(int(number), lambda n: np.full(700, n, np.uint8))
            assert found[0] == number

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < decoded.num_bytes <= 5000


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures of several kinds and sizes; one is smaller than a crop, three are halved."""
    folder = tmp_path_factory.mktemp("pictures")
    sizes = [(90, 70), (20, 40), (200, 151), (201, 160), (180, 190)]
    formats = ["PNG", "PNG", "PNG", "JPEG", "WEBP"]
    for number, ((width, height), kind) in enumerate(zip(sizes, formats, strict=True)):
        with (folder / f"{number}.{kind.lower()}").open("wb") as file:
            write_picture(noise_picture(width, height, seed=number), file, kind)
    return sorted(folder.iterdir())


def crops_of(files, config, memory=1_000_000):
    reader = InputReader()
    crops = ImageCrops(list(map(str, files)), config, memory, reader)
    reader.conclude(skip_bad=False)
    return crops


def test_crops_do_not_depend_on_the_memory(pictures):
    config = ImageDataConfig(crop=32, largest_reduction=2.0, halve_above_megapixels=0.02)
    held, read = (crops_of(pictures, config, size) for size in (1_000_000, 0))
    assert "all in memory" in held.describe()
    assert "read when needed; memory keeps up to 0 MB" in read.describe()
    assert held.decoded.num_bytes == held.num_bytes
    batches = [data.signals(64, np.random.default_rng(0)) for data in (held, read)]
    assert batches[0].equal(batches[1])
    assert read.decoded.num_bytes == 0


@pytest.mark.parametrize("size", [(64, 48), (65, 49)])
def test_a_large_jpeg_is_halved_by_its_decoder(tmp_path, size):
    pixels = np.full((size[1], size[0], 3), (200, 100, 50), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95)
    data = crops_of([tmp_path / "a.jpg"], ImageDataConfig(crop=16, halve_above_megapixels=0.001))
    assert data.picture(0).shape == ((size[1] + 1) // 2, (size[0] + 1) // 2, 3)
    assert np.abs(data.picture(0).astype(int) - pixels[0, 0]).max() <= 3


def test_a_broken_picture_that_fits_into_memory_is_found_at_the_start(tmp_path, pictures, capsys):
    broken = tmp_path / "broken.png"
    broken.write_bytes(pictures[0].read_bytes()[:2000])
    with pytest.raises(InputError, match="1 of 6 inputs cannot be read"):
        crops_of([broken, *pictures], ImageDataConfig(crop=32))
    assert "broken.png: " in capsys.readouterr().err


def test_a_broken_picture_that_is_read_later_ends_its_step_or_is_replaced(
    tmp_path, pictures, capsys
):
    broken = tmp_path / "broken.png"
    broken.write_bytes(pictures[0].read_bytes()[:2000])
    crops = crops_of([broken, *pictures[:2]], ImageDataConfig(crop=32), 0)
    with pytest.raises(InputError, match=r"broken\.png: "):
        crops.signals(32, np.random.default_rng(0))
    crops.skip_bad = True
    drawn = crops.draw(32, np.random.default_rng(0))
    found = crops.load_signals(drawn)
    assert found.equal(crops.load_signals(drawn))
    assert capsys.readouterr().err.count("broken.png") == 1
    good = [number for number, place in enumerate(drawn) if place.picture]
    assert 0 < len(good) < 32
    assert found[good].equal(crops.load_signals([drawn[number] for number in good]))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Sounds of several kinds, rates and channels; one is longer than the parts for its level."""
    folder = tmp_path_factory.mktemp("sounds")
    kinds = [("wav", 8_000, 1, 2), ("flac", 8_000, 2, 3), ("flac", 11_025, 1, 9)]
    kinds += [("aiff", 16_000, 2, 1), ("ogg", 16_000, 1, 2)]
    for number, (suffix, rate, channels, seconds) in enumerate(kinds):
        clip = noise_clip(rate * seconds + 7, channels=channels, sample_rate=rate, seed=number)
        with (folder / f"{number}.{suffix}").open("wb") as file:
            write_clip(clip, file, suffix.upper())
    return sorted(folder.iterdir())


@pytest.mark.parametrize("form", [Form(8_000), Form(8_000, 2, longest_s=1.5)])
def test_recordings_do_not_depend_on_the_memory(sounds, form):
    files, held = (
        open_recordings(list(map(str, sounds)), form, memory, InputReader())
        for memory in (0, 10**6)
    )
    assert [facts.seekable for facts in files.facts] == [True, True, True, True, False]
    assert held.lengths.tolist() == files.lengths.tolist()
    for number, length in enumerate(files.lengths.tolist()):
        for start, stop in ((0, length), (0, 1), (length - 1, length), (length // 3, length // 2)):
            found = files.read(number, start, stop)
            assert np.array_equal(found, held.read(number, start, stop)), sounds[number].name


def test_excerpts_do_not_depend_on_the_memory(sounds):
    config = AudioDataConfig(mix_share=0.5, formant_change=0.2)
    names, batches = list(map(str, sounds)), []
    for memory in (0, 10**6):
        recordings = open_recordings(names, Form(8_000), memory, InputReader())
        excerpts = AudioExcerpts(recordings, config, 1600, 8_000, list("aabbc"))
        batches.append(excerpts.batch(16, np.random.default_rng(0)))
        pairs = open_recordings(names, Form(8_000, 2, longest_s=1.5), memory, InputReader())
        dataset = PairExcerpts(pairs, PairDataConfig(), 1600)
        batches[-1] += (dataset.signals(8, np.random.default_rng(0)),)
    for one, other in zip(*batches, strict=True):
        assert one.equal(other)


def test_a_recording_whose_header_is_wrong_is_decoded_from_its_start(tmp_path, sounds):
    cut = tmp_path / "cut.flac"
    cut.write_bytes(sounds[2].read_bytes()[:-3000])
    facts = facts_of(cut, Form(8_000))
    assert not facts.seekable
    files = RecordingFiles({str(cut): facts}, Form(8_000), 0)
    assert read_recording(cut, Form(8_000)).shape[1] == files.lengths[0]


def test_a_file_that_is_no_sound_is_named(tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF and nothing else")
    with pytest.raises(InputError, match=r"broken\.wav: "):
        facts_of(broken, Form(8_000))


def test_recordings_without_samples_are_refused(tmp_path):
    with (tmp_path / "empty.wav").open("wb") as file:
        write_clip(noise_clip(0, sample_rate=8_000), file, "WAV")
    with pytest.raises(InputError, match=r"empty\.wav: has no samples"):
        facts_of(tmp_path / "empty.wav", Form(8_000))


@pytest.mark.parametrize("text", [IMAGE, AUDIO], ids=["image", "audio"])
def test_weights_depend_neither_on_threads_nor_on_memory(tmp_path, data_folder, text):
    found = []
    for number, (workers, memory) in enumerate([(0, 10**9), (3, 0)]):
        run = tmp_path / str(number)
        run.mkdir()
        options = TrainingOptions(
            run=run, data=[data_folder], seed=SEED, steps=4, workers=workers, memory_bytes=memory
        )
        AutoencoderTraining(parse_recipe(text), options, joint=True).run()
        found.append(load_state(run / "checkpoint.pt"))
    assert same(*found)
