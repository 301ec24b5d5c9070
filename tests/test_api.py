"""The public functions `vqcodec.read`, `write`, `compress` and `decompress`."""

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import noise_clip, noise_picture, same_signal, tiny_model_path

import vqcodec
from vqcodec import errors
from vqcodec.arguments import _load_once
from vqcodec.errors import InputError, MissingModelError, OutputError, UsageError, VqcodecError
from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import AudioClip

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def installed(monkeypatch, tmp_path, tiny_folder):
    """The tiny models are installed, and the current folder has a picture and a sound."""
    monkeypatch.setenv("VQCODEC_MODELS", str(tiny_folder))
    monkeypatch.chdir(tmp_path)
    vqcodec.write("photo.png", noise_picture(40, 24))
    vqcodec.write("voice.wav", noise_clip(4000, channels=2))


def fingerprint_of(stream):
    return stream[5:9].hex()


def test_the_document_runs(capsys):
    text = (ROOT / "docs" / "API.md").read_text(encoding="utf-8")
    names = {}
    for code in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        exec(compile(code, "API.md", "exec"), names)
    assert names["pixels"].shape == (24, 40, 3)
    assert names["image"].size == (40, 24)
    assert len(names["small"]) <= 4000
    assert names["one_tenth"].num_samples == 1600
    assert names["indices"].ndim == 2
    assert "section" in capsys.readouterr().out
    assert Path("restored.webp").exists() and Path("restored.flac").exists()


def test_importing_the_package_loads_nothing_heavy():
    script = (
        "import sys, vqcodec; dir(vqcodec); vqcodec.VqcodecError\n"
        "print(*{'numpy', 'torch', 'onnxruntime', 'PIL', 'soundfile'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_every_public_name_is_there_and_no_other():
    assert set(vqcodec.__all__) <= set(dir(vqcodec))
    for name in vqcodec.__all__:
        assert getattr(vqcodec, name) is not None
    assert vqcodec.VqcodecError is errors.VqcodecError
    with pytest.raises(AttributeError, match="nonsense"):
        _ = vqcodec.nonsense


def test_every_form_of_a_picture_gives_the_same_stream(image_model):
    picture = vqcodec.read("photo.png")
    forms = [
        picture,
        picture.pixels,
        np.asfortranarray(picture.pixels),
        picture.to_pil(),
        "photo.png",
        Path("photo.png"),
    ]
    streams = {vqcodec.compress(form, quality=3) for form in forms}
    assert streams == {image_model.compress(picture, quality=3)}
    restored = vqcodec.decompress(streams.pop())
    assert isinstance(restored, vqcodec.Picture)
    assert restored.pixels.shape == picture.pixels.shape


def test_every_form_of_a_sound_gives_the_same_stream():
    clip = vqcodec.read("voice.wav")
    whole_range = np.rint(clip.waveform * 32768).astype(np.int16)
    forms = [(clip, None), ("voice.wav", None)]
    forms += [(clip.waveform, 16_000), (whole_range, 16_000), (clip.waveform.astype(float), 16_000)]
    forms += [(whole_range.astype(np.int32) << 16, np.int64(16_000))]
    streams = {vqcodec.compress(form, sample_rate=rate) for form, rate in forms}
    assert len(streams) == 1
    assert vqcodec.decompress(streams.pop()).waveform.shape == (2, 4000)


def test_one_channel_needs_one_axis():
    clip = noise_clip(1000)
    stream = vqcodec.compress(clip.waveform[0], sample_rate=16_000)
    assert stream == vqcodec.compress(clip)


def test_opacity_and_sixteen_bits_are_kept():
    generator = np.random.default_rng(0)
    colours = generator.integers(0, 256, (6, 8, 4), np.uint8)
    for values in (colours, colours.astype(np.uint16) * 257, colours / 255, colours[:, :, 2:]):
        picture = vqcodec.decompress(vqcodec.compress(values))
        assert np.array_equal(picture.alpha, colours[:, :, -1])
    assert vqcodec.decompress(vqcodec.compress(colours[:, :, 0])).grey
    opaque = np.full((6, 8, 4), 255, np.uint8)
    assert vqcodec.decompress(vqcodec.compress(opaque)).alpha is None


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_a_pillow_image_of_any_mode_equals_its_file(mode, tmp_path):
    image = Image.new("L", (5, 4), 200).convert("F" if mode == "F" else "L")
    image = image.point(lambda value: value * (1 / 255)) if mode == "F" else image.convert(mode)
    path = tmp_path / "image.tif"
    image.save(path)
    assert vqcodec.compress(image) == vqcodec.compress(path)


def test_a_pillow_image_is_rotated_like_its_file(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    vqcodec.read("photo.png").to_pil().save("turned.png", exif=exif)
    with Image.open("turned.png") as image:
        restored = vqcodec.decompress(vqcodec.compress(image))
    assert (restored.width, restored.height) == (24, 40)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2], "signal: a list, needed a Picture, a Sound, a NumPy array, a Pillow image or"),
        (None, "signal: a NoneType"),
        (b"RIFF", "signal: a bytes"),
        (np.zeros(5), r"an array \[5\]: .*sample_rate"),
        (np.zeros((3, 4, 5)), r"an array \[3, 4, 5\]: .*channels come last"),
        (np.zeros((4, 5, 6)), r"\[H, W, 3\] or \[H, W, 4\]"),
        (np.zeros((0, 5)), "5 x 0 pixels"),
        (np.zeros((4, 5), np.int64), "int64: a picture is of uint8, uint16, or floats"),
        (np.zeros((4, 5), bool), "bool"),
        (np.full((4, 5), 255.0), "from 255 to 255: floats of a picture are from 0 to 1"),
        (np.full((4, 5), np.nan), "from nan"),
        (np.ma.masked_equal(np.zeros((4, 5), np.uint8), 0), "a masked array"),
    ],
)
def test_an_invalid_picture_is_a_usage_error_that_names_valid_ones(value, message):
    with pytest.raises(UsageError, match=message):
        vqcodec.compress(value)


@pytest.mark.parametrize(
    ("value", "sample_rate", "message"),
    [
        (np.zeros((1, 2, 3)), 16_000, r"\[1, 2, 3\]: a sound is \[T\] or \[C, T\]"),
        (np.zeros((100, 2)), 16_000, "100 channels.*channels come first"),
        (np.zeros(100, np.uint8), 16_000, "uint8: a sound is of floats from -1 to 1, int16 or"),
        (np.full(100, 1.5), 16_000, "from 1.5 to 1.5: floats of a sound are from -1 to 1"),
        (np.zeros(100), 1, "1 Hz"),
        (np.zeros(100), 44_100.5, "sample_rate: 44100.5"),
        (np.zeros(100), "high", "sample_rate: 'high'"),
        (np.zeros(100), np.inf, "sample_rate: inf"),
        ("voice.wav", 16_000, "sample_rate: is for arrays"),
    ],
)
def test_an_invalid_sound_is_a_usage_error_that_names_valid_ones(value, sample_rate, message):
    with pytest.raises(UsageError, match=message):
        vqcodec.compress(value, sample_rate=sample_rate)


def test_the_byte_order_of_an_array_does_not_matter():
    levels = (noise_clip(500).waveform * 32767).astype(np.int16)
    grey = np.arange(20, dtype=np.uint16).reshape(4, 5) * 3000
    for array, options in ((levels, {"sample_rate": 16_000, "model": "speech"}), (grey, {})):
        assert vqcodec.compress(array, **options) == vqcodec.compress(
            array.astype(array.dtype.newbyteorder(">")), **options
        )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: AudioClip(np.zeros(5, np.float32), 16_000), "needed float32 of"),
        (lambda: AudioClip(np.zeros((1, 5)), 16_000), "waveform: float64"),
        (lambda: AudioClip([0.5], 16_000), "waveform: list"),
        (lambda: AudioClip(np.zeros((1, 5), np.float32), 0.5), "sample_rate: 0.5"),
        (lambda: Picture(np.zeros((3, 3), np.uint8)), "pixels: uint8 of shape"),
        (lambda: Picture(np.zeros((3, 3, 3))), "pixels: float64"),
        (lambda: Picture(np.zeros((3, 3, 3), np.uint8), np.zeros((3, 3))), "alpha: float64"),
    ],
)
def test_a_signal_of_wrong_arrays_is_a_usage_error(build, message):
    with pytest.raises(UsageError, match=message):
        build()


class OwnSound:
    """A sound whose blocks are whatever a test gives."""

    sample_rate, num_channels, num_samples = 16_000, 1, 5000

    def __init__(self, blocks):
        self.blocks = blocks


def test_samples_that_are_no_sound_are_usage_errors():
    model = vqcodec.load("speech")
    ones = np.ones((1, 5000), np.float32)
    once = iter([ones])
    for blocks, message in (
        (lambda: [ones * np.nan], "not finite numbers"),
        (lambda: [ones * 32767], "up to 32767: they are from -1 to 1"),
        (lambda: [ones.astype(np.float64)], "a block of float64"),
        (lambda: [ones[:, :4000]], "5000 samples with blocks of 4000"),
        (lambda: once, "5000 samples with blocks of 0; it is read several times"),
    ):
        with pytest.raises(UsageError, match=message):
            model.compress(OwnSound(blocks))
    for block in (ones[0], ones.T, np.repeat(ones, 2, axis=0)):
        for function in (vqcodec.compress, model.compress, model.encode):
            with pytest.raises(UsageError, match="a sound of 1 channels with a block"):
                function(OwnSound(lambda block=block: [block]))
    with pytest.raises(UsageError, match="not finite"):
        vqcodec.write("a.wav", AudioClip(ones * np.nan, 16_000))
    assert not Path("a.wav").exists()


def test_rounding_errors_of_floats_are_clipped():
    values = np.full((4, 4), 1.00001)
    assert vqcodec.compress(values) == vqcodec.compress(np.ones((4, 4)))


def test_arguments_are_neither_stored_nor_changed():
    values = np.full((4, 4, 3), 7, np.uint8)
    vqcodec.compress(values)
    assert (values == 7).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quality": 0}, "quality"),
        ({"quality": "5"}, "quality: '5' is not"),
        ({"size_bytes": "4000"}, "size_bytes: '4000' is not a number"),
        ({"psnr_db": np.nan}, "psnr_db: nan is not a number"),
        ({"psnr_db": 10**400}, "dB"),
        ({"options": {"frame": 1}}, "options: a dict, needed a vqcodec.ReadOptions"),
        ({"quality": 5, "size_bytes": 100}, "quality and size_bytes: give only one"),
        ({"size_bytes": 1}, "bytes"),
        ({"psnr_db": 99}, "dB"),
        ({"model": 5}, "model: an int, needed a Model"),
        ({"model": "speech"}, "picture"),
    ],
)
def test_wrong_options_are_usage_errors(options, message):
    with pytest.raises(UsageError, match=message):
        vqcodec.compress("photo.png", **options)


def test_a_psnr_is_for_pictures():
    with pytest.raises(UsageError, match="psnr_db"):
        vqcodec.compress("voice.wav", psnr_db=20)


def test_size_limits_are_enforced():
    assert len(vqcodec.compress("photo.png", size_bytes=300)) <= 300
    least = vqcodec.compress("photo.png", quality=1)
    assert vqcodec.compress("photo.png", psnr_db=1) == least


def test_a_model_is_given_as_object_name_or_file(image_model, tiny_folder):
    names = [image_model, "image", image_model.fingerprint, tiny_folder / "image.safetensors"]
    assert len({vqcodec.compress("photo.png", model=name) for name in names}) == 1
    other = vqcodec.compress("photo.png", model="residual-image")
    assert fingerprint_of(other) != image_model.fingerprint
    assert vqcodec.decompress(other).width == 40  # the model is found
    with pytest.raises(MissingModelError):
        vqcodec.compress("photo.png", model="nowhere")
    with pytest.raises(MissingModelError):
        vqcodec.decompress(other, model=image_model)


def test_a_named_model_is_cached():
    _load_once.cache_clear()
    for _ in range(3):
        vqcodec.decompress(vqcodec.compress("photo.png"))
    assert _load_once.cache_info().misses == 1
    assert vqcodec.load("image") is not vqcodec.load("image")  # load returns a new model


def test_a_stream_is_bytes_or_a_file():
    stream = vqcodec.compress("photo.png")
    Path("photo.vqc").write_bytes(stream)
    whole = vqcodec.decompress(stream)
    for form in (bytearray(stream), memoryview(stream), "photo.vqc", Path("photo.vqc")):
        assert same_signal(vqcodec.decompress(form), whole)
    with pytest.raises(UsageError, match="stream: an int"):
        vqcodec.decompress(5)
    with pytest.raises(InputError, match=r"nowhere.vqc"):
        vqcodec.decompress("nowhere.vqc")
    with pytest.raises(errors.CorruptStreamError):
        vqcodec.decompress(b"RIFF")


def test_a_progressive_stream_may_be_cut():
    stream = vqcodec.compress("photo.png", progressive=True)
    coarse = vqcodec.decompress(stream, level=1)
    assert not same_signal(coarse, vqcodec.decompress(stream))


def test_a_speaker_is_a_sound():
    stream = vqcodec.compress("voice.wav")
    with pytest.raises(UsageError, match="speaker: is a picture"):
        vqcodec.decompress(stream, speaker="photo.png")
    with pytest.raises(UsageError, match="speaker: the model of this stream cannot"):
        vqcodec.decompress(stream, speaker="voice.wav")


def test_progress_is_reported():
    shares = []
    vqcodec.decompress(vqcodec.compress("photo.png", progress=shares.append))
    assert shares[-1] == 1


def test_reading_takes_paths_and_files():
    whole = vqcodec.read("photo.png")
    assert same_signal(vqcodec.read(io.BytesIO(Path("photo.png").read_bytes())), whole)
    assert same_signal(vqcodec.read(Path("photo.png")), whole)
    for name, error in (("nowhere.png", InputError), (5, UsageError)):
        with pytest.raises(error, match=r"^(nowhere.png|source: an int)"):
            vqcodec.read(name)


def test_a_file_is_read_from_its_position():
    data, other = Path("photo.png").read_bytes(), Path("other.png")
    vqcodec.write(other, noise_picture(8, 8, seed=1))
    for name in ("photo.png", "voice.wav"):
        file = io.BytesIO(other.read_bytes() + Path(name).read_bytes())
        file.seek(other.stat().st_size)
        assert same_signal(vqcodec.read(file), vqcodec.read(name))

    class Pipe:  # has nothing but `read`
        read = io.BytesIO(data).read

    assert same_signal(vqcodec.read(Pipe()), vqcodec.read("photo.png"))


def test_what_is_no_name_or_no_binary_file_is_a_usage_error():
    for function in (vqcodec.read, vqcodec.compress, vqcodec.decompress, vqcodec.load):
        with pytest.raises(UsageError, match="null character"):
            function("a\0b")
    with pytest.raises(UsageError, match="source: a StringIO"):
        vqcodec.read(io.StringIO("text"))
    with pytest.raises(UsageError, match="path: a BytesIO"):
        vqcodec.write(io.BytesIO(), np.zeros((4, 4)))
    with pytest.raises(UsageError, match="path: an int"):
        vqcodec.load(5)


def test_a_damaged_byte_of_a_header_is_salvaged():
    stream = bytearray(vqcodec.compress("photo.png"))
    whole = vqcodec.decompress(stream)
    stream[6] ^= 1  # of the fingerprint
    salvaged = vqcodec.decompress(stream, salvage=True)
    assert same_signal(salvaged, whole)
    assert [note.code for note in salvaged.notes] == ["damaged"]


def test_a_stream_is_not_accepted_as_signal():
    Path("photo.vqc").write_bytes(vqcodec.compress("photo.png"))
    for function in (vqcodec.read, vqcodec.compress):
        with pytest.raises(InputError, match=r"photo.vqc: is a stream; vqcodec.decompress"):
            function("photo.vqc")


def test_the_suffix_decides_the_format_and_files_are_replaced():
    picture = noise_picture(4, 4)
    vqcodec.write(Path("a.PNG"), picture)
    vqcodec.write("a.PNG", picture.pixels[:2])
    assert vqcodec.read("a.PNG").height == 2
    vqcodec.write("a.flac", np.zeros(100), sample_rate=8000)
    assert vqcodec.read("a.flac").sample_rate == 8000
    with pytest.raises(UsageError, match=r"a.wav: a picture is written as .png, "):
        vqcodec.write("a.wav", picture)
    with pytest.raises(UsageError, match=r"a: a sound is written as .wav, "):
        vqcodec.write("a", noise_clip(5))


def test_a_failed_write_keeps_the_old_file(tmp_path):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OutputError, match=r"nowhere/a.png: No such file"):
        vqcodec.write("nowhere/a.png", noise_picture(4, 4))
    with pytest.raises(UsageError, match="transparency"):
        vqcodec.write("photo.jpg", np.zeros((4, 4, 4), np.uint8))
    with pytest.raises(VqcodecError):
        vqcodec.write("voice.flac", AudioClip(np.zeros((1, 0), np.float32), 8000))
    assert sorted(tmp_path.iterdir()) == before


def test_signals_convert_to_arrays():
    colours, grey = noise_picture(5, 4), noise_picture(5, 4, channels=1)
    alpha = np.arange(20, dtype=np.uint8).reshape(4, 5)
    assert np.asarray(colours).shape == (4, 5, 3)
    assert np.asarray(grey).shape == (4, 5)
    assert np.asarray(Picture(grey.pixels, alpha)).shape == (4, 5, 2)
    deep = np.asarray(Picture(colours.pixels.astype(np.uint16), alpha))
    assert deep.shape == (4, 5, 4) and deep.dtype == np.uint16 and deep[-1, -1, 3] == 19 * 257
    assert np.asarray(colours, float).dtype == float
    clip = noise_clip(7, channels=2)
    assert np.array_equal(clip, clip.waveform)


def test_a_picture_converts_to_a_pillow_image():
    colours, grey = noise_picture(5, 4), noise_picture(5, 4, channels=1)
    alpha = np.zeros((4, 5), np.uint8)
    assert colours.to_pil().mode == "RGB"
    assert grey.to_pil().mode == "L"
    assert Picture(grey.pixels, alpha).to_pil().mode == "LA"
    assert Picture(colours.pixels, alpha).to_pil().mode == "RGBA"
    assert Picture(grey.pixels.astype(np.uint16)).to_pil().mode == "I;16"
    assert Picture(colours.pixels.astype(np.uint16)).to_pil().mode == "RGB"
    profile = bytes(16) + b"RGB " + bytes(100)
    assert Picture(colours.pixels, icc_profile=profile).to_pil().info["icc_profile"] == profile


def test_files_and_models_may_be_urls(image_model):
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").store.clear()
    picture = noise_picture(24, 16)
    vqcodec.write("memory://in/a.png", picture)
    assert np.array_equal(vqcodec.read("memory://in/a.png").pixels, picture.pixels)
    fsspec.filesystem("memory").put_file(str(tiny_model_path("image")), "/own.safetensors")
    stream = vqcodec.compress("memory://in/a.png", model="memory://own.safetensors")
    assert stream == vqcodec.compress(picture, model=image_model)
    fsspec.filesystem("memory").pipe_file("/a.vqc", stream)
    restored = vqcodec.decompress("memory://a.vqc", model="memory://own.safetensors")
    assert restored.width == 24
    with pytest.raises(InputError, match="memory://none"):
        vqcodec.read("memory://none.png")
