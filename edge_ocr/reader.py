"""The reader: an image in, a page of lines out."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.clock import Call, StageClock, busy_ms, spent_ms
from edge_ocr.cpu import host_cpu
from edge_ocr.detection import LineFinder
from edge_ocr.engines import CompiledNetwork, Engine
from edge_ocr.errors import ConfigError, ImageError
from edge_ocr.geometry import Quad, image_quad
from edge_ocr.images import MAX_PIXELS, load_image
from edge_ocr.in_order import Inline, map_in_order
from edge_ocr.mrz import prove_documents
from edge_ocr.orientation import OrientationJudge, Verdict
from edge_ocr.pack import OrientationSpec, Pack, RecognizerSpec, SecondLook, load_pack
from edge_ocr.page import STAGES, Detection, Line, Page, Reading, Recognition
from edge_ocr.profile import DeviceProfile, PrecisionChoice, load_profile
from edge_ocr.recognition import Allowed, LineReader, check_head
from edge_ocr.strips import PACKED_FROM, Request, plan_requests

Result = TypeVar("Result")

RETRY_BELOW = 0.9
"""A line with a lower score is looked at upside down too."""
PLAIN_BELOW, SURE = 0.75, 0.97
"""A line that scores less than the first may be turned for any higher score, one that scores more for the second."""
UNDER_WAY = 2
"""Requests of a page, or pages of many, for each stream: while one is in the network another is cut, or decoded, or
waits for the stream, which then waits for nobody. With 1 and 2 a receipt takes 1 and .974 of the time, and many of them
are read at 1.0 and 1.17 times the rate of one after the other: 1.65 and 1.93 of two cores are busy."""
SHORT = 2
"""Characters of a text that needs the score `min_score_short` of the pack."""


class Reader:
    """Reads text in images with one model pack under one device profile. Safe to share between threads."""

    def __init__(self, pack: str | Path = "latin", profile: str | Path | DeviceProfile = "auto") -> None:
        """Load the networks; shapes are compiled when first needed, or by `warm_up`.

        Args:
            pack: A pack's name or folder.
            profile: A profile's name, a YAML file, `auto`, or a loaded profile.

        Raises:
            ModelError: the pack is not there, damaged, or lacks what the profile asks for.
            ConfigError: the profile is not there or wrong.
        """
        self.pack: Pack = load_pack(pack)
        self.profile = profile if isinstance(profile, DeviceProfile) else load_profile(profile)
        usable = host_cpu().usable_threads
        # A profile's number is for its device; more threads than the quota allows are throttled together.
        self._threads = usable if self.profile.threads == "auto" else min(self.profile.threads, usable)
        self._streams = self._threads if self.profile.streams == "auto" else min(self.profile.streams, self._threads)
        # OpenCV's own threads spin while they wait: on two cores 3 % more CPU time for pages that take 2 % longer.
        cv2.setNumThreads(1)
        self._engine = _make_engine(self.profile, self._threads)
        manifest, choices = self.pack.manifest, self.profile.precision
        self._precisions: dict[str, str] = {}
        self._detector = self._load("detector", choices.detector, streams=1)
        self._finder = self._line_finder(self._detector)
        widths = [width for width in self.profile.recognizer.widths if width >= manifest.recognizer.min_width]
        self._recognizer = self._load("recognizer", choices.recognizer, streams=self._streams, widths=widths)
        check_head(self._recognizer.head_classes(), self.pack.charset, where=self.pack.folder / manifest.charset)
        choice = self.profile.recognizer
        self._second_look = manifest.recognizer.second_look
        few_lines = self._second_look.few_lines if self._second_look else 0
        # Where all pages that are read with it have strips, a line that stands alone is rare.
        first_widths = _beside_strips(widths, choice.strip) if choice.strip and few_lines >= PACKED_FROM - 1 else widths
        self._lines = self._line_reader(manifest.recognizer, first_widths, strip=choice.strip, batch=choice.batch)
        self._lines_again = self._line_reader(self._second_look, _thinned(widths)) if self._second_look else None
        self._judge: OrientationJudge | None = None
        if manifest.orientation and self.profile.orientation == "retry":
            network = self._load("orientation", choices.orientation, streams=self._streams)
            self._judge = _make_judge(network, manifest.orientation)
        workers = ThreadPoolExecutor(UNDER_WAY * self._streams, thread_name_prefix="edge-ocr-line")
        self._all_hands, self._own_hands = _Hands(workers, self._streams), _Hands(Inline(), 1)

    def read(self, image: NDArray[np.uint8] | str | Path) -> Page:
        """Find and read all lines of text; those of travel documents as their check digits prove them.

        Args:
            image: (H, W, 3) uint8 BGR of any size up to 100 megapixels, or the path of an image file.

        Returns:
            The lines in reading order; a page without lines where there is no text.

        Raises:
            ImageError: not such an array, or the file cannot be read.
        """
        pixels = _as_pixels(image)
        return self._page(pixels, self._finder, self._all_hands)

    def read_many(
        self, images: Iterable[NDArray[np.uint8] | str | Path | ImageError], *, find_lines: bool = True
    ) -> Iterator[Page | ImageError]:
        """Read many images side by side, each on a thread of its own: none waits for others at the ends of a page.

        Args:
            images: As for `read`; taken one by one, a few ahead. An error in the place of an image is handed on.
            find_lines: False: every image is one line of text, as for `read_line`.

        Returns:
            For each image in order its page, or the error that kept it from being read.
        """
        read = self._page_reader() if find_lines else self._read_line_page
        yield from map_in_order(_or_error(read), images, threads=UNDER_WAY * self._streams, name="edge-ocr-page")

    def detect(self, image: NDArray[np.uint8] | str | Path) -> Detection:
        """Find the lines of text without reading them: the first half of `read`.

        Args:
            image: As for `read`.

        Raises:
            ImageError: not such an array, or the file cannot be read.
        """
        return _detect(self._finder, _as_pixels(image))

    def recognize(
        self,
        image: NDArray[np.uint8] | str | Path,
        quads: Sequence[Quad],
        *,
        allowed: Sequence[Allowed] | None = None,
        closely: bool = False,
    ) -> Recognition:
        """Read some lines of an image: the second half of `read`.

        Args:
            image: As for `read`.
            quads: (4, 2) float32 each, where the lines are, as `detect` found them or as somebody knows; may be none.
            allowed: For each quad the only characters that decoding may choose from, None for all of the charset.
            closely: Cut all lines as large as doubtful ones are for their second look, where the pack has one.

        Returns:
            One line for each quad, in their order; one without text where nothing is legible.

        Raises:
            ImageError: not such an array, or the file cannot be read.
            ConfigError: an allowed character is not in the pack's charset.
        """
        return self._recognize(_as_pixels(image), quads, self._all_hands, allowed=allowed, closely=closely)

    def read_line(self, image: NDArray[np.uint8] | str | Path) -> Line:
        """Read an image that is one line of text, without looking for it.

        Args:
            image: (H, W, 3) uint8 BGR, or the path of an image file.

        Returns:
            The line with the whole image as its quad; text "" and score 0 where nothing is legible.

        Raises:
            ImageError: not such an array, or the file cannot be read.
        """
        pixels = _as_pixels(image)
        quad = image_quad(pixels)
        [looked] = self._look(pixels, [quad], [None], StageClock(), self._own_hands, judge=None)
        return Line(looked.reading.text, looked.reading.score, quad)

    def warm_up(self, sizes_hw: Sequence[tuple[int, int]] = ()) -> None:
        """Compile what images will need, so that the first ones are not slow.

        Args:
            sizes_hw: (height, width) of images to come; the recogniser's widths are always compiled.
        """
        looks = [self._lines, *([self._lines_again] if self._lines_again else [])]
        for lines in looks:
            # As many side by side as there are streams: each keeps kernels of its own.
            list(self._all_hands.workers.map(lambda _, lines=lines: lines.warm_up(), range(self._streams)))
        if self._judge:
            self._judge.judge_crop(np.zeros((1, 1, 3), dtype=np.uint8))
        for height, width in sizes_hw:
            self.read(np.zeros((height, width, 3), dtype=np.uint8))

    def describe(self) -> dict[str, Any]:
        """What really runs, for reports: pack, profile, and per network what the engine compiled."""
        networks: dict[str, CompiledNetwork] = {"detector": self._detector, "recognizer": self._recognizer}
        if self._judge:
            networks["orientation"] = self._judge.network
        return {
            "pack": {"name": self.pack.name, "version": self.pack.version, "sha256": self.pack.sha256},
            "profile": self.profile.model_dump(mode="json"),
            "threads": self._threads,
            "streams": self._streams,
            "networks": {
                name: {"precision": self._precisions[name], **network.describe()} for name, network in networks.items()
            },
        }

    def _load(
        self,
        network: str,
        choice: PrecisionChoice,
        *,
        streams: int,
        widths: Sequence[int] | None = None,
    ) -> CompiledNetwork:
        path, self._precisions[network] = self.pack.choose(network, choice)
        if path.suffix != self._engine.suffix:
            raise ConfigError(
                f"pack {self.pack.name} holds {path.suffix} networks, the engine of profile {self.profile.name} reads"
                f" {self._engine.suffix}; name another profile, or a pack for it (packs of .onnx: docs/t4.md)"
            )
        return self._engine.load(path, streams=streams, widths=widths)

    def _read_line_page(self, image: NDArray[np.uint8] | str | Path) -> Page:
        pixels = _as_pixels(image)
        line = self.read_line(pixels)
        return Page(pixels.shape[1], pixels.shape[0], (line,) if line.text else ())

    def _page_reader(self) -> Callable[[NDArray[np.uint8] | str | Path], Page]:
        """What reads an image in the thread that asks for it."""
        finder = self._finder_alone  # loaded once, here: threads would each load one
        return lambda image: self._page(_as_pixels(image), finder, self._own_hands)

    def _page(self, pixels: NDArray[np.uint8], finder: LineFinder, hands: "_Hands") -> Page:
        detection = _detect(finder, pixels)
        recognition = self._recognize(pixels, detection.quads, hands)
        timings_ms = {stage: detection.timings_ms[stage] + recognition.timings_ms[stage] for stage in STAGES}
        lines = tuple(prove_documents([line for line in recognition.lines if line.text]))
        return Page(detection.width, detection.height, lines, timings_ms)

    def _recognize(
        self,
        pixels: NDArray[np.uint8],
        quads: Sequence[Quad],
        hands: "_Hands",
        *,
        allowed: Sequence[Allowed] | None = None,
        closely: bool = False,
    ) -> Recognition:
        allowed = [None] * len(quads) if allowed is None else allowed
        clock = StageClock()
        with clock.stage("total"):
            looked = self._look(pixels, quads, allowed, clock, hands, closely=closely, judge=self._judge)
            with clock.stage("orient"):
                upright, readings = self._look_turned(pixels, list(quads), allowed, looked, clock, hands)
        lines = [self._line(quad, reading) for quad, reading in zip(upright, readings, strict=True)]
        return Recognition(tuple(lines), clock.timings_ms)

    def _line(self, quad: Quad, reading: Reading) -> Line:
        """A reading at its place; without text if it says less than the pack's models can be trusted with."""
        spec, said = self.pack.manifest.recognizer, reading.text.replace(" ", "")
        least = max(spec.min_score, spec.min_score_short) if len(said) <= SHORT else spec.min_score
        if not said or reading.score < least:
            return Line("", 0.0, quad)
        return Line(reading.text, reading.score, quad, reading.char_scores)

    @cached_property
    def _finder_alone(self) -> LineFinder:
        """With the network on one thread, for as many images side by side as there are streams."""
        if self._threads == 1:
            return self._finder
        return self._line_finder(self._load("detector", self.profile.precision.detector, streams=self._threads))

    def _line_finder(self, network: CompiledNetwork) -> LineFinder:
        spec, choice = self.pack.manifest.detector, self.profile.detector
        rule = spec.scale.reduced(choice.scale)
        return LineFinder(network, rule=rule, thresholds=spec.thresholds, sizes=choice.sizes)

    def _line_reader(
        self, look: RecognizerSpec | SecondLook, widths: Sequence[int], *, strip: int | None = None, batch: int = 1
    ) -> LineReader:
        return LineReader(
            self._recognizer,
            height=look.height,
            width_scale=look.width_scale,
            margin=look.margin if isinstance(look, SecondLook) else 0.0,
            trim=look.trim if isinstance(look, RecognizerSpec) else 0.0,
            widths=widths,
            own_up_to=self.profile.recognizer.own_up_to,
            strip=strip,
            batch=batch,
            charset=self.pack.charset,
        )

    def _look(
        self,
        pixels: NDArray[np.uint8],
        quads: Sequence[Quad],
        allowed: Sequence[Allowed],
        clock: StageClock,
        hands: "_Hands",
        *,
        closely: bool = False,
        judge: OrientationJudge | None,
    ) -> "list[_Looked]":
        """Every quad as it lies: few in large crops; of many, cut smaller, those in doubt in large ones too."""
        look, again = self._second_look, self._lines_again
        if look is None or again is None:
            return self._cut_and_read(self._lines, pixels, quads, allowed, clock, hands, judge=judge)
        if closely or len(quads) <= look.few_lines:
            return self._cut_and_read(again, pixels, quads, allowed, clock, hands, judge=judge)
        return self._cut_and_read(self._lines, pixels, quads, allowed, clock, hands, again=again, judge=judge)

    def _cut_and_read(
        self,
        lines: LineReader,
        pixels: NDArray[np.uint8],
        quads: Sequence[Quad],
        allowed: Sequence[Allowed],
        clock: StageClock,
        hands: "_Hands",
        *,
        again: LineReader | None = None,
        judge: OrientationJudge | None = None,
    ) -> "list[_Looked]":
        """The reading of every quad. Lines are cut here while others are read: no stream waits between two requests.

        With `again` lines in doubt are looked at once more, and the surer reading counts; with `judge` those still in
        doubt are judged. It happens behind the requests that still wait, so that no stream waits for the last of them.
        """
        look = self._second_look
        closer: dict[int, Future[_Looked]] = {}

        def read(lines: LineReader, request: Request, cut: _Cut) -> list[_Looked]:
            said = lines.read_strips(cut.strips, allowed[request[0][0]])
            crop_ms = cut.crop_ms / len(said)
            return [_Looked(timed.reading, timed.calls, crop_ms) for timed in said]

        def wants_again(reading: Reading) -> bool:
            return again is not None and look is not None and look.at_least <= reading.score < look.below

        def wants_judge(i: int, reading: Reading) -> bool:
            # Held to some characters, a line on its head can seem to be a few of them, and score well.
            return judge is not None and (reading.score < RETRY_BELOW or bool(allowed[i] is not None and reading.text))

        def look_closer(i: int, looked: _Looked) -> _Looked:
            if again and wants_again(looked.reading):
                looked = looked.and_then(*read(again, [[i]], _Cut.of(pixels, quads, again, [[i]])))
            if judge and wants_judge(i, looked.reading):
                start = time.perf_counter()
                verdict = judge.judge(pixels, quads[i])
                looked = looked.judged(verdict, (time.perf_counter() - start) * 1e3)
            return looked

        def first_look(request: Request, cut: _Cut) -> list[_Looked]:
            first = read(lines, request, cut)
            for i, looked in zip(chain.from_iterable(request), first, strict=True):
                if wants_again(looked.reading) or wants_judge(i, looked.reading):
                    closer[i] = hands.workers.submit(look_closer, i, looked)
            return first

        start = time.perf_counter()
        widths = [lines.content_width(quad) for quad in quads]
        requests = plan_requests(widths, allowed, strip=lines.strip, batch=lines.batch, streams=hands.streams)
        workers = hands.workers if len(requests) > 1 else self._own_hands.workers
        futures = [workers.submit(first_look, request, _Cut.of(pixels, quads, lines, request)) for request in requests]
        order = chain.from_iterable(chain.from_iterable(requests))
        done = dict(zip(order, chain.from_iterable(future.result() for future in futures), strict=True))
        done |= {i: future.result() for i, future in closer.items()}
        wall_ms = (time.perf_counter() - start) * 1e3
        _add_times(clock, wall_ms, done.values(), streams=max(1, min(hands.streams, len(requests) + len(closer))))
        return [done[i] for i in range(len(quads))]

    def _look_turned(
        self,
        pixels: NDArray[np.uint8],
        quads: list[Quad],
        allowed: Sequence[Allowed],
        looked: "Sequence[_Looked]",
        clock: StageClock,
        hands: "_Hands",
    ) -> tuple[list[Quad], list[Reading]]:
        """Read lines that were judged to stand on their head turned too, and keep what reads better."""
        turned = {i: quads[i][[2, 3, 0, 1]] for i, one in enumerate(looked) if one.upside_down}
        readings = [one.reading for one in looked]
        if not turned:
            return quads, readings
        second = StageClock()  # all of its time is in `orient`
        held = [allowed[i] for i in turned]
        again = self._cut_and_read(self._lines, pixels, list(turned.values()), held, second, hands)
        clock.add("infer", second.timings_ms["infer"])
        for (i, quad), one in zip(turned.items(), again, strict=True):
            if _is_better(one.reading, readings[i], held=allowed[i] is not None):
                quads[i], readings[i] = quad, one.reading
        return quads, readings


class _Hands(NamedTuple):
    """Who reads the lines of a page."""

    workers: Executor
    streams: int
    """Requests that run side by side; others wait for one."""


class _Cut(NamedTuple):
    """What a request shows, and the milliseconds that cutting took."""

    strips: list[list[NDArray[np.uint8]]]
    crop_ms: float

    @classmethod
    def of(cls, pixels: NDArray[np.uint8], quads: Sequence[Quad], lines: LineReader, request: Request) -> "_Cut":
        start = time.perf_counter()
        strips = [[lines.cut(pixels, quads[i]) for i in strip] for strip in request]
        return cls(strips, (time.perf_counter() - start) * 1e3)


@dataclass(frozen=True, slots=True)
class _Looked:
    """What a line said, and what was spent on it."""

    reading: Reading
    calls: tuple[Call, ...]
    """Into the recogniser; lines of one request have the same."""
    crop_ms: float
    judge_calls: tuple[Call, ...] = ()
    orient_ms: float = 0.0
    upside_down: bool = False

    def and_then(self, again: "_Looked") -> "_Looked":
        """With one more look: the surer reading, the time of both."""
        reading = max(self.reading, again.reading, key=lambda reading: reading.score)
        return replace(self, reading=reading, calls=self.calls + again.calls, crop_ms=self.crop_ms + again.crop_ms)

    def judged(self, verdict: Verdict, orient_ms: float) -> "_Looked":
        """With the word on how it stands, which took so long."""
        return replace(self, upside_down=verdict.upside_down, judge_calls=(verdict.call,), orient_ms=orient_ms)


def _add_times(clock: StageClock, wall_ms: float, looked: Collection[_Looked], *, streams: int) -> None:
    """Share the time of some lines out to the stages, by what all threads spent on each."""
    calls = {call for one in looked for call in one.calls}
    crop_ms, orient_ms = sum(one.crop_ms for one in looked), sum(one.orient_ms for one in looked)
    spent = crop_ms + orient_ms + spent_ms(calls)
    share = wall_ms / spent if spent else 0.0
    clock.add("crop", crop_ms * share)
    clock.add("orient", orient_ms * share)
    clock.add("recognize", wall_ms - (crop_ms + orient_ms) * share)
    clock.add("infer", busy_ms(calls.union(*(one.judge_calls for one in looked)), streams))


def _detect(finder: LineFinder, pixels: NDArray[np.uint8]) -> Detection:
    clock = StageClock()
    with clock.stage("total"), clock.stage("detect"):
        found = finder.find(pixels)
        clock.add("infer", found.infer_ms)
    height, width = pixels.shape[:2]
    return Detection(width, height, tuple(found.quads), clock.timings_ms)


def _or_error(
    function: Callable[[NDArray[np.uint8] | str | Path], Result],
) -> Callable[[NDArray[np.uint8] | str | Path | ImageError], Result | ImageError]:
    """The function, with an error about an image as its result; one in the place of an image stays what it is."""

    def checked(image: NDArray[np.uint8] | str | Path | ImageError) -> Result | ImageError:
        try:
            return image if isinstance(image, ImageError) else function(image)
        except ImageError as error:
            return error

    return checked


def _is_better(turned: Reading, upright: Reading, *, held: bool) -> bool:
    """Whether a line reads better turned: by its score, and where characters are left out, by all that it scores."""
    if not held:
        # Seven-segment digits are digits on their head too: whoever reads well upright is turned for a sure text only.
        return turned.score > (upright.score if upright.score < PLAIN_BELOW else max(upright.score, SURE))
    return turned.score * len(turned.text) > upright.score * len(upright.text)


def _thinned(widths: Sequence[int]) -> list[int]:
    """Every other width, the largest among them: each that is used costs memory."""
    return list(widths[::-1][::2][::-1])


def _beside_strips(widths: Sequence[int], strip: int) -> list[int]:
    """A quarter and a half of a strip, and what is no narrower than one."""
    return [width for width in widths if width >= strip or width in {strip // 4, strip // 2}]


def _make_engine(profile: DeviceProfile, threads: int) -> Engine:
    if profile.engine == "openvino":
        from edge_ocr.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(
            threads=threads,
            inference_precision=profile.inference_precision,
            hint=profile.hint,
            pinning=profile.pinning,
        )
    from edge_ocr.engines.onnxruntime import OnnxRuntimeEngine

    provider: Literal["tensorrt", "cuda", "cpu"] = "cpu" if profile.engine == "onnx-cpu" else profile.engine
    return OnnxRuntimeEngine(provider=provider, threads=threads, inference_precision=profile.inference_precision)


def _make_judge(network: CompiledNetwork, spec: OrientationSpec) -> OrientationJudge:
    return OrientationJudge(network, height=spec.height, width=spec.width, threshold=spec.threshold)


def _as_pixels(image: NDArray[np.uint8] | str | Path) -> NDArray[np.uint8]:
    if isinstance(image, (str, Path)):
        return load_image(image)
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        shape = getattr(image, "shape", None)
        kind = getattr(image, "dtype", type(image).__name__)
        raise ImageError(f"image: {kind} of shape {shape}; give (H, W, 3) uint8 BGR or the path of a file")
    if image.size == 0:
        raise ImageError(f"image: shape {image.shape} has no pixels; give at least 1 x 1")
    if image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise ImageError(f"image: {image.shape[1]} x {image.shape[0]} is above {MAX_PIXELS // 1_000_000} megapixels")
    return image
