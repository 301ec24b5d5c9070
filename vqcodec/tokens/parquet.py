"""Tokens in Parquet shards: one row for every entry; needs pyarrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from vqcodec.errors import InputError, UsageError
from vqcodec.extras import install_hint
from vqcodec.tokens.entry import FACTS, Tokens, build_tokens

ROW_GROUP = 64  # entries that are read at a time


def _pyarrow() -> tuple[Any, Any]:
    """Return the modules pyarrow and pyarrow.parquet.

    Raises:
        UsageError: they are not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(
            f"Parquet: needs pyarrow, .tar shards do not; {install_hint('scale')}"
        ) from error
    return pyarrow, pyarrow.parquet


def require_pyarrow() -> None:
    """Raise UsageError unless pyarrow is installed."""
    _pyarrow()


def write_parquet(path: Path, entries: Iterable[tuple[str, Tokens]]) -> None:
    """Write a shard of entries with their keys: indices are flat, and shape has their sizes.

    Raises:
        UsageError: pyarrow is not installed.
    """
    arrow, parquet = _pyarrow()
    schema = _schema(arrow)
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        rows: list[dict[str, Any]] = []
        for key, tokens in entries:
            rows.append({"key": key, "indices": tokens.indices.reshape(-1), **tokens.facts()})
            if len(rows) == ROW_GROUP:
                writer.write_table(arrow.Table.from_pylist(rows, schema))
                rows = []
        writer.write_table(arrow.Table.from_pylist(rows, schema))


def _schema(arrow: Any) -> Any:
    kinds = {str: arrow.string(), int: arrow.int64(), float: arrow.float64()}
    fields = [
        arrow.field("key", arrow.string(), nullable=False),
        arrow.field("indices", arrow.list_(arrow.uint16()), nullable=False),
    ]
    for name, (kind, optional) in FACTS.items():
        type_ = arrow.list_(arrow.int32()) if kind is list else kinds[kind]
        fields.append(arrow.field(name, type_, nullable=optional))
    return arrow.schema(fields)


def read_parquet(source: BinaryIO, where: str) -> Iterator[Tokens]:
    """Yield the entries of a shard, in order.

    Args:
        source: a file, open for reading.
        where: its name, for messages.

    Raises:
        InputError: the file is damaged, or is not such a shard.
        UsageError: pyarrow is not installed.
    """
    arrow, parquet = _pyarrow()
    try:
        with parquet.ParquetFile(source) as file:
            for batch in file.iter_batches(batch_size=ROW_GROUP):
                facts = batch.select(list(FACTS)).to_pylist()
                for own, indices in zip(facts, batch.column("indices"), strict=True):
                    flat = indices.values.to_numpy(zero_copy_only=False)
                    yield build_tokens(own, flat, where)
    except OSError as error:
        raise InputError(f"{where}: {error.strerror or error}") from error
    except (arrow.ArrowException, KeyError, ValueError, AttributeError) as error:
        raise InputError(f"{where}: not a shard of tokens, or damaged: {error}") from error


def read_parquet_facts(source: BinaryIO, where: str) -> list[dict[str, object]]:
    """Return the facts of all entries of a shard, without their indices.

    Raises:
        InputError: the file is damaged, or is not a shard.
        UsageError: pyarrow is not installed.
    """
    arrow, parquet = _pyarrow()
    try:
        rows: list[dict[str, object]] = parquet.read_table(source, columns=list(FACTS)).to_pylist()
        return rows
    except OSError as error:
        raise InputError(f"{where}: {error.strerror or error}") from error
    except (arrow.ArrowException, KeyError, ValueError) as error:
        raise InputError(f"{where}: not a shard of tokens, or damaged: {error}") from error
