"""What `edge-ocr check` tries. Open `checks.py` first."""
