"""One OCR system in an interpreter of its own, answering over stdin and stdout.

Started by `benchmarks.peers` with the interpreter of that system, so this file needs NumPy, OpenCV and the system, and
nothing of ours; it runs on Python 3.10 and later. The conversation is JSON lines:

    worker: {"system", "versions": {...}, "settings": {...}}                    or {"error": "..."}, and it ends
    driver: {"image": "/path/x.jpg"}
    worker: {"ms": 12.3, "cpu_ms", "resident_mib", "lines": [{"text", "score", "quad": [[x, y] * 4]}]}
                                                                                or {"error": "..."}

The image is decoded before the clock starts, and the clock is around the call, the same for every system; Tesseract, a
program, decodes the file itself. Only the CPUs named in --cpus are used: the affinity is set before any library starts
its threads.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import time
from importlib import import_module, metadata
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Lines = list[tuple[str, float, Any]]
    """Text, score and (4, 2) quad of every line."""
    Read = Callable[[Any, str], Lines]
    """Of a decoded image, and the file that it came from."""

PACKAGES = (
    "edge-ocr",
    "numpy",
    "onnxruntime",
    "opencv-python",
    "opencv-python-headless",
    "openvino",
    "rapidocr",
    "rapidocr-onnxruntime",
    "rapidocr-openvino",
)


def main() -> None:
    """Build the system, say that it is ready, then read images until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=sorted(BUILDERS))
    parser.add_argument("--cpus", required=True, help="CPUs to use, comma-separated")
    parser.add_argument("--line", action="store_true", help="every image is one line of text: no detection")
    parser.add_argument("--program", help="for tesseract: where it is")
    parser.add_argument("--pack", default="latin", help="model pack, for ours")
    parser.add_argument("--profile", default="auto", help="device profile, for ours")
    options = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # what the system prints must not end up between the answers
    cpus = {int(cpu) for cpu in options.cpus.split(",")}
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)
    options.threads = len(cpus)
    try:
        read, settings = BUILDERS[options.system](options)
    except Exception as error:  # whatever a system may raise: the driver says it in one line
        answers.write(json.dumps({"error": f"{type(error).__name__}: {error}"}) + "\n")
        sys.exit(1)
    hello = {"system": options.system, "versions": versions(), "settings": settings}
    answers.write(json.dumps(hello) + "\n")
    for request in sys.stdin:
        answers.write(json.dumps(answer(read, json.loads(request)["image"]), ensure_ascii=False) + "\n")


def answer(read: Read, path: str) -> dict[str, Any]:
    """Decode one image, then read it against the clock."""
    import cv2
    import numpy as np

    image = cv2.imread(path)
    if image is None:
        return {"error": f"{path}: not an image"}
    start, start_cpu_s = time.perf_counter(), cpu_s()
    try:
        lines = read(image, path)
    except Exception as error:
        return {"error": f"{path}: {type(error).__name__}: {error}"}
    elapsed_ms, cpu_ms = (time.perf_counter() - start) * 1000, (cpu_s() - start_cpu_s) * 1000
    found = [
        {"text": text, "score": float(score), "quad": np.asarray(quad, float).tolist()} for text, score, quad in lines
    ]
    return {"ms": elapsed_ms, "cpu_ms": cpu_ms, "resident_mib": resident_mib(), "lines": found}


def cpu_s() -> float:
    """User and system time of this process, and of those that it started and that ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def resident_mib() -> float:
    """Memory of this process."""
    with pathlib.Path("/proc/self/statm").open(encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def versions() -> dict[str, str]:
    """Versions of the packages that matter and are there."""
    found = {"python": sys.version.split()[0]}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def build_ours(options: argparse.Namespace) -> tuple[Read, dict[str, Any]]:
    """edge-ocr; its threads follow the affinity and its shapes are compiled at the start, as on a device."""
    from edge_ocr import Reader

    reader = Reader(pack=options.pack, profile=options.profile)
    reader.warm_up(() if options.line else reader.profile.detector.sizes)

    def read(image: Any, _path: str) -> Lines:
        found = [reader.read_line(image)] if options.line else reader.read(image).lines
        return [(line.text, line.score, line.quad) for line in found]

    return read, reader.describe()


def build_rapid3_ort(options: argparse.Namespace) -> tuple[Read, dict[str, Any]]:
    """PP-OCRv3 as rapidocr-onnxruntime 1.2 runs it, which has no option for threads."""
    import onnxruntime

    plain_options = onnxruntime.SessionOptions

    def limited_options() -> Any:
        session_options = plain_options()
        session_options.intra_op_num_threads = options.threads
        return session_options

    onnxruntime.SessionOptions = limited_options
    engine = import_module("rapidocr_onnxruntime").RapidOCR()
    return _rapid_read(engine, "text_recognizer", options), {"intra_op_num_threads": options.threads}


def build_rapid4_ov(options: argparse.Namespace) -> tuple[Read, dict[str, Any]]:
    """PP-OCRv4 as rapidocr-openvino 1.4 runs it."""
    engine = import_module("rapidocr_openvino").RapidOCR(inference_num_threads=options.threads)
    return _rapid_read(engine, "text_rec", options), {"inference_num_threads": options.threads}


def build_rapid6_ort(options: argparse.Namespace) -> tuple[Read, dict[str, Any]]:
    """PP-OCRv6 small as rapidocr 3 runs it on ONNX Runtime."""
    return _rapid6(options, "ONNXRUNTIME", "EngineConfig.onnxruntime.intra_op_num_threads")


def build_rapid6_ov(options: argparse.Namespace) -> tuple[Read, dict[str, Any]]:
    """PP-OCRv6 small as rapidocr 3 runs it on OpenVINO."""
    return _rapid6(options, "OPENVINO", "EngineConfig.openvino.inference_num_threads")


def build_rapid6_ov_alone(options: argparse.Namespace) -> tuple[Read, dict[str, Any]]:
    """The same, every line read by itself: in batches of 6 the narrow ones are padded to the widest."""
    return _rapid6(options, "OPENVINO", "EngineConfig.openvino.inference_num_threads", {"Rec.rec_batch_num": 1})


def _rapid_read(engine: Any, recognizer: str, options: argparse.Namespace) -> Read:
    """The read of a RapidOCR 1.x engine, whole or its recogniser alone."""
    import cv2

    cv2.setNumThreads(options.threads)

    def read(image: Any, _path: str) -> Lines:
        if options.line:
            readings, _ = getattr(engine, recognizer)([image])
            return [(readings[0][0], readings[0][1], _outline(image))]
        found, _ = engine(image)
        return [(text, score, quad) for quad, text, score in found or []]

    return read


def _rapid6(
    options: argparse.Namespace, engine_type: str, threads_key: str, further: Mapping[str, Any] = MappingProxyType({})
) -> tuple[Read, dict[str, Any]]:
    import cv2

    rapidocr = import_module("rapidocr")
    cv2.setNumThreads(options.threads)
    settings = {threads_key: options.threads, "Global.log_level": "error", **further}
    if options.line:
        settings["Global.text_score"] = 0.0  # else a doubtful crop is left out instead of read
    engines = dict.fromkeys(("Det.engine_type", "Cls.engine_type", "Rec.engine_type"), rapidocr.EngineType[engine_type])
    engine = rapidocr.RapidOCR(params={**settings, **engines})

    def read(image: Any, _path: str) -> Lines:
        if options.line:
            result = engine(image, use_det=False, use_cls=False, use_rec=True)
            return [
                (text, score, _outline(image))
                for text, score in zip(result.txts or (), result.scores or (), strict=True)
            ]
        result = engine(image)
        return [] if result.boxes is None else list(zip(result.txts, result.scores, result.boxes, strict=True))

    return read, {**settings, "engine": engine_type.lower()}


def build_tesseract(options: argparse.Namespace) -> tuple[Read, dict[str, Any]]:
    """Tesseract as a user calls it, once per image: start and decoding are in its time."""
    mode = ["--psm", "7"] if options.line else []
    environment = {**os.environ, "OMP_THREAD_LIMIT": str(options.threads)}
    about = subprocess.run([options.program, "--version"], capture_output=True, text=True, check=True)

    def read(_image: Any, path: str) -> Lines:
        command = [options.program, path, "stdout", "-l", "eng", *mode, "tsv"]
        done = subprocess.run(command, capture_output=True, env=environment, check=True)
        return tesseract_lines(done.stdout.decode("utf-8", "replace"))

    settings = {"OMP_THREAD_LIMIT": options.threads, "language": "eng", "options": mode}
    return read, {"version": about.stdout.splitlines()[0], **settings}


def tesseract_lines(tsv: str) -> Lines:
    """Lines of Tesseract's table: a row with 12 columns a word, of which 2 to 5 say in which line it stands."""
    by_line: dict[tuple[str, ...], list[list[str]]] = {}
    for row in tsv.splitlines()[1:]:
        columns = row.split("\t")
        if len(columns) == 12 and columns[11].strip():
            by_line.setdefault(tuple(columns[1:5]), []).append(columns)
    lines: Lines = []
    for words in by_line.values():
        boxes = [[int(value) for value in columns[6:10]] for columns in words]
        x0, y0 = min(box[0] for box in boxes), min(box[1] for box in boxes)
        x1, y1 = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
        score = sum(float(columns[10]) for columns in words) / len(words) / 100
        lines.append((" ".join(columns[11] for columns in words), score, [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))
    return lines


def _outline(image: Any) -> list[list[int]]:
    """Quad of a whole image."""
    height, width = image.shape[:2]
    return [[0, 0], [width, 0], [width, height], [0, height]]


BUILDERS = {
    "ours": build_ours,
    "rapid3-ort": build_rapid3_ort,
    "rapid4-ov": build_rapid4_ov,
    "rapid6-ort": build_rapid6_ort,
    "rapid6-ov": build_rapid6_ov,
    "rapid6-ov-alone": build_rapid6_ov_alone,
    "tesseract": build_tesseract,
}

if __name__ == "__main__":
    main()
