"""paho's client as the publisher and the offload link use it."""

import socket

from paho.mqtt.enums import CallbackAPIVersion

from runtime.mqtt.client import WatchedClient


def test_what_is_sent_does_not_wait_for_the_acknowledgement_of_what_was_sent_before() -> None:
    client = WatchedClient(CallbackAPIVersion.VERSION2, client_id="node")
    with socket.create_server(("127.0.0.1", 0)) as server:
        client.connect("127.0.0.1", server.getsockname()[1])
        connection = client.socket()
        assert isinstance(connection, socket.socket)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connection.close()
