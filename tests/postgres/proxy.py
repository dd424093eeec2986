"""A wire between a worker and PostgreSQL that can lose the reply to one COMMIT."""

import socket
from contextlib import suppress
from threading import Thread
from urllib.parse import parse_qs, urlsplit


class Proxy:
    """Listens on this machine and passes everything on to the socket of a server, until it is told to lose a reply."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.target = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self.loses_a_commit = False
        self.lost = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.open: list[socket.socket] = [self.listener]
        self.url = f"postgresql://postgres@127.0.0.1:{self.listener.getsockname()[1]}{parts.path}"
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for one in self.open:
            _shut(one)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self.target)
                self.open += [client, server]
                Thread(target=self._to_server, args=(client, server), daemon=True).start()
                Thread(target=self._to_client, args=(server, client), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while given := client.recv(65536):
                server.sendall(given)
        _shut(server)

    def _to_client(self, server: socket.socket, client: socket.socket) -> None:
        """The server has committed when it says so, and that is the moment at which the wire is cut."""
        with suppress(OSError):
            while said := server.recv(65536):
                if self.loses_a_commit and b"COMMIT\0" in said:
                    self.loses_a_commit = False
                    self.lost += 1
                    _shut(server)
                    break
                client.sendall(said)
        _shut(client)


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
