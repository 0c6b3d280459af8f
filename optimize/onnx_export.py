"""Networks to ONNX for NVIDIA GPUs: pre- and post-processing folded in as in the IR, FP16 where nothing is lost.

The inputs and outputs are those of `optimize.ir`, so the reader and every engine see the same networks. Types are said
in the file, not left to the engine: TensorRT 11 takes them from there, and the CPU can check what they cost.
"""

import math
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

from edge_ocr.errors import ModelError
from edge_ocr.pack import Normalization

OPSET = 19
"""The first one whose Q/DQ pairs can have FP16 on their float side; TensorRT 10 reads up to 20."""
EXAMPLE_SHAPES = {"detector": (1, 64, 96, 3), "recognizer": (1, 48, 160, 3), "orientation": (1, 48, 192, 3)}
FREE_SIDES: dict[str, dict[str, dict[int, str]]] = {
    "detector": {"image": {1: "height", 2: "width"}, "prob_map": {1: "height", 2: "width"}},
    "recognizer": {"image": {2: "width"}, "classes": {1: "steps"}, "scores": {1: "steps"}},
    "orientation": {},
}
"""Axes by input and output; the image is NHWC. The batch is 1: a reading never depends on its neighbours."""
OUTPUTS = {"detector": ["prob_map"], "recognizer": ["classes", "scores"], "orientation": ["probs"]}


@dataclass(frozen=True, slots=True)
class _Tail:
    """What follows a network."""

    fold: Callable[..., tuple[Tensor, ...]]
    takes_bias: bool = False


def to_onnx(module: nn.Module, network: str, normalization: Normalization) -> onnx.ModelProto:
    """Trace a module with its pre- and post-processing, in FP32.

    Args:
        module: (1, 3, H, W) normalised to probabilities; it is put into eval mode.
        network: detector, recognizer or orientation.
        normalization: What the network was trained with.

    Returns:
        Takes `image` (1, H, W, 3) uint8 BGR, a recogniser also `class_bias` (C,) float32; gives `OUTPUTS`. No node
        computes a shape: the CPU would have to do that beside the GPU.
    """
    tail = _TAILS[network]
    folded = _Folded(module.eval(), normalization, tail.fold)
    image = torch.zeros(EXAMPLE_SHAPES[network], dtype=torch.uint8)
    arguments: tuple[Tensor, ...] = (image,)
    with torch.no_grad():
        if tail.takes_bias:
            arguments = (image, torch.zeros(module(_normalized(image, normalization)).shape[-1]))
        with warnings.catch_warnings(), TemporaryDirectory() as folder:
            warnings.simplefilter("ignore")  # the tracing exporter is deprecated; the other one freezes the width
            torch.onnx.export(
                folded,
                arguments,
                Path(folder) / "traced.onnx",
                dynamo=False,
                opset_version=OPSET,
                input_names=["image", "class_bias"][: len(arguments)],
                output_names=OUTPUTS[network],
                dynamic_axes=FREE_SIDES[network],
            )
            model = onnx.load(Path(folder) / "traced.onnx")
    _fold_constants(model)
    _fix_reshapes(model, [_scaled(image.shape, FREE_SIDES[network].get("image", {}), factor) for factor in (1, 2)])
    model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model, full_check=True)
    return model


class _Folded(nn.Module):
    """A network between its pre- and post-processing."""

    def __init__(self, net: nn.Module, normalization: Normalization, fold: Callable[..., tuple[Tensor, ...]]) -> None:
        super().__init__()
        self.net = net  # its name is optimize.onnx_fp16.BODY
        self._normalization = normalization
        self._fold = fold

    def forward(self, image_NHWC: Tensor, *class_bias: Tensor) -> tuple[Tensor, ...]:
        return self._fold(self.net(_normalized(image_NHWC, self._normalization)), *class_bias)


def _normalized(image_NHWC: Tensor, normalization: Normalization) -> Tensor:
    mean, std = (255 * torch.tensor(values)[:, None, None] for values in (normalization.mean, normalization.std))
    # The cast comes first: TensorRT has uint8 at a network's edges only.
    return (image_NHWC.float().permute(0, 3, 1, 2) - mean) / std


def _prob_map(probs_N1HW: Tensor) -> tuple[Tensor, ...]:
    """(1, H, W) uint8 probability * 255; the cast comes last, as the other one comes first."""
    if probs_N1HW.shape[1] > 1:  # sub-pixels (1, n * n, H/n, W/n)
        probs_N1HW = nn.functional.pixel_shuffle(probs_N1HW, math.isqrt(probs_N1HW.shape[1]))
    return (torch.round(probs_N1HW.squeeze(1) * 255).to(torch.uint8),)


def _best_classes(probs_NTC: Tensor, class_bias: Tensor) -> tuple[Tensor, ...]:
    """Best class (N, T) int32 per time step and its probability (N, T); see `CompiledNetwork.infer` for the bias."""
    scores_NT1, classes_NT1 = torch.topk(probs_NTC + class_bias, 1, dim=2)
    return classes_NT1.squeeze(2).to(torch.int32), scores_NT1.squeeze(2)


def _as_is(probs_NC: Tensor) -> tuple[Tensor, ...]:
    return (probs_NC,)


_TAILS = {
    "detector": _Tail(_prob_map),
    "recognizer": _Tail(_best_classes, takes_bias=True),
    "orientation": _Tail(_as_is),
}


def _fold_constants(model: onnx.ModelProto) -> None:
    """Compute what depends on constants only, in place: the exporter leaves the sizes of a padding as seven nodes."""
    known = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    folded = []
    for node in model.graph.node:
        inputs = [name for name in node.input if name]
        if node.op_type == "Constant" or (inputs and all(name in known for name in inputs)):
            feeds = {name: known[name] for name in inputs}
            known.update(zip(node.output, ReferenceEvaluator(node).run(None, feeds), strict=True))
            folded.append(node)
    for node in folded:
        model.graph.node.remove(node)
    used = {name for node in model.graph.node for name in node.input}
    del model.graph.initializer[:]
    model.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in known.items() if name in used
    )


def _fix_reshapes(model: onnx.ModelProto, shapes: Sequence[tuple[int, ...]]) -> None:
    """Give every reshape whose target is computed a constant one, in place, and drop what computed it.

    Args:
        model: As traced.
        shapes: Images of two sizes: sides of a target that differ between them are free.

    Raises:
        ModelError: a target has more than one free side.
    """
    constants = {value.name for value in model.graph.initializer}
    constants |= {output for node in model.graph.node if node.op_type == "Constant" for output in node.output}
    computed = [node for node in model.graph.node if node.op_type == "Reshape" and node.input[1] not in constants]
    if computed:
        seen = [_shapes_inside(model, [node.output[0] for node in computed], shape) for shape in shapes]
        for node, one, other in zip(computed, *seen, strict=True):
            target = np.where(one == other, one, -1)
            if np.count_nonzero(target == -1) > 1:
                raise ModelError(f"{node.name}: reshapes to {target.tolist()}; at most one side may be free")
            name = f"{node.name}.target"
            model.graph.initializer.append(numpy_helper.from_array(target, name))
            node.input[1] = name
        drop_unused(model.graph)


def _scaled(shape: Sequence[int], axes: Collection[int], factor: int) -> tuple[int, ...]:
    return tuple(factor * side if axis in axes else side for axis, side in enumerate(shape))


def _shapes_inside(model: onnx.ModelProto, names: Sequence[str], shape: tuple[int, ...]) -> list[NDArray[np.int64]]:
    """The shapes of some tensors inside a network when it is shown an image of a shape."""
    import onnxruntime

    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), options, providers=["CPUExecutionProvider"], enable_fallback=0
    )
    feed = {"image": np.zeros(shape, dtype=np.uint8)}
    for extra in session.get_inputs()[1:]:
        feed[extra.name] = np.zeros(extra.shape, dtype=np.float32)
    return [np.array(value.shape, dtype=np.int64) for value in session.run(list(names), feed)]


def drop_unused(graph: onnx.GraphProto) -> None:
    """Remove nodes and initialisers that nothing reads, in place."""
    while True:
        read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
        unused = [node for node in graph.node if not read & set(node.output)]
        if not unused:
            break
        for node in unused:
            graph.node.remove(node)
    for value in [value for value in graph.initializer if value.name not in read]:
        graph.initializer.remove(value)
