"""`optdsl lab hosts`, on this machine's own kernel."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from optdsl.cli import lab_hosts
from optdsl.cli.errors import CommandError, UsageError
from optdsl.lab.leftovers import NAMESPACES
from optdsl.lab.pcap import read_packets

pytestmark = pytest.mark.kernel

DOWNLOAD = """
ip netns exec server python3 -m http.server 80 --bind 0.0.0.0 >/dev/null 2>&1 &
until ip netns exec client curl -s -o /dev/null "http://$1/"; do sleep 0.1; done
kill %1 2>/dev/null || kill $!
"""

LEFT_RUNNING = """
for host in "$2" "$3"; do
    ip netns exec "$host" sleep 97 >"$1" &
    until ip netns pids "$host" | grep -q .; do :; done
done
exit 3
"""


@pytest.fixture(autouse=True)
def own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run side by side, and on machines with a namespace `client`."""
    monkeypatch.setattr(lab_hosts, "NAMESPACES", (f"client-{os.getpid()}", f"server-{os.getpid()}"))


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    lab_hosts.add_arguments(parser)
    return lab_hosts.run(parser.parse_args(words))


def own(script: str) -> str:
    return script.replace("exec client", f"exec client-{os.getpid()}").replace(
        "exec server", f"exec server-{os.getpid()}"
    )


def test_a_command_finds_the_hosts(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "captures"
    assert run("--capture", str(folder), "--", "sh", "-c", own(DOWNLOAD), "sh", "10.0.2.2") == 0
    told = capfd.readouterr()
    assert "path 2: client 10.0.2.1 2001:db8:2::1, server 10.0.2.2 2001:db8:2::2\n" in told.err
    assert "control group of client: /" in told.err
    sizes = {file.name: len(read_packets(file.read_bytes())) for file in folder.iterdir()}
    assert sizes.keys() == {f"path{number}-{host}.pcap" for number in (1, 2) for host in ("client", "server")}
    assert sizes["path1-client.pcap"] == 0
    assert sizes["path2-client.pcap"] >= 8
    assert sizes["path2-client.pcap"] == sizes["path2-server.pcap"]
    assert not any((NAMESPACES / name).exists() for name in lab_hosts.NAMESPACES)


def test_the_status_is_that_of_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("--quiet", "sh", "-c", "exit 3") == 3
    assert run("--quiet", "sh", "-c", "kill -9 $$") == 137
    assert capfd.readouterr().err == ""
    assert run("--quiet", "/no/such/command") == 127
    assert run("--quiet", "/etc/passwd") == 126
    assert capfd.readouterr().err == "/no/such/command: command not found\n/etc/passwd: Permission denied\n"


def test_nothing_runs_on_in_the_namespaces(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    assert run("--quiet", "--", "sh", "-c", LEFT_RUNNING, "sh", str(fifo), *lab_hosts.NAMESPACES) == 3
    assert os.read(reader, 1) == b""  # it would block if anybody could still write
    os.close(reader)


def test_groups_and_subflows(capfd: pytest.CaptureFixture[str]) -> None:
    script = own('ip netns exec client ip mptcp endpoint show; cat "$CLIENT_CGROUP/cgroup.procs" && echo fine')
    assert run("--quiet", "--mptcp", "--path", "", "--path", "", "--path", "", "--", "sh", "-c", script) == 0
    assert [line.split()[0] for line in capfd.readouterr().out.splitlines()] == ["10.0.2.1", "10.0.3.1", "fine"]


def test_mistakes(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a command to run is missing"):
        run("--path", "delay=1ms")
    with pytest.raises(UsageError, match="`delya` is no property of a path"):
        run("--path", "delya=1ms", "true")
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match=r"cannot write captures into .*file: File exists"):
        run("--quiet", "--capture", str(tmp_path / "file"), "true")
    (NAMESPACES / lab_hosts.NAMESPACES[0]).touch()
    try:
        with pytest.raises(CommandError, match="there is a network namespace client-"):
            run("true")
    finally:
        (NAMESPACES / lab_hosts.NAMESPACES[0]).unlink()
    assert capfd.readouterr().out == ""
