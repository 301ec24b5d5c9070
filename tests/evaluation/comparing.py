"""An artificial codec, files and comparisons, without torch."""

import io
import math

import numpy as np

from vqcodec.evaluation.report.comparison import Comparison
from vqcodec.evaluation.run import Task, measure_all
from vqcodec.signals.files import read_signal, write_signal
from vqcodec.signals.picture import Picture
from vqcodec.signals.sound import AudioClip


class Coarse:
    """Drops low bits of pictures and of sounds; quality is the number of bits kept."""

    def __init__(self, name="coarse"):
        self.name = name

    def compress(self, signal, *, quality):
        file = io.BytesIO()
        if isinstance(signal, Picture):
            step = np.uint8(2 ** (8 - quality))
            write_signal(Picture(signal.to_8_bits() // step * step), file, "PNG")
        else:
            steps = np.float32(2**quality)
            rounded = np.round(signal.waveform * steps) / steps
            write_signal(AudioClip(rounded, signal.sample_rate), file, "WAV")
        return file.getvalue()

    def decompress(self, stream):
        return read_signal(io.BytesIO(stream))


def compare_plainly(signal, decoded):
    """One metric that rises with the setting, without torch."""
    first, second = (
        x.to_8_bits() / 255 if isinstance(x, Picture) else x.waveform for x in (signal, decoded)
    )
    noise = float(np.square(first - second).sum()) / max(1, first.size)
    return {"psnr_db": -10 * math.log10(noise) if noise else None}


def write(path, signal, format):
    with path.open("wb") as file:
        write_signal(signal, file, format)
    return path


def pictures_in(folder, *names, height=12, width=16):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return [write(folder / name, Picture(pixels), "PNG") for name in names]


def sounds_in(folder, *names, num_samples=4000, num_channels=1):
    waveform = np.random.default_rng(0).normal(size=(num_channels, num_samples)) / 10
    clip = AudioClip(waveform.astype(np.float32), 16_000)
    return [write(folder / name, clip, "WAV") for name in names]


def every_task(files, codecs, qualities):
    return [Task(path, codec, q) for path in files for codec in codecs for q in qualities]


def compared(files, modality="image", qualities=(2, 4, 6)):
    model, peers = Coarse("ours"), [Coarse("jpeg"), Coarse("webp")]
    return Comparison(
        modality=modality,
        files=files,
        model=model,
        peers=peers,
        quality=qualities[len(qualities) // 2],
        records=measure_all(every_task(files, [model, *peers], qualities)),
    )
