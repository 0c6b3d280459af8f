"""The preview as `run` starts it: who may look, where, and the line in the log that tells how."""

import contextlib
import logging
from collections.abc import Iterator

from runtime.config.listeners import PreviewConfig, is_loopback, split_listen
from runtime.monitoring.http_server import listen_on, serve_http, url_of
from runtime.preview.access import read_token
from runtime.preview.app import Shown, preview_app
from runtime.preview.live import LiveView

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def serve_preview(config: PreviewConfig, subject: Shown, made_up_token: str) -> Iterator[LiveView]:
    """Serve the page until the block ends; what it gives has to look on.

    Args:
        config: Where, and for whom.
        subject: Whose state is shown.
        made_up_token: What viewers have to know where no file says.

    Raises:
        ConfigError: the token file cannot be used.
        EdgeOcrError: the address is taken.
    """
    token = _token(config, made_up_token)
    live = LiveView(width=config.width, max_fps=config.max_fps)
    listening = listen_on(config.listen, "preview")
    url = url_of(listening)
    if token is not None and config.token_file is None:
        # Behind the #: a browser keeps it to itself, so no log of a server or proxy ever gets it.
        url = f"{url}/login#{token}"
    logger.info("preview: %s", url)
    if not is_loopback(split_listen(config.listen)[0]):
        whom = "everybody there" if token is None else "everybody there who knows the token"
        logger.warning("preview: %s can be reached from the network, unencrypted, by %s", config.listen, whom)
    app = preview_app(subject, live, token=token, hosts=config.hosts)
    with serve_http(app, listening, "preview"):
        yield live


def _token(config: PreviewConfig, made_up: str) -> str | None:
    """What viewers have to know; None: nothing."""
    if config.open:
        return None
    return made_up if config.token_file is None else read_token(config.token_file)
