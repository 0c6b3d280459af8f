"""How well networks read: measures, sets and a gallery of the worst cases."""
