"""Side-by-side measurements; run them from a checkout, see benchmarks/README.md."""
