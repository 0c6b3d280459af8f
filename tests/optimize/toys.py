"""Networks of a layer or two with the inputs and outputs of the real ones, in torch and in ONNX."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from edge_ocr.charset import Charset
from edge_ocr.pack import DetectorSpec, Files, Normalization, OrientationSpec, RecognizerSpec
from optimize.build import Ingredients
from optimize.ir import from_torch

CHARACTERS = "abc "
SKEWED = Normalization(mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))
"""Another value per channel, so that a swapped channel shows."""


class ToyDetector(nn.Module):
    """(N, 3, H, W) to probs (N, 1, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 1)
        )

    def forward(self, image_NCHW: Tensor) -> Tensor:
        return torch.sigmoid(self.layers(image_NCHW))


class ToyRecognizer(nn.Module):
    """(N, 3, 48, W) to probs (N, W / 8, C), with an LSTM on the way."""

    def __init__(self, n_classes: int = 1 + len(CHARACTERS)) -> None:
        super().__init__()
        self.columns = nn.Conv2d(3, 8, (48, 8), stride=(48, 8))
        self.mixed = nn.Conv2d(8, 8, 1)
        self.lstm = nn.LSTM(8, 6, bidirectional=True, batch_first=True)
        self.classes = nn.Linear(12, n_classes)

    def forward(self, image_NCHW: Tensor) -> Tensor:
        feat_NCT = self.mixed(self.columns(image_NCHW).relu()).squeeze(2)
        feat_NTD, _ = self.lstm(feat_NCT.permute(0, 2, 1))
        return torch.softmax(8 * self.classes(feat_NTD), dim=2)


class ToyAttention(nn.Module):
    """(N, 3, 48, W) to probs (N, W / 8, 5), with what INT8 passes over and a reshape that depends on the width."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, (48, 8), stride=(48, 8))
        self.depthwise = nn.Conv2d(8, 8, 1, groups=8)
        self.pointwise = nn.Conv2d(8, 8, 1)
        self.squeeze = nn.Conv2d(8, 8, 1)
        self.norm = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.classes = nn.Linear(8, 5)

    def forward(self, image_NCHW: Tensor) -> Tensor:
        feat = self.pointwise(self.depthwise(self.stem(image_NCHW)).relu()).relu()
        feat = feat * torch.sigmoid(self.squeeze(feat.mean((2, 3), keepdim=True)))
        feat_NTD = self.norm(feat.squeeze(2).transpose(1, 2))
        query, key, value = self.qkv(feat_NTD).unflatten(2, (3, 2, 4)).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = (torch.softmax(query @ key.transpose(2, 3), dim=3) @ value).transpose(1, 2).flatten(2)
        return torch.softmax(4 * self.classes(mixed), dim=2)


class ToyClassifier(nn.Module):
    """(N, 3, 48, 192) to probs (N, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Conv2d(3, 4, 16, stride=16)
        self.classes = nn.Linear(4, 2)

    def forward(self, image_NCHW: Tensor) -> Tensor:
        return torch.softmax(self.classes(self.blocks(image_NCHW).relu().mean((2, 3))), dim=1)


def toy_ingredients(**changes: Any) -> Ingredients:
    """A pack of random toys, FP only."""
    facts: dict[str, Any] = {
        "name": "toy",
        "version": "7",
        "description": "for tests",
        "licence": "CC0-1.0",
        "origin": (),
        "charset": Charset(CHARACTERS),
        "detector": lambda: from_torch(ToyDetector(), "detector"),
        "detector_spec": DetectorSpec(files=Files(fp="detector.fp.xml"), normalization=SKEWED),
        "recognizer": lambda: from_torch(ToyRecognizer(), "recognizer"),
        "recognizer_spec": RecognizerSpec(files=Files(fp="recognizer.fp.xml"), normalization=SKEWED, height=48),
        "orientation": lambda: from_torch(ToyClassifier(), "orientation"),
        "orientation_spec": OrientationSpec(files=Files(fp="orientation.fp.xml"), normalization=SKEWED),
    }
    return Ingredients(**facts | changes)


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def normalised(image_NHWC: NDArray[np.uint8], normalization: Normalization = SKEWED) -> Tensor:
    """What torch is given where the folded network takes `image_NHWC`."""
    scaled = (image_NHWC / 255 - np.array(normalization.mean)) / np.array(normalization.std)
    return torch.from_numpy(scaled.astype(np.float32).transpose(0, 3, 1, 2).copy())


def onnx_detector() -> onnx.ModelProto:
    return _onnx(
        [
            helper.make_node("Conv", ["x", "weight"], ["a"], pads=[1, 1, 1, 1]),
            helper.make_node("Sigmoid", ["a"], ["y"]),
        ],
        {"weight": _weights(1, 3, 3, 3)},
        ["n", 3, "h", "w"],
    )


def onnx_recognizer(n_classes: int = 1 + len(CHARACTERS), characters: str | None = "a\nb\nc\n") -> onnx.ModelProto:
    """As published: the space, which is read last, is not in the metadata."""
    model = _onnx(
        [
            helper.make_node("Conv", ["x", "weight"], ["a"], strides=[48, 8]),
            helper.make_node("Squeeze", ["a", "axes"], ["b"]),
            helper.make_node("Transpose", ["b"], ["c"], perm=[0, 2, 1]),
            helper.make_node("MatMul", ["c", "classes"], ["d"]),
            helper.make_node("Add", ["d", "bias"], ["e"]),
            helper.make_node("Softmax", ["e"], ["y"], axis=2),
        ],
        {
            "weight": _weights(11, 3, 48, 8),
            "axes": np.array([2], dtype=np.int64),
            "classes": _weights(11, n_classes),
            "bias": _weights(n_classes),
        },
        ["n", 3, 48, "w"],
    )
    if characters is not None:
        helper.set_model_props(model, {"character": characters})
    return model


def onnx_classifier() -> onnx.ModelProto:
    return _onnx(
        [
            helper.make_node("GlobalAveragePool", ["x"], ["a"]),
            helper.make_node("Flatten", ["a"], ["b"]),
            helper.make_node("MatMul", ["b", "classes"], ["c"]),
            helper.make_node("Softmax", ["c"], ["y"], axis=1),
        ],
        {"classes": _weights(3, 2)},
        ["n", 3, 48, 192],
    )


def write_published(folder: Path) -> None:
    """The toys under the names of the published files of PP-OCRv3."""
    onnx.save(onnx_detector(), folder / "ch_PP-OCRv3_det_infer.onnx")
    onnx.save(onnx_recognizer(), folder / "ch_PP-OCRv3_rec_infer.onnx")
    onnx.save(onnx_classifier(), folder / "ch_ppocr_mobile_v2.0_cls_infer.onnx")


def _onnx(
    nodes: Sequence[onnx.NodeProto], constants: dict[str, NDArray[Any]], shape: Sequence[str | int]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "toy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def _weights(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(sum(shape)).normal(0, 0.5, shape).astype(np.float32)
