"""Frames to workers elsewhere and their pages back: docs/offload.md. Open `remote_reader.py`, then `worker.py`."""
