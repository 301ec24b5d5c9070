"""Networks in torch to ONNX graphs without weights, which the model file holds once."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import Dim

from vqcodec.codec.graphs import INPUTS
from vqcodec.networks.autoencoder import Autoencoder

SMALL = 64  # values; smaller constants stay in the graph
CONSTANT = "constant."  # prefix of the names of tensors that are not weights, such as transforms
EXAMPLE_POSITIONS = 12  # along each axis of the grid, of the inputs for tracing
LARGEST_GRID = 1 << 20  # positions along an axis


class _Encoder(nn.Module):
    """The encoder, with the names of its weights in a model file."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.encoder = autoencoder.encoder

    def forward(self, signal: Tensor, rate: Tensor) -> Tensor:
        latents: Tensor = self.encoder(signal, rate)
        return latents


class _Decoder(nn.Module):
    """The decoder, likewise; `first` is the position of the first latent on the first axis."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.decoder, self.num_axes = autoencoder.decoder, autoencoder.modality.num_axes

    def forward(self, latents: Tensor, rate: Tensor, first: Tensor) -> Tensor:
        corner = (first, *(0,) * (self.num_axes - 1))
        signal: Tensor = self.decoder(latents, rate, corner)
        return signal


class _SpeakingDecoder(_Decoder):
    """The decoder with a speaker embedding."""

    def forward(  # type: ignore[override]
        self, latents: Tensor, rate: Tensor, first: Tensor, speaker: Tensor
    ) -> Tensor:
        signal: Tensor = self.decoder(latents, rate, (first,), speaker)
        return signal


class _Speaker(nn.Module):
    """The network that computes speaker embeddings."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.decoder = autoencoder.decoder

    def forward(self, features: Tensor) -> Tensor:
        vector: Tensor = self.decoder.voice.encoder.embed(features)
        return vector


def export_graphs(
    autoencoder: Autoencoder,
) -> tuple[dict[str, bytes], dict[str, NDArray[Any]]]:
    """Return the graphs of a model, by the names of `codec.graphs.INPUTS`, and their constants.

    The graphs refer to weights by their names in the state of the autoencoder.
    """
    autoencoder = autoencoder.eval()
    modality, state = autoencoder.modality, autoencoder.state_dict()
    grid = (EXAMPLE_POSITIONS,) * modality.num_axes
    trim, step = modality.geometry.tail_trim, modality.geometry.step
    rate = torch.tensor([0.5])
    signal = torch.rand(2, modality.num_plane_channels, *(n * step - trim for n in grid)) / 2
    latents = torch.randn(2, modality.config.dim, *grid)
    planes = Dim("planes", min=1, max=1024)
    sides = {2 + n: Dim(f"side{n}", min=1, max=LARGEST_GRID) for n in range(modality.num_axes)}
    lengths = {axis: step * side - trim for axis, side in sides.items()}
    first = torch.zeros(1, dtype=torch.int64)
    examples: dict[str, tuple[nn.Module, list[Tensor], list[Any]]] = {
        "encoder": (_Encoder(autoencoder), [signal, rate], [{0: planes, **lengths}, None]),
        "decoder": (
            _Decoder(autoencoder),
            [latents, rate, first],
            [{0: planes, **sides}, None, None],
        ),
    }
    voice = getattr(autoencoder.decoder, "voice", None)
    if voice is not None:
        null = voice.nobody.detach()[None].clone()  # a view would be traced as the weight
        examples["decoder"] = (
            _SpeakingDecoder(autoencoder),
            [latents, rate, first, null],
            [{0: planes, **sides}, None, None, None],
        )
        features = torch.randn(1, voice.encoder.widen.in_channels, 50)
        frames = Dim("frames", min=1, max=LARGEST_GRID)
        examples["speaker"] = (_Speaker(autoencoder), [features], [{2: frames}])
    graphs: dict[str, bytes] = {}
    constants: dict[str, NDArray[Any]] = {}
    for name, (module, inputs, dynamic) in examples.items():
        shapes = dict(zip(INPUTS[name], dynamic, strict=False))
        graphs[name] = _export(module.eval(), inputs, shapes, state, constants)
    return graphs, constants


def _export(
    module: nn.Module,
    inputs: list[Tensor],
    shapes: dict[str, Any],
    state: Mapping[str, Tensor],
    constants: dict[str, NDArray[Any]],
) -> bytes:
    """Return a network as a serialized graph without weights; add its large constants."""
    import onnx
    from onnx import numpy_helper

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            tuple(inputs),
            dynamo=True,
            optimize=False,  # the optimizer makes a wrong clamp of the rate
            verbose=False,
            dynamic_shapes=shapes,
        )
    assert program is not None
    model = program.model_proto
    graph = model.graph
    renamed = {}
    for tensor in graph.initializer:
        if tensor.name not in state:
            values = numpy_helper.to_array(tensor)
            if values.size < SMALL:
                continue
            digest = hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest()
            renamed[tensor.name] = CONSTANT + digest[:12]
            constants[CONSTANT + digest[:12]] = np.array(values)
            tensor.name = renamed[tensor.name]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="model")
    once = {tensor.name: tensor for tensor in graph.initializer}  # equal constants have one name
    tensors = list(once.values())
    graph.ClearField("initializer")
    graph.initializer.extend(tensors)
    for node in graph.node:
        for number, name in enumerate(node.input):
            node.input[number] = renamed.get(name, name)
    return bytes(_without_remarks(model).SerializeToString(deterministic=True))


def _without_remarks(model: Any) -> Any:
    """Clear what a runtime does not need: places in source files, names of nodes, shapes."""
    model.ClearField("metadata_props")
    model.ClearField("producer_version")
    graph = model.graph
    for field in ("metadata_props", "value_info", "doc_string"):
        graph.ClearField(field)
    for node in graph.node:
        for field in ("metadata_props", "doc_string", "name"):
            node.ClearField(field)
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.ClearField("metadata_props")
    return model
