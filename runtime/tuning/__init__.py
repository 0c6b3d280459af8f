"""Finds the profile that suits this device and these pictures best: `edge-ocr tune`. Open `search.py` first."""
