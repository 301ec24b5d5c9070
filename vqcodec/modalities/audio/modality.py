"""The modality of sounds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from vqcodec.bitstream.channels import channels_of_planes
from vqcodec.bitstream.header import AudioFacts
from vqcodec.bitstream.header import Modality as HeaderModality
from vqcodec.bitstream.quiet import (
    Stretches,
    build_gain,
    build_passages,
    build_silence,
    parse_gain,
    parse_passages,
    parse_silence,
)
from vqcodec.bitstream.sections import Section, Tag
from vqcodec.bitstream.stream import Stream
from vqcodec.bitstream.tags import build_tags, parse_tags
from vqcodec.errors import UsageError
from vqcodec.layout import Place
from vqcodec.modalities.audio.choice import choose_sound_model
from vqcodec.modalities.audio.config import NETWORKS, BlocksConfig, MdctConfig, PaperAudioConfig
from vqcodec.modalities.audio.decoded import VOICE_S, DecodedSound
from vqcodec.modalities.audio.quiet import AmplifiedSound, find_quietness
from vqcodec.modalities.audio.voices import mel_energies
from vqcodec.modalities.base import (
    Array,
    Decode,
    Facts,
    Modality,
    ModelChoice,
    Speaker,
    unfit_signal,
)
from vqcodec.notes import Note, NoteCode
from vqcodec.numbers import as_number, plain
from vqcodec.signals.files import LazySignal
from vqcodec.signals.measures import MeasuredSound
from vqcodec.signals.resampling import resample, resample_blocks
from vqcodec.signals.sound import (
    ROUNDING,
    ForwardReader,
    Sound,
    Waveform,
    checked_blocks,
    tags_of,
)
from vqcodec.signals.voice_change import Voice, VoiceChange

SHORTEST_VOICE_S = 0.5


class AudioModality(Modality[MdctConfig | BlocksConfig | PaperAudioConfig]):
    """Sounds, coded as one or more planes at the model's sample rate.

    A plane has one channel, or two for models that code pairs of channels together.
    """

    name = "audio"
    wire_id = HeaderModality.AUDIO
    num_axes = 1
    default_model = "speech"
    gaps_are = "silent"
    networks = NETWORKS

    @classmethod
    def choose_model(cls, signal: LazySignal, is_installed: Callable[[str], bool]) -> ModelChoice:
        """Return the model for voices, or the one for all other sounds."""
        assert isinstance(signal, Sound)
        return choose_sound_model(signal, is_installed)

    @property
    def position_size(self) -> float:
        """The duration of a latent frame, in seconds."""
        return self.geometry.step / self.config.sample_rate

    @property
    def takes_voices(self) -> bool:
        """Whether the decoder supports voice conversion, to the voice of a recording."""
        return not isinstance(self.config, BlocksConfig) and self.config.voice_dim > 0

    def speaker_of(self, recording: LazySignal) -> Speaker:
        """Return log mel energies and the voice of the first `VOICE_S` seconds of a recording.

        Raises:
            UsageError: the model takes no speaker, or the recording is too short or not a sound.
        """
        if not self.takes_voices:
            return super().speaker_of(recording)
        if not isinstance(recording, Sound):
            raise UsageError("a speaker's recording is a sound, not a picture")
        wanted = min(recording.num_samples, round(VOICE_S * recording.sample_rate))
        if wanted < SHORTEST_VOICE_S * recording.sample_rate:
            raise UsageError(f"a speaker's recording needs at least {SHORTEST_VOICE_S} s")
        read = ForwardReader(checked_blocks(recording), recording.num_channels)
        mono, rate = read(0, wanted).mean(axis=0, keepdims=True), self.config.sample_rate
        start = resample(mono, recording.sample_rate, rate)
        return Speaker(mel_energies(start, rate), Voice.of(start, rate))

    def with_voice(
        self, signal: LazySignal, voice: Voice, spoken: Decode, plain: Decode
    ) -> DecodedSound:
        """Return a decoded sound with the pitch and the long-term spectrum of a voice."""
        assert isinstance(signal, DecodedSound)
        rate = self.config.sample_rate

        @cache
        def find_change() -> VoiceChange:
            as_speaker, as_itself = (
                replace(signal, decode=decode).start_of_speech() for decode in (spoken, plain)
            )
            return VoiceChange.between(Voice.of(as_itself, rate), as_speaker, voice, rate)

        notes = signal.notes
        if voice.pitch_hz is None:
            text = "the recording of the speaker has no pitch, so the pitch stays"
            notes = (*notes, Note(NoteCode.NO_VOICE, text))
        return replace(signal, find_change=find_change, notes=notes)

    def facts(self, signal: LazySignal, *, separate_channels: bool) -> AudioFacts:
        """Return the length, sample rate and channels of a sound.

        A model for pairs of channels never mixes them down.
        """
        if not isinstance(signal, Sound):
            raise unfit_signal(signal, "sounds")
        is_for_mono = self.config.num_channels == 1
        return AudioFacts(
            num_samples=signal.num_samples,
            sample_rate=signal.sample_rate,
            num_channels=signal.num_channels,
            downmixed=is_for_mono and signal.num_channels > 1 and not separate_channels,
        )

    def facts_of_one_plane(self, signal: LazySignal) -> AudioFacts:
        """Return the facts of a sound in one plane: one channel, or the two that are a pair."""
        facts = self.facts(signal, separate_channels=False)
        return facts if self.num_planes(facts) == 1 else replace(facts, downmixed=True)

    def measured(self, signal: LazySignal, *, separate_channels: bool) -> MeasuredSound:
        """Return the sound with notes on its mix-down and on what lies above the band."""
        return self._measured(signal, self.facts(signal, separate_channels=separate_channels))

    def measured_in_one_plane(self, signal: LazySignal) -> MeasuredSound:
        """Return the sound with notes on its mix-down and on what lies above the band."""
        return self._measured(signal, self.facts_of_one_plane(signal))

    def _measured(self, signal: LazySignal, facts: AudioFacts) -> MeasuredSound:
        assert isinstance(signal, Sound)
        return MeasuredSound(signal, band_hz=self.config.band_hz, mixed_down=facts.downmixed)

    def num_planes(self, facts: Facts) -> int:
        """Return the number of planes of coded channels."""
        assert isinstance(facts, AudioFacts)
        return len(self.channels_of_planes(facts))

    @property
    def num_plane_channels(self) -> int:
        """The channels of a plane."""
        return self.config.num_channels

    def channels_of_planes(self, facts: AudioFacts) -> tuple[tuple[int, ...], ...]:
        """Return the numbers of the coded channels of each plane, one or two."""
        num_coded = num_coded_channels(facts)
        if self.config.num_channels == 1:
            return tuple((number,) for number in range(num_coded))
        return channels_of_planes(num_coded)

    def name_of_plane(self, facts: Facts, plane: int) -> str:
        """Return "channel 3", or "channels 1 and 2" for a pair."""
        assert isinstance(facts, AudioFacts)
        numbers = [str(channel + 1) for channel in self.channels_of_planes(facts)[plane]]
        return f"channel{'s' * (len(numbers) > 1)} {' and '.join(numbers)}"

    def name_of_place(self, facts: Facts, plane: int, place: Place) -> str:
        """Return the seconds, and the channels if there are several planes."""
        assert isinstance(facts, AudioFacts)
        end, unit = facts.num_samples / facts.sample_rate, self.position_size
        start, stop = (min(end, frame * unit) for frame in (place[0].start, place[0].stop))
        channels = f" ({self.name_of_plane(facts, plane)})" if self.num_planes(facts) > 1 else ""
        return f"{start:.1f} … {stop:.1f} s{channels}"

    def model_samples(self, facts: AudioFacts) -> int:
        """Return the number of samples per channel at the model's sample rate."""
        return -(-facts.num_samples * self.config.sample_rate // facts.sample_rate)

    def grid(self, facts: Facts) -> tuple[int, ...]:
        """Return (frames,); 0 frames for a sound without samples."""
        assert isinstance(facts, AudioFacts)
        return (self.num_frames(self.model_samples(facts)),)

    def facts_of_size(self, size: tuple[int, ...]) -> AudioFacts:
        """Return the facts of a mono sound of (samples,) at the model's sample rate."""
        return AudioFacts(
            num_samples=size[0],
            sample_rate=self.config.sample_rate,
            num_channels=1,
            downmixed=False,
        )

    def facts_to_sample(self, *, duration_s: float, width: int, height: int) -> AudioFacts:  # noqa: ARG002
        """Return the facts of a mono sound of this duration, at least one sample."""
        return self.facts_of_size((round(duration_s * self.config.sample_rate) or 1,))

    def reader(self, signal: LazySignal, facts: Facts) -> Callable[[Place], Array]:
        """Return a function that returns the planes [P, C, T] at a place.

        A plane for two channels that has only one holds it twice.

        Places are in samples at the model's sample rate. The function raises a UsageError if a
        sample is no number in -1 … 1, or if there are fewer of them than the sound should have.
        """
        assert isinstance(signal, Sound)
        assert isinstance(facts, AudioFacts)
        num_coded = num_coded_channels(facts)
        blocks = (_within(_mixed(block, facts)) for block in checked_blocks(signal))
        wanted = range(self.model_samples(facts))
        resampled = resample_blocks(
            blocks, num_coded, signal.sample_rate, self.config.sample_rate, wanted
        )
        read = ForwardReader(resampled, num_coded)
        # The first and the last channel of a plane: the same one if it has only one.
        ends = [
            (own[0], own[-1])[: self.num_plane_channels] for own in self.channels_of_planes(facts)
        ]
        return lambda place: read(place[0].start, place[0].stop)[np.array(ends)]

    def prepare(self, signal: LazySignal, facts: Facts) -> tuple[Sound, Sequence[Section]]:
        """Return the sound, louder where it is very quiet, and its side sections; reads it once."""
        assert isinstance(signal, Sound)
        assert isinstance(facts, AudioFacts)
        found = find_quietness(
            signal, num_coded_channels(facts), lambda block: _mixed(block, facts)
        )
        sections = []
        if any(found.silences):
            sections.append(Section(Tag.SILENCE, build_silence(found.silences)))
        if found.gain:
            sections.append(Section(Tag.GAIN, build_gain(found.gain)))
        if found.passages:
            sections.append(Section(Tag.PASSAGES, build_passages(found.passages)))
        if tags := tags_of(signal):
            sections.append(Section(Tag.TAGS, build_tags(tags)))
        if not found.gain and not found.passages:
            return signal, sections
        return AmplifiedSound(signal, found.gain, found.passages), sections

    def restore(self, decode: Decode, facts: Facts, side: Stream | None = None) -> DecodedSound:
        """Return the sound at its own rate, length and number of channels, decoded when read."""
        assert isinstance(facts, AudioFacts)
        whole = range(facts.num_samples)
        if side is None:
            return DecodedSound(self, decode, facts, whole)
        gain, silence = side.find(Tag.GAIN), side.find(Tag.SILENCE)
        passages, tags = side.find(Tag.PASSAGES), side.find(Tag.TAGS)
        num_coded = num_coded_channels(facts)
        return DecodedSound(
            self,
            decode,
            facts,
            whole,
            gain=0 if gain is None else parse_gain(gain),
            passages=parse_passages(passages or b"", facts.num_samples),
            tags=() if tags is None else parse_tags(tags),
            silences=()
            if silence is None
            else tuple(parse_silence(silence, num_coded, facts.num_samples)),
        )

    def with_gaps(
        self, signal: LazySignal, missing: Collection[int], notes: Sequence[Note]
    ) -> DecodedSound:
        """Return the sound with its notes, silent where segments are missing."""
        assert isinstance(signal, DecodedSound)
        facts, rate = signal.facts, self.config.sample_rate
        channels, size = self.channels_of_planes(facts), self.geometry.segment
        num_rows = -(-self.grid(facts)[0] // size)
        length = size * self.geometry.step
        num_coded = num_coded_channels(facts)
        lost: list[list[range]] = [[] for _ in range(num_coded)]
        numbers = np.sort(np.fromiter(missing, np.int64, len(missing)))
        # Neighbours in a plane are one stretch, so that the time depends on the number of gaps.
        firsts = np.flatnonzero((np.diff(numbers, prepend=-2) > 1) | (numbers % num_rows == 0))
        runs = zip(
            numbers[firsts].tolist(), np.diff(firsts, append=len(numbers)).tolist(), strict=True
        )
        for number, count in runs:
            plane, row = divmod(number, num_rows)
            start, stop = (
                min(facts.num_samples, place * length * facts.sample_rate // rate)
                for place in (row, row + count)
            )
            for channel in channels[plane]:
                lost[channel].append(range(start, stop))
        known = signal.silences or (Stretches(),) * num_coded
        silences = tuple(each.united(more) for each, more in zip(known, lost, strict=True))
        return replace(signal, silences=silences, notes=tuple(notes))

    def part(self, signal: LazySignal, start_s: float, duration_s: float | None) -> DecodedSound:
        """Return the part from start_s on, of duration_s or up to the end.

        Raises:
            UsageError: the sound ends before start_s, or a number is out of range.
        """
        assert isinstance(signal, DecodedSound)
        start_s = as_number(start_s, "start_s")
        if duration_s is not None:
            duration_s = as_number(duration_s, "duration_s")
        if not start_s >= 0:
            raise UsageError(f"a start at {plain(start_s)} s is not 0 s or more")
        if duration_s is not None and not duration_s > 0:
            raise UsageError(f"a duration of {plain(duration_s)} s is not above 0 s")
        rate, stop = signal.sample_rate, signal.num_samples
        first = round(min(start_s * rate, stop))
        if first >= stop:
            raise UsageError(
                f"a start at {plain(start_s)} s, but the sound is {plain(stop / rate)} s long"
            )
        if duration_s is not None:
            stop = first + max(1, round(min(duration_s * rate, stop - first)))
        return signal.part(range(first, stop))

    def num_frames(self, num_samples: int) -> int:
        """Return the latent frames for num_samples at the model's sample rate; 0 for 0."""
        step, trim = self.geometry.step, self.geometry.tail_trim
        return -(-(num_samples + trim) // step) if num_samples else 0

    def num_samples(self, num_frames: int) -> int:
        """Return the number of samples that num_frames frames decode to."""
        return max(0, num_frames * self.geometry.step - self.geometry.tail_trim)


def num_coded_channels(facts: AudioFacts) -> int:
    """Return the number of channels that a stream codes."""
    return 1 if facts.downmixed else facts.num_channels


def _mixed(block: Waveform, facts: AudioFacts) -> Waveform:
    """Return the coded channels of samples [C, n]."""
    if not facts.downmixed:
        return block
    mixed: Waveform = block.mean(axis=0, keepdims=True, dtype=np.float32)
    return mixed


def _within(block: Waveform) -> Waveform:
    """Return the same samples.

    Raises:
        UsageError: one is not in -1 … 1.
    """
    peak = float(np.abs(block).max(initial=0))
    if peak > 1 + ROUNDING:
        raise UsageError(f"a sound with samples up to {peak:g}: they are from -1 to 1")
    return block
