"""The learning rate as a function of the step, so that a resumed run needs no schedule to be restored."""

import math
from bisect import bisect_right

from train.recipe import ScheduleSettings


def lr_share(schedule: ScheduleSettings, step: int, n_steps: int) -> float:
    """The share of the peak learning rate at a step.

    Args:
        schedule: Its kind and constants.
        step: From 0 to n_steps - 1.
        n_steps: Of the whole run, warm-up included.

    Returns:
        In (0, 1]. Warm-up rises linearly and reaches 1 in its last step; after it the curve begins at 1.
    """
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    if schedule.kind == "piecewise":
        return schedule.factor ** bisect_right(schedule.milestones, step)
    if schedule.kind == "constant":
        return 1.0
    progress = (step - schedule.warmup) / max(1, n_steps - schedule.warmup)
    return schedule.final + (1 - schedule.final) * 0.5 * (1 + math.cos(math.pi * progress))
