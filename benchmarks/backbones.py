"""LCNet beside the MobileNets it was made to beat: time of one image under OpenVINO, as the paper's Table 4.

    python -m benchmarks.backbones

224 x 224, batch 1, FP32, one thread, random weights: times do not depend on them. The networks take turns; what counts
is the median, and the median of the quotients of a turn.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import openvino as ov
import torch
from torch import nn

from benchmarks.mobilenets import MobileNetV1, MobileNetV2
from benchmarks.report import print_markdown, run_script, time_summary
from edge_ocr.engines.openvino import shared_core
from train.nets.lcnet import LCNet
from train.nets.mobilenetv3 import MobileNetV3

SIZE = 224
REFERENCE = "LCNet-1.0"
NETWORKS: Mapping[str, Callable[[], nn.Module]] = {
    REFERENCE: lambda: LCNet(1.0),
    "MobileNetV1-0.75": lambda: MobileNetV1(0.75),
    "MobileNetV2-0.75": lambda: MobileNetV2(0.75),
    "MobileNetV3-small-1.0": lambda: MobileNetV3("small", 1.0),
    "MobileNetV3-large-0.5": lambda: MobileNetV3("large", 0.5),
}
PAPER_MS = {
    REFERENCE: 3.16,
    "MobileNetV1-0.75": 3.88,
    "MobileNetV2-0.75": 4.56,
    "MobileNetV3-small-1.0": 4.20,
    "MobileNetV3-large-0.5": 4.54,
}
"""Du et al. 2021 (PP-OCRv2), table 4: Xeon Gold 6148, MKLDNN, 4 threads, batch 1."""
SETTINGS = {
    "INFERENCE_PRECISION_HINT": "f32",
    "PERFORMANCE_HINT": "LATENCY",
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "ENABLE_CPU_PINNING": False,
}
WARM_UP = 10


def main() -> dict[str, Any]:
    """Time the networks in turns and print the table."""
    options = _parse()
    requests = {}
    results: dict[str, dict[str, Any]] = {}
    for name, make in NETWORKS.items():
        torch.manual_seed(0)
        network = make().eval()
        results[name] = {"parameters": sum(parameter.numel() for parameter in network.parameters())}
        requests[name] = compiled(network).create_infer_request()
    times_ms = time_in_turns({name: request.infer for name, request in requests.items()}, options.rounds)
    for name, found in summarise(times_ms).items():
        results[name] |= found
    print_backbones(results)
    return {
        "benchmark": "backbones",
        "settings": {**SETTINGS, "size": [1, 3, SIZE, SIZE], "rounds": options.rounds, "openvino": ov.get_version()},
        "networks": results,
    }


def compiled(network: nn.Module) -> ov.CompiledModel:
    """A network for images of one size, in float on one thread."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing is deprecated in torch 2.13 and still the way that works
        model = ov.convert_model(network, example_input=torch.rand(1, 3, SIZE, SIZE), input=[(1, 3, SIZE, SIZE)])
    return shared_core().compile_model(model, "CPU", SETTINGS)


def time_in_turns(infer: Mapping[str, Callable[[Any], Any]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every network's calls, one a round.

    Args:
        infer: What runs each network on the one input.
        rounds: Rounds that count; some more come before.
    """
    image = [np.random.default_rng(0).random((1, 3, SIZE, SIZE), dtype=np.float32)]
    times_ms: dict[str, list[float]] = {name: [] for name in infer}
    for number in range(WARM_UP + rounds):
        for name, run in infer.items():
            start = time.perf_counter()
            run(image)
            if number >= WARM_UP:
                times_ms[name].append((time.perf_counter() - start) * 1e3)
    return times_ms


def summarise(times_ms: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    """Median and p95 of every network, and how many times LCNet's time it takes, here and in the paper."""
    reference = np.asarray(times_ms[REFERENCE])
    return {
        name: {
            **time_summary(found),
            "times_lcnet": round(float(np.median(np.asarray(found) / reference)), 3),
            "times_lcnet_in_paper": round(PAPER_MS[name] / PAPER_MS[REFERENCE], 3),
        }
        for name, found in times_ms.items()
    }


def print_backbones(results: Mapping[str, Mapping[str, Any]]) -> None:
    """The table, a row a network."""
    header = ["network", "parameters, M", "median, ms", "p95, ms", "times LCNet", "in the paper"]
    rows = [
        [
            name,
            f"{one['parameters'] / 1e6:.2f}",
            f"{one['median_ms']:.2f}",
            f"{one['p95_ms']:.2f}",
            f"{one['times_lcnet']:.2f}",
            f"{one['times_lcnet_in_paper']:.2f}",
        ]
        for name, one in results.items()
    ]
    print_markdown(header, rows)
    print()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.backbones", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=300, help="timed calls of each network (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run_script(main))
