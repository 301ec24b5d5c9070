"""Checks of ONNX graphs: model files are untrusted, so graphs are checked before they run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqcodec.codec.weights import SCALE
from vqcodec.errors import ModelFileError

MOST_NODES = 20_000
# Tensor arithmetic only: no loops, branches, subgraphs, files or custom operators.
# fmt: off
OPERATORS = frozenset({
    "Abs", "Add", "ArgMin", "AveragePool", "Cast", "CastLike", "Clip", "Concat", "Constant", "Conv",
    "ConvTranspose", "Cos", "DepthToSpace", "Div", "Exp", "Expand", "Floor", "Gather", "GatherND",
    "Gelu", "Gemm", "Identity", "LayerNormalization", "LeakyRelu", "Log", "MatMul", "Max", "Min",
    "Mod", "Mul", "Neg", "Pad", "Pow", "Range", "Reciprocal", "ReduceMax", "ReduceMean",
    "ReduceSum", "Relu", "Reshape", "Shape", "Sigmoid", "Slice", "Softmax", "Sqrt", "Squeeze",
    "Sub", "Tanh", "Transpose", "Unsqueeze",
})
# fmt: on

# Field numbers in onnx.proto3.
_GRAPH, _FUNCTIONS = 7, 25
_NODE, _INITIALIZER, _SPARSE_INITIALIZER = 1, 5, 15
_OP_TYPE, _ATTRIBUTE, _DOMAIN = 4, 5, 7
_SUBGRAPH, _SUBGRAPHS, _SPARSE, _SPARSES = 6, 11, 22, 23
_TENSOR, _TENSORS = 5, 10
_DIMS, _DATA_TYPE, _NAME, _EXTERNAL_DATA = 1, 2, 8, 13
# Types of weights by their numbers.
_TYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool"}


def check_graph(name: str, graph: bytes, weights: Mapping[str, NDArray[Any]]) -> list[str]:
    """Return the names of the external weights of a serialized ONNX model.

    Args:
        name: of the graph, for messages.
        graph: the serialized model.
        weights: the model file's tensors by name.

    Raises:
        ModelFileError: the graph is not an ONNX model, a weight is missing or has a wrong shape or
            type, or the graph has contents that a network does not need.
    """
    try:
        return _check(name, graph, weights)
    except (ValueError, IndexError) as error:
        raise ModelFileError(f"model: its {name} is not an ONNX graph") from error


def _check(name: str, graph: bytes, weights: Mapping[str, NDArray[Any]]) -> list[str]:
    fields = list(_fields(memoryview(graph)))
    graphs = [value for field, value in fields if field == _GRAPH]
    if len(graphs) != 1 or any(field == _FUNCTIONS for field, _ in fields):
        raise ModelFileError(f"model: its {name} is not a single graph without functions")
    num_nodes, names = 0, []
    for field, value in _fields(graphs[0]):
        if field == _SPARSE_INITIALIZER:
            raise ModelFileError(f"model: its {name} has sparse weights")
        if field == _NODE:
            num_nodes += 1
            _check_node(name, value)
        if field == _INITIALIZER:
            own = list(_fields(value))
            if any(number == _EXTERNAL_DATA for number, _ in own):
                found = [str(v, "utf-8") for number, v in own if number == _NAME]
                shape = [n for number, v in own if number == _DIMS for n in _numbers(v)]
                types = [n for number, v in own if number == _DATA_TYPE for n in _numbers(v)]
                _check_weights(name, found, tuple(shape), types, weights)
                names += found
    if num_nodes > MOST_NODES:
        raise ModelFileError(f"model: its {name} has {num_nodes} nodes, more than {MOST_NODES}")
    return names


def _check_weights(
    name: str,
    needed: list[str],
    shape: tuple[int, ...],
    types: list[int],
    weights: Mapping[str, NDArray[Any]],
) -> None:
    for weight in needed:
        if weight not in weights:
            raise ModelFileError(f"model: its {name} needs a tensor {weight}, which is missing")
        steps = weights.get(weight + SCALE)
        if steps is not None and (steps.shape != shape[:1] or steps.dtype != np.float32):
            raise ModelFileError(f"model: the steps of its tensor {weight} do not fit")
        if weights[weight].shape != shape:
            raise ModelFileError(
                f"model: its {name} needs a tensor {weight} of shape {shape}, "
                f"not {weights[weight].shape}"
            )
        # As `restore_weight` returns it.
        is_float = steps is not None or weights[weight].dtype.kind == "f"
        dtype = "float32" if is_float else weights[weight].dtype.name
        if [_TYPES.get(number) for number in types] != [dtype]:
            raise ModelFileError(f"model: its {name} cannot take a tensor {weight} of {dtype}")


def _check_node(name: str, node: memoryview) -> None:
    """Refuse custom operators, subgraphs, and constants in other files."""
    for field, value in _fields(node):
        if field == _OP_TYPE and str(value, "utf-8") not in OPERATORS:
            raise ModelFileError(f"model: its {name} has an operator {str(value, 'utf-8')!r}")
        if field == _DOMAIN and len(value):
            raise ModelFileError(f"model: its {name} has an operator of {str(value, 'utf-8')!r}")
        if field == _ATTRIBUTE:
            for number, part in _fields(value):
                if number in (_SUBGRAPH, _SUBGRAPHS, _SPARSE, _SPARSES):
                    raise ModelFileError(f"model: its {name} has subgraphs")
                if number in (_TENSOR, _TENSORS) and any(
                    inner == _EXTERNAL_DATA for inner, _ in _fields(part)
                ):
                    raise ModelFileError(f"model: its {name} has constants in other files")


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the number and the content of each field of a protobuf message.

    Raises:
        ValueError: the bytes are not a protobuf message.
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind, start = key & 7, place
        if key >= 1 << 32:  # some parsers truncate the number to 32 bits
            raise ValueError("a field's number of more than 32 bits")
        if kind == 0:
            size = _varint(message, place)[1] - place
        elif kind == 2:
            size, start = _varint(message, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        place = start + size
        if place > len(message):
            raise ValueError("a field past the end")
        yield key >> 3, message[start:place]


def _numbers(content: memoryview) -> Iterator[int]:
    """Yield the integers of a field; a packed field has several."""
    place = 0
    while place < len(content):
        number, place = _varint(content, place)
        yield number


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """Return the varint (up to 10 bytes) at a byte offset, and the offset after it.

    Raises:
        ValueError: the varint is longer.
        IndexError: the message ends within the varint.
    """
    value = 0
    for shift in range(0, 70, 7):
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("a number of more than 10 bytes")
