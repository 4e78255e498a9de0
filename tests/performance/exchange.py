"""Many short connections or one long one, as fast as they go: traffic for the figures. Runs on a host of a lab.

python exchange.py serve                                     # prints its port, then answers until it is ended
python exchange.py ask ADDRESS PORT CONNECTIONS ROUNDS SIZE  # each round asks with SIZE bytes and gets as many
"""

from __future__ import annotations

import socket
import sys


def serve() -> None:
    """Sends back what comes, one connection after the other."""
    with socket.create_server(("", 0), backlog=64) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(1 << 16):
                    connection.sendall(data)


def ask(address: str, port: int, connections: int, rounds: int, size: int) -> None:
    """Opens connections one after the other; each ends with a FIN of the client."""
    question = bytes(size)
    for _ in range(connections):
        with socket.create_connection((address, port)) as connection:
            for _ in range(rounds):
                connection.sendall(question)
                missing = size
                while missing:
                    missing -= len(connection.recv(missing))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        ask(sys.argv[2], *map(int, sys.argv[3:]))
