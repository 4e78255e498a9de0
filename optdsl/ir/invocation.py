"""One invocation of a sock_ops program: what the kernel passes in, what its helpers answer, what the program did.

The rules are those of `bpf_sock_ops_reserve_hdr_opt()`, `..._store_hdr_opt()`, `..._load_hdr_opt()`,
`..._cb_flags_set()` and `__bpf_setsockopt()` in the kernel's `net/core/filter.c` (5.10 and later). Helpers answer a
negative error number where they fail; the numbers are Linux's, whatever system this runs on.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from optdsl.ir.memory import Decoded, InterpreterError
from optdsl.ir.sock_ops import (
    ALL_CALLBACK_FLAGS,
    CONTEXT_FIELDS,
    END_OF_OPTIONS,
    EXPERIMENTAL_KINDS,
    FULL_SOCKET_FIELDS,
    NO_OPERATION,
    SMALLEST_OPTION,
)
from optdsl.ir.types import Path
from optdsl.record import field, record
from optdsl.targets.sockops import SockOp

EPERM, ENOENT, EFAULT, EEXIST, EINVAL, ENOSPC, ENOMSG, ENOPROTOOPT = 1, 2, 14, 17, 22, 28, 42, 92

# (level, option, value) -> 0 or a negative error; a number is passed as int, a text as bytes.
SetSocketOptionHandler = Callable[[int, int, int | bytes], int]
# (level, option, size) -> the value, or a negative error.
GetSocketOptionHandler = Callable[[int, int, int], bytes | int]


@record
class SockOpsContext:
    """What the kernel passes to one invocation.

    `op` is `ctx->op`. `fields` are other numbers of `struct bpf_sock_ops`, as the kernel stores them; what is missing
    is 0. `socket` is any key that identifies the full socket, None for a request socket (SYN-ACKs). `space` are the
    bytes for options that are left (HDR_OPT_LEN), or that were reserved (WRITE_HDR_OPT). `options` are those of the
    packet at hand: received, or in WRITE_HDR_OPT those that stand in it already; None if the callback has no packet.
    `saved_syn` are the options of the SYN, None if it was not kept.
    """

    op: int
    fields: Mapping[str, int] = field(default_factory=dict)
    socket: Hashable | None = None
    space: int = 0
    options: bytes | None = None
    saved_syn: bytes | None = None

    def __post_init__(self) -> None:
        for name, value in self.fields.items():
            if name not in CONTEXT_FIELDS or name in ("op", "is_fullsock"):
                raise ValueError(f"{name} is no field that can be chosen")
            if not 0 <= value < 1 << CONTEXT_FIELDS[name]:
                raise ValueError(f"{name} = {value} does not fit into {CONTEXT_FIELDS[name]} bits")


@record
class Reserved:
    """`bpf_reserve_hdr_opt()` of `length` bytes; `result` is 0 or a negative error."""

    length: int
    result: int


@record
class Stored:
    """`bpf_store_hdr_opt()` of `option`; `result` is 0 or a negative error."""

    option: bytes
    result: int


@record
class Loaded:
    """`bpf_load_hdr_opt()`: `option` is what was copied, `result` the option's length or a negative error."""

    pattern: bytes
    from_syn: int
    option: bytes
    result: int


@record
class SocketOptionSet:
    """`bpf_setsockopt()`: a number, or the bytes of a text."""

    level: int
    option: int
    value: int | bytes
    result: int


@record
class SocketOptionRead:
    """`bpf_getsockopt()`."""

    level: int
    option: int
    value: bytes
    result: int


@record
class FlagsSet:
    """`bpf_sock_ops_cb_flags_set()`: all flags of the socket afterwards."""

    flags: int
    result: int


@record
class Emitted:
    """A record that was submitted to user space."""

    map: str
    record: str
    values: Decoded


@record
class Counted:
    """A counter that was incremented."""

    path: Path


Effect = Reserved | Stored | Loaded | SocketOptionSet | SocketOptionRead | FlagsSet | Emitted | Counted


class Invocation:
    """The kernel's side of one invocation. `effects` is what the program did, in order."""

    def __init__(self, context: SockOpsContext) -> None:
        self.context = context
        self.space = context.space
        self.options = context.options
        self.flags = context.fields.get("bpf_sock_ops_cb_flags", 0) if context.socket is not None else 0
        self.effects: list[Effect] = []

    def field(self, name: str) -> int:
        """A number of `struct bpf_sock_ops`; those of the TCP socket read 0 where there is no full socket."""
        if name == "op":
            return self.context.op
        if name == "is_fullsock":
            return int(self.context.socket is not None)
        if name == "bpf_sock_ops_cb_flags":
            return self.flags
        if name not in CONTEXT_FIELDS:
            raise InterpreterError(f"struct bpf_sock_ops has no number {name}")
        if self.context.socket is None and name in FULL_SOCKET_FIELDS:
            return 0
        return self.context.fields.get(name, 0)

    def reserve(self, length: int) -> int:
        """`bpf_reserve_hdr_opt(ctx, length, 0)`."""
        length &= 0xFFFFFFFF
        result = 0
        if self.context.op != SockOp.HDR_OPT_LEN_CB:
            result = -EPERM
        elif length < SMALLEST_OPTION:
            result = -EINVAL
        elif length > self.space:
            result = -ENOSPC
        else:
            self.space -= length
        self.effects.append(Reserved(length, result))
        return result

    def store(self, source: bytes) -> int:
        """`bpf_store_hdr_opt(ctx, source, len(source), 0)`.

        The kernel takes an option whose length byte is 0 or 1 and so breaks the packet; that raises InterpreterError.
        """
        option = source[: source[1]] if len(source) >= SMALLEST_OPTION else source
        result = self._refuse_store(source)
        if result == 0 and len(option) < SMALLEST_OPTION:
            raise InterpreterError(f"stores an option with length byte {source[1]}")
        if result == 0:
            self.options = (self.options or b"") + option
            self.space -= len(option)
        self.effects.append(Stored(option, result))
        return result

    def _refuse_store(self, source: bytes) -> int:
        if self.context.op != SockOp.WRITE_HDR_OPT_CB:
            return -EPERM
        if len(source) < SMALLEST_OPTION:
            return -EINVAL
        kind, length = source[0], source[1]
        if length > len(source) or kind in (NO_OPERATION, END_OF_OPTIONS):
            return -EINVAL
        if length > self.space:
            return -ENOSPC
        magic = b""
        if kind in EXPERIMENTAL_KINDS:
            if length < 4:
                return -EINVAL
            magic = source[2:4]  # an ExID of four bytes is told apart by its first two (RFC 6994, section 3)
        found, ended = search_option(self.options or b"", kind, magic)
        if not isinstance(found, int):
            return -EEXIST
        if found != -ENOMSG:
            return found
        return -ENOSPC if ended else 0

    def load(self, pattern: bytes, from_syn: int) -> tuple[int, bytes]:
        """`bpf_load_hdr_opt(ctx, pattern, len(pattern), from_syn)`: its result, and what it copies to `pattern`."""
        found = self._find(pattern, from_syn)
        if isinstance(found, int):
            result, copied = found, b""
        else:
            result = len(found) if len(found) <= len(pattern) else -ENOSPC
            copied = found[: len(pattern)]
        self.effects.append(Loaded(pattern, from_syn, copied, result))
        return result, copied

    def _find(self, pattern: bytes, from_syn: int) -> bytes | int:
        if len(pattern) < SMALLEST_OPTION or from_syn not in (0, 1):
            return -EINVAL
        kind, length = pattern[0], pattern[1]
        if length > len(pattern) or kind in (NO_OPERATION, END_OF_OPTIONS):
            return -EINVAL
        if length not in ((4, 6) if kind in EXPERIMENTAL_KINDS else (0,)):
            return -EINVAL
        options = self.options
        if from_syn:
            if self.context.saved_syn is None:
                return -ENOENT
            options = self.context.saved_syn
        elif options is None or self.context.op == SockOp.HDR_OPT_LEN_CB:
            return -EPERM
        return search_option(options, kind, pattern[2:length])[0]

    def set_flags(self, flags: int) -> int:
        """`bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | flags)`."""
        wanted = self.flags | flags
        result = -EINVAL
        if self.context.socket is not None:
            self.flags, result = wanted & ALL_CALLBACK_FLAGS, wanted & ~ALL_CALLBACK_FLAGS
        self.effects.append(FlagsSet(self.flags, result))
        return result

    def set_socket_option(self, level: int, option: int, value: int | bytes, handler: SetSocketOptionHandler) -> int:
        """`bpf_setsockopt()`: -EINVAL without a full socket, else what the handler says."""
        result = -EINVAL if self.context.socket is None else handler(level, option, value)
        self.effects.append(SocketOptionSet(level, option, value, result))
        return result

    def get_socket_option(
        self, level: int, option: int, size: int, handler: GetSocketOptionHandler
    ) -> tuple[int, bytes]:
        """`bpf_getsockopt()`: its result, and the `size` bytes it fills: what is left over, or all on failure, is 0."""
        answer = -EINVAL if self.context.socket is None else handler(level, option, size)
        result, value = (answer, b"") if isinstance(answer, int) else (0, answer[:size])
        value = value.ljust(size, b"\0")
        self.effects.append(SocketOptionRead(level, option, value, result))
        return result, value


def search_option(options: bytes, kind: int, magic: bytes) -> tuple[bytes | int, bool]:
    """The first option of a kind whose value begins with `magic`, or a negative error, and whether the list was ended.

    As `bpf_search_tcp_opt()`: -ENOMSG if there is none, -EFAULT where a length byte is wrong. An option of the kind
    that is too short for `magic` ends the search.
    """
    start = 0
    while start < len(options):
        if options[start] == END_OF_OPTIONS:
            return -ENOMSG, True
        if options[start] == NO_OPERATION:
            start += 1
            continue
        if len(options) - start < SMALLEST_OPTION or not SMALLEST_OPTION <= options[start + 1] <= len(options) - start:
            return -EFAULT, False
        option = options[start : start + options[start + 1]]
        if option[0] == kind:
            if len(magic) > len(option) - 2:
                return -ENOMSG, False
            if option[2:].startswith(magic):
                return option, False
        start += len(option)
    return -ENOMSG, False
