"""One module a command; see `runtime.cli`."""
