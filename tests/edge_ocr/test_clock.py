import pytest

from edge_ocr.clock import Call, StageClock, busy_ms, spent_ms


def test_a_stage_adds_up() -> None:
    clock = StageClock()
    clock.add("crop", 1.5)
    clock.add("crop", 0.5)
    with clock.stage("detect"):
        pass
    assert clock.timings_ms["crop"] == 2.0
    assert clock.timings_ms["detect"] >= 0
    assert clock.timings_ms["recognize"] == 0


@pytest.mark.parametrize(
    ("calls", "streams", "busy"),
    [
        pytest.param([], 2, 0.0, id="none"),
        pytest.param([(1.0, 3.0)], 1, 2000.0, id="one"),
        pytest.param([(1.0, 3.0)], 2, 1000.0, id="one of two streams has work"),
        pytest.param([(1.0, 3.0), (5.0, 6.0)], 1, 3000.0, id="nobody asks in between"),
        pytest.param([(1.0, 3.0), (2.0, 4.0)], 2, 2000.0, id="both, then one"),
        pytest.param([(1.0, 3.0), (1.0, 4.0), (2.0, 5.0)], 2, 3500.0, id="a third waits"),
        pytest.param([(2.0, 3.0), (1.0, 2.0)], 1, 2000.0, id="one right after the other, in any order"),
    ],
)
def test_streams_are_busy_while_calls_are_under_way(calls: list[Call], streams: int, busy: float) -> None:
    assert busy_ms(calls, streams) == pytest.approx(busy)


def test_all_calls_count_for_what_is_spent() -> None:
    assert spent_ms([(1.0, 3.0), (2.0, 2.5)]) == pytest.approx(2500.0)
