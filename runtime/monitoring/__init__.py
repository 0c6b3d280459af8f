"""How the appliance is: its health and latencies, for systemd, Prometheus and probes. Open `health.py` first."""
