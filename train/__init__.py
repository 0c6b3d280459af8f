"""Networks, data synthesis and training of edge-ocr's models (PyTorch; runs from a checkout)."""
