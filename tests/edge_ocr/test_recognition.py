import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr.charset import Charset
from edge_ocr.engines import Arrays
from edge_ocr.errors import ConfigError, ModelError
from edge_ocr.geometry import image_quad
from edge_ocr.page import Reading
from edge_ocr.recognition import (
    MAX_CONTENT_PX,
    MIN_CONTENT_PX,
    OWN_AFTER,
    PAD,
    LineReader,
    check_head,
    cut_line,
    pad_crop,
    scale_line,
    split_wide,
)
from tests.edge_ocr.fakes import FakeNetwork

Image = NDArray[np.uint8]

HEIGHT = 48
WIDTHS = (64, 128)
CHARSET = Charset("abc")


def crop_of(width: int, *, value: int = 255) -> Image:
    return np.full((HEIGHT, width, 3), value, dtype=np.uint8)


def one_letter_a_mark(tensor: Image) -> Arrays:
    """A recogniser with a step of 8 columns that reads a dark step as "a" and everything else as blank."""
    steps = tensor[0, :, :, 0].reshape(HEIGHT, -1, 8).min(axis=(0, 2))
    classes = np.where(steps < 64, 1, 0).astype(np.int32)[None]
    return classes, np.where(classes == 1, 0.5, 1.0).astype(np.float32)


def marked(width: int, *starts: int) -> Image:
    """A white line with dark marks of 8 columns."""
    crop = crop_of(width)
    for start in starts:
        crop[10:40, start : start + 8] = 0
    return crop


def line_reader(network: FakeNetwork, *, own_up_to: int = 0) -> LineReader:
    return LineReader(network, height=HEIGHT, widths=WIDTHS, own_up_to=own_up_to, charset=CHARSET)


@pytest.mark.parametrize(
    ("width", "padded"),
    [
        pytest.param(1, 64, id="one column"),
        pytest.param(63, 64, id="one column short"),
        pytest.param(64, 64, id="exactly a static width"),
        pytest.param(65, 128, id="one column too many"),
        pytest.param(128, 128, id="the largest width"),
    ],
)
def test_a_crop_is_padded_on_its_right_to_the_next_width(width: int, padded: int) -> None:
    tensor = pad_crop(crop_of(width, value=3), WIDTHS)
    assert tensor.shape == (1, HEIGHT, padded, 3)
    assert (tensor[0, :, :width] == 3).all()
    assert (tensor[0, :, width:] == PAD).all()


@pytest.mark.parametrize("width", [129, 200, 256, 1000])
@pytest.mark.parametrize("content", ["noise", "blank"])
def test_the_parts_of_a_wide_crop_are_the_whole_crop(width: int, content: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, width, 3), dtype=np.uint8)
    crop = noise if content == "noise" else crop_of(width)
    parts = split_wide(crop, 128)
    assert all(1 <= part.shape[1] <= 128 for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), crop)


def test_a_crop_that_fits_is_one_part() -> None:
    assert [part.shape[1] for part in split_wide(crop_of(128), 128)] == [128]


def test_a_wide_crop_is_cut_in_a_gap() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (HEIGHT, 200, 3), dtype=np.uint8)
    crop[:, 105:108] = 200
    assert split_wide(crop, 128)[0].shape[1] in {105, 106, 107}


def test_a_blank_wide_crop_needs_as_few_parts_as_it_can() -> None:
    assert len(split_wide(crop_of(127 * 4), 128)) == 4


def test_a_narrow_line_is_read_at_once() -> None:
    network = FakeNetwork(one_letter_a_mark)
    timed = line_reader(network).read(marked(60, 8, 32))
    assert (timed.reading.text, timed.reading.score) == ("aa", 0.5)
    assert [tensor.shape for tensor in network.shown] == [(1, HEIGHT, 64, 3)]
    [(start, end)] = timed.calls
    assert start <= end


def test_a_wide_line_is_read_in_parts_from_the_left() -> None:
    network = FakeNetwork(one_letter_a_mark)
    timed = line_reader(network).read(marked(300, 0, 16, 32, 200, 280))
    assert timed.reading.text.replace(" ", "") == "aaaaa"
    assert timed.reading.score == pytest.approx(0.5)
    assert len(network.shown) == 3


def test_parts_without_text_leave_nothing_behind() -> None:
    assert line_reader(FakeNetwork(one_letter_a_mark)).read(marked(300, 280)).reading.text == "a"


@pytest.mark.parametrize("width", [8, 64, 300, 1000])
def test_a_line_without_text_reads_as_nothing(width: int) -> None:
    reading = line_reader(FakeNetwork(one_letter_a_mark)).read(crop_of(width)).reading
    assert (reading.text, reading.score) == ("", 0.0)


def test_a_part_counts_by_its_characters() -> None:
    scores = iter([0.9, 0.3])

    def sure_then_unsure(tensor: Image) -> Arrays:
        classes = one_letter_a_mark(tensor)[0]
        return classes, np.full(classes.shape, next(scores), dtype=np.float32)

    timed = line_reader(FakeNetwork(sure_then_unsure)).read(marked(250, 0, 16, 32, 240))
    assert timed.reading.score == pytest.approx((3 * 0.9 + 0.3) / 4)


def test_warming_up_meets_every_width() -> None:
    network = FakeNetwork(one_letter_a_mark)
    line_reader(network).warm_up()
    assert [tensor.shape[2] for tensor in network.shown] == list(WIDTHS)
    assert network.prepared == []


def test_widths_get_networks_of_their_own_as_far_as_told() -> None:
    network = FakeNetwork(one_letter_a_mark)
    line_reader(network, own_up_to=WIDTHS[0]).warm_up()
    assert network.prepared == [(1, HEIGHT, WIDTHS[0])]


def test_a_width_that_is_met_often_gets_a_network_of_its_own_unasked() -> None:
    network = FakeNetwork(one_letter_a_mark)
    reader = line_reader(network, own_up_to=WIDTHS[0])
    for _ in range(OWN_AFTER):
        reader.read(crop_of(WIDTHS[0]))
        reader.read(crop_of(WIDTHS[1]))
    assert network.prepared == []
    for _ in range(2):
        reader.read(crop_of(WIDTHS[0]))
        reader.read(crop_of(WIDTHS[1]))
    assert network.prepared == [(1, HEIGHT, WIDTHS[0])]


@pytest.mark.parametrize(
    ("size", "width"),
    [
        pytest.param((24, 100), 200, id="a line at half the height"),
        pytest.param((96, 101), 51, id="a line at twice the height is rounded up"),
        pytest.param((1, 1), 48, id="one pixel"),
        pytest.param((3000, 1), MIN_CONTENT_PX, id="a hair"),
        pytest.param((1, 30_000), MAX_CONTENT_PX, id="a strip one pixel high is squeezed"),
    ],
)
def test_a_whole_image_is_scaled_to_the_height(size: tuple[int, int], width: int) -> None:
    image = np.full((*size, 3), 5, dtype=np.uint8)
    line = scale_line(image, HEIGHT)
    assert line.shape == (HEIGHT, width, 3)
    assert (line == 5).all()
    np.testing.assert_array_equal(line, cut_line(image, image_quad(image), HEIGHT))


def test_a_quad_without_area_still_gives_a_crop() -> None:
    assert cut_line(crop_of(60), np.full((4, 2), 7, dtype=np.float32), HEIGHT).shape == (HEIGHT, MIN_CONTENT_PX, 3)


@pytest.mark.parametrize("n_classes", [pytest.param(4, id="that fits"), pytest.param(None, id="of unknown size")])
def test_a_head_is_accepted(n_classes: int | None) -> None:
    check_head(n_classes, CHARSET)


def test_a_head_that_does_not_fit_the_charset_is_refused() -> None:
    with pytest.raises(ModelError, match=r"has 3 characters, the recogniser's head 9 classes; the head must have 4"):
        check_head(9, CHARSET)


def test_decoding_chooses_from_the_allowed_characters_only() -> None:
    probs = np.array([[0.1, 0.6, 0.3, 0.0], [0.1, 0.8, 0.1, 0.0], [0.9, 0.1, 0.0, 0.0]], dtype=np.float32)
    network = FakeNetwork(lambda tensor: (np.ones((1, 1), np.int32), np.ones((1, 1), np.float32)))
    reader = line_reader(network)
    reader.read(crop_of(10))
    reader.read(crop_of(10), allowed=frozenset("bc"))
    assert network.biases[0] is None
    bias = network.biases[1]
    assert bias is not None
    assert (probs + bias).argmax(axis=1).tolist() == [2, 0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_a_class_bias_never_lets_a_forbidden_class_win(seed: int) -> None:
    rng = np.random.default_rng(seed)
    charset = Charset("abcdefgh")
    allowed = frozenset(rng.choice(list(charset), size=seed, replace=False).tolist())
    probs = rng.dirichlet(np.full(charset.n_classes, 0.05), size=200).astype(np.float32)
    best = (probs + charset.class_bias(allowed)).argmax(axis=1)
    assert {charset[i - 1] for i in best if i} <= allowed


def test_the_parts_of_a_wide_line_are_joined_without_a_space_where_none_is_allowed() -> None:
    network = FakeNetwork(one_letter_a_mark)
    crop = marked(200, 8, 190)
    assert line_reader(network).read(crop).reading.text == "a a"
    assert line_reader(network).read(crop, allowed=frozenset("a")).reading.text == "aa"


def test_an_allowed_character_that_the_charset_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot read 'Ж'"):
        line_reader(FakeNetwork(one_letter_a_mark)).read(crop_of(10), allowed=frozenset("aЖ"))


def test_a_line_is_trimmed_where_the_pack_says_so() -> None:
    image = np.zeros((100, 300, 3), dtype=np.uint8)
    image[20:60, 10:210] = 90  # the room above and below the letters
    image[25:55, 10:210] = 200
    quad = np.array([[10, 20], [210, 20], [210, 60], [10, 60]], dtype=np.float32)
    reader = LineReader(FakeNetwork(one_letter_a_mark), height=HEIGHT, trim=0.25, widths=WIDTHS, charset=CHARSET)
    crop = reader.cut(image, quad)
    assert (crop == 200).all()
    # The aspect is that of what is left, 200 x 30.
    assert crop.shape == (HEIGHT, 320, 3)
    assert reader.content_width(quad) == 320


def test_a_line_is_squeezed_where_the_pack_says_so() -> None:
    image = np.zeros((HEIGHT, 200, 3), np.uint8)
    assert scale_line(image, HEIGHT, 0.5).shape == (HEIGHT, 100, 3)
    assert cut_line(image, image_quad(image), HEIGHT, 0.5).shape == (HEIGHT, 100, 3)


@pytest.mark.parametrize(
    ("reading", "stripped"),
    [
        pytest.param(
            Reading(" a b ", 0.5, (0.1, 0.9, 0.2, 0.7, 0.6)), Reading("a b", 0.6, (0.9, 0.2, 0.7)), id="around"
        ),
        pytest.param(Reading("  ", 0.5, (0.5, 0.5)), Reading("", 0.0), id="nothing else"),
        pytest.param(Reading("ab", 0.5, (0.4, 0.6)), Reading("ab", 0.5, (0.4, 0.6)), id="none"),
        pytest.param(Reading(" ab", 0.5), Reading(" ab", 0.5), id="no scores"),
    ],
)
def test_spaces_around_a_reading_are_no_part_of_it(reading: Reading, stripped: Reading) -> None:
    found = reading.stripped()
    assert (found.text, found.char_scores) == (stripped.text, stripped.char_scores)
    assert found.score == pytest.approx(stripped.score)
