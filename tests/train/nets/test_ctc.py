from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from train.nets.ctc import CTCHead, Recognizer, ppocrv1_recognizer, ppocrv2_recognizer, ppocrv3_recognizer
from train.nets.necks import BiLSTMNeck, SVTRNeck

VERSIONS = [
    pytest.param(ppocrv1_recognizer, 32, 4, id="v1"),
    pytest.param(ppocrv2_recognizer, 32, 4, id="v2"),
    pytest.param(ppocrv3_recognizer, 48, 8, id="v3"),
]
Build = Callable[[int], Recognizer]


@pytest.mark.parametrize(("build", "height", "stride"), VERSIONS)
@pytest.mark.parametrize(("n_lines", "width"), [(1, 8), (3, 72), (2, 320)])
def test_recognizer_gives_probs_per_time_step(build: Build, height: int, stride: int, n_lines: int, width: int) -> None:
    probs = build(11).eval()(torch.randn(n_lines, 3, height, width))
    assert probs.shape == (n_lines, width // stride, 11)
    torch.testing.assert_close(probs.sum(2), torch.ones(n_lines, width // stride))


@pytest.mark.parametrize(("build", "height", "stride"), VERSIONS)
def test_recognizer_gives_logits_in_training_from_which_every_parameter_learns(
    build: Build, height: int, stride: int
) -> None:
    recognizer = build(11).train()
    logits = recognizer(torch.randn(2, 3, height, 32))
    assert logits.shape == (2, 32 // stride, 11)
    assert logits.min() < 0
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in recognizer.parameters())


@pytest.mark.parametrize(("build", "height", "stride"), VERSIONS)
def test_a_line_reads_the_same_alone_and_in_a_batch(
    build: Build, height: int, stride: int, settle: Callable[[nn.Module, Tensor], nn.Module]
) -> None:
    lines = torch.randn(3, 3, height, 64)
    recognizer = settle(build(11), lines)
    torch.testing.assert_close(recognizer(lines)[1:2], recognizer(lines[1:2]))


@pytest.mark.parametrize(("build", "height", "stride"), VERSIONS)
def test_parts_end_in_the_logits(build: Build, height: int, stride: int) -> None:
    recognizer, lines = build(11).eval(), torch.randn(2, 3, height, 32)
    parts = recognizer.parts(lines)
    torch.testing.assert_close(parts.logits.softmax(2), recognizer(lines))
    assert parts.backbone.shape[2:] == (1, 32 // stride)
    torch.testing.assert_close(recognizer.head.classes(parts.feat), parts.logits)


@pytest.mark.parametrize(("build", "height", "stride"), VERSIONS[1:])
def test_a_line_of_another_height_is_refused(build: Build, height: int, stride: int) -> None:
    with pytest.raises((RuntimeError, ValueError)):
        build(11).eval()(torch.randn(1, 3, 2 * height, 64))


def test_svtr_attention_has_no_notion_of_order() -> None:
    blocks = SVTRNeck(64, width=24).eval().blocks
    feat = torch.randn(2, 5, 24)
    order = torch.tensor([3, 0, 4, 2, 1])
    torch.testing.assert_close(blocks(feat[:, order]), blocks(feat)[:, order])


def test_svtr_attention_lets_the_last_step_see_the_first() -> None:
    blocks = SVTRNeck(64, width=24, n_blocks=1).eval().blocks
    feat = torch.randn(1, 40, 24, requires_grad=True)
    blocks(feat)[0, -1].sum().backward()
    assert feat.grad is not None
    assert feat.grad[0, 0].abs().max() > 0


def test_bilstm_sees_both_ways() -> None:
    neck = BiLSTMNeck(4, hidden=3)
    feat = torch.randn(1, 4, 1, 9, requires_grad=True)
    neck(feat)[0, 4].sum().backward()
    assert feat.grad is not None
    assert (feat.grad.abs().amax(1) > 0).all()


def test_hidden_layer_of_the_head_is_a_factorisation_without_activation() -> None:
    head = CTCHead(8, 20, hidden=3)
    feat = torch.randn(2, 50, 8)
    centred = (head(feat) - head(torch.zeros(1, 8))).flatten(0, 1)
    assert torch.linalg.matrix_rank(centred, rtol=1e-4).item() == 3
