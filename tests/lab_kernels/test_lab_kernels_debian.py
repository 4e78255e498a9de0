"""Where Debian's kernels come from: apt, or the cache, and never half a kernel. No network: apt is a small script."""

from __future__ import annotations

import lzma
import os
from pathlib import Path

import pytest

from optdsl.lab.kernels import debian
from optdsl.lab.kernels.build import Progress
from optdsl.lab.kernels.debian_modules import loading_order, needs
from optdsl.lab.kernels.errors import LabKernelError
from optdsl.lab.kernels.initramfs import File, archive

META = """Package: linux-image-amd64
Version: 6.1.192-2
Depends: linux-image-6.1.0-56-amd64 (= 6.1.192-2)
Description: x

Package: linux-image-6.12-amd64
Version: 6.12.117-1~deb12u1
Depends: linux-image-6.12.117+deb12-amd64 (= 6.12.117-1~deb12u1), other
"""

CACHE_SCRIPT = "#!/bin/sh\ncat <<'END'\n{shown}END\nexit 100\n"
GET_SCRIPT = """#!/bin/sh
[ -e {folder}/offline ] && {{ echo 'E: Failed to fetch' >&2; exit 100; }}
for package; do :; done
echo $package >>{folder}/downloads
touch $package.deb
"""
DPKG_SCRIPT = """#!/bin/sh
mkdir -p $3
case $2 in *busybox*) cp -r {folder}/busybox/. $3 ;; *) cp -r {folder}/kernel/. $3 ;; esac
"""


def module(*needed: str) -> bytes:
    return b"\x7fELF license=GPL\0depends=" + ",".join(needed).encode() + b"\0name=x\0"


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An apt that offers a kernel of two modules, and an empty cache. Answers the folder of both."""
    modules = tmp_path / "kernel/lib/modules/6.1.0-56-amd64"
    (modules / "kernel").mkdir(parents=True)
    (modules / "modules.builtin").write_text("kernel/drivers/virtio/virtio_pci.ko\n")
    for name in debian.MODULES[1:]:
        (modules / "kernel" / f"{name}.ko").write_bytes(module("virtio-pci", "extra" if name == "9p" else ""))
    (modules / "kernel" / "extra.ko.xz").write_bytes(lzma.compress(module()))
    (tmp_path / "kernel/boot").mkdir()
    (tmp_path / "kernel/boot/vmlinuz-6.1.0-56-amd64").write_text("kernel")
    (tmp_path / "busybox/bin").mkdir(parents=True)
    (tmp_path / "busybox/bin/busybox").write_text("busybox")
    programs = {
        "apt-cache": CACHE_SCRIPT.format(shown=META),
        "apt-get": GET_SCRIPT.format(folder=tmp_path),
        "dpkg-deb": DPKG_SCRIPT.format(folder=tmp_path),
    }
    (tmp_path / "bin").mkdir()
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def downloads(folder: Path) -> list[str]:
    file = folder / "downloads"
    return file.read_text().split() if file.exists() else []


def kept(folder: Path) -> list[str]:
    place = folder / "cache/optdsl/kernels/debian-6.1"
    return sorted(each.name for each in place.iterdir()) if place.exists() else []


def test_a_kernel_is_downloaded_once(offered: Path) -> None:
    told: list[Progress] = []
    image = debian.ensure_image("debian-6.1", told.append)
    assert (image.release, image.version) == ("6.1.0-56-amd64", "6.1.192-2")
    assert image.vmlinuz.read_text() == "kernel"
    assert image.busybox.read_text() == "busybox"
    names = [Path(each).stem for each in image.modules]
    assert names == ["9pnet_virtio", "extra", "9p", "overlay", "virtio_console"]
    assert (image.folder / "modules/extra.ko").read_bytes() == module()
    assert downloads(offered) == ["linux-image-6.1.0-56-amd64=6.1.192-2", "busybox-static"]
    assert told[0].doing == "downloading linux-image-6.1.0-56-amd64 6.1.192-2"
    assert debian.ensure_image("debian-6.1") == image
    assert len(downloads(offered)) == 2
    assert kept(offered) == [".lock", "6.1.192-2"]


def test_a_damaged_kernel_is_downloaded_again(offered: Path) -> None:
    image = debian.ensure_image("debian-6.1")
    (image.folder / image.modules[0]).unlink()
    assert debian.read_image(image.folder) is None
    assert debian.ensure_image("debian-6.1") == image
    assert debian.read_image(image.folder) == image
    assert len(downloads(offered)) == 4


def test_a_newer_kernel_is_taken_and_the_older_one_where_that_fails(offered: Path) -> None:
    older = debian.ensure_image("debian-6.1")
    newer = META.replace("6.1.192-2", "6.1.193-1").replace("0-56", "0-57")
    (offered / "bin/apt-cache").write_text(CACHE_SCRIPT.format(shown=newer))
    (offered / "offline").touch()
    assert debian.ensure_image("debian-6.1") == older
    (offered / "offline").unlink()
    assert debian.ensure_image("debian-6.1").version == "6.1.193-1"
    (offered / "bin/apt-cache").write_text("#!/bin/sh\nexit 1\n")
    assert debian.ensure_image("debian-6.1").version == "6.1.193-1"


def test_a_download_that_fails_leaves_nothing(offered: Path) -> None:
    (offered / "offline").touch()
    with pytest.raises(LabKernelError, match=r"`apt-get .*download linux-image.* failed") as caught:
        debian.ensure_image("debian-6.1")
    assert ("note", "E: Failed to fetch") in caught.value.remarks
    assert ("help", "apt-get update") in caught.value.remarks
    assert kept(offered) == [".lock"]


def test_a_package_without_a_kernel_leaves_nothing(offered: Path) -> None:
    (offered / "kernel/boot/vmlinuz-6.1.0-56-amd64").unlink()
    with pytest.raises(LabKernelError, match="no file boot/vmlinuz-"):
        debian.ensure_image("debian-6.1")
    assert kept(offered) == [".lock"]


def test_a_module_that_is_nowhere(offered: Path) -> None:
    (offered / "kernel/lib/modules/6.1.0-56-amd64/kernel/extra.ko.xz").unlink()
    with pytest.raises(LabKernelError, match=r"6\.1\.0-56-amd64 has no module extra"):
        debian.ensure_image("debian-6.1")
    assert kept(offered) == [".lock"]


def test_unknown_and_not_offered(offered: Path) -> None:
    with pytest.raises(LabKernelError, match=r"no kernel `debian-5\.10`, only debian-6\.1 and debian-6\.12"):
        debian.ensure_image("debian-5.10")
    (offered / "bin/apt-cache").write_text("#!/bin/sh\necho 'E: No packages found' >&2\nexit 100\n")
    with pytest.raises(LabKernelError, match=r"apt offers no kernel 6\.12") as caught:
        debian.ensure_image("debian-6.12")
    assert ("help", "apt-get update") in caught.value.remarks


def test_no_apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(LabKernelError, match="`apt-cache` is missing"):
        debian.ensure_image("debian-6.1")


@pytest.mark.parametrize(
    ("series", "package"),
    [
        ("6.1", ("linux-image-6.1.0-56-amd64", "6.1.192-2")),
        ("6.12", ("linux-image-6.12.117+deb12-amd64", "6.12.117-1~deb12u1")),
        ("6.18", None),
    ],
)
def test_where_a_meta_package_leads(series: str, package: tuple[str, str] | None) -> None:
    assert debian.leads_to(META, series) == package


def test_modules_in_order(tmp_path: Path) -> None:
    (tmp_path / "modules.builtin").write_text("kernel/c-d.ko\n")
    (tmp_path / "a.ko").write_bytes(module("b-b", "c_d"))
    (tmp_path / "b_b.ko.xz").write_bytes(lzma.compress(module()))
    assert list(loading_order(tmp_path, ["a", "b_b", "c_d"])) == ["b_b", "a"]
    (tmp_path / "z.ko.gz").write_bytes(b"")
    with pytest.raises(LabKernelError, match=r"compressed as \.gz"):
        loading_order(tmp_path, ["z"])
    assert needs(b"not a module") == []


def members(made: bytes) -> list[tuple[str, int, int, bytes]]:
    """Path, mode, links and contents of what is in an archive, by the description of the format."""
    found: list[tuple[str, int, int, bytes]] = []
    at = 0
    while True:
        assert made[at : at + 6] == b"070701"
        assert at % 4 == 0
        numbers = [int(made[at + 6 + 8 * place : at + 14 + 8 * place], 16) for place in range(13)]
        start = at + 110
        name = made[start : start + numbers[11] - 1].decode()
        data = start + numbers[11] + -(start + numbers[11]) % 4
        at = data + numbers[6] + -numbers[6] % 4
        if name == "TRAILER!!!":
            assert at == len(made)
            return found
        found.append((name, numbers[1], numbers[4], made[data : data + numbers[6]]))


def test_an_archive_has_folders_before_files() -> None:
    made = archive([File("a/b/c", b"12345", executable=True), File("a/d", b""), File("e", b"x" * 1000)])
    assert members(made) == [
        ("a", 0o40755, 2, b""),
        ("a/b", 0o40755, 2, b""),
        ("a/b/c", 0o100755, 1, b"12345"),
        ("a/d", 0o100644, 1, b""),
        ("e", 0o100644, 1, b"x" * 1000),
    ]


@pytest.mark.parametrize("path", ["", "/a", "a//b", "../a", "a/"])
def test_paths_that_no_archive_holds(path: str) -> None:
    with pytest.raises(ValueError, match="no path for an archive"):
        archive([File(path, b"")])
