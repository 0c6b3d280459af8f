"""The integrator's rules: where texts are read, which count, how they leave the device. Open `screening.py` first."""
