"""Commands on a kernel of the lab: what they see, what they leave, and how their end is told."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from optdsl.lab.kernels import Finished, Kernel, LabKernelError, boot, find_built, problems
from optdsl.lab.kernels.boot import CRASHED, START, TIMED_OUT

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    built = find_built()
    assert built is not None
    return built


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No process of a kernel and no folder in memory outlives a test."""
    yield
    assert _kernels_of(os.getpid()) == []
    assert list(Path("/dev/shm").glob(f"optdsl-lab-{os.getpid()}-*")) == []


def _kernels_of(pid: int) -> list[str]:
    """The processes of kernels that were started by a process: their environment names its folder."""
    mark = f"TMPDIR=/dev/shm/optdsl-lab-{pid}-".encode()
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (each / "environ").read_bytes():
                found.append(each.name)
    return found


def shell(kernel: Kernel, script: str, **more: object) -> Finished:
    """What comes of a script; it has a minute of the host's time."""
    return boot(kernel, ["sh", "-c", script], **{"timeout": 60, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("script", "status"),
    [("true", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("kill -TERM $$", 143), ("absent", 127)],
)
def test_the_status_of_the_command(kernel: Kernel, script: str, status: int) -> None:
    assert shell(kernel, script).status == status


@pytest.mark.parametrize(
    ("command", "status", "told"),
    [
        (["absent"], 127, b"optdsl lab: absent: command not found\n"),
        (["/absent"], 127, b"optdsl lab: /absent: command not found\n"),
        (["/etc/passwd"], 126, b"optdsl lab: /etc/passwd: Permission denied\n"),
    ],
)
def test_what_cannot_be_run_ends_as_in_a_shell(kernel: Kernel, command: list[str], status: int, told: bytes) -> None:
    done = boot(kernel, command, timeout=60)
    assert (done.status, done.stdout, done.stderr) == (status, b"", told)


def test_both_streams_are_exact_and_passed_on(kernel: Kernel) -> None:
    every = bytes(range(256)) * 4
    out, err = io.BytesIO(), io.BytesIO()
    done = shell(kernel, "cat; printf 'a\\r\\n' >&2; echo again > /dev/stderr; echo end > /dev/stdout",
                 stdin=every, stdout=out, stderr=err)  # fmt: skip
    assert (done.status, done.stdout, done.stderr) == (0, every + b"end\n", b"a\r\nagain\n")
    assert (out.getvalue(), err.getvalue()) == (done.stdout, done.stderr)


def test_much_output(kernel: Kernel) -> None:
    done = shell(kernel, "head -c 5000000 /dev/zero; echo end >&2")
    assert (done.status, len(done.stdout), done.stderr) == (0, 5_000_000, b"end\n")


def test_what_is_left_running_ends_and_its_output_is_kept(kernel: Kernel) -> None:
    done = shell(kernel, "(trap '' HUP TERM; echo started; sleep 100000; echo never) & sleep 1; echo main", time="real")
    assert (done.status, sorted(done.stdout.split())) == (0, [b"main", b"started"])


def test_environment_folder_and_user(kernel: Kernel, tmp_path: Path) -> None:
    odd = tmp_path / "a b\udcff"
    odd.mkdir()
    environment = {"PATH": os.environ["PATH"], "ODD": "x\n\udcff'y"}
    done = shell(kernel, 'printf %s "$ODD|$PWD|$(id -u)|$(hostname)|$(uname -r)"', cwd=odd, environment=environment)
    wanted = f"x\n\udcff'y|{odd}|0|lab|{kernel.release}"
    assert done.stdout == wanted.encode(errors="surrogateescape")


def test_a_folder_that_is_not_there(kernel: Kernel) -> None:
    done = boot(kernel, ["true"], cwd=Path("/absent"), timeout=60)
    assert (done.status, done.stderr) == (127, b"optdsl lab: /absent: No such file or directory\n")


def _lasting(path: Path) -> tuple[int, ...]:
    """What a file keeps when it is only read."""
    told = path.stat()
    return told.st_ino, told.st_mode, told.st_uid, told.st_size, told.st_mtime_ns, told.st_ctime_ns


def test_the_host_is_read_only_and_everything_can_be_written(kernel: Kernel, tmp_path: Path) -> None:
    kept = tmp_path / "folder" / "kept"
    kept.parent.mkdir()
    kept.write_text("old")
    script = f"""set -e
        echo new > {kept}; cat {kept}; chmod 777 {kept}; mv {kept} {kept}.moved
        rm -r {kept.parent}; [ ! -e {kept.parent} ]; mkdir {kept.parent}; ls -A {kept.parent}
        touch /etc/lab-was-here /usr/bin/lab-was-here /root/lab-was-here /tmp/lab-was-here; echo fine"""
    before = _lasting(kept)
    done = shell(kernel, script)
    assert (done.status, done.stdout, done.stderr) == (0, b"new\nfine\n", b"")
    assert (kept.read_text(), _lasting(kept)) == ("old", before)
    assert [path.name for path in kept.parent.iterdir()] == ["kept"]
    assert not [each for each in ("/etc", "/usr/bin", "/root", "/tmp") if Path(each, "lab-was-here").exists()]


def test_results_stay(kernel: Kernel, tmp_path: Path) -> None:
    results = tmp_path / "new" / "results"
    data = os.urandom(300_000)
    script = f"cat > {results}/data; mkdir {results}/sub; cd {results}/sub; echo x > y; echo z > {tmp_path}/not"
    assert shell(kernel, script, stdin=data, results=results).status == 0
    assert (results / "data").read_bytes() == data
    assert (results / "sub" / "y").read_text() == "x\n"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_results_that_cannot_be_kept(kernel: Kernel, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LabKernelError, match=r"the folder for results, .*file, cannot be made: File exists"):
        boot(kernel, ["true"], results=tmp_path / "file")


def test_what_a_program_expects_of_a_machine(kernel: Kernel) -> None:
    script = """set -e
        for kind in proc sysfs devtmpfs devpts cgroup2 bpf tracefs debugfs; do grep -q " $kind rw" /proc/mounts; done
        for file in null zero full urandom tty net/tun ptmx; do test -c /dev/$file; done
        test -r /sys/kernel/btf/vmlinux; echo x > /run/x; echo x > /dev/shm/x
        ip link show lo | grep -q ,UP,; ip netns list; ip netns add a; ip netns list; unshare -Ur id -u
        mkdir /sys/fs/cgroup/a; echo 0 > /sys/fs/cgroup/a/cgroup.procs; cat /proc/self/cgroup
        dmesg | grep -c 'Linux version'; cat /proc/sys/net/mptcp/enabled"""
    done = shell(kernel, script)
    assert (done.status, done.stdout, done.stderr) == (0, b"a\n0\n0::/a\n1\n1\n", b"")
    assert problems(done.log) == []


def test_simulated_time_goes_on_when_nothing_runs(kernel: Kernel) -> None:
    script = "date +%s; sleep 100000; date +%s"
    began = time.monotonic()
    first, second = (shell(kernel, script) for _ in range(2))
    assert time.monotonic() - began < 60
    assert first.stdout == second.stdout
    start, end = map(int, first.stdout.split())
    assert START <= start <= START + 2
    assert end - start == 100_000


def test_real_time_is_the_hosts(kernel: Kernel) -> None:
    before = time.time()
    done = shell(kernel, "date +%s.%N; sleep 1.5; date +%s.%N", time="real")
    start, end = map(float, done.stdout.split())
    assert before - 0.1 <= start < end <= time.time() + 0.1
    assert 1.5 <= end - start < 10


@pytest.mark.parametrize("way", ["simulated", "real"])
@pytest.mark.parametrize("script", ["echo x; while :; do :; done", "echo x; trap '' TERM INT; cat /dev/tty0"])
def test_a_command_that_hangs_is_ended(kernel: Kernel, way: str, script: str) -> None:
    done = shell(kernel, script, timeout=4, time=way)
    if done.status == 1:  # /dev/tty0 of this kernel does not wait
        pytest.fail(done.stderr.decode())
    assert (done.status, done.timed_out, done.stdout) == (TIMED_OUT, True, b"x\n")
    assert 4 <= done.seconds < 20


def test_a_panic_is_told(kernel: Kernel) -> None:
    done = shell(kernel, "echo before; echo c > /proc/sysrq-trigger; echo after")
    assert (done.status, done.crashed, done.stdout) == (CRASHED, True, b"before\n")
    assert done.panic is not None
    assert "Kernel panic - not syncing: sysrq triggered crash" in done.panic
    assert problems(done.log)[0] == "Kernel panic - not syncing: sysrq triggered crash"


def test_a_kernel_that_goes_away(kernel: Kernel) -> None:
    done = shell(kernel, "echo b > /proc/sysrq-trigger; sleep 10")
    assert (done.status, done.crashed, done.panic) == (CRASHED, True, None)


def test_little_memory_is_told_by_the_kernel(kernel: Kernel) -> None:
    done = shell(kernel, "grep MemTotal /proc/meminfo", memory_mb=256)
    assert 150_000 < int(done.stdout.split()[1]) < 256 << 10


def test_a_kernel_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "linux").write_text("#!/bin/sh\necho no kernel\nexit 3\n")
    (tmp_path / "linux").chmod(0o755)
    done = boot(Kernel(tmp_path, "6.12"), ["true"], timeout=20)
    assert (done.status, done.crashed, done.log) == (CRASHED, True, "no kernel\n")


def test_it_is_there_in_a_second(kernel: Kernel) -> None:
    """Below three seconds even on a machine that does other things as well; the best of some counts."""
    assert min(shell(kernel, "true").seconds for _ in range(3)) < 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_kernel_ends_with_who_booted_it(kernel: Kernel, number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "optdsl", "lab", "run", "--time", "real", "sh", "-c", "echo started; sleep 1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        assert _kernels_of(process.pid) != []
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert err == b""
    for _ in range(50):
        if not _kernels_of(process.pid):
            break
        time.sleep(0.1)
    assert _kernels_of(process.pid) == []
    # What a process that was killed left in memory, the next one removes.
    shell(kernel, "true")
    assert list(Path("/dev/shm").glob(f"optdsl-lab-{process.pid}-*")) == []
