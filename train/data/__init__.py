"""Data made by ourselves: rendered text lines, pages and camera clips."""
