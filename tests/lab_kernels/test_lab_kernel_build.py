"""The cache of kernels, with programs that only look like tar's, make's and gcc's customers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from optdsl import resources
from optdsl.lab.kernels import LabKernelError, ensure_built, find_built, source
from optdsl.lab.kernels import recipe as recipes
from optdsl.lab.kernels.build import Progress

MAKE = """\
#!/bin/sh
echo "$@" >> "$FAKE/calls"
while [ "$1" != -C ]; do shift; done
cd "$2"
case "$*" in
*allnoconfig)
    for word; do case $word in KCONFIG_ALLCONFIG=*) config=${word#*=} ;; esac; done
    grep -v -x -F "$(cat "$FAKE/refused" 2>/dev/null || echo '#')" "$config" > .config ;;
*linux)
    [ -e "$FAKE/slow" ] && { echo $$ > "$FAKE/pid.new"; mv "$FAKE/pid.new" "$FAKE/pid"; sleep 60; }
    if [ -e "$FAKE/broken" ]; then
        echo "  CC      net/mptcp/fine.o"
        echo "$PWD/net/mptcp/options.c:12:5: error: expected ';' before 'return'" >&2
        exit 2
    fi
    for each in 1 2 3; do echo "  CC      net/$each.o"; done
    cat version.txt > linux
    mkdir -p include/config
    echo 6.12.0-fake > include/config/kernel.release ;;
esac
"""
STRIP = '#!/bin/sh\ncp "$4" "$3"\n'
GCC = '#!/bin/sh\n[ "$1" = -E ] && exec cat\ncat "$FAKE/gcc-version" 2>/dev/null || echo 12.2.0\n'
PATCH = """\
--- a/version.txt
+++ b/version.txt
@@ -1 +1 @@
-vanilla
+patched
"""


class Fake:
    """A source, a series and the programs of a build."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tarball = folder / "linux-source-6.12.tar.xz"
        self.cache = folder / "cache" / "optdsl" / "kernels"
        self.patches = folder / "patches" / "6.12"
        self.patches.mkdir(parents=True)
        self.write_tarball("vanilla\n")
        self.write_series(**{"0001-first.patch": PATCH})
        for name, text in (("make", MAKE), ("strip", STRIP), ("gcc", GCC), ("pahole", "#!/bin/sh\necho v1.24\n")):
            program = folder / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(text)
            program.chmod(0o755)

    def write_tarball(self, version: str) -> None:
        tree = self.folder / "linux-source-6.12"
        tree.mkdir(exist_ok=True)
        (tree / "version.txt").write_text(version)
        with tarfile.open(self.tarball, "w:xz") as archive:
            archive.add(tree, tree.name)

    def write_series(self, **patches: str) -> None:
        (self.patches / "series").write_text("# what is applied\n\n" + "".join(f"{name}  # x\n" for name in patches))
        for name, text in patches.items():
            (self.patches / name).write_text(text)

    def tell(self, name: str, text: str = "") -> None:
        """Tells the programs how to behave."""
        (self.folder / name).write_text(text)

    def compilations(self) -> int:
        calls = self.folder / "calls"
        return sum(line.endswith(" linux") for line in calls.read_text().splitlines()) if calls.exists() else 0

    def kernels(self) -> list[str]:
        """The kernels in the cache; there may be nothing else but what is remembered."""
        names = {path.name for path in self.cache.iterdir()} - {"lock", "digests.json"}
        return sorted(names)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    made = Fake(tmp_path)
    monkeypatch.setenv("FAKE", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(source, "TARBALL", made.tarball)
    monkeypatch.setattr(recipes, "config", lambda debug: f"CONFIG_NET=y\nCONFIG_KASAN={'y' if debug else 'n'}\n")
    monkeypatch.setattr(resources, "folder", lambda _name: tmp_path / "patches")
    return made


def test_a_kernel_is_built_once(fake: Fake) -> None:
    assert find_built() is None
    told: list[Progress] = []
    kernel = ensure_built(tell=told.append)
    assert (kernel.release, kernel.patches, kernel.debug) == ("6.12.0-fake", True, False)
    assert kernel.binary.read_text() == "patched\n"
    assert "CONFIG_NET=y\n" in kernel.config.read_text()
    assert [each.doing for each in told if each.doing != "compiling"] == [
        "unpacking the source", "applying patch 1 of 1", "configuring", "keeping the kernel",
    ]  # fmt: skip
    assert [each.share for each in told] == sorted(each.share for each in told)
    assert len([each for each in told if each.doing == "compiling"]) == 3
    told.clear()
    assert ensure_built(tell=told.append) == kernel == find_built()
    assert (told, fake.compilations(), fake.kernels()) == ([], 1, [kernel.folder.name])


def test_what_a_kernel_is_made_of_decides_which_it_is(fake: Fake) -> None:
    patched = ensure_built()
    vanilla = ensure_built(patches=False)
    assert vanilla.binary.read_text() == "vanilla\n"
    assert ensure_built(debug=True).folder not in (patched.folder, vanilla.folder)
    fake.write_series(**{"0001-first.patch": PATCH.replace("+patched", "+otherwise")})
    assert ensure_built().binary.read_text() == "otherwise\n"
    fake.tell("gcc-version", "13.1.0")
    assert ensure_built().folder not in (patched.folder, vanilla.folder)
    assert fake.compilations() == 5
    (fake.folder / "gcc-version").unlink()
    fake.write_series(**{"0001-first.patch": PATCH})
    assert (ensure_built(), ensure_built(patches=False), fake.compilations()) == (patched, vanilla, 5)


def test_an_empty_series_is_none(fake: Fake) -> None:
    fake.write_series()
    assert ensure_built().folder == ensure_built(patches=False).folder
    (fake.patches / "series").unlink()
    assert ensure_built().folder == ensure_built(patches=False).folder
    assert fake.compilations() == 1


def test_the_source_counts_and_not_its_age(fake: Fake) -> None:
    kernel = ensure_built(patches=False)
    os.utime(fake.tarball, (1, 1))
    assert ensure_built(patches=False) == kernel
    fake.write_tarball("vanilla 2\n")
    assert ensure_built(patches=False).binary.read_text() == "vanilla 2\n"
    assert fake.compilations() == 2


def test_a_source_that_is_known_is_not_read_again(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_built()
    monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("read again"))
    ensure_built()
    assert list(json.loads((fake.cache / "digests.json").read_text())) == [
        f"{fake.tarball} {fake.tarball.stat().st_size} {fake.tarball.stat().st_mtime_ns}"
    ]


@pytest.mark.parametrize("content", ["", "[1]", "{", "\0"])
def test_a_damaged_memory_is_no_harm(fake: Fake, content: str) -> None:
    kernel = ensure_built()
    (fake.cache / "digests.json").write_text(content)
    assert ensure_built() == kernel


def test_the_errors_of_the_compiler_are_shown_and_nothing_is_left(fake: Fake) -> None:
    fake.tell("broken")
    with pytest.raises(LabKernelError, match="the kernel cannot be compiled") as caught:
        ensure_built()
    assert caught.value.remarks == (("note", "net/mptcp/options.c:12:5: error: expected ';' before 'return'"),)
    assert (fake.kernels(), find_built()) == ([], None)


def test_a_patch_that_does_not_apply_is_named(fake: Fake) -> None:
    fake.write_series(**{"0001-first.patch": PATCH, "0002-second.patch": PATCH})
    with pytest.raises(LabKernelError, match=r"0002-second\.patch does not apply") as caught:
        ensure_built()
    assert "Skipping patch" in str(caught.value)
    assert fake.kernels() == []


def test_a_patch_that_is_missing_is_named(fake: Fake) -> None:
    (fake.patches / "0001-first.patch").unlink()
    with pytest.raises(LabKernelError, match=r"series names 0001-first.patch, and there is no such file"):
        ensure_built()


def test_an_option_that_is_not_taken_is_named(fake: Fake) -> None:
    fake.tell("refused", "CONFIG_NET=y")
    with pytest.raises(LabKernelError, match="this kernel does not take CONFIG_NET=y"):
        ensure_built()
    assert fake.kernels() == []


def test_a_source_that_is_damaged(fake: Fake) -> None:
    fake.tarball.write_bytes(fake.tarball.read_bytes()[:-40])
    with pytest.raises(LabKernelError, match="the source cannot be unpacked"):
        ensure_built()
    assert fake.kernels() == []


def test_a_missing_source_says_what_to_install(fake: Fake) -> None:
    fake.tarball.unlink()
    with pytest.raises(LabKernelError, match="the source of the kernel is missing") as caught:
        ensure_built()
    ((word, text),) = caught.value.remarks
    assert word == "help"
    assert text.startswith("apt install linux-source-6.12 ")
    assert {"gcc", "make", "flex", "bison", "bc", "pahole", "libelf-dev"} <= set(text.split())


def test_missing_programs_say_what_to_install(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    (fake.folder / "bin" / "pahole").unlink()
    (fake.folder / "bin" / "gcc").write_text(GCC.replace("exec cat", "exit 1"))
    empty = fake.folder / "empty"
    empty.mkdir()
    for name in ("tar", "xz", "patch", "ld", "flex", "bison", "perl", "sh", "cat"):
        (empty / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", f"{fake.folder / 'bin'}:{empty}")
    with pytest.raises(LabKernelError, match=r"needs bc, pahole, libelf.h, zlib.h, stdio.h") as caught:
        ensure_built()
    assert caught.value.remarks == (("help", "apt install bc libc6-dev libelf-dev pahole zlib1g-dev"),)


def test_what_earlier_builds_left_is_removed(fake: Fake) -> None:
    left = fake.cache / ".build-killed"
    (left / "tree").mkdir(parents=True)
    assert fake.kernels() == [".build-killed"]
    assert fake.kernels() != [ensure_built().folder.name] == fake.kernels()


def test_a_cache_that_cannot_be_written(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    (fake.folder / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(fake.folder / "file"))
    with pytest.raises(LabKernelError, match="the kernel cannot be built in"):
        ensure_built()


def _in_process(fake: Fake) -> subprocess.Popen[str]:
    """A build in a process of its own, with the same fakes."""
    script = f"""
from pathlib import Path
from optdsl import resources
from optdsl.lab.kernels import ensure_built, recipe, source
source.TARBALL = Path({str(fake.tarball)!r})
recipe.config = lambda debug: "CONFIG_NET=y\\n"
resources.folder = lambda _name: Path({str(fake.folder / "patches")!r})
print(ensure_built(tell=lambda progress: print(progress.doing, flush=True)).folder.name)
"""
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _wait_for(condition: Callable[[], object]) -> None:
    for _ in range(300):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("that did not happen in time")


def test_an_interrupted_build_leaves_nothing(fake: Fake) -> None:
    fake.tell("slow")
    with _in_process(fake) as build:
        _wait_for((fake.folder / "pid").exists)
        build.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in build.communicate(timeout=20)[1]
    assert fake.kernels() == []
    make = int((fake.folder / "pid").read_text())
    _wait_for(lambda: not Path(f"/proc/{make}").exists())


def test_two_builds_at_a_time_make_one_kernel(fake: Fake) -> None:
    fake.tell("slow")
    with _in_process(fake) as first:
        _wait_for((fake.folder / "pid").exists)
        (fake.folder / "slow").unlink()
        with _in_process(fake) as second:
            assert second.stdout is not None
            assert second.stdout.readline() == "waiting for another build\n"
            os.killpg(int((fake.folder / "pid").read_text()), signal.SIGKILL)
            assert "the kernel cannot be compiled" in first.communicate(timeout=20)[1]
            name = second.communicate(timeout=20)[0].splitlines()[-1]
    assert fake.kernels() == [name]
    assert ensure_built_again(fake) == name


def ensure_built_again(fake: Fake) -> str:
    with _in_process(fake) as third:
        lines = third.communicate(timeout=20)[0].splitlines()
    assert len(lines) == 1
    assert fake.compilations() == 2
    return lines[0]


def test_where_kernels_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As the XDG Base Directory Specification has it, which ignores a path that is not absolute."""
    monkeypatch.setenv("HOME", str(tmp_path))
    at_home = tmp_path / ".cache"
    for wanted, base in (("", at_home), ("relative", at_home), ("/absolute", Path("/absolute"))):
        monkeypatch.setenv("XDG_CACHE_HOME", wanted)
        assert source.cache_folder() == base / "optdsl" / "kernels"


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(LabKernelError, match="this user has no home folder\nhelp: set XDG_CACHE_HOME"):
        source.cache_folder()
