import math

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from train.db_loss import (
    BACKGROUND_SHARE,
    db_loss,
    dice_loss,
    dilate_2x2,
    masked_l1,
    mined_cross_entropy,
    peer_loss,
    teacher_loss,
)
from train.nets.db import DBMaps


def grid(*rows: list[float]) -> Tensor:
    return torch.tensor(rows)[None, None]


def test_cross_entropy_takes_the_three_hardest_negatives_of_a_positive() -> None:
    prob = grid([0.5, 0.9, 0.8, 0.7, 0.1, 0.2])
    target = grid([1.0, 0, 0, 0, 0, 0])
    expected = -(math.log(0.5) + math.log(0.1) + math.log(0.2) + math.log(0.3)) / 4
    assert mined_cross_entropy(prob.logit(), target, torch.ones_like(target)).item() == pytest.approx(
        expected, abs=1e-5
    )


def test_cross_entropy_leaves_out_what_is_masked() -> None:
    prob, target = grid([0.5, 0.99, 0.8]), grid([1.0, 0, 0])
    expected = -(math.log(0.5) + math.log(0.2)) / 2
    assert mined_cross_entropy(prob.logit(), target, grid([1.0, 0, 1])).item() == pytest.approx(expected, abs=1e-5)


def test_cross_entropy_teaches_from_pictures_without_text() -> None:
    prob = torch.full((1, 1, 16, 16), 0.1)
    prob[0, 0, 3, 4] = 0.9
    prob.requires_grad_()
    loss = mined_cross_entropy(prob.logit(), torch.zeros_like(prob), torch.ones_like(prob))
    n_mined = round(256 * BACKGROUND_SHARE)
    assert loss.item() == pytest.approx(-(math.log(0.1) + (n_mined - 1) * math.log(0.9)) / n_mined, abs=1e-4)
    (gradient,) = torch.autograd.grad(loss, prob)
    assert gradient[0, 0, 3, 4] > 0


def test_a_detector_that_is_sure_and_wrong_still_learns() -> None:
    logit = grid([40.0, -200.0]).requires_grad_()
    loss = mined_cross_entropy(logit, grid([0.0, 1.0]), torch.ones(1, 1, 1, 2))
    (gradient,) = torch.autograd.grad(loss, logit)
    np.testing.assert_allclose(gradient.flatten().numpy(), [0.5, -0.5], rtol=1e-4)


def test_a_wholly_ignored_batch_costs_nothing() -> None:
    prob = torch.full((1, 1, 8, 8), 0.4, requires_grad=True)
    nothing = torch.zeros_like(prob)
    assert mined_cross_entropy(prob.logit(), nothing, nothing).item() == 0


def test_dice_by_hand() -> None:
    prob, target, mask = grid([0.5, 1.0, 0.9]), grid([1.0, 0, 1]), grid([1.0, 1, 0])
    assert dice_loss(prob, target, mask).item() == pytest.approx(1 - 2 * 0.5 / (1.5 + 1.0), abs=1e-5)
    assert dice_loss(target, target, torch.ones_like(mask)).item() == pytest.approx(0, abs=1e-5)


def test_l1_is_the_mean_where_thresholds_are_judged() -> None:
    prediction, target = grid([0.5, 0.2, 0.9]), grid([0.3, 0.3, 0.0])
    assert masked_l1(prediction, target, grid([1.0, 1, 0])).item() == pytest.approx(0.15, abs=1e-5)
    assert masked_l1(prediction, target, grid([0.0, 0, 0])).item() == 0


def test_the_sum_weighs_prob_by_five_and_threshold_by_ten() -> None:
    prob = grid([0.5, 0.1])
    maps = DBMaps(prob, grid([0.4, 0.4]), grid([0.8, 0.0]), prob.logit())
    ones = torch.ones(1, 1, 1, 2)
    targets = {"shrink": grid([1.0, 0]), "shrink_mask": ones, "threshold": 0.7 * ones, "threshold_mask": ones}
    terms = db_loss(maps, targets)
    assert terms["total"] == 5 * terms["prob"] + terms["binary"] + 10 * terms["threshold"]
    assert terms["threshold"].item() == pytest.approx(0.3, abs=1e-5)


def test_peers_pull_each_other_and_agree_at_no_cost() -> None:
    one, other = grid([0.2, 0.6]).requires_grad_(), grid([0.4, 0.6]).requires_grad_()
    loss = peer_loss(one, other)
    by_hand = 0.5 * (0.4 * math.log(0.4 / 0.2) + 0.2 * math.log(0.2 / 0.4)) / 2
    assert loss.item() == pytest.approx(by_hand, rel=1e-3)
    torch.autograd.backward(loss)
    assert one.grad is not None
    assert other.grad is not None
    assert one.grad[0, 0, 0, 0] < 0 < other.grad[0, 0, 0, 0]
    assert one.grad[0, 0, 0, 1] == other.grad[0, 0, 0, 1] == 0


def test_peers_that_are_sure_of_opposites_stay_finite() -> None:
    assert peer_loss(grid([0.0, 1.0]), grid([1.0, 0.0])).isfinite()


def test_dilation_is_that_of_opencv() -> None:
    binary = (np.random.default_rng(0).random((9, 11)) > 0.8).astype(np.float32)
    expected = cv2.dilate(binary, np.ones((2, 2), np.uint8))
    np.testing.assert_array_equal(dilate_2x2(torch.from_numpy(binary)[None, None])[0, 0].numpy(), expected)


def test_a_student_learns_the_teachers_dilated_map_and_the_teacher_nothing() -> None:
    teacher = grid([0.0, 0.9, 0.0, 0.29]).requires_grad_()
    student = grid([0.0, 0.5, 0.5, 0.0]).requires_grad_()
    maps = DBMaps(student, student, student, student.logit())
    loss = teacher_loss(maps, teacher, torch.ones_like(teacher))
    # The target is 0 1 1 0.
    assert loss.item() == pytest.approx((5 + 1) * (1 - 2 * 1.0 / (1.0 + 2.0)), abs=1e-4)
    torch.autograd.backward(loss)
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.abs().sum() > 0
