"""What is read of a scene, and when: frames drawn here, a reader that knows what is on them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr import Detection, Line, Recognition
from runtime.frames import FrameDroppedError
from runtime.texts.gate import Glance
from runtime.texts.scene_reader import AttentionConfig, Look, SceneReader
from runtime.texts.tracking import Tracker, TrackerConfig, TrackEvent

Image = NDArray[np.uint8]
FPS = 15.0
HEIGHT, WIDTH = 240, 400
SURE, DOUBTFUL = 0.95, 0.6


@dataclass
class Scene:
    """Texts at places on a noisy table, what is in front of them, and a reader that sees through the noise."""

    texts: dict[str, tuple[int, int]] = field(default_factory=dict)
    score: float = SURE
    hand_x: int | None = None
    ink: int = 30
    missed: set[str] = field(default_factory=set)
    """Texts that the detector does not find."""
    illegible: set[str] = field(default_factory=set)
    searches: list[float] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    close_reads: list[str] = field(default_factory=list)
    """Those of them for which the reader was asked to take its time."""
    events: list[TrackEvent] = field(default_factory=list)
    fps: float = FPS
    now_s: float = 0.0
    config: AttentionConfig = field(default_factory=AttentionConfig)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(1)
        self.tracker = Tracker(TrackerConfig(sure_score=0.8))
        self.reader = SceneReader(self.tracker, self.config)

    def play(self, seconds: float) -> "Scene":
        for _ in range(round(seconds * self.fps)):
            self.look()
        return self

    def look(self, **shift: float) -> Look:
        self.now_s += 1 / self.fps
        look = self.reader.look(self, self.draw(**shift), 1000.0 + self.now_s)
        self.events += look.changes
        return look

    def draw(self, dx: float = 0.0) -> Image:
        image = np.full((HEIGHT, WIDTH, 3), 200, dtype=np.uint8)
        for text, (x, y) in self.texts.items():
            cv2.putText(image, text, (round(x + dx), y), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (self.ink,) * 3, 2)
        if self.hand_x is not None:
            image[:, self.hand_x : self.hand_x + 120] = 120
        self._dx = dx
        return np.clip(image + self._rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)

    def quad_of(self, text: str) -> NDArray[np.float32]:
        (x, y), width = self.texts[text], 16 * len(text)
        left = x + self._dx
        corners = [[left, y - 22], [left + width, y - 22], [left + width, y + 6], [left, y + 6]]
        return np.array(corners, dtype=np.float32)

    def is_covered(self, text: str) -> bool:
        x = self.texts[text][0]
        return self.hand_x is not None and self.hand_x - 16 * len(text) < x < self.hand_x + 120

    def detect(self, image: Image) -> Detection:
        self.searches.append(self.now_s)
        quads = [self.quad_of(text) for text in self.texts if text not in self.missed and not self.is_covered(text)]
        return Detection(WIDTH, HEIGHT, tuple(quads), {"detect": 2.0, "total": 2.0})

    def recognize(self, image: Image, quads: Sequence[NDArray[np.float32]], *, closely: bool = False) -> Recognition:
        lines = [self.read(quad) for quad in quads]
        self.reads += [line.text for line in lines]
        self.close_reads += [line.text for line in lines if closely]
        return Recognition(tuple(lines), {"recognize": 1.0, "total": 1.0})

    def read(self, quad: NDArray[np.float32]) -> Line:
        near = [text for text in self.texts if np.abs(self.quad_of(text) - quad).max() < 4]
        if not near or near[0] in self.illegible or self.is_covered(near[0]):
            return Line("", 0.0, quad)
        return Line(near[0], self.score, quad, (self.score,) * len(near[0]))

    @property
    def brief(self) -> list[tuple[str, str]]:
        return [(event.type, event.text) for event in self.events]


TICKET = {"GATE 12": (40, 60), "SEAT 7A": (40, 140)}
BEGUN = [("begin", "GATE 12"), ("begin", "SEAT 7A")]


def shown(**facts: object) -> Scene:
    """A scene into which a ticket was put."""
    scene = Scene(**facts).play(0.5)  # type: ignore[arg-type]
    scene.texts = dict(TICKET)
    return scene


# -- how much is read


def test_what_is_read_again_is_read_closely() -> None:
    scene = shown(score=DOUBTFUL)
    while not scene.reads:
        scene.look()
    assert (sorted(scene.reads), scene.close_reads) == (sorted(TICKET), [])
    scene.look()
    assert scene.close_reads == scene.reads[2:]
    assert sorted(scene.close_reads) == sorted(TICKET)


def test_a_scene_that_stays_is_searched_at_the_refresh_only() -> None:
    scene = shown().play(4)
    scene.searches.clear()
    scene.reads.clear()
    scene.play(20)
    assert len(scene.searches) == 10
    assert len(scene.reads) <= 2 * len(TICKET)
    assert scene.brief == BEGUN


def test_a_sure_line_is_published_after_one_read_and_read_once_more() -> None:
    scene = shown()
    looks = [scene.look() for _ in range(3)]
    assert [look.n_read for look in looks if look.changes] == [2]
    scene.play(3)
    assert scene.brief == BEGUN
    assert sorted(scene.reads) == sorted([*TICKET, *TICKET])


def test_a_doubtful_line_is_read_until_it_settles_and_no_more_than_helps() -> None:
    scene = shown(score=DOUBTFUL).play(6)
    assert scene.brief == BEGUN
    assert scene.reads.count("GATE 12") == 5


def test_a_line_that_nobody_can_read_is_tried_a_few_times_and_read_when_it_clears() -> None:
    scene = shown(illegible={"SEAT 7A"}).play(1)
    assert scene.brief == BEGUN[:1]
    scene.play(6)
    scene.reads.clear()
    scene.play(8)
    assert scene.reads.count("") == 4  # once a search
    scene.illegible.clear()
    scene.play(2.1)
    assert scene.brief == BEGUN


def test_what_a_search_brought_is_read_before_the_next_search() -> None:
    scene = shown(score=DOUBTFUL)
    looks = [scene.look() for _ in range(4)]
    first = next(i for i, look in enumerate(looks) if look.n_read)
    assert (looks[first].is_detected, looks[first + 1].is_detected) == (True, False)
    assert looks[first + 1].n_read == 2


def test_without_a_refresh_every_frame_is_read_in_full() -> None:
    scene = Scene(texts=dict(TICKET), config=AttentionConfig(refresh_s=0)).play(1)
    assert len(scene.searches) == 15
    assert len(scene.reads) == 30
    assert scene.brief == BEGUN


# -- what is noticed


def test_a_text_too_faint_for_the_gate_is_reported_within_the_refresh_period() -> None:
    scene = Scene().play(4)
    scene.ink = 198
    scene.texts = {"FAINT": (100, 100)}
    put_s = scene.now_s
    scene.play(2.2)
    assert scene.brief == [("begin", "FAINT")]
    assert scene.searches[-1] - put_s <= 2.0 + 1 / FPS


def test_a_changed_line_is_read_again_and_its_neighbours_are_not() -> None:
    scene = shown().play(3)
    scene.reads.clear()
    scene.texts = {"GATE 12": (40, 60), "SEAT 9F": (40, 140)}
    scene.play(1)
    assert scene.brief[2:] in ([("update", "SEAT 9F")], [("end", "SEAT 7A"), ("begin", "SEAT 9F")])
    assert "GATE 12" not in scene.reads


def test_a_change_that_the_gate_does_not_see_is_read_in_the_end() -> None:
    grid = np.zeros((15, 25), dtype=np.bool_)
    blind = Glance(grid, grid, 16)
    scene = shown().play(3)
    scene.reader._gate.look = lambda image: blind  # type: ignore[method-assign]
    scene.texts = {"GATE 12": (40, 60), "SEAT 7B": (40, 140)}
    scene.play(13)
    assert scene.brief[2:] == [("update", "SEAT 7B")]


def test_a_line_that_the_detector_misses_now_and_then_stays_and_costs_nothing() -> None:
    scene = shown().play(3)
    for _ in range(6):
        scene.missed = {"GATE 12"}
        scene.play(2)
        scene.missed = set()
        scene.play(2)
    assert scene.brief == BEGUN


def test_a_text_that_left_ends_soon() -> None:
    scene = shown().play(3)
    scene.texts = {}
    scene.play(1.5)
    assert scene.brief[2:] == [("end", "GATE 12"), ("end", "SEAT 7A")]


def test_the_same_text_shown_again_later_is_a_new_event() -> None:
    scene = shown().play(3)
    scene.texts = {}
    scene.play(3)
    scene.texts = dict(TICKET)
    scene.play(2)
    assert [text for kind, text in scene.brief if kind == "begin"] == [*TICKET, *TICKET]


# -- motion


def test_nothing_is_read_while_a_sheet_slides_in_and_at_once_when_it_stops() -> None:
    scene = Scene().play(3)
    scene.texts = dict(TICKET)
    scene.searches.clear()
    for dx in (300, 240, 180, 120, 60, 25):
        scene.look(dx=dx)
    assert scene.searches == []
    stopped_s = scene.now_s
    scene.play(0.3)
    assert scene.brief == BEGUN
    assert scene.searches[0] - stopped_s <= 2.1 / FPS


def test_a_hand_that_passes_is_not_an_end() -> None:
    scene = shown().play(3)
    for x in range(-100, WIDTH, 20):
        scene.hand_x = x
        scene.look()
    scene.hand_x = None
    scene.play(3)
    assert scene.brief == BEGUN


def test_a_text_that_is_gone_when_the_hand_in_front_of_it_leaves_ends() -> None:
    scene = shown().play(3)
    for i in range(20):
        scene.hand_x = 10 + 8 * (i % 2)  # long enough for a search in spite of the motion
        scene.look()
    scene.hand_x, scene.texts = None, {}
    scene.play(2)
    assert scene.brief[2:] == [("end", "GATE 12"), ("end", "SEAT 7A")]


def test_what_moves_all_the_time_does_not_keep_the_rest_from_being_read() -> None:
    scene = Scene().play(1)
    scene.texts = dict(TICKET)
    for i in range(30):
        scene.hand_x = 250 + 15 * (i % 2)
        scene.look()
    assert scene.brief == BEGUN


def test_a_picture_that_never_rests_is_searched_about_once_a_second() -> None:
    scene = Scene()
    scene.texts = dict(TICKET)
    rng = np.random.default_rng(5)
    for _ in range(round(20 * FPS)):
        scene.now_s += 1 / FPS
        image = scene.draw()
        image[180:230, 20:380] = rng.integers(0, 255, (50, 360, 3), dtype=np.uint8)
        scene.reader.look(scene, image, 1000 + scene.now_s)
    assert len(scene.searches) <= 35


# -- time and trouble


def test_a_clock_that_steps_back_stops_nothing() -> None:
    scene = shown().play(3)
    scene.now_s -= 3600
    scene.texts = {}
    scene.play(2)
    assert scene.brief[2:] == [("end", "GATE 12"), ("end", "SEAT 7A")]


def test_the_same_frames_give_the_same_events() -> None:
    def events() -> list[tuple[str, str, float]]:
        scene = shown(score=DOUBTFUL).play(2)
        return [(event.type, event.text, event.score) for event in scene.events]

    assert events() == events()


def test_a_change_whose_frames_nobody_reads_stays_a_change() -> None:
    scene = shown(config=AttentionConfig(refresh_s=3600)).play(3)
    scene.texts = {"GATE 12": (40, 60), "SEAT 9F": (40, 140)}
    works = scene.detect

    def nobody(image: Image) -> Detection:
        raise FrameDroppedError("no_worker", "there is no worker")

    scene.detect = nobody  # type: ignore[method-assign]
    dropped = 0
    scene.look()  # it stands still in the next one
    for _ in range(100):
        try:
            scene.look()
        except FrameDroppedError:
            dropped += 1
    scene.detect = works  # type: ignore[method-assign]
    assert dropped == 100
    scene.searches.clear()
    scene.look()
    assert len(scene.searches) == 1
    scene.play(1)
    assert scene.brief[2:] in ([("update", "SEAT 9F")], [("end", "SEAT 7A"), ("begin", "SEAT 9F")])


def test_a_search_that_fails_is_done_again() -> None:
    scene = shown()
    works = scene.recognize

    def broken(image: Image, quads: Sequence[NDArray[np.float32]], *, closely: bool = False) -> Recognition:
        raise ZeroDivisionError

    scene.recognize = broken  # type: ignore[method-assign]
    failures = 0
    for _ in range(4):
        try:
            scene.look()
        except ZeroDivisionError:
            failures += 1
    scene.recognize = works  # type: ignore[method-assign]
    scene.play(0.3)
    assert failures >= 2
    assert scene.brief == BEGUN
