"""The modality of pictures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np

from vqcodec.bitstream.header import ImageFacts
from vqcodec.bitstream.header import Modality as HeaderModality
from vqcodec.bitstream.sections import Section, Tag
from vqcodec.bitstream.stream import Stream
from vqcodec.layout import Place, sizes, whole
from vqcodec.modalities.base import Array, Decode, Facts, Modality, unfit_signal
from vqcodec.modalities.image.config import NETWORKS, PaperImageConfig, PatchesConfig
from vqcodec.notes import Note, NoteCode
from vqcodec.signals.files import LazySignal
from vqcodec.signals.picture import Picture
from vqcodec.signals.picture_files import decode_alpha, encode_alpha

_METADATA = {"exif": Tag.EXIF, "xmp": Tag.XMP}  # by name in `Picture.metadata`


class ImageModality(Modality[PatchesConfig | PaperImageConfig]):
    """Pictures in RGB, 0 … 1, coded as one plane."""

    name = "image"
    wire_id = HeaderModality.IMAGE
    num_axes = 2
    default_model = "image"
    gaps_are = "without detail"
    networks = NETWORKS

    @property
    def position_size(self) -> float:
        """The side of a latent position, in pixels."""
        return float(self.geometry.step)

    @property
    def num_plane_channels(self) -> int:
        """Red, green and blue."""
        return 3

    def facts(self, signal: LazySignal, *, separate_channels: bool) -> ImageFacts:  # noqa: ARG002
        """Return the size of a picture."""
        if not isinstance(signal, Picture):
            raise unfit_signal(signal, "pictures")
        return ImageFacts(width=signal.width, height=signal.height, grey=signal.grey)

    def measured(self, signal: LazySignal, *, separate_channels: bool) -> Picture:
        """Return the picture; its stream leaves nothing out."""
        self.facts(signal, separate_channels=separate_channels)
        assert isinstance(signal, Picture)
        return signal

    def measured_in_one_plane(self, signal: LazySignal) -> Picture:
        """Return the picture without its transparency, which no index holds, with a note on it."""
        self.facts(signal, separate_channels=False)
        assert isinstance(signal, Picture)
        if signal.alpha is None:
            return signal
        note = Note(NoteCode.OPACITY_DROPPED, "its transparency is left out")
        return replace(signal, alpha=None, notes=(*signal.notes, note))

    def num_planes(self, facts: Facts) -> int:  # noqa: ARG002
        """Return 1: the networks take all colours together."""
        return 1

    def grid(self, facts: Facts) -> tuple[int, ...]:
        """Return (rows, columns) of the grid."""
        assert isinstance(facts, ImageFacts)
        step = self.geometry.step
        return -(-facts.height // step), -(-facts.width // step)

    def name_of_plane(self, facts: Facts, plane: int) -> str:  # noqa: ARG002
        """Return that the single plane has all colours."""
        return "all colours"

    def name_of_place(self, facts: Facts, plane: int, place: Place) -> str:  # noqa: ARG002
        """Return the columns and rows of pixels."""
        assert isinstance(facts, ImageFacts)
        step = self.geometry.step
        (top, bottom), (left, right) = (
            (axis.start * step, min(length, axis.stop * step))
            for axis, length in zip(place, (facts.height, facts.width), strict=True)
        )
        return f"x {left} … {right - 1}, y {top} … {bottom - 1}"

    def facts_of_size(self, size: tuple[int, ...]) -> ImageFacts:
        """Return the facts of a picture of (height, width) pixels."""
        return ImageFacts(width=size[1], height=size[0], grey=False)

    def facts_to_sample(self, *, duration_s: float, width: int, height: int) -> ImageFacts:  # noqa: ARG002
        """Return the facts of a colour picture of this size."""
        return self.facts_of_size((height, width))

    def reader(self, signal: LazySignal, facts: Facts) -> Callable[[Place], Array]:  # noqa: ARG002
        """Return a function that returns pixels [1, 3, H, W] at a place.

        Beyond the picture, the last row and column are repeated.
        """
        assert isinstance(signal, Picture)
        pixels = signal.pixels

        def read(place: Place) -> Array:
            return image_array(pixels[place], sizes(place))

        return read

    def restore(self, decode: Decode, facts: Facts, side: Stream | None = None) -> Picture:
        """Return the 8-bit picture; a grey picture is the mean of the decoded colours."""
        assert isinstance(facts, ImageFacts)
        alpha, profile, metadata = None, None, {}
        if side is not None:
            alpha_body, profile = side.find(Tag.ALPHA), side.find(Tag.ICC_PROFILE)
            if alpha_body is not None:
                alpha = decode_alpha(alpha_body, facts.width, facts.height)
            found = {name: side.find(tag) for name, tag in _METADATA.items()}
            metadata = {name: body for name, body in found.items() if body is not None}
        pixels = np.empty((facts.height, facts.width, 1 if facts.grey else 3), np.uint8)
        for (rows, columns), planes in decode(whole(self.grid(facts))):
            image = planes[0, :, : facts.height - rows.start, : facts.width - columns.start]
            if facts.grey:
                image = image.mean(axis=0, keepdims=True)
            for channel, plane in enumerate(image):
                levels = plane * 255
                np.rint(levels, out=levels)
                pixels[rows, columns, channel] = levels.clip(0, 255, out=levels)
        return replace(Picture(pixels), alpha=alpha, icc_profile=profile, metadata=metadata)

    def with_gaps(
        self,
        signal: LazySignal,
        missing: Collection[int],  # noqa: ARG002
        notes: Sequence[Note],
    ) -> Picture:
        """Return the picture with its notes; ordinary indices have filled the gaps."""
        assert isinstance(signal, Picture)
        return replace(signal, notes=tuple(notes))

    def prepare(
        self,
        signal: LazySignal,
        facts: Facts,  # noqa: ARG002
    ) -> tuple[Picture, Sequence[Section]]:
        """Return the picture, and what it has besides its colours: profile, opacity, metadata."""
        assert isinstance(signal, Picture)
        sections = []
        if signal.icc_profile is not None:
            sections.append(Section(Tag.ICC_PROFILE, signal.icc_profile))
        if signal.alpha is not None:
            sections.append(Section(Tag.ALPHA, encode_alpha(signal.alpha)))
        for name, tag in _METADATA.items():
            if name in signal.metadata:
                sections.append(Section(tag, signal.metadata[name]))
        return signal, sections


def image_array(pixels: np.ndarray, size: tuple[int, ...]) -> Array:
    """Return an image [1, 3, *size], float32 in 0 … 1, of pixels [H, W, C], 8 or 16 bits.

    C is 1 or 3. Beyond the pixels, the last row and column are repeated.
    """
    white = np.float32(65535 if pixels.dtype.itemsize == 2 else 255)
    height, width = pixels.shape[:2]
    image = np.empty((1, 3, *size), np.float32)
    inner = image[0, :, :height, :width]
    inner[...] = pixels.transpose(2, 0, 1)
    inner /= white
    image[0, :, height:, :width] = inner[:, -1:]
    image[..., width:] = image[..., width - 1 : width]
    return image
