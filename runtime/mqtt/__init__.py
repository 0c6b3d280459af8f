"""From the outbox to the broker and back, whatever happens to the connection. Open `publisher.py` first."""
