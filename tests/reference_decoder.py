"""Streams to indices in NumPy's 64-bit integers, written from docs/FORMAT.md alone."""

from __future__ import annotations

import binascii
import functools
import hashlib
import json
import math
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent / "entropy"))

from reference_range_decoder import ReferenceRangeDecoder

Ints = NDArray[np.int64]

DTYPES = {
    "I8": "<i1",
    "U8": "<u1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
    "U32": "<u4",
    "F16": "<f2",
    "F32": "<f4",
}
SAMPLE_RATES = dict(
    enumerate(
        [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 176400, 192000]
    )
)


# The stream


@dataclass
class Stream:
    fingerprint: str
    rate: int
    modality: str
    flags: int
    size: list[int]  # width and height, or number of samples and sample rate
    segments: list[bytes] = field(default_factory=list)
    levels: list[bytes] = field(default_factory=list)


class Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def take(self, count: int) -> bytes:
        self.place += count
        return self.data[self.place - count : self.place]

    def varint(self) -> int:
        value = shift = 0
        while True:
            (byte,) = self.take(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value


def parse_stream(data: bytes, level: int | None = None) -> Stream:
    reader = Reader(data)
    assert reader.take(4) == b"VQC\x01"
    (kind,) = reader.take(1)
    fingerprint, rate = reader.take(4).hex(), reader.take(1)[0]
    modality = {1: "image", 2: "audio"}[kind & 15]
    size = [reader.varint()]
    if modality == "image":
        size.append(reader.varint())
    else:
        (code,) = reader.take(1)
        size.append(reader.varint() if code == 255 else SAMPLE_RATES[code])
    crc = binascii.crc_hqx(data[: reader.place], 0)
    assert int.from_bytes(reader.take(2), "little") == crc
    stream = Stream(fingerprint, rate, modality, kind >> 4, size)
    last = False
    while not last and len(stream.levels) != level:
        start = reader.place
        (tag,) = reader.take(1)
        body = reader.take(reader.varint())
        crc = zlib.crc32(data[start : reader.place])
        assert int.from_bytes(reader.take(4), "little") == crc
        last = bool(tag & 64)
        if tag & ~64 == 1:
            stream.segments.append(body)
        if tag & ~64 == 4:
            stream.levels.append(body)
    assert not last or reader.place == len(data)
    return stream


# The model


class ModelFile:
    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])
        facts = json.loads(header.pop("__metadata__")["vqcodec"])
        assert facts["format"] == 2
        self.fingerprint: str = facts["fingerprint"]
        tables = facts["tables"]
        self.modality: str = tables["modality"]
        self.network, self.quantizer, self.prior = (
            tables[name] for name in ("network", "quantizer", "prior")
        )
        self.tensors = {}
        for name, entry in header.items():
            if name.startswith(("graph.", "constant.")):
                continue
            begin, end = entry["data_offsets"]
            values = data[start + begin : start + end]
            restored = facts.get("deflated", {}).get(name, entry)  # type and shape
            dtype = np.dtype(DTYPES[restored["dtype"]])
            if restored is not entry:
                planes = np.frombuffer(zlib.decompress(values), np.uint8)
                values = planes.reshape(dtype.itemsize, -1).T.tobytes()
            self.tensors[name] = np.frombuffer(values, dtype).reshape(restored["shape"])
        assert self.fingerprint_of(tables) == self.fingerprint
        if self.quantizer["kind"] == "lattice":
            self.num_codebooks = self.quantizer.get("dim", 192)
            self.codebook_size = 2 * self.quantizer.get("limit", 255) + 1
        elif self.quantizer["kind"] == "finite_scalar":
            self.num_codebooks = 1
            self.codebook_size = math.prod(self.quantizer.get("levels", [7, 5, 5, 5]))
        else:
            self.num_codebooks = self.quantizer.get("num_codebooks", 1)
            self.codebook_size = self.quantizer.get("codebook_size", 512)

    def integers(self, name: str) -> Ints:
        return self.tensors[f"prior.{name}"].astype(np.int64)

    @functools.cached_property
    def tables(self) -> list[list[int]]:
        return rows_of(self.integers("tables"))

    def has(self, name: str) -> bool:
        return f"prior.{name}" in self.tensors

    def codebooks_at(self, rate: int) -> int:
        if self.quantizer["kind"] == "residual":
            assert 1 <= rate <= self.num_codebooks
            return rate
        return self.num_codebooks

    def plane_and_piece(self, stream: Stream) -> tuple[int, tuple[int, int], tuple[int, int]]:
        """The number of planes, the rows and columns of a grid, and those of a segment."""
        is_paper = self.network.get("kind") == "paper"
        if self.modality == "image":
            width, height = stream.size
            step, piece = (4, 256) if is_paper else (16, 64)
            return 1, (-(-height // step), -(-width // step)), (piece, piece)
        num_samples, sample_rate = stream.size
        if self.network.get("kind") == "blocks":
            own_samples = -(-num_samples * self.network.get("sample_rate", 48000) // sample_rate)
            hop = self.network.get("hop_length", 2048)
            planes = [1, 1, 2, 2, 3, 4, 5, 5][stream.flags & 7]
            return planes, (1, -(-own_samples // hop)), (1, 128)
        hop = self.network.get("hop_length", 320)
        step, missing, piece = (64, 0, 4000) if is_paper else (hop, hop // 2, 1000)
        own_samples = -(-num_samples * self.network.get("sample_rate", 16000) // sample_rate)
        frames = -(-(own_samples + missing) // step) if own_samples else 0
        planes = 1 if stream.flags & 8 else (stream.flags & 7) + 1
        return planes, (1, frames), (1, piece)

    def fingerprint_of(self, tables: dict[str, Any]) -> str:
        kept = {key: tables[key] for key in ("modality", "quantizer", "prior")}
        names = ("kind", "sample_rate", "hop_length")
        kept["grid"] = {key: self.network[key] for key in names if key in self.network}
        text = json.dumps(kept, sort_keys=True).encode()
        for name in sorted(self.tensors):
            if name.startswith(("quantizer.", "prior.")):
                tensor = self.tensors[name]
                text += f"{name} {tensor.dtype.name} {tensor.shape}".encode() + tensor.tobytes()
        return hashlib.sha256(text).hexdigest()[:8]


# Integer networks


def relu(values: Ints) -> Ints:
    return np.clip(values, 0, 31744)


def clamp(values: Ints) -> Ints:
    return np.clip(values, -31744, 31744)


class Layer:
    def __init__(self, model: ModelFile, name: str) -> None:
        self.weight = model.integers(f"{name}.weight")
        self.bias = model.integers(f"{name}.bias")
        self.shift = int(model.integers(f"{name}.shift"))
        assert 0 <= self.shift <= 48
        assert np.abs(self.bias).max() <= 1 << 50
        assert self.weight.size // self.bias.size <= 1 << 19

    def __call__(self, values: Ints) -> Ints:
        return self.round(self.bias + values @ self.weight)

    def round(self, sums: Ints) -> Ints:
        return sums if self.shift == 0 else (sums + (1 << self.shift - 1)) >> self.shift


# Heads


def equal_freqs(size: int) -> list[int]:
    return [65536 // size + 65536 % size, *[65536 // size] * (size - 1)]


def rows_of(tables: Ints) -> list[list[int]]:
    """The frequencies of each stored table of a logistic head."""
    ends = np.flatnonzero(np.cumsum(tables) % (1 << 20) == 0) + 1
    return [row.tolist() for row in np.split(tables, ends) if row.size]


def scale_number(tables: list[list[int]], scale: int, unit: int) -> int:
    parts = math.gcd(len(tables), 1 << 16)
    per_octave = (len(tables) // parts - 1) // 10
    number = (per_octave * scale + unit // 2) // unit + 5 * per_octave
    return min(max(number, 0), 10 * per_octave)


class Decoder:
    """Symbols that are coded in one call, by the model's head or by tables."""

    def __init__(self, model: ModelFile, payload: bytes) -> None:
        self.coder = ReferenceRangeDecoder(payload)
        self.size = model.codebook_size
        default = "categorical" if model.prior["kind"] == "frames" else "logistic"
        self.head = model.prior.get("head", default)
        if model.has("exponents"):
            self.exponents = model.integers("exponents")
        if model.has("tables"):
            self.tables = model.tables
        self.skips_certain = model.prior.get("skip_certain", False)
        self.magnitudes = model.prior.get("magnitudes", False)
        if self.magnitudes:
            self.hurdle_tables = rows_of(model.integers("hurdle_tables"))

    def number_of_groups(self, groups: int) -> int:
        """How many of all groups a segment uses."""
        return self.coder.decode(equal_freqs(groups + 1)) if self.skips_certain else groups

    def together(self, outputs: Ints, *, exact: bool = False) -> list[int]:
        """The indices of outputs [S, O]."""
        if self.head == "categorical":
            return [self.coder.decode(self.freqs(row)) for row in outputs]
        if self.magnitudes and not exact:
            return self.of_rows(*self.hurdle_rows(outputs), skips_certain=self.skips_certain)
        rows = self.logistic_rows(outputs)
        return self.of_rows(*rows, skips_certain=self.skips_certain and not exact)

    def freqs(self, row: Ints) -> list[int]:
        z = row.max() - row
        weights = [int(self.exponents[min(int(v), len(self.exponents) - 1)]) for v in z]
        total = sum(weights) or 1
        freqs = [1 + weight * (65536 - self.size) // total for weight in weights]
        freqs[int(z.argmin())] += 65536 - sum(freqs)
        return freqs

    def logistic_rows(self, outputs: Ints) -> tuple[list[list[int]], list[int], list[int]]:
        rows, centres, parts = [], [], math.gcd(len(self.tables), 1 << 16)
        for mean, scale in outputs.tolist():
            centre = (mean + parts // 2) // parts
            number = scale_number(self.tables, scale, parts)
            rows.append(parts * number + mean - parts * centre + parts // 2)
            centres.append(centre)
        return self.tables, rows, centres

    def hurdle_rows(self, outputs: Ints) -> tuple[list[list[int]], list[int], list[int]]:
        rows, parts = [], math.gcd(len(self.hurdle_tables), 1 << 16)
        for odds, scale in outputs.tolist():
            of_odds = min(max((4 * odds + 32) // 64, 0), parts - 1)
            rows.append(parts * scale_number(self.hurdle_tables, scale, 64) + of_odds)
        return self.hurdle_tables, rows, [0] * len(rows)

    def of_rows(
        self,
        tables: list[list[int]],
        rows: list[int],
        centres: list[int],
        *,
        skips_certain: bool,
    ) -> list[int]:
        indices, escapes = [0] * len(rows), []
        for place in sorted(range(len(rows)), key=lambda place: (rows[place], place)):
            table = tables[rows[place]]
            reach = len(table) // 2 - 1
            if skips_certain and table[reach] >= (1 << 20) - 16:
                likeliest = centres[place] + (self.size - 1) // 2
                indices[place] = min(max(likeliest, 0), self.size - 1)
                continue
            symbol = self.coder.decode(table)
            indices[place] = symbol - reach + centres[place] + (self.size - 1) // 2
            if symbol == len(table) - 1:
                escapes.append(place)
        for place in sorted(escapes):
            indices[place] = self.coder.decode(equal_freqs(self.size))
        assert all(0 <= index < self.size for index in indices)
        return indices

    def with_tables(self, tables: list[list[int]], count: int) -> Ints:
        return np.array([[self.coder.decode(table) for _ in range(count)] for table in tables])


# Priors


def dither_matrix(period: int) -> Ints:
    matrix = np.zeros((1, 1), np.int64)
    while len(matrix) < period:
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    return matrix


def phases_of(model: ModelFile, number: int) -> Ints:
    """The phase of each position in the cell of a group, [rows, columns]."""
    rows = model.prior.get("frame_period")
    if rows is not None and number >= model.prior.get("num_exact", 1):
        column = np.zeros((1, 1), np.int64)
        while len(column) < rows:
            column = np.concatenate([2 * column, 2 * column + 1])
        return column
    period: int = model.prior.get("period", 2)
    return dither_matrix(period if number else model.prior.get("first_period", period))


def groups_in_use(model: ModelFile, num_codebooks: int) -> list[tuple[int, int, int]]:
    """The first codebook, the size and the codebooks in use of every group."""
    groups, first = [], 0
    for size in model.prior["groups"]:
        if first < num_codebooks:
            groups.append((first, size, min(size, num_codebooks - first)))
        first += size
    return groups


def features_of(model: ModelFile, indices: Ints, first: int) -> Ints:
    """Features [n * E] of indices [n] of codebooks `first` onwards."""
    table = model.integers("features")
    rows = [table[(first + b) % len(table), index] for b, index in enumerate(indices)]
    return np.concatenate(rows)


def neighbourhood_sum(values: Ints, y: int, x: int, weight: Ints) -> Ints:
    """The convolution [O] at a position of values [h, w, C], 0 outside; weight is [k, l, C, O]."""
    total = np.zeros(weight.shape[-1], np.int64)
    for a in range(weight.shape[0]):
        for b in range(weight.shape[1]):
            row, column = y + a - weight.shape[0] // 2, x + b - weight.shape[1] // 2
            if 0 <= row < values.shape[0] and 0 <= column < values.shape[1]:
                total += values[row, column] @ weight[a, b]
    return total


def likeliest(model: ModelFile, head: str, outputs: Ints) -> list[int]:
    """The most likely indices under outputs [S, O], for levels that are not read."""
    if head == "categorical":
        return [row.tolist().index(row.max()) for row in outputs]
    parts = math.gcd(len(model.tables), 1 << 16)
    largest = model.codebook_size - 1
    indices = [(mean + parts // 2) // parts + largest // 2 for mean, _ in outputs.tolist()]
    return [min(max(index, 0), largest) for index in indices]


def columns_of(starts: list[int]) -> list[int]:
    """The band in which the indices of each slot stand."""
    columns: list[int] = []
    for start in starts:
        columns.append(max(start, columns[-1] + 1) if columns else start)
    return columns


def decode_grid(
    model: ModelFile, decoders: list[Decoder], shape: tuple[int, ...], rate: int
) -> Ints:
    """The indices from a decoder per group; groups without one get the likeliest indices."""
    num_codebooks, height, width = shape
    indices = np.full(shape, (model.codebook_size - 1) // 2, np.int64)
    num_exact, is_plane, starts, columns = 0, model.prior["kind"] == "plane", [0], []
    if is_plane:
        num_exact, starts = model.prior.get("num_exact", 1), model.prior.get("starts", [0])
        columns = columns_of(starts)
        state = np.tile(model.integers("rate_state")[rate], (height, len(starts), 1))
        state = clamp(state + model.integers("slot_state"))
    else:
        state = np.tile(model.integers("rate_state")[rate], (height, width, 1))
    groups = groups_in_use(model, num_codebooks)
    groups = groups[: decoders[0].number_of_groups(len(groups))]
    num_columns = width
    if is_plane and decoders[0].skips_certain and len(groups) > num_exact:
        num_columns = decoders[0].coder.decode(equal_freqs(width + 1))
    for number, (first, size, used) in enumerate(groups):
        prefix = f"groups.{number}"
        phases = phases_of(model, number)
        context, trunk, hidden, head = (
            Layer(model, f"{prefix}.{part}") for part in ("context", "trunk", "hidden", "head")
        )
        in_slots = number < num_exact
        used_columns = len(starts) if in_slots else num_columns
        num_features = size * model.integers("features").shape[2]
        features = np.zeros((height, state.shape[1], num_features), np.int64)
        for phase in range(phases.size):
            places = [
                (y, x)
                for y in range(height)
                for x in range(used_columns)
                if phases[y % phases.shape[0], x % phases.shape[1]] == phase
            ]
            outputs = []
            for y, x in places:
                around = neighbourhood_sum(features, y, x, context.weight[phase])
                seen = trunk(state[y, x]) + context.round(context.bias[phase] + around)
                outputs.append(head(relu(hidden(relu(seen)))).reshape(size, -1)[:used])
            if not places:
                continue
            predicted = np.concatenate(outputs)
            if number < len(decoders):
                together = decoders[number].together(predicted, exact=in_slots)
            else:
                together = likeliest(model, decoders[0].head, predicted)
            coded = np.array(together).reshape(-1, used)
            for (y, x), found in zip(places, coded, strict=True):
                indices[first : first + used, y, columns[x] if in_slots else x] = found
                seen = features_of(model, found, first)
                features[y, x, : len(seen)] = seen
        if number + 1 < len(groups):
            update, merge = Layer(model, f"{prefix}.update"), Layer(model, f"{prefix}.merge")
            known = np.concatenate([relu(state), features], axis=2)
            state = np.stack([
                np.stack([
                    clamp(state[y, x] + merge(relu(update.round(
                        update.bias + neighbourhood_sum(known, y, x, update.weight)
                    ))))
                    for x in range(state.shape[1])
                ])
                for y in range(height)
            ])  # fmt: skip
            if number + 1 == num_exact:
                slots = [sum(start <= band for start in starts) - 1 for band in range(width)]
                state = clamp(state[:, slots] + model.integers("band_state"))
    return indices


def decode_frames(model: ModelFile, decoder: Decoder, shape: tuple[int, ...], rate: int) -> Ints:
    num_codebooks, _, num_frames = shape
    indices = np.zeros((num_codebooks, num_frames), np.int64)
    per_index = model.integers("features").shape[2]
    start = model.integers("rate_state")[rate]
    first_layer = Layer(model, "first")
    dilations = model.prior.get("dilations", [1, 2, 4, 8])
    layers = [
        (Layer(model, f"layers.{n}.mix"), Layer(model, f"layers.{n}.merge"))
        for n in range(len(dilations))
    ]
    seen: list[list[Ints]] = [[] for _ in dilations]  # by layer and frame
    before = np.zeros(model.num_codebooks * per_index, np.int64)
    groups = groups_in_use(model, num_codebooks)
    for frame in range(num_frames):
        state = clamp(first_layer(before) + start)
        for (mix, merge), dilation, own in zip(layers, dilations, seen, strict=True):
            earlier = own[frame - dilation] if frame >= dilation else np.zeros_like(state)
            own.append(state)
            state = clamp(state + merge(relu(mix(relu(np.concatenate([state, earlier]))))))
        before = np.zeros_like(before)
        for number, (first, size, used) in enumerate(groups):
            prefix = f"groups.{number}"
            hidden, head = Layer(model, f"{prefix}.hidden"), Layer(model, f"{prefix}.head")
            outputs = head(relu(hidden(relu(state)))).reshape(size, -1)
            found = np.array(decoder.together(outputs[:used]))
            indices[first : first + used, frame] = found
            features = features_of(model, found, first)
            before[first * per_index : (first + used) * per_index] = features
            if number + 1 < len(groups):
                update, merge = Layer(model, f"{prefix}.update"), Layer(model, f"{prefix}.merge")
                change = relu(update(np.concatenate([relu(state), features])))
                state = clamp(state + merge(change))
    return indices[:, None]


def split_level(body: bytes, num_segments: int) -> list[bytes]:
    reader = Reader(body)
    payloads = [reader.take(reader.varint()) for _ in range(num_segments - 1)]
    assert reader.place <= len(body)
    return [*payloads, body[reader.place :]]


def decode_segment(
    model: ModelFile,
    payloads: list[bytes],
    shape: tuple[int, int, int],
    rate: int,
    level: int | None,
) -> Ints:
    """The indices from the payloads of levels, or from a single payload, up to a level."""
    decoders = [Decoder(model, payload) for payload in payloads]
    decoder, kind = decoders[0], model.prior["kind"]
    if kind == "plane":
        num_bands = model.prior["num_bands"]
        books = shape[0] // num_bands
        decoders *= len(groups_in_use(model, books))
        found = decode_grid(model, decoders, (books, shape[2], num_bands), rate)
        return found.transpose(0, 2, 1).reshape(shape)
    if kind == "grid":
        groups = len(groups_in_use(model, shape[0]))
        if len(decoders) == 1:
            decoders *= level or groups
        assert len(decoders) == (level or groups)
        return decode_grid(model, decoders, shape, rate)
    assert len(payloads) == 1
    if kind == "frames":
        return decode_frames(model, decoder, shape, rate)
    if kind == "histogram":
        tables = model.integers("histogram")[: shape[0]].tolist()
    else:
        tables = [equal_freqs(model.codebook_size)] * shape[0]
    return decoder.with_tables(tables, shape[1] * shape[2]).reshape(shape)


def indices_of(data: bytes, path: Path, level: int | None = None) -> list[Ints]:
    """The indices [K', h, w] or [K', F] of each plane of a stream, read up to a level."""
    stream, model = parse_stream(data, level), ModelFile(path)
    assert (stream.fingerprint, stream.modality) == (model.fingerprint, model.modality)
    num_planes, (rows, columns), (piece_rows, piece_columns) = model.plane_and_piece(stream)
    if rows * columns == 0:
        assert stream.segments == [b""]
        return []
    num_codebooks = model.codebooks_at(stream.rate)
    num_segments = num_planes * -(-rows // piece_rows) * -(-columns // piece_columns)
    assert not (stream.segments and stream.levels)
    parts = [split_level(body, num_segments) for body in stream.levels] or [stream.segments]
    segments, planes = iter(list(zip(*parts, strict=True))), []
    for _ in range(num_planes):
        plane = np.zeros((num_codebooks, rows, columns), np.int64)
        for top in range(0, rows, piece_rows):
            for left in range(0, columns, piece_columns):
                view = plane[:, top : top + piece_rows, left : left + piece_columns]
                payloads = list(next(segments))
                view[:] = decode_segment(model, payloads, view.shape, stream.rate, level)
        planes.append(plane if model.modality == "image" else plane[:, 0])
    assert next(segments, None) is None
    return planes
