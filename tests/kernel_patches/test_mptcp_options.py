"""Socket options of level SOL_MPTCP that are for programs: what is refused to them, and that others have none."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from kernel_patches.conftest import LoadProgram
from kernel_patches.mptcp_events import (
    ACTIVE_ESTABLISHED_CB,
    LISTEN_CB,
    MPTCP_BPF_ADDR,
    MPTCP_BPF_EVENTS,
    MPTCP_BPF_INFO,
    MPTCP_BPF_RCV_MARK,
    PASSIVE_ESTABLISHED_CB,
    Kind,
    bits,
)
from kernel_patches.mptcp_options import Answer, Attempt, OptionTrial
from optdsl.lab.paths import MultipathLab
from optdsl.lab.paths.sockets import SOL_MPTCP, Sockets, exchange

_INFO_SIZE, _ADDR_SIZE = 40, 24
"""Of the structures, in bytes."""
_FOR_PROGRAMS = range(1001, 1010)
_ALL = bits(*Kind)
_REFUSED = -errno.EINVAL
_NONE = (errno.ENOPROTOOPT, errno.EOPNOTSUPP)
"""What the kernel answers to a socket option that there is not."""


def test_the_right_sizes_and_values(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    attempts = [
        Attempt(MPTCP_BPF_EVENTS, 4, _ALL),
        Attempt(MPTCP_BPF_EVENTS, 4, 0),
        Attempt(MPTCP_BPF_RCV_MARK, 8, (1 << 63) - 1),
        Attempt(MPTCP_BPF_RCV_MARK, 8, 0),
        Attempt(MPTCP_BPF_INFO, _INFO_SIZE),
        Attempt(MPTCP_BPF_ADDR, _ADDR_SIZE),
    ]
    trial = OptionTrial(program("mptcp_options", paths.client), ACTIVE_ESTABLISHED_CB, *attempts)
    sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    *others, info, address = trial.answers()
    assert others == [Answer(0, 0, attempt.value) for attempt in attempts[:4]]
    assert (info.set, info.get, info.got != 0) == (-errno.ENOPROTOOPT, 0, True)
    assert (address.set, address.get) == (-errno.ENOPROTOOPT, -errno.ENODATA)


def test_wrong_sizes_and_values(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    attempts = [
        Attempt(MPTCP_BPF_EVENTS, 4, _ALL),
        *(Attempt(MPTCP_BPF_EVENTS, size, 0) for size in (1, 3, 5, 8)),
        *(Attempt(MPTCP_BPF_RCV_MARK, size, 0) for size in (4, 7, 9, 16)),
        *(Attempt(MPTCP_BPF_INFO, size) for size in (8, _INFO_SIZE - 1, _INFO_SIZE + 1, 64)),
        Attempt(MPTCP_BPF_EVENTS, 4, 1 << len(Kind)),
        Attempt(MPTCP_BPF_EVENTS, 4, 1 << 31),
        Attempt(MPTCP_BPF_RCV_MARK, 8, 1 << 63),
    ]
    trial = OptionTrial(program("mptcp_options", paths.client), ACTIVE_ESTABLISHED_CB, *attempts)
    sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    answers = trial.answers()
    assert answers[0] == Answer(0, 0, _ALL)
    for attempt, answer in zip(attempts[1:9], answers[1:9], strict=True):
        assert (answer.set, answer.get) == (_REFUSED, _REFUSED), attempt
    for attempt, answer in zip(attempts[9:13], answers[9:13], strict=True):
        assert answer.get == _REFUSED, attempt
    # What is refused changes nothing
    assert answers[13:] == [Answer(_REFUSED, 0, _ALL), Answer(_REFUSED, 0, _ALL), Answer(_REFUSED, 0, 0)]


def test_unknown_options(paths: MultipathLab, sockets: Sockets, program: LoadProgram) -> None:
    unknown = [Attempt(number, 4) for number in (0, 1, 4, 1000, 1010, 2000)]
    trial = OptionTrial(program("mptcp_options", paths.server), PASSIVE_ESTABLISHED_CB, *unknown)
    sockets.connect(paths.client, paths.server.ipv4, sockets.listen(paths.server))
    assert {(each.set, each.get) for each in trial.answers()} == {(-errno.ENOPROTOOPT, -errno.ENOPROTOOPT)}


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("at", [LISTEN_CB, PASSIVE_ESTABLISHED_CB])
def test_plain_tcp_has_none(paths: MultipathLab, sockets: Sockets, program: LoadProgram, at: int, ipv6: bool) -> None:
    attempts = [
        Attempt(number, size) for number, size in zip(_FOR_PROGRAMS, (4, 8, 24, 40, 56, 8, 8, 24, 4), strict=True)
    ]
    trial = OptionTrial(program("mptcp_options", paths.server), at, *attempts)
    listener = sockets.listen(paths.server, ipv6=ipv6, mptcp=False)
    ends = sockets.connect(paths.client, paths.server.address(ipv6=ipv6), listener, mptcp=False)
    exchange(*ends, sent=10_000, received=10_000)
    assert trial.calls() == 1
    assert {(each.set, each.get) for each in trial.answers()} == {(-errno.EOPNOTSUPP, -errno.EOPNOTSUPP)}


@pytest.mark.parametrize("user", [0, 65534], ids=["root", "nobody"])
@pytest.mark.parametrize("state", ["new", "listening", "connected"])
def test_user_space_has_none(paths: MultipathLab, sockets: Sockets, state: str, user: int) -> None:
    listener = sockets.listen(paths.server)
    made = {
        "new": lambda: sockets.make(paths.client),
        "listening": lambda: listener,
        "connected": lambda: sockets.connect(paths.client, paths.server.ipv4, listener)[0],
    }[state]()
    os.seteuid(user)
    try:
        for number in _FOR_PROGRAMS:
            assert _error(made.setsockopt, SOL_MPTCP, number, bytes(4)) in _NONE
            assert _error(made.getsockopt, SOL_MPTCP, number, 64) in _NONE
    finally:
        os.seteuid(0)


def test_user_space_has_none_of_plain_tcp(paths: MultipathLab, sockets: Sockets) -> None:
    made = sockets.make(paths.client, mptcp=False)
    for number in _FOR_PROGRAMS:
        assert _error(made.setsockopt, SOL_MPTCP, number, bytes(4)) in _NONE


def test_a_program_needs_privileges(paths: MultipathLab) -> None:
    """Who may not load programs of sock_ops has none of this: bpf(2) refuses."""
    # as distributions set it; without it bpf(2) looks at the type of the program before it refuses
    Path("/proc/sys/kernel/unprivileged_bpf_disabled").write_text("2")
    loading = "import socket,sys,ctypes,os; os.setuid(65534); l=ctypes.CDLL(None,use_errno=True);"
    attributes = "a=(ctypes.c_char*128)(13); r=l.syscall(321,5,a,128); sys.exit(ctypes.get_errno())"
    done = paths.client.run(["python3", "-c", loading + attributes], check=False)
    assert done.returncode == errno.EPERM


def _error(call: Any, *arguments: Any) -> int:
    """The number of the error that a call raises; 0 for none."""
    try:
        call(*arguments)
    except OSError as error:
        return error.errno or -1
    return 0
