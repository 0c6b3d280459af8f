"""Losses of a recogniser against values worked out by hand."""

import math

import pytest
import torch

from train.tasks.recognition_losses import (
    anchor_loss,
    attention_loss,
    centre_loss,
    ctc_loss,
    feature_loss,
    mutual_loss,
    teacher_loss,
)


def logits_of(*steps: tuple[float, ...]) -> torch.Tensor:
    """One line with these probabilities per time step."""
    return torch.tensor([steps]).log()


def test_ctc_adds_up_the_paths_of_a_label() -> None:
    logits = logits_of((0.5, 0.3, 0.2), (0.6, 0.3, 0.1))
    # "a" in two steps: a-, -a, aa.
    likelihood = 0.3 * 0.6 + 0.5 * 0.3 + 0.3 * 0.3
    loss = ctc_loss(logits, torch.tensor([[1]]), torch.tensor([1]))
    assert float(loss) == pytest.approx(-math.log(likelihood), abs=1e-5)


def test_what_a_network_said_before_costs_nothing_and_all_else_its_divergence() -> None:
    before = torch.tensor([[[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]]])
    assert float(anchor_loss(before.clamp_min(1e-30).log(), before)) == pytest.approx(0, abs=1e-6)
    loss = anchor_loss(logits_of((0.25, 0.25, 0.5), (0.5, 0.25, 0.25)), before)
    expected = 0.5 * math.log(2) + 0.3 * math.log(1.2) + 0.2 * math.log(0.4) + math.log(2)
    assert float(loss) == pytest.approx(expected, abs=1e-6)


def test_ctc_is_the_mean_over_lines_whatever_the_length_of_their_labels() -> None:
    logits = torch.randn(2, 6, 4)
    targets, lengths = torch.tensor([[1, 2, 3], [2, 0, 0]]), torch.tensor([3, 1])
    single = [ctc_loss(logits[i : i + 1], targets[i : i + 1], lengths[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(ctc_loss(logits, targets, lengths), (single[0] + single[1]) / 2)


def test_a_label_that_needs_more_steps_than_there_are_is_infinite_and_not_hidden() -> None:
    # "aa" needs a blank in between: three steps.
    targets, lengths = torch.tensor([[1, 1]]), torch.tensor([2])
    assert math.isinf(float(ctc_loss(torch.zeros(1, 2, 3), targets, lengths)))
    assert math.isfinite(float(ctc_loss(torch.zeros(1, 3, 3), targets, lengths)))


def test_a_line_without_a_label_teaches_ctc_nothing() -> None:
    logits = torch.randn(2, 4, 3, requires_grad=True)
    torch.autograd.backward(ctc_loss(logits, torch.tensor([[1], [0]]), torch.tensor([1, 0])))
    assert logits.grad is not None
    assert logits.grad[0].abs().sum() > 0
    assert logits.grad[1].abs().sum() == 0


def test_mutual_loss_is_the_mean_of_both_divergences_summed_over_steps() -> None:
    p, q = (0.5, 0.5), (0.9, 0.1)
    forth = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    back = 0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)
    one, other = logits_of(p, p), logits_of(q, q)
    assert float(mutual_loss(one, other)) == pytest.approx(2 * (forth + back) / 2, rel=1e-5)
    batch = torch.cat([one, one]), torch.cat([other, other])
    torch.testing.assert_close(mutual_loss(*batch), mutual_loss(one, other))


def test_mutual_loss_teaches_both_sides() -> None:
    one, other = torch.randn(1, 3, 4, requires_grad=True), torch.randn(1, 3, 4, requires_grad=True)
    torch.autograd.backward(mutual_loss(one, other))
    assert one.grad is not None
    assert other.grad is not None
    assert min(one.grad.abs().sum(), other.grad.abs().sum()) > 0


def test_feature_loss_is_the_mean_square() -> None:
    assert float(feature_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]))) == 2.5


def test_centre_loss_measures_from_the_centre_of_the_class_that_is_read() -> None:
    feat = torch.tensor([[[1.0, 0.0], [0.0, 3.0], [5.0, 5.0]]], requires_grad=True)
    logits = logits_of((0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8)).requires_grad_()
    centres = torch.tensor([[0.0, 0.0], [0.0, 1.0], [9.0, 9.0]])
    loss = centre_loss(feat, logits, centres, torch.tensor([True, True, False]))
    assert float(loss.detach()) == (1 + 4) / 2  # the third step reads a class without a centre
    torch.autograd.backward(loss)
    assert logits.grad is None
    assert feat.grad is not None
    assert feat.grad[0, 2].abs().sum() == 0


def test_attention_loss_spells_the_label_and_its_end() -> None:
    # A label "1" beside a longer one: the row is 1, end, padding.
    steps = logits_of((0.2, 0.5, 0.3), (0.7, 0.2, 0.1), (0.1, 0.1, 0.8))
    logits = torch.cat([steps, torch.zeros(1, 3, 3)])
    loss = attention_loss(logits, torch.tensor([[1, 0], [2, 2]]), torch.tensor([1, 0]))
    assert float(loss) == pytest.approx(-(math.log(0.5) + math.log(0.7)) / 2, rel=1e-5)


def test_teacher_loss_counts_a_step_by_what_the_teacher_knows_of_our_charset() -> None:
    teacher = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    student = logits_of((0.5, 0.5), (0.9, 0.1))
    loss = teacher_loss(student, teacher, torch.tensor([[1.0, 0.25]]))
    assert float(loss) == pytest.approx(-math.log(0.5) - 0.25 * math.log(0.1), rel=1e-5)
