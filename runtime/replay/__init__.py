"""A recording as events, the same ones every time, and how good they are. Open `replay.py` first."""
