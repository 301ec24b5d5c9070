"""How many threads networks run on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from vqcodec.networks.threads import threads_beside


@pytest.fixture
def three_threads() -> Iterator[None]:
    usual = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(usual)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize(("num_others", "left"), [(0, 3), (1, 2), (2, 1), (9, 1)])
def test_networks_leave_cores_to_others_for_a_while(num_others, left):
    with threads_beside(num_others):
        assert torch.get_num_threads() == left
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_a_failure_gives_the_cores_back():
    with pytest.raises(ValueError, match="no"), threads_beside(1):
        raise ValueError("no")
    assert torch.get_num_threads() == 3
