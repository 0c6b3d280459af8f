"""Layers of an ONNX file whose batch norms are merged already, and whose biases stand in additions of their own.

PP-OCRv6 is published so. The few batch norms that are left are merged here too: there is nothing to estimate anew.
"""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from train.nets.onnx_weights import FileLayer, OnnxFile, conv_options, read_onnx

Array = NDArray[np.float32]


def parse_merged(name: str, content: bytes) -> OnnxFile:
    """Read an ONNX file of convolutions, matrices and spelled-out layer norms.

    Args:
        name: For messages.
        content: The file.

    Returns:
        Its layers in the order in which they run, for `load_onnx`; every convolution and matrix has a bias.

    Raises:
        ModelError: `content` is not ONNX.
        ConfigError: onnx is not installed.
    """
    model = read_onnx(name, content)
    graph = _Graph(model.graph)
    layers = [layer for node in model.graph.node if (layer := graph.layer(node)) is not None]
    return OnnxFile(name, layers, {entry.key: entry.value for entry in model.metadata_props})


class _Graph:
    """Nodes with what follows them."""

    def __init__(self, graph: Any) -> None:
        from onnx import numpy_helper

        self.constants: dict[str, Array] = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        uses = Counter(name for node in graph.node for name in node.input)
        self.only_user = {name: node for node in graph.node for name in node.input if uses[name] == 1}

    def layer(self, node: Any) -> FileLayer | None:
        """The layer that begins at a node."""
        weight = next((name for name in node.input if name in self.constants), None)
        if weight is None:
            return None
        if node.op_type == "Conv":
            kernel, bias = self._merged(node, self.constants[weight])
            return FileLayer(nn.Conv2d, weight, {"weight": kernel, "bias": bias}, conv_options(node))
        if node.op_type == "MatMul":
            matrix = self.constants[weight].T  # ONNX has (in, out)
            return FileLayer(nn.Linear, weight, {"weight": matrix, "bias": self._added(node, len(matrix))})
        scale = self.constants[weight]
        # The last product of a spelled-out layer norm; other products here have one constant for all features.
        if node.op_type == "Mul" and scale.size > 1:
            return FileLayer(nn.LayerNorm, weight, {"weight": scale, "bias": self._added(node, len(scale))})
        return None

    def _merged(self, node: Any, kernel: Array) -> tuple[Array, Array]:
        user = self._next(node)
        if user is None or user.op_type != "BatchNormalization":
            return kernel, self._added(node, len(kernel))
        scale, shift, mean, variance = (self.constants[name] for name in user.input[1:5])
        epsilon = next((entry.f for entry in user.attribute if entry.name == "epsilon"), 0.0)
        factor = (scale / np.sqrt(variance + (epsilon or 1e-5))).astype(np.float32)
        return np.asarray(kernel * factor[:, None, None, None]), np.asarray(shift - mean * factor)

    def _added(self, node: Any, size: int) -> Array:
        """The bias in the addition that follows; zeros where none does."""
        user = self._next(node)
        if user is not None and user.op_type == "Add":
            found = [self.constants[name] for name in user.input if name in self.constants]
            if found and found[0].size == size:
                return found[0].reshape(-1)
        return np.zeros(size, np.float32)

    def _next(self, node: Any) -> Any | None:
        """What alone uses a node's output; copies between them are passed over."""
        user = self.only_user.get(node.output[0])
        while user is not None and user.op_type in {"Identity", "Cast"}:
            user = self.only_user.get(user.output[0])
        return user
