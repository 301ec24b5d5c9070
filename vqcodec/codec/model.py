"""A trained model: networks, quantizer and prior, and the few verbs that use them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from vqcodec.codec import bit_map, compress, decompress
from vqcodec.codec.segments import join_segments, split_segments
from vqcodec.errors import UsageError
from vqcodec.modalities.audio.modality import AudioModality
from vqcodec.modalities.base import Facts
from vqcodec.networks.autoencoder import Autoencoder
from vqcodec.priors.base import Prior
from vqcodec.signals.files import LazySignal, Signal
from vqcodec.signals.sound import AudioClip, Sound

Progress = Callable[[float], None]  # is told the share that is done, 0 … 1

LOWEST_QUALITY, HIGHEST_QUALITY = 1.0, 10.0


@dataclass(frozen=True, eq=False)
class Model:
    """What a stream needs to be written and read.

    Attributes:
        name: as `vqcodec.load` takes it.
        fingerprint: 8 hexadecimal digits that name quantizer and prior, as streams do.
        autoencoder: the networks and the quantizer.
        prior: the frozen prior.
        card: what the model was made of and how well it does, for people.
    """

    name: str
    fingerprint: str
    autoencoder: Autoencoder
    prior: Prior
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def modality(self) -> Literal["image", "audio"]:
        """What the model is for."""
        return self.autoencoder.modality.name

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
        rate = self.rate_of(quality)
        return compress.compress_signal(
            signal,
            self,
            rate,
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
        progress: Progress | None = None,
    ) -> Signal:
        """Return the signal of a stream.

        Args:
            stream: what `compress` returned; with a level, a progressive one may be cut after it.
            level: of a picture, the last level to read; the likeliest indices take the place of
                the others. None reads all.
            speaker: a recording of who is to speak, for models of sounds that take one.
            progress: is told the share that is done.

        Raises:
            StreamError: the stream is damaged, or of a newer version.
            MissingModelError: it was made with another model.
            UsageError: there is no such level, the model takes no speaker, or a sound is too long
                to be held in memory; see `open`.
        """
        signal = self.open(stream, level=level, speaker=speaker, progress=progress)
        return decompress.hold(signal)

    def open(
        self,
        stream: bytes,
        *,
        start_s: float = 0.0,
        duration_s: float | None = None,
        level: int | None = None,
        speaker: Sound | None = None,
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
            progress: is told the share that is done.

        Raises:
            StreamError: the stream is damaged, or of a newer version; of a sound, damage to what
                a segment holds shows when it is read.
            MissingModelError: it was made with another model.
            UsageError: a part is wanted of a picture, none of the sound begins at start_s, there
                is no such level, or the model takes no speaker.
        """
        signal = decompress.decompress_stream(
            stream, self, level=level, speaker=speaker, progress=progress
        )
        if start_s == 0 and duration_s is None:
            return signal
        return decompress.part_of_sound(signal, start_s, duration_s)

    def decompress_excerpt(
        self, stream: bytes, *, start_s: float = 0.0, duration_s: float | None = None
    ) -> AudioClip:
        """Return the part of a sound that begins at start_s, to its end or for duration_s.

        Only what it needs is decoded, so that it takes no longer at the end of a long sound.

        Raises:
            StreamError: the stream is damaged, or of a newer version.
            MissingModelError: it was made with another model.
            UsageError: it holds a picture, ends before start_s, or is too long to be held.
        """
        signal = decompress.decompress_stream(stream, self)
        part = decompress.hold(decompress.part_of_sound(signal, start_s, duration_s))
        assert isinstance(part, AudioClip)
        return part

    def encode(self, signal: Signal, *, quality: float = 5.0) -> NDArray[np.int64]:
        """Return the indices of a signal: [K, h, w] of a picture, [K, F] of a sound's mean."""
        modality, rate = self.autoencoder.modality, self.rate_of(quality)
        facts = modality.facts(signal, separate_channels=False)
        num_codebooks = self.autoencoder.quantizer.codebooks_at(rate)
        parts = [np.zeros((num_codebooks, 0, *modality.grid(facts)[1:]), np.int64)]
        for _, targets in compress.encode_stripes(self, signal, facts, rate):
            chosen = self.prior.choose(split_segments(targets[0], self), rate)
            parts.append(join_segments(chosen, targets.shape[2:], self))
        return np.concatenate(parts, axis=1)

    def decode(self, indices: NDArray[np.int64], *, quality: float = 5.0) -> Signal:
        """Return the signal of indices, as large as their grid and at the model's rate.

        Raises:
            UsageError: the indices are not of the model's shape or range.
        """
        rate = self.rate_of(quality)
        sizes = self.autoencoder.quantizer.codebook_sizes
        num_codebooks = self.autoencoder.quantizer.codebooks_at(rate)
        modality = self.autoencoder.modality
        if indices.ndim != 1 + modality.dims or indices.shape[0] != num_codebooks:
            raise UsageError(
                f"indices of shape {indices.shape}, needed {num_codebooks} codebooks and then "
                f"{modality.dims} axes"
            )
        if not np.issubdtype(indices.dtype, np.integer):
            raise UsageError(f"indices of type {indices.dtype}, not integers")
        if indices.size and not 0 <= indices.min() <= indices.max() < sizes[0]:
            raise UsageError(f"indices outside 0 … {sizes[0] - 1}")
        geometry = modality.geometry()
        facts = modality.facts_of_size(
            tuple(max(0, n * geometry.step - geometry.missing) for n in indices.shape[1:])
        )
        return decompress.synthesise(self, indices.astype(np.int64), facts, rate)

    def indices_of(self, stream: bytes, *, level: int | None = None) -> list[NDArray[np.int64]]:
        """Return the indices in a stream, of each coded channel; no network of floats runs.

        With a level, those of later levels are the likeliest ones, as `decompress` takes them.

        Raises:
            StreamError: the stream is damaged, or of a newer version.
            MissingModelError: it was made with another model.
            UsageError: there is no such level.
        """
        return decompress.read_indices(stream, self, level)

    def spending_of(self, stream: bytes) -> bit_map.Spending:
        """Return what every position of a stream's grid costs, from the stream alone.

        Raises:
            StreamError: the stream is damaged, or of a newer version.
            MissingModelError: it was made with another model.
        """
        return bit_map.measure_spending(stream, self)

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
        rate, modality = self.rate_of(quality), self.autoencoder.modality
        if isinstance(modality, AudioModality):
            facts: Facts = modality.facts_of_size(
                (round(duration_s * modality.config.sample_rate) or 1,)
            )
        else:
            facts = modality.facts_of_size((height, width))
        shape = (self.autoencoder.quantizer.codebooks_at(rate), *modality.grid(facts))
        indices = self.prior.sample(shape, rate, np.random.default_rng(seed), temperature)
        return decompress.synthesise(self, indices, facts, rate)

    def rate_of(self, quality: float) -> int:
        """Return the rate byte of a quality.

        Raises:
            UsageError: the quality is not 1 … 10.
        """
        if not LOWEST_QUALITY <= quality <= HIGHEST_QUALITY:
            raise UsageError(f"quality: {quality} is not {LOWEST_QUALITY:g} … {HIGHEST_QUALITY:g}")
        return self.autoencoder.quantizer.rate_of(quality)

    def to(self, device: str) -> Model:
        """Move the networks to a device, "cpu" or "cuda", and return the model.

        Raises:
            UsageError: there is no such device.
        """
        try:
            self.autoencoder.to(torch.device(device))
        except (RuntimeError, AssertionError) as error:
            raise UsageError(f"device {device!r}: not available") from error
        return self

    @property
    def wire_id(self) -> int:
        """The number that streams give the modality."""
        return self.autoencoder.modality.wire_id

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.autoencoder.parameters()).device
