"""Numbers and offsets of the tables against the installed kernel headers, by the C compiler's own judgement."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from optdsl.targets.attribute import OptionByFamily, SocketOption
from optdsl.targets.attributes import MAINLINE_ATTRIBUTES
from optdsl.targets.sockops import (
    AF_INET,
    AF_INET6,
    CONTEXT_FIELDS,
    F_NO_PREALLOC,
    IPPROTO_MPTCP,
    IPPROTO_TCP,
    LOAD_HDR_OPT_TCP_SYN,
    SK_STORAGE_GET_F_CREATE,
    TCP_BPF_SOCK_OPS_CB_FLAGS,
    TCP_BPF_SYN,
    TCP_BPF_SYN_IP,
    TCP_BPF_SYN_MAC,
    TCP_SAVE_SYN,
    TCP_SAVED_SYN,
    CallbackFlag,
    HeaderPass,
    Helper,
    Level,
    SockOp,
    TcpFlag,
    TcpState,
)

_INCLUDES = ("linux/bpf.h", "linux/tcp.h", "linux/in.h", "linux/in6.h", "asm/socket.h", "bits/socket.h")


def _enumerations() -> Iterator[tuple[str, int]]:
    for op in SockOp:
        yield f"BPF_SOCK_OPS_{op.name}", op
    for flag in CallbackFlag:
        if flag is not CallbackFlag.NONE:
            yield f"BPF_SOCK_OPS_{flag.name}_CB_FLAG", flag
    for helper in Helper:
        yield f"BPF_FUNC_{helper.name.lower()}", helper
    for state in TcpState:
        yield f"BPF_TCP_{state.name}", state
    yield "BPF_WRITE_HDR_TCP_CURRENT_MSS", HeaderPass.CURRENT_MSS
    yield "BPF_WRITE_HDR_TCP_SYNACK_COOKIE", HeaderPass.SYNACK_COOKIE


def _constants() -> Iterator[tuple[str, int]]:
    yield "BPF_LOAD_HDR_OPT_TCP_SYN", LOAD_HDR_OPT_TCP_SYN
    yield "BPF_SK_STORAGE_GET_F_CREATE", SK_STORAGE_GET_F_CREATE
    yield "BPF_F_NO_PREALLOC", F_NO_PREALLOC
    yield "TCP_SAVE_SYN", TCP_SAVE_SYN
    yield "TCP_SAVED_SYN", TCP_SAVED_SYN
    yield "TCP_BPF_SYN", TCP_BPF_SYN
    yield "TCP_BPF_SYN_IP", TCP_BPF_SYN_IP
    yield "TCP_BPF_SYN_MAC", TCP_BPF_SYN_MAC
    yield "TCP_BPF_SOCK_OPS_CB_FLAGS", TCP_BPF_SOCK_OPS_CB_FLAGS
    yield "IPPROTO_TCP", IPPROTO_TCP
    yield "IPPROTO_MPTCP", IPPROTO_MPTCP
    yield "IPPROTO_IP", Level.SOL_IP
    yield "IPPROTO_TCP", Level.SOL_TCP
    yield "IPPROTO_IPV6", Level.SOL_IPV6
    yield "SOL_SOCKET", Level.SOL_SOCKET
    yield "AF_INET", AF_INET
    yield "AF_INET6", AF_INET6


def _options() -> Iterator[SocketOption]:
    for attribute in MAINLINE_ATTRIBUTES:
        for access in (attribute.read, attribute.write):
            match None if access is None else access.how:
                case SocketOption() as option:
                    yield option
                case OptionByFamily(ip4, ip6):
                    yield from (ip4, ip6)


def _header_text() -> str:
    folders = [Path("/usr/include"), *Path("/usr/include").glob("*-linux-gnu")]
    found = [folder / name for folder in folders for name in (*_INCLUDES, "asm-generic/socket.h")]
    return "\n".join(path.read_text(encoding="utf-8") for path in found if path.is_file())


def _assertions() -> Iterator[tuple[str, str]]:
    """Pairs of a name that the headers must know, and what C has to confirm."""
    for name, number in (*_enumerations(), *_constants()):
        yield name, f'_Static_assert({name} == {int(number)}, "{name}");'
    for option in _options():
        yield option.name, f'_Static_assert({option.name} == {option.number}, "{option.name}");'
    for name, field in CONTEXT_FIELDS.items():
        member = f"((struct bpf_sock_ops *)0)->{name}"
        yield name, f'_Static_assert(__builtin_offsetof(struct bpf_sock_ops, {name}) == {field.offset}, "{name}");'
        yield name, f'_Static_assert(sizeof({member}) == {field.size * field.count}, "size of {name}");'


def test_numbers_and_offsets_are_those_of_the_headers() -> None:
    if shutil.which("clang") is None:
        pytest.skip("needs clang")
    headers = _header_text()
    if "struct bpf_sock_ops" not in headers:
        pytest.skip("needs the kernel headers (linux-libc-dev)")
    # Headers older than the tables lack the newest names.
    checked = [text for name, text in _assertions() if name in headers]
    source = "#include <sys/socket.h>\n" + "".join(f"#include <{name}>\n" for name in _INCLUDES if "bits" not in name)
    done = subprocess.run(
        ["clang", "-fsyntax-only", "-x", "c", "-"],
        input=source + "\n".join(dict.fromkeys(checked)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert len(checked) > 170


def test_tcp_flags_are_the_bits_of_rfc_9293() -> None:
    assert [flag.name for flag in TcpFlag] == ["FIN", "SYN", "RST", "PSH", "ACK"]
    assert [flag.value.bit_length() - 1 for flag in TcpFlag] == [0, 1, 2, 3, 4]
