"""Two hosts on one kernel: network namespaces joined by a veth pair, each with a control group of its own.

    with two_hosts() as lab:
        lab.client.run(["ping", "-c1", lab.server.ipv4])

A command on a host joins the host's control group first and enters its network namespace then: a socket belongs to the
group its process was in when it was made. Addresses are those set aside for documentation (RFC 5737, RFC 3849); the
namespaces keep two labs apart.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from optdsl.kernel import cgroups, tools
from optdsl.kernel.cgroups import Cgroup
from optdsl.lab.errors import CommandError, LabError
from optdsl.lab.leftovers import NAMESPACES, delete_namespace, unique_name
from optdsl.record import field, record

_INTERFACE: Final = "eth0"
_READY_TIMEOUT: Final = 5.0
_TERMINATE_TIMEOUT: Final = 1.0
_JOIN_AND_EXEC: Final = 'echo $$ > "$0" && exec "$@"'


@record
class Host:
    """One end of the lab."""

    name: str
    namespace: str
    """The name of its network namespace, as `ip netns` knows it."""
    cgroup: Cgroup
    ipv4: str
    ipv6: str
    interface: str = _INTERFACE
    _processes: list[subprocess.Popen[str]] = field(default_factory=list, shown=False, compare=False)

    def address(self, *, ipv6: bool = False) -> str:
        """The address of one family."""
        return self.ipv6 if ipv6 else self.ipv4

    def run(
        self, command: Sequence[str], *, timeout: float = 60.0, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command on this host to its end, with its output kept; `timeout` in seconds.

        Raises CommandError if it fails, unless `check` is false, and subprocess.TimeoutExpired.
        """
        done = subprocess.run(
            self._wrapped(command),
            input=stdin or "",
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout,
        )
        if check and done.returncode:
            raise CommandError(self.name, command, done.returncode, done.stderr or done.stdout)
        return done

    def spawn(
        self,
        command: Sequence[str],
        *,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int | None = subprocess.PIPE,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Starts a command on this host, with pipes unless told otherwise. The lab ends it if it still runs at its end.

        The pid is that of the command itself, so that signals reach it.
        """
        process = subprocess.Popen(
            self._wrapped(command), stdin=stdin, stdout=stdout, stderr=stderr, text=True, env=environment
        )
        self._processes.append(process)
        return process

    def spawn_python(self, module: str, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """Starts a module of this package on this host, under this interpreter; its errors go where ours go."""
        package_parent = str(Path(__file__).parents[2])
        search_path = os.pathsep.join(filter(None, [package_parent, os.environ.get("PYTHONPATH", "")]))
        environment = {**os.environ, "PYTHONPATH": search_path, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", module, *arguments]
        return self.spawn(command, stdin=stdin, stderr=None, environment=environment)

    def sysctl(self, name: str) -> str:
        """The value of a kernel parameter in this host's namespace, such as `net.ipv4.tcp_timestamps`."""
        return self.run(["sysctl", "-n", name]).stdout.strip()

    def set_sysctl(self, name: str, value: int | str) -> None:
        """Sets a kernel parameter of this host's namespace; it is gone with the host. Only `net.` is per namespace."""
        if not name.startswith("net."):
            raise LabError(f"{name} would change the whole machine, not {self.name} alone")
        self.run(["sysctl", "-q", "-w", f"{name}={value}"])

    def link_down(self) -> None:
        """Cuts the cable on this side: from the other side's view the peer is gone without a word."""
        self.run(["ip", "link", "set", self.interface, "down"])

    def link_up(self) -> None:
        """Plugs the cable in again; returns when the host can be reached."""
        self.run(["ip", "link", "set", self.interface, "up"])
        self.wait_until_ready()

    def set_mtu(self, size: int) -> None:
        """Sets the MTU in bytes; set it on both hosts. IPv6 needs at least 1280."""
        self.run(["ip", "link", "set", self.interface, "mtu", str(size)])

    def set_segments_per_packet(self, count: int) -> None:
        """How many segments TCP may hand over as one packet; with 1 a capture shows each segment as on the wire."""
        self.run(["ip", "link", "set", self.interface, "gso_max_segs", str(count)])

    def set_rate(self, bits_per_second: int, *, latency: float = 0.05) -> None:
        """Limits what this host sends, by a token bucket filter whose queue holds `latency` seconds."""
        # A bucket must hold what arrives between two timer ticks: 20 ms are enough for HZ=100.
        burst = max(16_384, bits_per_second // 8 // 50)
        limits = ["rate", f"{bits_per_second}bit", "burst", str(burst), "latency", f"{round(latency * 1e6)}us"]
        self.set_queue("tbf", *limits)

    def set_queue(self, kind: str, *arguments: str) -> None:
        """Sets the root queueing discipline; CommandError if the kernel lacks it, as many lack `netem`."""
        self.run(["tc", "qdisc", "replace", "dev", self.interface, "root", kind, *arguments])

    def wait_until_ready(self) -> None:
        """Returns when the link has a carrier and no address is tentative. Raises LabError after five seconds."""
        deadline = time.monotonic() + _READY_TIMEOUT
        while time.monotonic() < deadline:
            (link,) = json.loads(self.run(["ip", "-j", "address", "show", "dev", self.interface]).stdout)
            tentative = [a for a in link["addr_info"] if a.get("tentative") and a.get("scope") == "global"]
            if link["operstate"] == "UP" and not tentative:
                return
            time.sleep(0.01)
        raise LabError(f"the link of {self.name} does not come up")

    def end_processes(self) -> None:
        """Ends what `spawn` started and still runs: politely, then by force."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_TERMINATE_TIMEOUT)
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()
        self._processes.clear()

    def _wrapped(self, command: Sequence[str]) -> list[str]:
        """The command behind a shell that joins the group, then enters the namespace, then becomes the command.

        `ip netns exec` would remount /sys, and so hide the control groups from the command.
        """
        enter = [tools.find("nsenter"), f"--net={NAMESPACES / self.namespace}", "--"]
        return ["/bin/sh", "-c", _JOIN_AND_EXEC, str(self.cgroup.procs), *enter, tools.find(command[0]), *command[1:]]


@record
class Lab:
    """Two hosts that can reach each other, and the control group above theirs."""

    client: Host
    server: Host
    cgroup: Cgroup

    @property
    def hosts(self) -> tuple[Host, Host]:
        """Client and server."""
        return self.client, self.server


@contextmanager
def two_hosts(*, mtu: int = 1500) -> Iterator[Lab]:
    """Builds a lab for the length of a `with` block, however that ends. Raises KernelError or LabError if it cannot."""
    name = unique_name()
    with ExitStack() as cleanup:
        group = cleanup.enter_context(cgroups.temporary(name))
        client = Host("client", f"{name}-client", group.create("client"), "192.0.2.1", "2001:db8::1")
        server = Host("server", f"{name}-server", group.create("server"), "192.0.2.2", "2001:db8::2")
        for host in (client, server):
            _ip("netns", "add", host.namespace)
            cleanup.callback(delete_namespace, host.namespace)
        _ip(*f"-n {client.namespace} link add {_INTERFACE} mtu {mtu} type veth".split(), "peer", "name", _INTERFACE,
            "mtu", str(mtu), "netns", server.namespace)  # fmt: skip
        for host in (client, server):
            cleanup.callback(host.end_processes)
            _configure(host)
        for host in (client, server):
            host.wait_until_ready()
        yield Lab(client, server, group)


def _configure(host: Host) -> None:
    """Addresses a host: at once, without duplicate address detection, and for as long as the interface exists."""
    host.set_sysctl("net.ipv6.conf.all.keep_addr_on_down", 1)
    host.set_sysctl(f"net.ipv6.conf.{host.interface}.accept_dad", 0)
    _ip("-n", host.namespace, "address", "add", f"{host.ipv4}/24", "dev", host.interface)
    _ip("-n", host.namespace, "address", "add", f"{host.ipv6}/64", "dev", host.interface, "nodad")
    for interface in ("lo", host.interface):
        _ip("-n", host.namespace, "link", "set", interface, "up")


def _ip(*arguments: str) -> None:
    done = tools.run(["ip", *arguments])
    if done.returncode:
        raise CommandError("this machine", ["ip", *arguments], done.returncode, done.stderr)
