"""Residual units, their conditioning on the rate, and the statistics networks start from."""

import pytest
import torch

from vqcodec.modalities.audio.config import UNIT_REACH
from vqcodec.networks.residual import (
    ConvNextUnit1d,
    RateModulation,
    ResidualUnit2d,
    interpolate_knots,
)
from vqcodec.networks.statistics import principal_components


def test_values_are_interpolated_linearly_between_knots():
    table = torch.tensor([[0.0, 4.0], [1.0, 0.0], [5.0, 2.0]])
    rows = interpolate_knots(table, torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))
    assert rows.tolist() == [[0, 4], [0.5, 2], [1, 0], [3, 1], [5, 2]]


def test_rates_beyond_the_ends_are_clamped():
    table = torch.tensor([[1.0], [2.0], [3.0]])
    assert interpolate_knots(table, torch.tensor([-3.0, 7.0])).tolist() == [[1], [3]]


@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 4, 5)])
def test_modulation_changes_nothing_at_the_start(shape):
    features = torch.randn(shape)
    assert torch.equal(RateModulation(3)(features, torch.tensor([0.0, 0.7])), features)


def test_modulation_treats_each_item_by_its_rate():
    modulation = RateModulation(1, num_knots=2)
    with torch.no_grad():
        modulation.scale.copy_(torch.tensor([[0.0], [1.0]]))
        modulation.shift.copy_(torch.tensor([[0.0], [10.0]]))
    features = torch.full((3, 1, 2), 4.0)
    changed = modulation(features, torch.tensor([0.0, 0.5, 1.0]))
    assert changed[:, 0].tolist() == [[4, 4], [11, 11], [18, 18]]


def test_a_new_picture_unit_changes_nothing():
    features = torch.randn(1, 4, 3, 5)
    assert torch.equal(ResidualUnit2d(4)(features), features)


def test_a_sound_unit_has_the_receptive_field_of_its_reach():
    torch.manual_seed(0)
    unit = ConvNextUnit1d(4)
    features = torch.randn(1, 4, 40)
    whole, chunk = unit(features), unit(features[..., 10:30])
    inner = slice(UNIT_REACH, -UNIT_REACH)
    assert torch.allclose(whole[..., 10:30][..., inner], chunk[..., inner], atol=1e-6)


def test_components_are_found_largest_first():
    torch.manual_seed(0)
    axes = torch.linalg.qr(torch.randn(6, 6)).Q[:3]  # orthonormal rows
    deviations = torch.tensor([5.0, 2.0, 0.5])
    patches = (torch.randn(5000, 3) * deviations) @ axes + 7
    mean, components, found = principal_components(patches, 3)
    assert torch.allclose(mean, torch.full((6,), 7.0), atol=0.3)
    assert torch.allclose(found, deviations, rtol=0.05)
    assert torch.allclose((components * axes).sum(1).abs(), torch.ones(3), atol=0.01)


def test_weights_divided_by_the_deviations_of_a_flat_signal_fit_half_precision():
    _, components, deviations = principal_components(torch.full((100, 8), 0.5), 8)
    assert (deviations > 0).all()
    assert torch.isfinite((components / deviations[:, None]).half()).all()
