"""One codebook: initialisation, learning and revival of entries."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor

from vqcodec.networks.quantizers import codebook as module
from vqcodec.networks.quantizers.codebook import Codebook

CENTRES = torch.tensor([[-4.0, 0.0], [4.0, 0.0], [0.0, 4.0], [0.0, -4.0]])


def clustered(number: int, seed: int = 0) -> Tensor:
    """Vectors [4 * number, 2] close to the four centres."""
    generator = torch.Generator().manual_seed(seed)
    noise = 0.1 * torch.randn(4 * number, 2, generator=generator)
    return CENTRES.repeat(number, 1) + noise


def book_of(
    entries: Tensor, update: Literal["average", "gradient"] = "average", decay: float = 0.9
) -> Codebook:
    book = Codebook(*entries.shape, update=update, decay=decay)
    with torch.no_grad():
        book.entries.copy_(entries)
        book.sums.copy_(entries * book.shares[:, None])
    return book


def distance_to_centres(book: Codebook) -> float:
    return float(torch.cdist(CENTRES, book.entries.detach()).min(1).values.max())


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_the_nearest_entry_is_that_of_the_smallest_distance():
    book = book_of(torch.randn(50, 3))
    vectors = torch.randn(400, 3)
    assert torch.equal(book.nearest(vectors), torch.cdist(vectors, book.entries).argmin(1))


def test_the_nearest_entries_do_not_depend_on_how_many_are_looked_for_at_once(monkeypatch):
    book = book_of(torch.randn(16, 3))
    vectors = torch.randn(100, 3)
    whole = book.nearest(vectors)
    monkeypatch.setattr(module, "VECTORS_AT_ONCE", 7)
    assert torch.equal(book.nearest(vectors), whole)
    assert book.nearest(vectors[:0]).shape == (0,)


def test_entries_are_initialised_with_the_means_of_clusters():
    book = Codebook(4, 2, update="average", decay=0.9)
    # k-means may split a cluster, so the best of a few starts counts.
    found = []
    for _ in range(5):
        book.init_from_data(clustered(50))
        found.append(distance_to_centres(book))
    assert min(found) < 0.1


def test_initialisation_from_fewer_vectors_than_entries_copies_vectors():
    book = Codebook(10, 2, update="average", decay=0.9)
    book.init_from_data(CENTRES)
    assert torch.cdist(book.entries, CENTRES).min(1).values.max() < 1e-5


def test_averaged_entries_move_to_the_mean_of_their_vectors():
    book = book_of(CENTRES * 0.7)
    for step in range(60):
        vectors = clustered(20, seed=step)
        book.learn(vectors, book.nearest(vectors))
    assert distance_to_centres(book) < 0.05


def test_averages_do_not_depend_on_the_size_of_the_batch():
    small, large = book_of(CENTRES * 0.7), book_of(CENTRES * 0.7)
    vectors = clustered(20)
    small.learn(vectors, small.nearest(vectors))
    large.learn(vectors.repeat(5, 1), large.nearest(vectors.repeat(5, 1)))
    assert torch.allclose(small.entries, large.entries, atol=1e-5)
    assert torch.allclose(small.shares, large.shares, atol=1e-6)


def test_entries_that_learn_by_gradient_stay_where_they_are():
    book = book_of(CENTRES * 0.7, "gradient")
    vectors = clustered(20)
    book.learn(vectors, book.nearest(vectors))
    assert torch.equal(book.entries, CENTRES * 0.7)
    assert book.entries.requires_grad


@pytest.mark.parametrize("update", ["average", "gradient"])
def test_a_dead_entry_comes_back_as_a_vector_of_the_batch(update):
    book = book_of(torch.cat([CENTRES[:3], torch.full((1, 2), 1e3)]), update)
    for step in range(30):
        vectors = clustered(20, seed=step)
        book.learn(vectors, book.nearest(vectors))
    assert book.entries.abs().max() < 5
    assert (book.shares > 0.01).all()


def test_an_entry_in_use_is_not_revived():
    book = book_of(CENTRES)
    for step in range(100):
        vectors = clustered(5, seed=step)
        indices = book.nearest(vectors)
        assert torch.equal(indices, torch.arange(4).repeat(5))
        book.learn(vectors, indices)


def test_soft_choices_are_shares_that_the_nearest_entry_leads():
    book = book_of(torch.randn(12, 3))
    vectors = torch.randn(30, 3)
    shares = book.soft_choices(vectors)
    assert torch.allclose(shares.sum(1), torch.ones(30))
    assert torch.equal(shares.argmax(1), book.nearest(vectors))
    expected = (-torch.cdist(vectors, book.entries).square() / book.spread).softmax(1)
    assert torch.allclose(shares, expected, atol=1e-5)


def test_soft_choices_harden_as_the_nearest_entries_get_nearer():
    book = book_of(CENTRES)
    vectors = clustered(20) * 0.05  # about as far from all centres
    before = book.soft_choices(vectors).max(1).values.mean()
    for _ in range(50):
        book.learn(clustered(20), book.nearest(clustered(20)))
    assert book.spread < 0.1
    assert book.soft_choices(vectors).max(1).values.mean() > before


def test_the_gradient_of_soft_choices_goes_only_to_the_vectors():
    book = book_of(torch.randn(12, 3), "gradient")
    vectors = torch.randn(30, 3, requires_grad=True)
    shares = book.soft_choices(vectors)
    book.learn(vectors.detach(), book.nearest(vectors))  # moves entries before the gradient is made
    shares[:, 0].sum().backward()
    assert vectors.grad is not None
    assert vectors.grad.abs().max() > 0
    assert book.entries.grad is None
