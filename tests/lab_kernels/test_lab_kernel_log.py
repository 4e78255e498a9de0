"""Defects that a kernel's log tells of are found, and nothing else is."""

from __future__ import annotations

import pytest

from optdsl.lab.kernels import problems

QUIET = """\
[    0.000000] Linux version 6.12.117 (optdsl@lab) (gcc (Debian 12.2.0-14+deb12u1) 12.2.0) #1
[    0.000000] mem auto-init: stack:all(zero), heap alloc:off, heap free:off
[    0.000000] RCU Tasks Trace: Setting shift to 0 and lim to 1 rcu_task_cb_adjust=1 rcu_task_cpu_ids=1.
[    0.000000] Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar
[    0.000000] kmemleak: Kernel memory leak detector initialized (mem pool available: 15748)
[    0.000000] KernelAddressSanitizer initialized
[    0.000000] Unknown kernel command line parameters "x=1", will be passed to user space.
[    0.000000] This architecture does not have kernel memory protection.
[    0.020000] TCP: request_sock_TCP: Possible SYN flooding on port [::]:80. Sending cookies.
[    0.030000] tc[25]: a warning: BUGS are not here, nor is an Oops
"""


def test_an_ordinary_log_is_clean() -> None:
    assert problems(QUIET) == []


@pytest.mark.parametrize(
    "line",
    [
        "WARNING: CPU: 0 PID: 34 at net/mptcp/protocol.c:1363 mptcp_sendmsg_frag+0x1f/0x2a",
        "WARNING: possible recursive locking detected",
        "WARNING: possible circular locking dependency detected",
        "WARNING: suspicious RCU usage",
        "BUG: KASAN: slab-use-after-free in tcp_ack+0x12/0x34",
        "BUG: sleeping function called from invalid context at mm/slab.h:84",
        "BUG: memory leak",
        "BUG kmalloc-64 (Not tainted): Poison overwritten",
        "BUG: scheduling while atomic: sh/25/0x00000002",
        "INFO: task kworker/0:1:9 blocked for more than 120 seconds.",
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "unreferenced object 0x60a8fa68 (size 64):",
        "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
        "ODEBUG: free active (active state 0) object: 00000000 object type: timer_list",
        "UBSAN: shift-out-of-bounds in net/ipv4/tcp_input.c:1:2",
        "refcount_t: underflow; use-after-free.",
        "list_add corruption. prev->next should be next",
        "unregister_netdevice: waiting for veth0 to become free. Usage count = 2",
        "Kernel panic - not syncing: Kernel mode fault at addr 0x0, ip 0x60037d12",
    ],
)
@pytest.mark.parametrize("time", ["", "[    1.200000] ", "<4>[   10.200000] ", "[   10.200000][   T25] "])
def test_a_defect_is_found_whatever_stands_before_it(line: str, time: str) -> None:
    trace = (
        f"{time}CPU: 0 UID: 0 PID: 25 Comm: sh Not tainted 6.12.117 #1\n{time}Call Trace:\n{time} [<6002b570>] x+0x1\n"
    )
    assert problems(f"{QUIET}{time}{line}\n{trace}{QUIET}") == [line]


def test_a_trace_that_nothing_announces_counts() -> None:
    assert problems(f"{QUIET}[    0.1] Stack:\n[    0.1] Call Trace:\n") == ["Call Trace:"]


def test_every_defect_counts() -> None:
    log = "BUG: a\nCall Trace:\nWARNING: b\nCall Trace:\nCall Trace:\n"
    assert problems(log) == ["BUG: a", "WARNING: b", "Call Trace:"]
