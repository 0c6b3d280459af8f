"""From PyTorch or ONNX networks to INT8 model packs for the device (runs from a checkout)."""

import sys

# OpenVINO and NNCF report their use over the network unasked, from their import on. Here, because every module of this
# package may import them first; without that module they have a stub instead.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
