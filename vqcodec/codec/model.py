"""A trained model and its methods."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.codec import bit_map, complete, compress, decompress
from vqcodec.codec.graphs import Progress
from vqcodec.codec.indices import decode_indices, encode_signal
from vqcodec.codec.parts import Parts
from vqcodec.codec.search import rate_of
from vqcodec.errors import UsageError
from vqcodec.numbers import as_number
from vqcodec.priors.base import UNKNOWN, Prior
from vqcodec.signals.files import LazySignal, Signal
from vqcodec.signals.sound import Sound


@dataclass(frozen=True, eq=False)
class Model:
    """A trained model: compresses and decompresses signals, and samples new ones.

    Attributes:
        parts: networks, quantizer and prior.
        digest: unique to this model, also among models with the same fingerprint.
        card: facts about training and quality, for people.
    """

    parts: Parts
    digest: str = ""
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name that `vqcodec.load` takes."""
        return self.parts.name

    @property
    def fingerprint(self) -> str:
        """8 hexadecimal digits that identify quantizer and prior, as in streams."""
        return self.parts.fingerprint

    @property
    def modality(self) -> str:
        """ "image" or "audio"."""
        return self.parts.modality.name

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
            signal: a `Picture`, an `AudioClip` or another `Sound`, of the model's modality.
            quality: 1 … 10; higher is better and larger.
            separate_channels: code every channel of a sound instead of the mean of the channels.
            progressive: code a picture in levels, coarsest first, so that the start of the stream
                decodes to a coarser picture; costs a few bytes.
            progress: is called with the share done, 0 … 1.

        Raises:
            UsageError: the signal has another modality, the quality is out of range, or
                `progressive` is true and the model has a single level, as all sound models.
            InputError: the signal is larger than the format allows.
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
        stream: bytes | bytearray | memoryview,
        *,
        level: int | None = None,
        speaker: Sound | None = None,
        salvage: bool = False,
        progress: Progress | None = None,
    ) -> Signal:
        """Return the signal of a stream.

        Args:
            stream: from `compress`; a progressive stream may be cut after `level`.
            level: the last level of a picture to read; indices of later levels are the most
                likely ones. None reads all levels.
            speaker: a recording of the target voice, for models with voices.
            salvage: restore what is whole of a damaged stream; the signal's notes say what is
                missing.
            progress: is called with the share done, 0 … 1.

        Raises:
            StreamError: the stream is damaged, or of a newer version.
            MissingModelError: the stream needs another model.
            UsageError: the level does not exist, the model takes no speaker, or a sound is too long
                to be held in memory; see `open`.
        """
        signal = self.open(stream, level=level, speaker=speaker, salvage=salvage, progress=progress)
        return decompress.load_into_memory(signal)

    def open(
        self,
        stream: bytes | bytearray | memoryview,
        *,
        start_s: float = 0.0,
        duration_s: float | None = None,
        level: int | None = None,
        speaker: Sound | None = None,
        salvage: bool = False,
        progress: Progress | None = None,
    ) -> LazySignal:
        """Return the signal of a stream; a sound is decoded lazily, when its blocks are read.

        The sound may be larger than the memory. The time for a part does not depend on its start.

        Args:
            stream: from `compress`.
            start_s: the start of the wanted part of a sound, in seconds.
            duration_s: the duration of the part; None means up to the end.
            level: as for `decompress`.
            speaker: as for `decompress`. If it moves the pitch, phases begin with the part.
            salvage: restore what is whole of a damaged stream; the signal's notes say what is
                missing.
            progress: is called with the share done, 0 … 1.

        Raises:
            StreamError: the stream is damaged, or of a newer version. Damage to the payloads of a
                sound is found only when the sound is read.
            MissingModelError: the stream needs another model.
            UsageError: the signal is a picture and a part is wanted, the sound ends before start_s,
                the level does not exist, or the model takes no speaker.
        """
        signal = decompress.decompress_stream(
            _bytes_of(stream),
            self.parts,
            level=level,
            speaker=speaker,
            salvage=salvage,
            progress=progress,
        )
        if start_s == 0 and duration_s is None:
            return signal
        return self.parts.modality.part(signal, start_s, duration_s)

    def encode(self, signal: LazySignal, *, quality: float = 5.0) -> NDArray[np.int64]:
        """Return the indices of a signal: [K', h, w] for a picture, [K', F] for a sound.

        Channels are mixed down to one, but a model for pairs of channels keeps two if there are
        two. If all channels of the signal fit, the indices are those of its stream, unless
        `compress` codes a very quiet sound louder.

        Raises:
            UsageError: the signal has another modality, or the quality is out of range.
            InputError: the signal is larger than the format allows.
        """
        return encode_signal(self.parts, signal, self.rate_of(quality))

    def measured(self, signal: LazySignal, *, separate_channels: bool | None = None) -> LazySignal:
        """Return a signal whose `notes` tell what is left out of it, once it has been read.

        Args:
            signal: of the model's modality.
            separate_channels: as `compress` takes it; None for what `encode` leaves out.

        Raises:
            UsageError: the signal has another modality.
        """
        modality = self.parts.modality
        if separate_channels is None:
            return modality.measured_in_one_plane(signal)
        return modality.measured(signal, separate_channels=separate_channels)

    def decode(self, indices: NDArray[np.integer[Any]], *, quality: float = 5.0) -> Signal:
        """Return the signal of indices, [K', h, w] or [K', F]; a sound has one channel.

        A sound is at the model's sample rate.

        Raises:
            UsageError: the indices have a wrong type, shape or range.
        """
        return decode_indices(self.parts, indices, self.rate_of(quality))

    def indices_of(
        self, stream: bytes | bytearray | memoryview, *, level: int | None = None
    ) -> list[NDArray[np.int64]]:
        """Return the indices [K', ...] of each plane in a stream, exact on every machine.

        With `level`, indices of later levels are the most likely ones.

        Raises:
            StreamError: the stream is damaged, or of a newer version.
            MissingModelError: the stream needs another model.
            UsageError: the level does not exist, or the indices do not fit into memory.
        """
        return decompress.read_indices(_bytes_of(stream), self.parts, level)

    def bit_map_of(self, stream: bytes | bytearray | memoryview) -> bit_map.BitMap:
        """Return the bits of every position of a stream's grid; no original is needed.

        Raises:
            StreamError: the stream is damaged, or of a newer version.
            MissingModelError: the stream needs another model.
        """
        return bit_map.measure_bit_map(_bytes_of(stream), self.parts)

    def sample(
        self,
        *,
        seed: int,
        temperature: float = 1.0,
        quality: float = 5.0,
        duration_s: float = 3.0,
        width: int = 256,
        height: int = 256,
        num_sweeps: int = 0,
    ) -> Signal:
        """Return a new signal from indices that are sampled from the prior (ancestral sampling).

        Args:
            seed: the same seed gives the same indices on every machine at the temperatures 0 and 1.
                Others take powers, which machines round differently: an index can change, rarely.
            temperature: 0 or more; below 1 prefers likely indices, 0 takes the most likely ones.
            quality: 1 … 10, of the sampled indices.
            duration_s: of a sound, in seconds.
            width: of a picture, in pixels.
            height: of a picture, in pixels.
            num_sweeps: how many times each index of a picture is then sampled again, given its
                neighbours on all sides.

        Raises:
            UsageError: a size, the seed, the sweeps or the temperature is out of range.
        """
        complete.check_seed(seed, num_sweeps)
        complete.check_duration(duration_s)
        complete.check_picture_size(width, height)
        parts, rate = self.parts, self.rate_of(quality)
        facts = parts.modality.facts_to_sample(duration_s=duration_s, width=width, height=height)
        shape = (parts.quantizer.config.codebooks_at(rate), *parts.modality.grid(facts))
        unknown, generator = np.full(shape, UNKNOWN), np.random.default_rng(seed)
        temperature = as_number(temperature, "temperature")
        indices = parts.prior.fill(unknown, rate, generator, temperature, num_sweeps)
        return decompress.synthesise(parts, indices, facts, rate)

    def complete(
        self,
        signal: LazySignal,
        *,
        seed: int,
        keep: float | None = None,
        mask: NDArray[np.bool_] | None = None,
        temperature: float = 1.0,
        quality: float = 5.0,
        num_sweeps: int = 8,
    ) -> Signal:
        """Return a signal with a part of its indices kept, and the others sampled.

        The kept part comes back as from a stream, without opacity and metadata. Its indices at the
        border have seen a little of what is replaced: the encoder's receptive field.

        Args:
            signal: a picture or a sound of the model's modality; channels are mixed down as in
                `encode`.
            seed: as for `sample`, if the kept indices are the same; the encoder's can differ.
            keep: 0 … 1, the share that is kept: the start of a sound, the upper rows of a picture.
                Half of it if neither `keep` nor `mask` is given.
            mask: [H, W] of a picture, True where it is sampled.
            temperature: as for `sample`.
            quality: 1 … 10, of all indices.
            num_sweeps: as for `sample`; without them, what is sampled in a picture does not fit
                its surroundings, because of the order of the prior.

        Raises:
            UsageError: the signal is of the other modality or too large, the mask has another
                size, both `keep` and `mask` are given, or a number is out of range.
        """
        if mask is not None and keep is not None:
            raise UsageError("keep and mask: give one of them")
        complete.check_seed(seed, num_sweeps)
        temperature = as_number(temperature, "temperature")
        parts, rate = self.parts, self.rate_of(quality)
        if mask is None:
            unknown = complete.unknown_after(parts, signal, 0.5 if keep is None else keep)
        else:
            unknown = complete.unknown_at(parts, signal, mask)
        indices = self.encode(signal, quality=quality)
        return complete.complete_signal(
            parts,
            signal,
            indices,
            unknown,
            rate,
            np.random.default_rng(seed),
            temperature=temperature,
            num_sweeps=num_sweeps,
        )

    def rate_of(self, quality: float) -> int:
        """Return the rate byte of a quality.

        Raises:
            UsageError: the quality is not 1 … 10.
        """
        return rate_of(self.parts, quality)

    def to(self, device: str) -> Model:
        """Return the model with its networks on a device, "cpu", "cuda" or "cuda:N".

        Raises:
            UsageError: the device is unknown or not available.
        """
        if device == self.parts.networks.device:
            return self
        return replace(self, parts=replace(self.parts, networks=self.parts.networks.to(device)))


def _bytes_of(stream: bytes | bytearray | memoryview) -> bytes:
    """Return the bytes of a stream.

    Raises:
        UsageError: it is something else.
    """
    if not isinstance(stream, bytes | bytearray | memoryview):
        kind = type(stream).__qualname__
        raise UsageError(f"stream: {kind}, needed bytes; vqcodec.decompress also takes a path")
    return bytes(stream)
