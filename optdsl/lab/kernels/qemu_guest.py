"""What runs inside a Debian kernel of the lab: two scripts of busybox's shell, and the command as a third.

`INIT` is the first process. It loads the modules, puts memory over the host's files, which come by 9p and cannot be
written, and makes that the root. `MAIN` goes on there: it mounts what a running system has, runs the command with its
streams in pipes, ends what that has left running, and says how it ended. Each stream has a line of its own to the host
(virtio-serial), and so have the kernel's log and the status; they carry bytes as they are.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Final

FOLDER: Final = "/run/lab"
"""Where the scripts lie once the host's files are there."""
ROOT_TAG: Final = "host"
RESULTS_TAG: Final = "kept"
PORTS: Final = ("stdout", "stderr", "log", "status")
"""The lines to the host, by the names that the virtual machine gives them."""
_MSIZE: Final = 512_000
"""Bytes of one 9p message, the most that virtio carries: larger pieces take fewer turns between guest and host."""

# cache=loose keeps what has been read: the host's files are as they were when the command first saw them.
INIT: Final = f"""#!/busybox sh
b=/busybox
cannot() {{
    $b echo "lab: cannot $1" >/dev/console
    $b poweroff -f
}}
$b mkdir -p /dev /proc /lower /memory /new
$b mount -t devtmpfs devtmpfs /dev
$b mount -t proc proc /proc
for module in $($b cat /modules/order); do
    $b insmod /$module || cannot "load $module"
done
$b mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize={_MSIZE} {ROOT_TAG} /lower || cannot "see the host"
$b mount -t tmpfs -o mode=0755 memory /memory
$b mkdir /memory/upper /memory/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/memory/upper,workdir=/memory/work lab /new || cannot "mount overlay"
$b mount --move /dev /new/dev
$b mount --move /proc /new/proc
$b mount -t tmpfs -o mode=0755,nosuid,nodev run /new/run || cannot "mount /run"
$b mkdir /new{FOLDER} /new/run/lock /new/run/netns
$b cp /busybox /main /command /stdin /results /new{FOLDER}/
exec $b switch_root /new {FOLDER}/busybox sh {FOLDER}/main
"""

MAIN: Final = f"""cd {FOLDER}
b={FOLDER}/busybox
cannot() {{
    $b echo "lab: cannot $1" >/dev/console
    $b poweroff -f
}}
port() {{
    tries=0
    while [ $tries -lt 500 ]; do
        for each in /sys/class/virtio-ports/*; do
            name=
            [ -e $each/name ] && read -r name <$each/name
            if [ "$name" = $1 ] && [ -e /dev/${{each##*/}} ]; then
                echo /dev/${{each##*/}}
                return
            fi
        done
        $b sleep 0.02
        tries=$((tries + 1))
    done
}}
$b mount -t sysfs sysfs /sys || cannot "mount /sys"
$b mount -t cgroup2 cgroup2 /sys/fs/cgroup || cannot "mount cgroups"
$b mount -t bpf -o mode=0700 bpf /sys/fs/bpf || cannot "mount bpf"
$b mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
$b mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
$b mkdir -p /dev/pts /dev/shm
$b mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
$b mount -t tmpfs -o mode=1777,nosuid,nodev shm /dev/shm
$b ln -sf /proc/self/fd /dev/fd
$b ln -sf /proc/self/fd/0 /dev/stdin
$b ln -sf /proc/self/fd/1 /dev/stdout
$b ln -sf /proc/self/fd/2 /dev/stderr
$b hostname lab
$b ip link set lo up
IFS= read -r results <results
if [ -n "$results" ]; then
    $b mkdir -p "$results"
    $b mount -t 9p -o trans=virtio,version=9p2000.L,cache=mmap,msize={_MSIZE} {RESULTS_TAG} "$results" ||
        cannot "mount the results"
fi
stdout=$(port stdout) stderr=$(port stderr) log=$(port log) status=$(port status)
[ -n "$stdout" ] && [ -n "$stderr" ] && [ -n "$log" ] && [ -n "$status" ] || cannot "reach the host"
$b mkfifo out err
$b cat out >$stdout &
carriers=$!
$b cat err >$stderr &
carriers="1 $carriers $!"
# In a subshell, so that the outer one says on the console, not in `err`, which signal has ended the command.
(exec $b setsid $b sh command <stdin >out 2>err)
ended=$?
for each in /proc/[0-9]*; do
    case " $carriers " in
        *" ${{each#/proc/}} "*) ;;
        *) kill -9 ${{each#/proc/}} 2>/dev/null ;;
    esac
done
wait
$b dmesg >$log
cd /
$b sync
[ -z "$results" ] || $b umount "$results"
echo $ended >$status
$b poweroff -f
"""


def command_script(command: Sequence[str], environment: Mapping[str, str], cwd: str) -> bytes:
    """A script that becomes the command, with just these variables. 126 and 127 mean what they mean in a shell.

    env(1) gets the variables, since a shell cannot export names such as `BASH_FUNC_x%%`; that of the host, since
    busybox takes its own commands for the host's. It cannot run a program with `=` in its name.
    """
    variables = [shlex.quote(f"{name}={value}") for name, value in environment.items()]
    words = " ".join(["exec /usr/bin/env -i", *variables, *map(shlex.quote, command)])
    return f"cd {shlex.quote(cwd)} || exit 126\n{words}\n".encode(errors="surrogateescape")
