"""Losses of the DB detector, alone and taught. All are computed in single precision.

Shape suffixes: N images, H and W pixels. Maps are (N, 1, H, W).

Where the DB paper (Liao et al. 2020), its code (MhLiao/DB) and PP-OCR's code differ, what is taken is said here.
"""

from torch import Tensor
from torch.nn import functional

from train.nets.db import DBMaps

PROB_WEIGHT, BINARY_WEIGHT, THRESHOLD_WEIGHT = 5.0, 1.0, 10.0
"""The paper's equation 7 puts alpha = 1 and beta = 10 before the maps' losses; both codes weigh the prob map by 5."""
NEGATIVES_PER_POSITIVE = 3
BACKGROUND_SHARE = 1 / 64
"""Share of all pixels that are mined as negatives at least, so that pictures without text teach too."""
TEACHER_BIN = 0.3
"""Probability above which a pixel of the teacher's map counts as text."""

_EPS = 1e-6
_PEER_EPS = 1e-5


def db_loss(maps: DBMaps, targets: dict[str, Tensor]) -> dict[str, Tensor]:
    """The detector's own loss: mined cross entropy, Dice of the binary map, L1 of the thresholds.

    Args:
        maps: What the detector said.
        targets: `shrink`, `shrink_mask`, `threshold`, `threshold_mask`, as of `DBTargets`.

    Returns:
        The weighed sum as `total`, and the three terms without their weights.
    """
    shrink, mask = targets["shrink"].float(), targets["shrink_mask"].float()
    prob = mined_cross_entropy(maps.logit, shrink, mask)
    binary = dice_loss(maps.binary, shrink, mask)
    threshold = masked_l1(maps.threshold, targets["threshold"].float(), targets["threshold_mask"].float())
    total = PROB_WEIGHT * prob + BINARY_WEIGHT * binary + THRESHOLD_WEIGHT * threshold
    return {"total": total, "prob": prob, "binary": binary, "threshold": threshold}


def mined_cross_entropy(logit: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Binary cross entropy of the positives and of the hardest negatives of the batch, three to a positive.

    As in DB's code, and unlike PP-OCR's, whose configuration asks for mining but computes a Dice loss, which gives no
    gradient where there is no text. DB's code mines no negatives either in a batch without text; here a share of all
    pixels is the least.
    """
    losses = functional.binary_cross_entropy_with_logits(logit.float(), target, reduction="none")
    is_positive, is_negative = (target * mask) > 0, ((1 - target) * mask) > 0
    n_positive = int(is_positive.sum())
    wanted = max(NEGATIVES_PER_POSITIVE * n_positive, round(BACKGROUND_SHARE * losses.numel()))
    n_negative = min(int(is_negative.sum()), wanted)
    hardest = (losses * is_negative).flatten().topk(n_negative).values
    return ((losses * is_positive).sum() + hardest.sum()) / (n_positive + n_negative + _EPS)


def dice_loss(prob: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """1 - 2 |p g| / (|p| + |g|) over the masked pixels of the whole batch; no gradient where nothing is wanted."""
    prob = prob.float() * mask
    target = target * mask
    return 1 - 2 * (prob * target).sum() / (prob.sum() + target.sum() + _EPS)


def masked_l1(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference where the mask is 1; 0 where it is nowhere."""
    return ((prediction.float() - target).abs() * mask).sum() / (mask.sum() + _EPS)


def peer_loss(one: Tensor, other: Tensor) -> Tensor:
    """Mean over pixels of the symmetric KL divergence of two prob maps; both learn from it.

    As in PP-OCRv2's code: only the text's side of it, p log(p/q), without (1 - p) log((1 - p) / (1 - q)).
    """
    p, q = one.float(), other.float()
    # Half of p log(p/q) + q log(q/p).
    return (0.5 * (p - q) * ((p + _PEER_EPS) / (q + _PEER_EPS)).log()).mean()


def teacher_loss(student: DBMaps, teacher_prob: Tensor, mask: Tensor) -> Tensor:
    """Dice of a student's maps against the teacher's binarised, dilated prob map.

    The student learns to say a little more than the teacher does: PP-OCRv2, section 2.2.1, with the code's reading
    of equation 3, where the teacher is the target.
    """
    target = dilate_2x2((teacher_prob.detach() > TEACHER_BIN).float())
    prob, binary = dice_loss(student.prob, target, mask), dice_loss(student.binary, target, mask)
    return PROB_WEIGHT * prob + BINARY_WEIGHT * binary


def dilate_2x2(binary: Tensor) -> Tensor:
    """Grow regions of a (N, 1, H, W) map by one pixel to the right and below, as `cv2.dilate` with a 2 x 2 kernel."""
    return functional.max_pool2d(functional.pad(binary, (1, 0, 1, 0)), 2, stride=1)
