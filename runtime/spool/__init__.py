"""Events until the broker acknowledges them. Open `outbox.py` first, then `spool.py`: the same on the disk."""
