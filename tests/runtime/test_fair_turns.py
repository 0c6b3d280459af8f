"""Shares of reading time."""

from collections import Counter

import pytest

from runtime.fair_turns import FairTurns


def served(costs: dict[str, float], n_turns: int) -> Counter[str]:
    """Seconds that each camera got when all of them always have a frame."""
    turns, got = FairTurns(), Counter[str]()
    for _ in range(n_turns):
        camera = min(costs, key=turns.claim)
        turns.charge(camera, costs[camera])
        got[camera] += costs[camera]  # type: ignore[assignment]
    return got


def test_cameras_share_time_not_frames() -> None:
    got = served({"dense": 0.25, "plain": 0.05, "still": 0.01}, 1000)
    fair = sum(got.values()) / 3
    assert all(seconds == pytest.approx(fair, rel=0.1) for seconds in got.values())


def test_equal_claims_go_round() -> None:
    turns, order = FairTurns(), []
    for _ in range(6):
        order.append(min("abc", key=turns.claim))
        turns.charge(order[-1], 0.0)
    assert order == ["a", "b", "c", "a", "b", "c"]


def test_a_camera_that_was_away_does_not_take_over() -> None:
    turns = FairTurns()
    for _ in range(100):
        turns.charge("busy", 0.2)
    # It may go first once, but its idle time is not paid back.
    order = []
    for _ in range(6):
        order.append(min(("busy", "new"), key=turns.claim))
        turns.charge(order[-1], 0.2)
    assert order.count("new") == 3
