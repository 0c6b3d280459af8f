"""What the reader and the stream cost on this machine: `edge-ocr profile`. Open `measure.py` first."""
