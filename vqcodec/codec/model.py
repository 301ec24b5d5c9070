"""A trained model, and the few verbs that use it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.codec import bit_map, compress, decompress
from vqcodec.codec.parts import Parts, Progress
from vqcodec.codec.search import rate_of
from vqcodec.codec.segments import join_segments, split_segments
from vqcodec.errors import UsageError
from vqcodec.priors.base import Prior
from vqcodec.signals.files import LazySignal, Signal
from vqcodec.signals.sound import Sound


@dataclass(frozen=True, eq=False)
class Model:
    """What people load, compress and decompress with.

    Attributes:
        parts: networks, quantizer and prior.
        digest: tells a model from any other, of the same fingerprint, too.
        card: what the model was made of and how well it does, for people.
    """

    parts: Parts
    digest: str = ""
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As `vqcodec.load` takes it."""
        return self.parts.name

    @property
    def fingerprint(self) -> str:
        """8 hexadecimal digits that name quantizer and prior, as streams do."""
        return self.parts.fingerprint

    @property
    def modality(self) -> str:
        """What the model is for: "image" or "audio"."""
        return self.parts.modality.name

    @property
    def band_hz(self) -> float | None:
        """The highest frequency that the model codes; None for pictures."""
        return self.parts.modality.band_hz

    @property
    def prior(self) -> Prior:
        """The frozen prior."""
        return self.parts.prior

    def compress(
        self,
        signal: LazySignal,
        *,
        quality: float = 5.0,
        separate_channels: bool = False,
        progressive: bool = False,
        progress: Progress | None = None,
    ) -> bytes:
        """Return the stream of a signal.

        Args:
            signal: a `Picture`, an `AudioClip` or another `Sound`, as the model is for.
            quality: 1 … 10, more is better and larger.
            separate_channels: code every channel of a sound, not their mean.
            progressive: code a picture in levels, coarsest first, so that the start of the stream
                decodes to a coarser picture; takes a few bytes more.
            progress: is told the share that is done.

        Raises:
            UsageError: the signal is of the other kind, the quality is out of range, or the model
                has no levels, as those of sounds.
            InputError: the signal is larger than the format holds.
        """
        return compress.compress_signal(
            signal,
            self.parts,
            self.rate_of(quality),
            separate_channels=separate_channels,
            progressive=progressive,
            progress=progress,
        )

    def decompress(
        self,
        stream: bytes,
        *,
        level: int | None = None,
        speaker: Sound | None = None,
        salvage: bool = False,
        progress: Progress | None = None,
    ) -> Signal:
        """Return the signal of a stream.

        Args:
            stream: what `compress` returned; with a level, a progressive one may be cut after it.
            level: of a picture, the last level to read; the likeliest indices take the place of
                the others. None reads all.
            speaker: a recording of who is to speak, for models of sounds that take one.
            salvage: restore what is whole of a damaged stream; the signal's notes say what is
                missing.
            progress: is told the share that is done.

        Raises:
            StreamError: the stream is damaged, or of a newer version.
            MissingModelError: it was made with another model.
            UsageError: there is no such level, the model takes no speaker, or a sound is too long
                to be held in memory; see `open`.
        """
        signal = self.open(stream, level=level, speaker=speaker, salvage=salvage, progress=progress)
        return decompress.load_into_memory(signal)

    def open(
        self,
        stream: bytes,
        *,
        start_s: float = 0.0,
        duration_s: float | None = None,
        level: int | None = None,
        speaker: Sound | None = None,
        salvage: bool = False,
        progress: Progress | None = None,
    ) -> LazySignal:
        """Return the signal of a stream; a sound is decoded only as its blocks are read.

        So it may be longer than the memory, and a part takes no longer at its end.

        Args:
            stream: what `compress` returned.
            start_s: of a sound, where the part begins.
            duration_s: of a sound, how long the part is; None goes on to the end.
            level: of a picture, the last level to read, as `decompress` takes it.
            speaker: who is to speak, as `decompress` takes it.
            salvage: restore what is whole of a damaged stream; the signal's notes say what is
                missing.
            progress: is told the share that is done.

        Raises:
            StreamError: the stream is damaged, or of a newer version; of a sound, damage to what
                a segment holds shows when it is read.
            MissingModelError: it was made with another model.
            UsageError: a part is wanted of a picture, none of the sound begins at start_s, there
                is no such level, or the model takes no speaker.
        """
        signal = decompress.decompress_stream(
            stream,
            self.parts,
            level=level,
            speaker=speaker,
            salvage=salvage,
            progress=progress,
        )
        if start_s == 0 and duration_s is None:
            return signal
        return self.parts.modality.part(signal, start_s, duration_s)

    def encode(self, signal: Signal, *, quality: float = 5.0) -> NDArray[np.int64]:
        """Return the indices of a signal: [K, h, w] of a picture, [K, F] of a sound's mean.

        They are those of its stream, unless `compress` codes a very quiet sound louder.
        """
        parts, rate = self.parts, self.rate_of(quality)
        modality = parts.modality
        facts = modality.facts(signal, separate_channels=False)
        num_codebooks = parts.quantizer.config.codebooks_at(rate)
        found = [np.zeros((num_codebooks, 0, *modality.grid(facts)[1:]), np.int64)]
        for _, targets in compress.encode_stripes(parts, signal, facts, rate):
            segments = split_segments(targets[0], modality.geometry.segment)
            chosen = parts.prior.choose(segments, rate)
            found.append(join_segments(chosen, targets.shape[2:], modality.geometry.segment))
        return np.concatenate(found, axis=1)

    def decode(self, indices: NDArray[np.int64], *, quality: float = 5.0) -> Signal:
        """Return the signal of indices, as large as their grid and at the model's rate.

        Raises:
            UsageError: the indices are not of the model's shape or range.
        """
        rate, modality, quantizer = self.rate_of(quality), self.parts.modality, self.parts.quantizer
        size, num_codebooks = quantizer.codebook_sizes[0], quantizer.config.codebooks_at(rate)
        if indices.ndim != 1 + modality.num_axes or indices.shape[0] != num_codebooks:
            raise UsageError(
                f"indices of shape {indices.shape}, needed {num_codebooks} codebooks and then "
                f"{modality.num_axes} axes"
            )
        if not np.issubdtype(indices.dtype, np.integer):
            raise UsageError(f"indices of type {indices.dtype}, not integers")
        if indices.size and not 0 <= indices.min() <= indices.max() < size:
            raise UsageError(f"indices outside 0 … {size - 1}")
        step, trim = modality.geometry.step, modality.geometry.tail_trim
        facts = modality.facts_of_size(tuple(max(0, n * step - trim) for n in indices.shape[1:]))
        return decompress.synthesise(self.parts, indices.astype(np.int64), facts, rate)

    def indices_of(self, stream: bytes, *, level: int | None = None) -> list[NDArray[np.int64]]:
        """Return the indices in a stream, of each coded channel; no network of floats runs.

        With a level, those of later levels are the likeliest ones, as `decompress` takes them.

        Raises:
            StreamError: the stream is damaged, or of a newer version.
            MissingModelError: it was made with another model.
            UsageError: there is no such level.
        """
        return decompress.read_indices(stream, self.parts, level)

    def bit_map_of(self, stream: bytes) -> bit_map.BitMap:
        """Return what every position of a stream's grid costs, from the stream alone.

        Raises:
            StreamError: the stream is damaged, or of a newer version.
            MissingModelError: it was made with another model.
        """
        return bit_map.measure_bit_map(stream, self.parts)

    def sample(
        self,
        *,
        seed: int,
        temperature: float = 1.0,
        quality: float = 5.0,
        duration_s: float = 3.0,
        width: int = 256,
        height: int = 256,
    ) -> Signal:
        """Return a new signal, its indices drawn from the prior one after the other.

        Args:
            seed: the same seed gives the same indices on every machine.
            temperature: below 1 more ordinary, above 1 more surprising; 0 is the likeliest.
            quality: the rate at which the indices are drawn.
            duration_s: of a sound.
            width: of a picture, in pixels.
            height: of a picture, in pixels.

        Raises:
            UsageError: a size or the temperature is out of range.
        """
        if not 0 < duration_s <= 3600:
            raise UsageError(f"a duration of {duration_s} s is not within 0 … 3600 s")
        if not (1 <= width <= 4096 and 1 <= height <= 4096):
            raise UsageError(f"{width} x {height} pixels are not 1 … 4096 each way")
        parts, rate = self.parts, self.rate_of(quality)
        facts = parts.modality.facts_to_sample(duration_s=duration_s, width=width, height=height)
        shape = (parts.quantizer.config.codebooks_at(rate), *parts.modality.grid(facts))
        indices = parts.prior.sample(shape, rate, np.random.default_rng(seed), temperature)
        return decompress.synthesise(parts, indices, facts, rate)

    def rate_of(self, quality: float) -> int:
        """Return the rate byte of a quality.

        Raises:
            UsageError: the quality is not 1 … 10.
        """
        return rate_of(self.parts, quality)

    def to(self, device: str) -> Model:
        """Return the model with its networks on a device, "cpu" or "cuda".

        Raises:
            UsageError: there is no such device.
        """
        if device == self.parts.networks.device:
            return self
        return replace(self, parts=replace(self.parts, networks=self.parts.networks.to(device)))
