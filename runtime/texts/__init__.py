"""From pictures to texts over time: what is looked at and read, what many reads say. Open `scene_reader.py` first."""
