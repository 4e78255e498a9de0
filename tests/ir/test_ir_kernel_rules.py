"""The kernel's side of an invocation: reserving, storing and loading options, flags, socket options.

The expectations are those of `net/core/filter.c`.
"""

from __future__ import annotations

import pytest
from ir_programs import (
    HERE,
    behind,
    buffer,
    ctx,
    if_,
    in_buffer,
    in_global,
    is_null,
    load_bytes,
    lookup,
    n,
    return_,
    store,
    store_bytes,
    v,
    with_body,
)

from optdsl.ir import ops
from optdsl.ir.invocation import (
    EEXIST,
    EFAULT,
    EINVAL,
    ENOENT,
    ENOMSG,
    ENOPROTOOPT,
    ENOSPC,
    EPERM,
    FlagsSet,
    Invocation,
    Loaded,
    Reserved,
    SocketOptionRead,
    SocketOptionSet,
    SockOpsContext,
    Stored,
    search_option,
)
from optdsl.ir.machine import Machine
from optdsl.ir.memory import InterpreterError
from optdsl.targets.sockops import CallbackFlag, SockOp

TIMESTAMPS = bytes.fromhex("0101080a0000000100000002")
DELACK = bytes.fromhex("fd0644410204")
FROM_PEER = bytes.fromhex("fd0644410420")


def length(*, space: int = 40) -> Invocation:
    return Invocation(SockOpsContext(SockOp.HDR_OPT_LEN_CB, socket=1, space=space))


def write(*, space: int = 40, options: bytes = b"") -> Invocation:
    return Invocation(SockOpsContext(SockOp.WRITE_HDR_OPT_CB, socket=1, space=space, options=options))


def parse(options: bytes | None, saved_syn: bytes | None = None) -> Invocation:
    return Invocation(SockOpsContext(SockOp.PARSE_HDR_OPT_CB, socket=1, options=options, saved_syn=saved_syn))


# ------------------------------------------------------------------------------------------------- reserve


def test_reservations_add_up() -> None:
    kernel = length(space=12)
    assert [kernel.reserve(size) for size in (5, 8, 7, 2)] == [0, -ENOSPC, 0, -ENOSPC]
    assert kernel.space == 0
    assert kernel.effects == [Reserved(5, 0), Reserved(8, -ENOSPC), Reserved(7, 0), Reserved(2, -ENOSPC)]


def test_reserving_less_than_an_option_or_elsewhere() -> None:
    assert length().reserve(1) == -EINVAL
    assert length().reserve(0) == -EINVAL
    assert length().reserve(2**32 + 4) == 0  # the helper takes 32 bits
    assert write().reserve(4) == -EPERM
    assert parse(b"").reserve(4) == -EPERM


# --------------------------------------------------------------------------------------------------- store


def test_store_copies_what_the_length_byte_says() -> None:
    kernel = write(space=8, options=TIMESTAMPS)
    assert kernel.store(DELACK + b"\0\0") == 0
    assert kernel.options == TIMESTAMPS + DELACK
    assert kernel.space == 2
    assert kernel.effects == [Stored(DELACK, 0)]


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("1e", EINVAL),  # less than kind and length
        ("1e05aabb", EINVAL),  # the length byte says more than there is
        ("0104aabb", EINVAL),  # NOP
        ("0004aabb", EINVAL),  # end of options
        ("fd03aa", EINVAL),  # experimental without ExID
        ("fe03aa", EINVAL),
        ("1e0aaabbccddeeff0011", ENOSPC),
    ],
)
def test_store_refuses(source: str, error: int) -> None:
    kernel = write(space=8)
    assert kernel.store(bytes.fromhex(source)) == -error
    assert kernel.options == b""
    assert kernel.space == 8


def test_store_elsewhere() -> None:
    assert length().store(DELACK) == -EPERM
    assert parse(b"").store(DELACK) == -EPERM


def test_store_refuses_duplicates() -> None:
    assert write(options=bytes.fromhex("1e04aabb")).store(bytes.fromhex("1e03cc")) == -EEXIST
    # Experimental kinds are told apart by two bytes of their ExID, and from each other by kind.
    assert write(options=DELACK).store(bytes.fromhex("fd044441")) == -EEXIST
    assert write(options=DELACK).store(bytes.fromhex("fd064441aabb")) == -EEXIST
    assert write(options=DELACK).store(bytes.fromhex("fd044442")) == 0
    assert write(options=DELACK).store(bytes.fromhex("fe044441")) == 0


def test_store_after_the_end_or_behind_nonsense() -> None:
    assert write(options=b"\1\0").store(DELACK) == -ENOSPC
    assert write(options=b"\x1e\x01").store(DELACK) == -EFAULT


@pytest.mark.parametrize("size", [0, 1])
def test_store_of_a_broken_option_is_an_error_of_the_program(size: int) -> None:
    with pytest.raises(InterpreterError, match=f"length byte {size}"):
        write().store(bytes([30, size, 0, 0]))


# ---------------------------------------------------------------------------------------------------- load


def pattern(text: str, size: int = 12) -> bytes:
    return bytes.fromhex(text).ljust(size, b"\0")


def test_load_by_kind() -> None:
    kernel = parse(TIMESTAMPS)
    assert kernel.load(pattern("0800"), 0) == (10, TIMESTAMPS[2:])
    assert kernel.effects == [Loaded(pattern("0800"), 0, TIMESTAMPS[2:], 10)]


def test_load_by_exid() -> None:
    options = bytes.fromhex("fd044442") + bytes.fromhex("fe044441") + FROM_PEER
    assert parse(options).load(pattern("fd044441"), 0) == (6, FROM_PEER)
    assert parse(options[4:]).load(pattern("fd0644410420"), 0) == (6, FROM_PEER)
    assert parse(options[4:]).load(pattern("fd0644410421"), 0) == (-ENOMSG, b"")
    # An option of the kind that is shorter than the ExID searched for ends the search.
    assert parse(options).load(pattern("fd0644410420"), 0) == (-ENOMSG, b"")
    assert parse(b"\xfd\x03\x44" + FROM_PEER).load(pattern("fd044441"), 0) == (-ENOMSG, b"")


def test_load_what_is_absent_or_does_not_fit() -> None:
    assert parse(TIMESTAMPS).load(pattern("1e00"), 0) == (-ENOMSG, b"")
    assert parse(b"\0" + FROM_PEER).load(pattern("fd044441"), 0) == (-ENOMSG, b"")
    assert parse(TIMESTAMPS).load(pattern("0800", 4), 0) == (-ENOSPC, TIMESTAMPS[2:6])


@pytest.mark.parametrize("options", ["1e", "1e00aa", "1e01aa", "1e05aabb", "0101021e"])
def test_load_from_malformed_options(options: str) -> None:
    assert parse(bytes.fromhex(options)).load(pattern("fd044441"), 0) == (-EFAULT, b"")


@pytest.mark.parametrize("text", ["1e04", "fd00", "fd02", "fd05444100", "fd084441000000", "0100", "0000"])
def test_load_with_a_wrong_pattern(text: str) -> None:
    assert parse(TIMESTAMPS).load(pattern(text), 0) == (-EINVAL, b"")


def test_load_with_wrong_sizes_and_flags() -> None:
    assert parse(TIMESTAMPS).load(b"\x08", 0) == (-EINVAL, b"")
    assert parse(TIMESTAMPS).load(b"\xfd\x06\x44\x41", 0) == (-EINVAL, b"")
    assert parse(TIMESTAMPS).load(pattern("0800"), 2) == (-EINVAL, b"")


def test_load_needs_a_packet() -> None:
    assert parse(None).load(pattern("0800"), 0) == (-EPERM, b"")
    sizing = Invocation(SockOpsContext(SockOp.HDR_OPT_LEN_CB, socket=1, options=TIMESTAMPS, saved_syn=FROM_PEER))
    assert sizing.load(pattern("0800"), 0) == (-EPERM, b"")
    assert sizing.load(pattern("fd044441"), 1) == (6, FROM_PEER)


def test_load_from_the_syn() -> None:
    assert parse(TIMESTAMPS).load(pattern("fd044441"), 1) == (-ENOENT, b"")
    assert parse(TIMESTAMPS, b"").load(pattern("fd044441"), 1) == (-ENOMSG, b"")
    assert parse(TIMESTAMPS, FROM_PEER).load(pattern("fd044441"), 1) == (6, FROM_PEER)


def test_search_finds_the_first() -> None:
    options = bytes.fromhex("1e03aa") + bytes.fromhex("1e03bb")
    assert search_option(options, 30, b"") == (bytes.fromhex("1e03aa"), False)
    assert search_option(options, 30, b"\xbb") == (bytes.fromhex("1e03bb"), False)
    assert search_option(options + b"\0", 31, b"") == (-ENOMSG, True)


# --------------------------------------------------------------------------------- flags and socket options


def test_flags_are_added_to_those_of_others() -> None:
    program = with_body(
        ops.SetCallbackFlags(HERE, CallbackFlag.WRITE_HDR_OPT),
        store(in_global("out"), ctx("bpf_sock_ops_cb_flags")),
    )
    machine = Machine(program)
    done = machine.run(SockOpsContext(SockOp.TCP_CONNECT_CB, {"bpf_sock_ops_cb_flags": CallbackFlag.RTT}, socket=1))
    assert done.flags == CallbackFlag.RTT | CallbackFlag.WRITE_HDR_OPT == machine.get("out")
    assert done.effects == (FlagsSet(0x48, 0),)
    assert machine.run(SockOpsContext(SockOp.HDR_OPT_LEN_CB)).effects == (FlagsSet(0, -EINVAL),)
    assert machine.get("out") == 0


def _set_number() -> ops.Statement:
    return ops.SetSocketOption(HERE, "set", 6, 1003, 4, n(2**32 + 5000))


def outcome(name: str) -> ops.Statement:
    return store(in_global("out"), v(name))


def test_setting_socket_options() -> None:
    program = with_body(
        lookup("row", "names"),
        if_(is_null("row"), return_()),
        ops.SetSocketOption(HERE, "text", 6, 13, 6, behind("row", "name")),
        _set_number(),
        outcome("set"),
    )
    machine = Machine(program)
    machine.set_entry("names", 1, (1, b"reno"))
    done = machine.run(SockOpsContext(SockOp.RTT_CB, socket=1))
    assert done.of(SocketOptionSet) == [
        SocketOptionSet(6, 13, b"reno\0\0", 0),
        SocketOptionSet(6, 1003, 5000, 0),
    ]
    assert done.socket_options == {(6, 13): b"reno\0\0", (6, 1003): 5000}
    machine.setsockopt = lambda _level, option, _value: -ENOENT if option == 13 else -EINVAL
    done = machine.run(SockOpsContext(SockOp.RTT_CB, socket=1))
    assert [effect.result for effect in done.of(SocketOptionSet)] == [-ENOENT, -EINVAL]
    assert done.socket_options == {}
    assert machine.get("out") == 2**64 - EINVAL


def test_a_request_socket_has_no_socket_options() -> None:
    body = (buffer("b", 8), store_bytes(in_buffer("b"), 0, 8, n(2**64 - 1)))
    read = ops.GetSocketOption(HERE, "read", 6, 27, 4, in_buffer("b"))
    machine = Machine(with_body(*body, _set_number(), read, store(in_global("out"), load_bytes(in_buffer("b"), 0, 8))))
    done = machine.run(SockOpsContext(SockOp.HDR_OPT_LEN_CB, space=40))
    assert done.effects == (
        SocketOptionSet(6, 1003, 5000, -EINVAL),
        SocketOptionRead(6, 27, bytes(4), -EINVAL),
    )
    assert machine.get("out") == 0xFFFFFFFF  # what the helper was given is cleared, the rest is not


@pytest.mark.parametrize(
    ("answer", "result", "value"),
    [(b"\x05", 0, "05000000"), (b"\1\2\3\4\5", 0, "01020304"), (-EINVAL, -EINVAL, "00000000")],
)
def test_reading_socket_options(answer: bytes | int, result: int, value: str) -> None:
    read = ops.GetSocketOption(HERE, "read", 6, 27, 4, in_buffer("b"))
    program = with_body(buffer("b", 8), read, outcome("read"))
    machine = Machine(program, getsockopt=lambda _level, _option, _size: answer)
    done = machine.run(SockOpsContext(SockOp.RTT_CB, socket=1))
    assert done.effects == (SocketOptionRead(6, 27, bytes.fromhex(value), result),)
    assert machine.get("out") == result % 2**64
    assert Machine(program).run(SockOpsContext(SockOp.RTT_CB, socket=1)).of(SocketOptionRead)[0].result == -ENOPROTOOPT
