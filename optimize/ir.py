"""Networks to IR: converted with free shapes, then pre- and post-processing are folded in.

The device gives uint8 BGR rows (NHWC) and takes what decoding needs: for the detector uint8 probabilities, for the
recogniser the best class per time step and its probability. The resize stays outside: in the graph it is slower and not
equal to OpenCV's.
"""

import math
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino as ov
import torch
from openvino import opset13 as ops
from openvino._offline_transformations import apply_moc_transformations
from openvino.preprocess import PrePostProcessor

from edge_ocr.engines.openvino import shared_core
from edge_ocr.errors import ConfigError, ModelError
from edge_ocr.pack import Normalization

INPUT_SHAPES = {
    "detector": (1, 3, -1, -1),
    "recognizer": (-1, 3, 48, -1),
    "orientation": (-1, 3, 48, 192),
}
"""NCHW, -1 where the device fixes the size."""
HEIGHT_AXIS = 2
MIN_HALVED = 5000
"""Numbers from which a constant is worth a conversion."""
WEIGHED = frozenset({"Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul"})
"""What reads weights."""
OUTPUT_RANKS = {"detector": 4, "recognizer": 3, "orientation": 2}


def from_torch(module: torch.nn.Module, network: str) -> ov.Model:
    """Trace a module in eval mode into a model with the network's free shapes; a recogniser's height is free too.

    `torch.export` would unroll a BiLSTM over time and freeze its width; tracing does not.
    """
    shape = list(INPUT_SHAPES[network])
    example = torch.rand([2 if side == -1 and i == 0 else 64 if side == -1 else side for i, side in enumerate(shape)])
    if network == "recognizer":
        shape[HEIGHT_AXIS] = -1
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing is deprecated in torch 2.13 and still the way that works
        return ov.convert_model(module.eval(), example_input=example, input=[ov.PartialShape(shape)])


def from_onnx(path: Path, network: str) -> ov.Model:
    """Read an ONNX network and give it the network's free shapes.

    Raises:
        ModelError: OpenVINO cannot read the file, or it is not such a network.
    """
    try:
        model = shared_core().read_model(path)
        # Files spell out layer norms and activations in small operations. Left so, INT8 would round the squares and
        # roots of a norm too, after which PP-OCRv6 reads nothing.
        apply_moc_transformations(model, cf=False)
        model.reshape(ov.PartialShape(list(INPUT_SHAPES[network])))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ModelError(f"{path}: no {network} network that OpenVINO can read ({reason})") from error
    if model.outputs[0].partial_shape.rank.get_length() != OUTPUT_RANKS[network]:
        raise ModelError(f"{path}: no {network} network, its output is {model.outputs[0].partial_shape}")
    return model


def fold_detector(model: ov.Model, normalization: Normalization) -> ov.Model:
    """Make a detector take (1, H, W, 3) uint8 BGR and give (1, H, W) uint8 probability * 255.

    Args:
        model: Gives the prob map (1, 1, H, W), or its sub-pixels (1, n * n, H/n, W/n) (`optimize.rewrite`).
        normalization: What the network was trained with.
    """
    _fold_input(model, normalization)
    probs = _cut_result(model)
    prob_bytes = ops.convert(ops.round(ops.multiply(probs, np.float32(255)), "half_to_even"), "u8")
    n_subpixels = probs.get_partial_shape()[1].get_length()
    if n_subpixels > 1:
        prob_bytes = ops.depth_to_space(prob_bytes, "depth_first", math.isqrt(n_subpixels))
    prob_map = ops.squeeze(prob_bytes, np.array([1], dtype=np.int64))
    return _finish(model, [(prob_map, "prob_map")])


def fold_recognizer(model: ov.Model, normalization: Normalization) -> ov.Model:
    """Make a recogniser take (N, H, W, 3) uint8 BGR and give classes (N, T) int32 and their scores (N, T) float32."""
    _fold_input(model, normalization)
    best = ops.topk(_cut_result(model), np.int64(1), axis=-1, mode="max", sort="none", index_element_type="i32")
    last = np.array([2], dtype=np.int64)
    return _finish(
        model, [(ops.squeeze(best.output(1), last), "classes"), (ops.squeeze(best.output(0), last), "scores")]
    )


def fold_orientation(model: ov.Model, normalization: Normalization) -> ov.Model:
    """Make a classifier take (N, 48, 192, 3) uint8 BGR and give (N, 2) float32 probabilities."""
    _fold_input(model, normalization)
    return _finish(model, [(_cut_result(model).get_node(), "probs")])


FOLD = {"detector": fold_detector, "recognizer": fold_recognizer, "orientation": fold_orientation}


def restrict_head(model: ov.Model, characters: Sequence[str], keep: Sequence[str]) -> None:
    """Keep only the head rows of some characters, in place: the blank first, then `keep` in its order.

    Args:
        model: A recogniser that ends in softmax(x @ weights + bias).
        characters: The head's characters in class order, without the blank.
        keep: The characters to keep.

    Raises:
        ConfigError: the head lacks some of them.
        ModelError: the network does not end in such a head.
    """
    missing = [character for character in keep if character not in set(characters)]
    if missing:
        raise ConfigError(f"charset: the published head cannot read {''.join(missing)!r}; leave these characters out")
    rows = np.array([0] + [list(characters).index(character) + 1 for character in keep])
    n_classes = len(characters) + 1
    constants = [
        (node, axis)
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Constant"
        for axis, side in enumerate(node.get_output_shape(0))
        if side == n_classes
    ]
    if len(constants) != 2:
        raise ModelError(
            f"recogniser: found {len(constants)} constants with {n_classes} classes, a head has weights and bias"
        )
    for node, axis in constants:
        kept = ops.constant(np.take(node.get_data(), rows, axis=axis))
        for target in node.output(0).get_target_inputs():
            target.replace_source_output(kept.output(0))
    model.validate_nodes_and_infer_types()


def head_classes(model: ov.Model) -> int:
    """Classes of a recogniser that still ends in its softmax."""
    return int(model.outputs[0].partial_shape[-1].get_length())


def save_fp16(model: ov.Model, path: Path) -> None:
    """Write an IR, its float weights as FP16 (half the size; one reading in 1 500 changes).

    Left to itself, OpenVINO compresses no weight of a network that is INT8 in part, indents its XML by a fifth, and
    writes into it the sides of all maps, a quarter of the rest, which it infers anew when it reads the file.
    """
    halved = model.clone()
    _halve_weights(halved)
    # NNCF's names of constants are a tenth of an INT8 file; layers keep theirs, by which profiles tell them.
    ends = {end.get_tensor().get_any_name() for end in (*halved.inputs, *halved.outputs)}
    for number, node in enumerate(halved.get_ordered_ops()):
        if node.get_type_name() == "Constant":
            node.set_friendly_name(f"c{number}")
        for output in node.outputs():
            if not output.get_names() & ends:
                output.get_tensor().set_names(set())
    ov.save_model(halved, path, compress_to_fp16=True)
    path.write_text(_shortened(path.read_text(encoding="utf-8")), encoding="utf-8")


def _shortened(xml: str) -> str:
    xml = re.sub(r"<dim>[^<]*</dim>", "", re.sub(r">\s+<", "><", xml))
    return re.sub(r"(<port [^>]*[^/>])></port>", r"\1 />", xml)


def _halve_weights(model: ov.Model) -> None:
    """Keep large float matrices as FP16 with a conversion behind them, in place; all else stays as it is.

    Kernels of several cells too: OpenVINO 2026.4.1 then computes what follows them otherwise, and the recogniser's INT8
    file lost 0.9 points of word accuracy on icdar15_words when its stem was halved.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Constant" or node.get_element_type() != ov.Type.f32:
            continue
        users = node.output(0).get_target_inputs()
        is_matrix = all(side == 1 for side in node.get_output_shape(0)[2:])
        is_weight = {user.get_node().get_type_name() for user in users} <= WEIGHED
        if node.get_data().size < MIN_HALVED or not (is_matrix and is_weight):
            continue
        half = ops.constant(node.get_data().astype(np.float16))
        widened = ops.convert(half, "f32")
        for user in users:
            user.replace_source_output(widened.output(0))
    model.validate_nodes_and_infer_types()


def _fold_input(model: ov.Model, normalization: Normalization) -> None:
    folding = PrePostProcessor(model)
    folding.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    folding.input().model().set_layout(ov.Layout("NCHW"))
    steps = folding.input().preprocess().convert_element_type(ov.Type.f32)
    steps.mean([255 * value for value in normalization.mean]).scale([255 * value for value in normalization.std])
    folding.build()
    model.inputs[0].get_tensor().set_names({"image"})


def _cut_result(model: ov.Model) -> ov.Output:
    """What the model's only result takes; the result itself is removed."""
    result = model.get_results()[0]
    source = result.input(0).get_source_output()
    model.remove_result(result)
    return source


def _finish(model: ov.Model, outputs: Sequence[tuple[ov.Node, str]]) -> ov.Model:
    results = []
    for node, name in outputs:
        output = node.output(0)
        output.get_tensor().set_names({name})
        results.append(ops.result(output))
    model.add_results(results)
    model.validate_nodes_and_infer_types()
    return model
