import pytest
import torch

from train.nets.orientation import OrientationClassifier


@pytest.mark.parametrize("shape", [(1, 3, 48, 192), (3, 3, 48, 64)])
def test_orientation_classifier_gives_two_probs_a_line(shape: tuple[int, int, int, int]) -> None:
    probs = OrientationClassifier().eval()(torch.randn(shape))
    assert probs.shape == (shape[0], 2)
    torch.testing.assert_close(probs.sum(1), torch.ones(shape[0]))


def test_orientation_classifier_gives_logits_in_training() -> None:
    logits = OrientationClassifier().train()(torch.randn(4, 3, 48, 96))
    assert not torch.allclose(logits.sum(1), torch.ones(4))
