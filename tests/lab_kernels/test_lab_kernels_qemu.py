"""Debian's kernels under qemu: what comes out of a command, what does not go in, and what their verifiers say."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from optdsl.lab.kernels import debian, qemu
from optdsl.lab.kernels.boot import CRASHED, TIMED_OUT, Finished
from optdsl.lab.kernels.errors import LabKernelError

SAMPLES = sorted((Path(__file__).parents[2] / "samples").glob("*.opt"))
LONG = 240
"""Seconds that a boot may take on a machine that does much else; ten are usual."""

pytestmark = [pytest.mark.timeout(2 * LONG)]


def why_not() -> str | None:
    """What is missing for these tests."""
    missing = [each for each in (qemu.QEMU, "apt-get", "dpkg-deb") if shutil.which(each) is None]
    return f"not installed: {', '.join(missing)}" if missing else None


boots = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


def boot(kernel: str, command: Sequence[str], **more: object) -> Finished:
    done = qemu.run(kernel, command, **{"timeout": LONG, **more})  # type: ignore[arg-type]
    assert not machines(), "a virtual machine is left"
    return done


def machines() -> list[str]:
    """Virtual machines that this process has started and that still run."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    named = {each: Path(f"/proc/{each}/comm").read_text() for each in children}
    return [each for each, name in named.items() if name.startswith("qemu")]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """All samples, compiled on this host."""
    folder = tmp_path_factory.mktemp("objects")
    made = [folder / f"{each.stem}.bpf.o" for each in SAMPLES]
    for source, target in zip(SAMPLES, made, strict=True):
        command = [sys.executable, "-m", "optdsl", "compile", "--quiet", str(source), "-o", str(target)]
        subprocess.run(command, check=True)
    return made


@boots
@pytest.mark.parametrize("kernel", debian.KERNELS)
def test_the_verifier_accepts_every_sample(kernel: str, objects: list[Path], tmp_path: Path) -> None:
    release = kernel.removeprefix("debian-")
    script = f"""
        case $(uname -r) in {release}.*) ;; *) exit 99 ;; esac
        for each in "$@"; do
            bpftool prog loadall $each /sys/fs/bpf/$(basename $each .bpf.o) 2>{tmp_path}/log || exit 98
        done
        exec {sys.executable} -m optdsl verify --json "$@"
    """
    done = boot(kernel, ["sh", "-c", script, "load", *map(str, objects)], results=tmp_path)
    assert done.status == 0, (done.stdout, done.stderr, (tmp_path / "log").read_text())
    assert done.stdout.count(b'"accepted"') == len(objects) == 5, done.stdout
    assert "Linux version " + release in done.log


STREAMS = r"""
cat                                     # the standard input
printf 'a\r\nb\0\377' >&2
head -c 3000000 /dev/zero | tr '\0' x
[ "$ODD" = "it's
two" ] || echo "no ODD" >&2
[ "$(pwd)" = "$WHERE" ] || echo "in $(pwd)" >&2
[ -z "$HOME" ] || echo "HOME is there" >&2
cat secret/inner >/dev/null || echo "the host's files are not seen" >&2
echo changed >secret/inner || echo "nothing can be written" >&2
echo kept >"kept, it's/file" || echo "no results" >&2
ping -c 1 -W 5 127.0.0.1 >/dev/null 2>&1 || [ ! -e /usr/bin/ping ] || echo "no loopback" >&2
for each in /sys/fs/bpf /sys/fs/cgroup/cgroup.procs /dev/pts/ptmx /proc/self/fd /dev/shm; do
    [ -e $each ] || echo "no $each" >&2
done
sleep 1000 &
echo "last" | tee /dev/stderr
kill -SEGV $$
"""


@boots
def test_streams_status_and_files_are_exact(tmp_path: Path) -> None:
    folder = tmp_path / "it's here"
    (folder / "secret").mkdir(parents=True)
    (folder / "secret" / "inner").write_text("host")
    environment: Mapping[str, str] = {"PATH": os.environ["PATH"], "ODD": "it's\ntwo", "WHERE": str(folder)}
    out, err = io.BytesIO(), io.BytesIO()
    done = boot(
        "debian-6.1", ["bash", "-c", STREAMS], cwd=folder, environment=environment, stdin=b"\0in\r\n",
        results=folder / "kept, it's", stdout=out, stderr=err,
    )  # fmt: skip
    assert done.stderr == b"a\r\nb\0\377last\n"
    assert done.stdout == b"\0in\r\n" + b"x" * 3_000_000 + b"last\n"
    assert (out.getvalue(), err.getvalue()) == (done.stdout, done.stderr)
    assert done.status == 128 + 11
    assert (folder / "secret" / "inner").read_text() == "host"
    assert (folder / "kept, it's" / "file").read_text() == "kept\n"
    assert {each.name for each in folder.iterdir()} == {"secret", "kept, it's"}


@boots
def test_a_panic_is_told(tmp_path: Path) -> None:
    done = boot("debian-6.12", ["sh", "-c", "echo before; sleep 1; echo c >/proc/sysrq-trigger"], cwd=tmp_path)
    assert done.crashed
    assert done.status == CRASHED
    assert done.stdout == b"before\n"
    assert done.panic is not None
    assert "sysrq triggered crash" in done.panic


@boots
def test_a_hang_is_ended() -> None:
    debian.ensure_image("debian-6.12")
    done = boot("debian-6.12", ["sleep", "1000"], timeout=3)
    assert done.timed_out
    assert done.status == TIMED_OUT
    assert done.seconds < 10


@boots
def test_a_machine_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    debian.ensure_image("debian-6.12")
    with pytest.raises(LabKernelError, match="the virtual machine has failed: qemu"):
        boot("debian-6.12", ["true"], memory_mb=1 << 40)
    (tmp_path / "file").touch()
    with pytest.raises(LabKernelError, match="cannot be made: "):
        boot("debian-6.12", ["true"], results=tmp_path / "file")
    with pytest.raises(LabKernelError, match="no command"):
        boot("debian-6.12", [])


def test_qemu_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabKernelError, match="`qemu-system-x86_64` is missing") as caught:
        qemu.run("debian-6.1", ["true"])
    assert ("help", "apt-get install --no-install-recommends qemu-system-x86") in caught.value.remarks
