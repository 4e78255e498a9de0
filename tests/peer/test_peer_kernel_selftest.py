"""Getting the kernel's programs: which package, and what is said where there is none."""

from pathlib import Path

import pytest

from optdsl.kernel.errors import KernelError
from optdsl.kernel.libbpf import Object
from peer import kernel_selftest


def test_the_highest_version_is_taken(tmp_path: Path) -> None:
    names = ["linux-source-6.1", "linux-source-6.12", "linux-source-6.9", "linux-source-7.0-rc1", "linux-source-x"]
    for name in names:
        (tmp_path / f"{name}.tar.xz").touch()
    assert kernel_selftest.newest_tarball(tmp_path).name == "linux-source-6.12.tar.xz"


def test_a_missing_package(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match=r"no kernel source package in .*\n.*apt install linux-source"):
        kernel_selftest.newest_tarball(tmp_path)


@pytest.mark.kernel
def test_the_programs_are_kept() -> None:
    folder = kernel_selftest.selftest_folder()
    assert folder == kernel_selftest.selftest_folder()
    assert {path.name for path in folder.iterdir()} == {
        "include",
        "test_misc_tcp_hdr_options.c",
        "test_tcp_hdr_options.c",
        "test_tcp_hdr_options.h",
    }


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("program", "entry"),
    [(kernel_selftest.ESTABLISHMENT, "estab"), (kernel_selftest.EVERY_PACKET, "misc_estab")],
)
def test_what_they_are(tmp_path: Path, program: str, entry: str) -> None:
    with Object(kernel_selftest.compiled(tmp_path, program).read_bytes()) as opened:
        assert opened.programs == [entry]
        opened.load()
