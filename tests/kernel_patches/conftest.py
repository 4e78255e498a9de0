"""Tests of this folder are ordinary functions that run inside a kernel of the lab, with these fixtures.

On the host a module is collected as any other. When its first test is due, the BPF programs that it names are compiled,
a kernel is booted, pytest runs the selected tests of the module in there, and the outcomes are handed back; every test
then reports as if it had run here. A kernel log that is not clean fails the last test of the module, at its teardown.

A module says what it needs by variables, all of them optional:

    KERNEL = "patched"        or "vanilla"
    TIME = "simulated"        or "real"
    TIMEOUT = 300             seconds of the host for the whole module
    MEMORY = 1024             MiB

    @pytest.mark.shapes(Shape(delay=0.040), Shape(delay=0.020, loss=1))
    def test_counts(paths: MultipathLab, program: LoadProgram, dmesg: Dmesg) -> None:
        counting = program("count_callbacks", paths.client)
        ...
        assert counting.value("established") == 1

Environment of the host's pytest: `OPTDSL_LAB_DEBUG=1` takes the kernel with all checks; `OPTDSL_LAB_KERNEL=FOLDER` the
one in a folder with a file `linux`, such as a kernel tree, for both values of KERNEL; `OPTDSL_REQUIRE_KERNEL=1` builds
a kernel that is missing, where the tests are skipped otherwise. Files that a test leaves in `results` stay on the host.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest

from kernel_patches import host_side, lab_side
from kernel_patches.mptcp_actions import Actions
from kernel_patches.programs import LoadedProgram, load
from optdsl.lab.hosts import Host
from optdsl.lab.paths import MultipathLab, Shape, two_paths
from optdsl.lab.paths.manager import set_limits
from optdsl.lab.paths.sockets import Sockets

LoadProgram: TypeAlias = Callable[..., LoadedProgram]
"""`program(NAME, HOST...)`"""
Dmesg: TypeAlias = Callable[[], list[str]]

_HERE = Path(__file__).parent
_PLAIN = (Shape(delay=0.010), Shape(delay=0.010))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "shapes(*shapes): what `paths` of the test are like, as for `two_paths`")
    if lab_side.results_folder() is not None:
        config.pluginmanager.register(lab_side.Reporter(config))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == _HERE:
            # On the host it would count the boot and all tests of a module, and in the lab simulated time.
            item.add_marker(pytest.mark.timeout(0))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """On the host, reports what came of a test in the lab."""
    if item.path.parent != _HERE or lab_side.results_folder() is not None:
        return None
    host_side.report(item)
    return True


@pytest.fixture
def results(request: pytest.FixtureRequest) -> Path:
    """A folder of the host for what is worth keeping of a test, such as captures."""
    top = lab_side.results_folder()
    assert top is not None
    folder = top / re.sub(r"\W+", "-", request.node.name).strip("-")
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def paths(request: pytest.FixtureRequest) -> Iterator[MultipathLab]:
    """Two hosts and two paths with 10 ms each way, or those of the marker `shapes`."""
    marker = request.node.get_closest_marker("shapes")
    with two_paths(*(marker.args if marker else _PLAIN)) as lab:
        yield lab


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    """Makes sockets on the hosts, which this process holds; they are closed with the test."""
    with Sockets() as made:
        yield made


@pytest.fixture
def program() -> Iterator[LoadProgram]:
    """Loads `programs/NAME.bpf.c` and attaches it: sock_ops and cgroup programs to hosts, others as they say."""
    with ExitStack() as cleanup:

        def loaded(name: str, *hosts: Host) -> LoadedProgram:
            return cleanup.enter_context(load(name, *hosts))

        yield loaded


@pytest.fixture
def acting(paths: MultipathLab, program: LoadProgram) -> Actions:
    """`mptcp_actions` on the client, and a server that takes as many subflows as it can."""
    set_limits(paths.server, subflows=8)
    return Actions(program("mptcp_actions", paths.client))


@pytest.fixture
def dmesg() -> Dmesg:
    """What the kernel has logged since the test began, a line each."""
    before = len(_kernel_log())
    return lambda: _kernel_log()[before:]


def _kernel_log() -> list[str]:
    return subprocess.run(["dmesg"], capture_output=True, text=True, check=True).stdout.splitlines()
