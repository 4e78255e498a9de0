"""What in a kernel's log tells of a defect."""

from __future__ import annotations

import re
from typing import Final

_TIME: Final = re.compile(r"^(?:<\d+>)?\[\s*\d+\.\d+\](?:\[[^\]]*\])? ?")
_PROBLEM: Final = re.compile(
    r"^(?:"
    r"WARNING: .*"  # WARN_ON, lockdep ("WARNING: possible recursive locking detected", "suspicious RCU usage")
    r"|BUG: .*|BUG\b.*|kernel BUG at .*"  # KASAN, KCSAN, sleeping in atomic context, bad page state, slab damage
    r"|=+ *BUG .*"
    r"|INFO: (?:possible|suspicious|trying to register|inconsistent|task .* blocked|rcu_|lockdep).*"
    r"|rcu: INFO: .*(?:stall|starved).*"
    r"|kmemleak: \d+ new suspected memory leaks.*|unreferenced object 0x.*"
    r"|ODEBUG: .*|UBSAN: .*|Oops.*|general protection fault.*|Unable to handle kernel .*"
    r"|Kernel panic - not syncing.*|Kernel mode fault.*|watchdog: BUG.*"
    r"|refcount_t: .*|list_(?:add|del) corruption.*|unregister_netdevice: waiting for .*"
    r"|IPv[46]: Attempt to release .*|TCP: .*(?:BUG|recvmsg bug).*"
    r")"
)
_HEAD: Final = re.compile(r"^(?:Call Trace|CPU: \d+ .*PID: ).*")


def problems(log: str) -> list[str]:
    """The first line of every report of a defect in a kernel's log, without its time, in order.

    Warnings, BUGs, reports of KASAN, KCSAN, UBSAN and lockdep, leaks, RCU stalls, references that were lost, panics.
    A trace of calls that nothing announces counts as well.
    """
    found: list[str] = []
    announced = False
    for line in log.splitlines():
        text = _TIME.sub("", line).rstrip()
        if _PROBLEM.match(text):
            found.append(text)
            announced = True
        elif _HEAD.match(text):
            if text.startswith("Call Trace") and not announced:
                found.append(text)
            announced = announced and not text.startswith("Call Trace")
    return found
