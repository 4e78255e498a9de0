"""What is told where the selftests cannot be had."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from kernel_selftests import sources
from optdsl.lab.kernels import LabKernelError, source


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "PROGRAMS", ("sh",))
    return tmp_path / "cache"


def test_program_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PROGRAMS", ("sh", "no-such-program"))
    with pytest.raises(LabKernelError, match="call no-such-program") as caught:
        sources.folder()
    assert caught.value.remarks == (("help", f"Debian: apt install {' '.join(sources.PACKAGES)}"),)


def test_source_that_is_not_installed(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "TARBALL", tmp_path / "linux-source-6.12.tar.xz")
    with pytest.raises(LabKernelError, match="is missing"):
        sources.folder()
    assert not cache.exists()


@pytest.mark.usefixtures("cache")
def test_tarball_without_selftests_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tarball = tmp_path / "linux-source-6.12.tar.xz"
    with tarfile.open(tarball, "w:xz") as file:
        file.add(__file__, "linux-source-6.12/README")
    monkeypatch.setattr(source, "TARBALL", tarball)
    with pytest.raises(LabKernelError, match="cannot be taken out") as caught:
        sources.folder()
    assert "mptcp_join.sh" in str(caught.value)
    assert list(sources.cache_folder().iterdir()) == []


def test_helper_that_does_not_compile(tmp_path: Path) -> None:
    (tmp_path / "tree" / "include" / "uapi").mkdir(parents=True)
    (tmp_path / "mptcp_connect.c").write_text("int main(void) { return nothing; }\n")
    with pytest.raises(LabKernelError, match=r"mptcp_connect\.c .* cannot be compiled") as caught:
        sources._compile_helpers(tmp_path, tmp_path)
    assert "nothing" in str(caught.value)
