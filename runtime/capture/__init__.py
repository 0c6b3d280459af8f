"""One camera's frames in a thread of their own, whatever happens to the camera. Open `thread.py` first."""
