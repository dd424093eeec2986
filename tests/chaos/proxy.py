"""A wire that can be cut: everything between the engine's processes and Redis goes through here."""

import contextlib
import socket
import threading
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Listens on a port of its own and passes bytes on, until it is told to lose the replies of a while."""

    def __init__(self, redis_url: str) -> None:
        parts = urlsplit(redis_url)
        self.target = (parts.hostname, parts.port)
        self.server = socket.create_server(("127.0.0.1", 0))
        port = self.server.getsockname()[1]
        self.url = urlunsplit(parts._replace(netloc=f":{parts.password}@127.0.0.1:{port}"))
        self.is_deaf = threading.Event()
        self.wires: set[socket.socket] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def lose_replies(self, seconds: float) -> None:
        """What is asked arrives and is done; what is answered is lost, and then every connection breaks."""
        self.is_deaf.set()
        threading.Event().wait(seconds)
        for wire in list(self.wires):
            _close(wire)
        self.is_deaf.clear()

    def _listen(self) -> None:
        while True:
            client, _ = self.server.accept()
            try:
                target = socket.create_connection(self.target)
            except OSError:
                _close(client)
                continue
            self.wires |= {client, target}
            threading.Thread(target=self._pass, args=(client, target, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(target, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, is_reply: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if not (is_reply and self.is_deaf.is_set()):
                    sink.sendall(data)
        for wire in (source, sink):
            self.wires.discard(wire)
            _close(wire)


def _close(wire: socket.socket) -> None:
    with contextlib.suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)
    wire.close()
