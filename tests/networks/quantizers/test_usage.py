"""Statistics of the use of codebooks."""

from __future__ import annotations

import pytest
import torch

from vqcodec.networks.quantizers.usage import usage_of


@pytest.mark.parametrize("shape", [(2, 2, 8), (2, 2, 4, 2)])
def test_equal_choices_have_the_largest_perplexity_and_one_choice_the_smallest(shape):
    indices = torch.stack([torch.arange(16) % 8, torch.full((16,), 3)])  # [K, M]
    usage = usage_of(indices.reshape(2, 2, 8).transpose(0, 1).reshape(shape), 8)
    assert torch.allclose(usage.perplexity, torch.tensor([8.0, 1.0]))
    assert torch.allclose(usage.share, torch.tensor([1.0, 1 / 8]))


def test_perplexity_counts_how_many_entries_would_be_as_hard_to_guess():
    usage = usage_of(torch.tensor([[[0, 0, 1, 1, 2, 2, 2, 2]]]), 16)
    assert torch.allclose(usage.perplexity, torch.tensor([2**1.5]))
    assert torch.allclose(usage.share, torch.tensor([3 / 16]))
