"""A real HTTP transfer between the hosts: a Python server on one, curl on the other."""

import json

from optdsl.lab.errors import LabError
from optdsl.lab.hosts import Host, Lab
from optdsl.record import record


@record
class WebServer:
    """A server that runs until its lab ends: `GET /n` gives n bytes."""

    host: Host
    port: int


@record
class Transfer:
    """What curl reports of one download."""

    status: int
    """The HTTP status code."""
    received: int
    """Bytes of the body."""
    seconds: float
    client_address: str
    client_port: int
    server_port: int

    @property
    def rate(self) -> float:
        """Bits per second, connection establishment included."""
        return 8 * self.received / self.seconds


def start_web_server(host: Host, port: int = 0) -> WebServer:
    """Starts a server on a host, on a free port if none is given, and returns when it listens. Raises LabError."""
    process = host.spawn_python("optdsl.lab.web", str(port))
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise LabError(f"the web server on {host.name} does not start")
    return WebServer(host, json.loads(line)["port"])


def download(client: Host, server: WebServer, size: int, *, ipv6: bool = False, timeout: float = 60.0) -> Transfer:
    """Downloads `size` bytes over a new connection; `timeout` in seconds. Raises CommandError with curl's message."""
    address = server.host.address(ipv6=ipv6)
    host = f"[{address}]" if ipv6 else address
    options = ["--silent", "--show-error", "--globoff", "--noproxy", "*", "--max-time", str(timeout)]
    url = f"http://{host}:{server.port}/{size}"
    done = client.run(["curl", *options, "--output", "/dev/null", "--write-out", "%{json}", url], timeout=timeout + 5)
    report = json.loads(done.stdout)
    return Transfer(
        status=report["http_code"],
        received=report["size_download"],
        seconds=report["time_total"],
        client_address=report["local_ip"],
        client_port=report["local_port"],
        server_port=server.port,
    )


def http_transfer(lab: Lab, size: int = 100_000, *, ipv6: bool = False) -> Transfer:
    """One download from the server to the client, by a server of its own."""
    return download(lab.client, start_web_server(lab.server), size, ipv6=ipv6)
