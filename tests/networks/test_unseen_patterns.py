"""The encoder of pictures where features are larger than those of any training picture."""

from __future__ import annotations

import pytest
import torch

from vqcodec.modalities.image.config import PatchesConfig
from vqcodec.networks.image.encoder import ImageEncoder, patches_of


def encoder_of(**settings):
    torch.manual_seed(0)
    encoder = ImageEncoder(
        PatchesConfig(dim=12, fine_width=16, coarse_width=16, gated=True, **settings)
    )
    for layer in (encoder.head, encoder.gate.log_gain):
        torch.nn.init.normal_(layer.weight, std=0.05)
    return encoder


@pytest.mark.parametrize(("factor", "is_trusted"), [(1.0, True), (1e4, False), (1e30, False)])
def test_large_features_leave_the_linear_path_alone(factor, is_trusted):
    image, rate = torch.rand(2, 3, 64, 48), torch.tensor([0.2, 0.9])
    plain, careful = encoder_of(), encoder_of(largest_feature=50.0)
    for encoder in (plain, careful):
        encoder.down.weight.data *= factor
    expected = (
        plain if is_trusted else lambda image, _: careful.linear(patches_of(2 * image - 1, 16))
    )
    with torch.no_grad():
        assert torch.equal(careful(image, rate), expected(image, rate))


def test_trust_falls_between_the_largest_feature_and_twice_as_much():
    encoder = encoder_of(largest_feature=10.0)
    features = torch.zeros(1, 16, 1, 4)
    features[0, 3, 0] = torch.tensor([-10.0, 15.0, -20.0, 400.0])
    assert encoder.trust_in(features).flatten().tolist() == [1, 0.5, 0, 0]
