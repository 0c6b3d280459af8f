"""Two clients with one id throw each other out for ever, unless one of them goes: which one, is decided here."""


class Rivalry:
    """Tells from how sessions end that another client uses our id; of two, the one that came later has to go.

    MQTT 5 says so. There, a session that stood for long belongs to the rightful owner, who takes it back. MQTT 3.1.1
    just closes the connection: several sessions in a row that were accepted and soon closed are the sign.

    We can be thrown out by ourselves: a broker that was frozen finds, when it goes on, the connections that we gave up
    meanwhile, and may open one of them after our newest. Every connection given up without an answer is such a ghost.
    """

    YOUNG_S = 30.0
    """A session that was taken over before this age belongs to the newcomer."""
    SHORT_S = 10.0
    """Sessions that end before this age look like a rivalry."""
    NEWCOMER_LIMIT = 4
    OWNER_LIMIT = 8

    def __init__(self) -> None:
        self._n_short = 0
        self._n_ghosts = 0
        self._is_owner = False

    def is_lost(self, *, lasted_s: float, taken_over: bool) -> bool:
        """Take in the end of an accepted session; whether to give up."""
        self._is_owner |= lasted_s >= self.YOUNG_S
        if lasted_s >= self.YOUNG_S:
            self._n_ghosts = 0
        if taken_over and self._n_ghosts:
            self._n_ghosts -= 1
            return False
        if taken_over:
            return lasted_s < self.YOUNG_S
        self._n_short = self._n_short + 1 if lasted_s < self.SHORT_S else 0
        return self._n_short >= (self.OWNER_LIMIT if self._is_owner else self.NEWCOMER_LIMIT)

    def is_outage(self) -> None:
        """There was no broker to connect to: then that is why sessions ended."""
        self._n_short = 0

    def is_silent(self) -> None:
        """The broker did not answer on a connection, which we gave up: an outage that leaves a ghost behind."""
        self._n_short = 0
        self._n_ghosts += 1
