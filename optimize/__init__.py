"""From PyTorch or ONNX networks to INT8 model packs for the device (runs from a checkout)."""
