"""kiosk.yaml: one model a part, unknown keys refused. Open `kiosk.py` first."""
