"""Untrusted graphs: forbidden contents are refused before a graph runs."""

from __future__ import annotations

import contextlib
import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_model_path

from vqcodec.codec import graph_check
from vqcodec.codec.graph_check import check_graph
from vqcodec.codec.model_file import GRAPH, read_model_file
from vqcodec.errors import ModelFileError

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402

WEIGHT = np.zeros((3, 4), np.float32)


def external(name="weight", shape=(3, 4)):
    tensor = TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="model")
    return tensor


def graph_of(*nodes, initializer=None):
    nodes = nodes or (helper.make_node("MatMul", ["x", "weight"], ["y"]),)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 3]) for name in "xy")
    weights = [external()] if initializer is None else initializer
    return helper.make_graph(nodes, "network", [x], [y], weights)


def serialized(*nodes, **options):
    return helper.make_model(graph_of(*nodes, **options)).SerializeToString()


def check(graph, weights=None):
    return check_graph("encoder", graph, {"weight": WEIGHT} if weights is None else weights)


@functools.cache
def real_graph():
    file = read_model_file(tiny_model_path("speech"))
    return file.tensors[f"{GRAPH}decoder"].tobytes(), file.tensors


def test_a_valid_graph_names_its_weights():
    assert check(serialized()) == ["weight"]
    assert check(serialized(initializer=[])) == []


def test_every_weight_of_a_real_graph_is_found():
    graph, tensors = real_graph()
    wanted = [
        tensor.name
        for tensor in onnx.load_from_string(graph).graph.initializer
        if tensor.data_location == TensorProto.EXTERNAL
    ]
    assert check_graph("decoder", graph, tensors) == wanted
    assert wanted


@pytest.mark.parametrize(
    "name", ["If", "Loop", "Scan", "RandomNormal", "StringNormalizer", "Conv2"]
)
def test_operators_that_are_not_listed_are_refused(name):
    with pytest.raises(ModelFileError, match=f"has an operator '{name}'"):
        check(serialized(helper.make_node(name, ["x"], ["y"])))


@pytest.mark.parametrize("domain", ["com.microsoft", "ai.onnx.ml", "mine"])
def test_custom_operators_are_refused(domain):
    with pytest.raises(ModelFileError, match=f"operator of '{domain}'"):
        check(serialized(helper.make_node("Add", ["x", "x"], ["y"], domain=domain)))


@pytest.mark.parametrize("several", [False, True])
def test_subgraphs_are_refused(several):
    inner = [graph_of()] * 2 if several else graph_of()
    with pytest.raises(ModelFileError, match="has subgraphs"):
        check(serialized(helper.make_node("Add", ["x", "x"], ["y"], body=inner)))


def test_constants_in_other_files_are_refused():
    for value in (external(), [external(), external()]):
        with pytest.raises(ModelFileError, match="constants in other files"):
            check(serialized(helper.make_node("Constant", [], ["y"], value=value)))


def test_functions_and_sparse_weights_are_refused():
    node = helper.make_node("Add", ["x", "x"], ["y"])
    function = helper.make_function(
        "mine", "f", ["x"], ["y"], [node], [helper.make_opsetid("", 18)]
    )
    model = helper.make_model(graph_of(), functions=[function])
    with pytest.raises(ModelFileError, match="without functions"):
        check(model.SerializeToString())
    model = helper.make_model(graph_of())
    model.graph.sparse_initializer.add()
    with pytest.raises(ModelFileError, match="sparse"):
        check(model.SerializeToString())


def test_a_model_has_one_graph():
    for graph in (b"", serialized() * 2):
        with pytest.raises(ModelFileError, match="not a single graph"):
            check(graph)


def test_a_missing_weight_is_refused():
    with pytest.raises(ModelFileError, match="needs a tensor weight, which is missing"):
        check(serialized(), {"other": WEIGHT})


@pytest.mark.parametrize(
    ("number", "dtype", "fits"),
    [
        (TensorProto.FLOAT, np.float16, True),
        (TensorProto.FLOAT, np.int8, False),  # its steps are missing
        (TensorProto.FLOAT, np.int64, False),
        (TensorProto.INT64, np.int64, True),
        (TensorProto.INT64, np.float32, False),
        (TensorProto.FLOAT16, np.float16, False),  # all floats are made wider
        (TensorProto.STRING, np.float32, False),
    ],
)
def test_a_weight_of_another_type_is_refused(number, dtype, fits):
    tensor = external()
    tensor.data_type = number
    graph, weights = serialized(initializer=[tensor]), {"weight": WEIGHT.astype(dtype)}
    if fits:
        assert check(graph, weights) == ["weight"]
        return
    with pytest.raises(ModelFileError, match="its encoder cannot take a tensor weight of"):
        check(graph, weights)


def test_a_weight_in_8_bits_needs_its_steps():
    weights = {"weight": WEIGHT.astype(np.int8), "weight.scale": np.ones(3, np.float32)}
    assert check(serialized(), weights) == ["weight"]
    with pytest.raises(ModelFileError, match="cannot take a tensor weight of int8"):
        check(serialized(), {"weight": weights["weight"]})


@pytest.mark.parametrize("shape", [(), (3,), (4, 3), (3, 4, 1), (12,), (3, -4)])
def test_a_weight_of_another_shape_is_refused(shape):
    with pytest.raises(ModelFileError, match="needs a tensor weight of shape"):
        check(serialized(initializer=[external(shape=shape)]))


def test_too_many_nodes_are_refused(monkeypatch):
    monkeypatch.setattr(graph_check, "MOST_NODES", 3)
    node = helper.make_node("Add", ["x", "x"], ["y"])
    check(serialized(node, node, node))
    with pytest.raises(ModelFileError, match="has 4 nodes, more than 3"):
        check(serialized(node, node, node, node))


def test_a_field_number_of_more_than_32_bits_is_refused():
    # Truncated to 32 bits, the number would be that of the functions.
    key = (1 << 32) | 25 << 3 | 2
    digits = [key >> 7 * place & 127 | (128 if place < 4 else 0) for place in range(5)]
    with pytest.raises(ModelFileError, match="not an ONNX graph"):
        check(serialized() + bytes([*digits, 0]))


def test_every_cut_of_a_small_graph_raises_only_model_file_errors():
    graph = serialized()
    for length in range(len(graph)):
        with contextlib.suppress(ModelFileError):
            check(graph[:length])


@given(st.binary(max_size=300))
def test_random_bytes_raise_only_model_file_errors(data):
    with contextlib.suppress(ModelFileError):
        check(data)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_to_a_real_graph_raises_only_model_file_errors(data):
    graph, tensors = real_graph()
    damaged = bytearray(graph)
    damaged[data.draw(st.integers(0, len(graph) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.sampled_from([len(graph), len(graph) // 2]))
    with contextlib.suppress(ModelFileError):
        check_graph("decoder", bytes(damaged[:end]), tensors)
