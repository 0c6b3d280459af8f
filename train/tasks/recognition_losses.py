"""Losses of a recogniser. All are computed in float32, and averaged over the lines of a batch.

Shape suffixes: N lines, C classes, T time steps, D features, L characters.
"""

import torch
from torch import Tensor, nn

from train.nets.attention import EDGE
from train.nets.ctc import BLANK

PADDING = -100
"""What cross entropy leaves out."""


def ctc_loss(logits_NTC: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """CTC averaged over the batch, not divided by the length of the labels (PP-OCRv2's code).

    A line of length 0 has no label: it counts among the lines and teaches nothing. A label that needs more time steps
    than there are has an infinite loss, which torch's `zero_infinity` would hide: such lines are to be left out of the
    data, where they are counted (`train.ctc_targets`).

    Args:
        logits_NTC: (N, T, C); class 0 is the blank.
        targets: (N, L) classes, padded with 0.
        lengths: (N,) characters.

    Reference:
        Graves et al. 2006, equation 14.
    """
    log_probs_TNC = logits_NTC.float().log_softmax(2).transpose(0, 1)
    n_steps = torch.full_like(lengths, logits_NTC.shape[1])
    losses_N = nn.functional.ctc_loss(log_probs_TNC, targets, n_steps, lengths, blank=BLANK, reduction="none")
    return torch.where(lengths > 0, losses_N, 0.0).mean()


def mutual_loss(logits_NTC: Tensor, peer_NTC: Tensor) -> Tensor:
    """Half the sum of both Kullback-Leibler divergences between two students, who both learn from it.

    Summed over time steps, as CTC is, and averaged over lines; padding takes part (PP-OCRv2's code, `batchmean`).

    Reference:
        Zhang et al. 2018 (deep mutual learning); PP-OCRv2 (Du et al. 2021), equation 8.
    """
    log_p, log_q = logits_NTC.float().log_softmax(2), peer_NTC.float().log_softmax(2)
    # (p - q) (log p - log q) is what both divergences sum to. Written out: the published code once took a log twice.
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum() / (2 * len(logits_NTC))


def anchor_loss(logits_NTC: Tensor, probs_NTC: Tensor) -> Tensor:
    """Kullback-Leibler divergence of what a network says from what it said before training (`probs_NTC`).

    Summed over time steps and averaged over lines, as CTC is, so that both weigh alike.

    Reference:
        Li and Hoiem 2016 (learning without forgetting), equation 2, at temperature 1.
    """
    probs, log_q = probs_NTC.float(), logits_NTC.float().log_softmax(2)
    divergence: Tensor = (torch.special.xlogy(probs, probs) - probs * log_q).sum() / len(logits_NTC)
    return divergence


def feature_loss(feat: Tensor, peer: Tensor) -> Tensor:
    """Mean squared difference of two backbones' maps, without a transform (PP-OCRv2, equation 9)."""
    return nn.functional.mse_loss(feat.float(), peer.float())


def missed_share(feat: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared difference from features that are wanted, as a part of their variance."""
    wanted = wanted.float()
    return nn.functional.mse_loss(feat.float(), wanted) / wanted.var()


def centre_loss(feat_NTD: Tensor, logits_NTC: Tensor, centres_CD: Tensor, known_C: Tensor) -> Tensor:
    """Mean squared distance of features from the centre of the class that is read at their time step.

    The centres are constants. The paper sums over time steps; the mean of its code is used, for which the published
    weight of 0.05 was chosen. Steps of a class without a centre are left out.

    Args:
        feat_NTD: What the last layer sees.
        logits_NTC: Choose the class; no gradient goes this way.
        centres_CD: A centre a class, the blank's too.
        known_C: Which of them are known.

    Reference:
        PP-OCRv2 (Du et al. 2021), equations 10 to 12; Wen et al. 2016 (centre loss).
    """
    read_NT = logits_NTC.detach().argmax(2)
    distances_NT = (feat_NTD.float() - centres_CD[read_NT]).square().sum(2)
    counts_NT = known_C[read_NT]
    return (distances_NT * counts_NT).sum() / counts_NT.sum().clamp(min=1)


def attention_loss(logits_NLC: Tensor, targets_NL: Tensor, lengths: Tensor) -> Tensor:
    """Cross entropy of each character of the labels and of their end; mean over these.

    Args:
        logits_NLC: (N, L + 1, C) of an `AttentionBranch`.
        targets_NL: (N, L) classes.
        lengths: (N,) characters; a line of length 0 has no label and is left out.
    """
    wanted_NL = nn.functional.pad(targets_NL, (0, 1), value=EDGE)
    places_L = torch.arange(wanted_NL.shape[1], device=lengths.device)
    is_padding: Tensor = (places_L > lengths[:, None]) | (lengths[:, None] == 0)
    wanted_NL = wanted_NL.masked_fill(is_padding, PADDING)
    summed = nn.functional.cross_entropy(
        logits_NLC.float().flatten(0, 1), wanted_NL.flatten(), ignore_index=PADDING, reduction="sum"
    )
    loss: Tensor = summed / is_padding.logical_not().sum().clamp(min=1)
    return loss


def teacher_loss(logits_NTC: Tensor, teacher_NTC: Tensor, mass_NT: Tensor) -> Tensor:
    """Divergence of a student from a larger network's posteriors, summed over time steps, averaged over lines.

    Args:
        logits_NTC: The student's.
        teacher_NTC: Probabilities over the same classes, each step's sum 1.
        mass_NT: (N, T) what part of the teacher's probability these classes had before: a step at which the teacher
            sees a character that we do not know says nothing.

    Reference:
        Hinton et al. 2015, at temperature 1; on CTC posteriors as in PP-OCRv4's recogniser.
    """
    teacher_NTC = teacher_NTC.float()
    log_q = logits_NTC.float().log_softmax(2)
    divergence_NT = (torch.special.xlogy(teacher_NTC, teacher_NTC) - teacher_NTC * log_q).sum(2)
    loss: Tensor = (divergence_NT * mass_NT.float()).sum() / len(logits_NTC)
    return loss


def normalized(image_NCHW: Tensor) -> Tensor:
    """(N, 3, H, W) uint8 BGR to float32, (x / 255 - 0.5) / 0.5."""
    # Channels last: convolutions on a CPU take a fifth less time so.
    return image_NCHW.float().div_(127.5).sub_(1.0).contiguous(memory_format=torch.channels_last)
