"""The C functions of libbpf.so.1 that `libbpf` uses, with their types, their messages and their error conventions.

Source: bpf.h, libbpf.h and btf.h of libbpf 1.x. From 1.0 on a function that fails returns a null pointer or a negative
error number, and sets errno.
"""

import ctypes
import errno
import os
from collections.abc import Callable
from ctypes import c_bool, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from functools import cache
from typing import Any, Final

from optdsl.kernel.errors import KernelError, split_verifier_log

_LIBRARY: Final = "libbpf.so.1"
_LOUDEST: Final = 1
"""LIBBPF_WARN is 0, LIBBPF_INFO 1, LIBBPF_DEBUG 2."""
_MESSAGE_SIZE: Final = 1 << 16
_OWN_ERRORS: Final = 4000
"""From here on error numbers are those of enum libbpf_errno."""

_SIGNATURES: Final[dict[str, tuple[Any, ...]]] = {
    # name: (result, arguments...)
    "bpf_link__destroy": (c_int, c_void_p),
    "bpf_link__pin": (c_int, c_void_p, c_char_p),
    "bpf_map__btf_value_type_id": (c_uint32, c_void_p),
    "bpf_map__fd": (c_int, c_void_p),
    "bpf_map__initial_value": (c_void_p, c_void_p, ctypes.POINTER(c_size_t)),
    "bpf_map__key_size": (c_uint32, c_void_p),
    "bpf_map__name": (c_char_p, c_void_p),
    "bpf_map__set_initial_value": (c_int, c_void_p, c_char_p, c_size_t),
    "bpf_map__type": (c_int, c_void_p),
    "bpf_map__value_size": (c_uint32, c_void_p),
    "bpf_map_delete_elem": (c_int, c_int, c_void_p),
    "bpf_map_get_next_key": (c_int, c_int, c_void_p, c_void_p),
    "bpf_map_lookup_elem": (c_int, c_int, c_void_p, c_void_p),
    "bpf_map_update_elem": (c_int, c_int, c_void_p, c_void_p, c_uint64),
    "bpf_obj_get_info_by_fd": (c_int, c_int, c_void_p, ctypes.POINTER(c_uint32)),
    "bpf_object__btf": (c_void_p, c_void_p),
    "bpf_object__close": (None, c_void_p),
    "bpf_object__find_program_by_name": (c_void_p, c_void_p, c_char_p),
    "bpf_object__load": (c_int, c_void_p),
    "bpf_object__next_map": (c_void_p, c_void_p, c_void_p),
    "bpf_object__next_program": (c_void_p, c_void_p, c_void_p),
    "bpf_object__open_mem": (c_void_p, c_char_p, c_size_t, c_void_p),
    "bpf_prog_attach": (c_int, c_int, c_int, c_int, c_uint32),
    "bpf_prog_detach2": (c_int, c_int, c_int, c_int),
    "bpf_program__attach_cgroup": (c_void_p, c_void_p, c_int),
    "bpf_program__fd": (c_int, c_void_p),
    "bpf_program__name": (c_char_p, c_void_p),
    "bpf_program__set_autoload": (c_int, c_void_p, c_bool),
    "btf__raw_data": (c_void_p, c_void_p, ctypes.POINTER(c_uint32)),
    "libbpf_num_possible_cpus": (c_int,),
    "libbpf_strerror": (c_int, c_int, c_char_p, c_size_t),
    "libbpf_version_string": (c_char_p,),
    "ring_buffer__free": (None, c_void_p),
    "ring_buffer__new": (c_void_p, c_int, c_void_p, c_void_p, c_void_p),
    "ring_buffer__poll": (c_int, c_void_p, c_int),
}


class OpenOptions(ctypes.Structure):
    """`struct bpf_object_open_opts`; libbpf tells by `sz` which members the caller knows."""

    _fields_ = (
        ("sz", c_size_t),
        ("object_name", c_char_p),
        ("relaxed_maps", c_bool),
        ("pin_root_path", c_char_p),
        ("attach_prog_fd_unused", c_uint32),
        ("kconfig", c_char_p),
        ("btf_custom_path", c_char_p),
        ("kernel_log_buf", c_void_p),
        ("kernel_log_size", c_size_t),
        ("kernel_log_level", c_uint32),
    )


class ProgramInfo(ctypes.Structure):
    """The beginning of `struct bpf_prog_info`, as of the first kernel that has it."""

    _fields_ = (
        ("type", c_uint32),
        ("id", c_uint32),
        ("tag", ctypes.c_uint8 * 8),
        ("jited_prog_len", c_uint32),
        ("xlated_prog_len", c_uint32),
        ("jited_prog_insns", c_uint64),
        ("xlated_prog_insns", c_uint64),
    )


RingCallback = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t)
"""`ring_buffer_sample_fn`: context, record, size of the record."""
_PrintCallback = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)

_messages: list[str] = []


@cache
def libbpf() -> ctypes.CDLL:
    """The library with all signatures set. Raises KernelError if it is missing or lacks one of the functions."""
    try:
        loaded = ctypes.CDLL(_LIBRARY, use_errno=True)
        for name, (result, *arguments) in _SIGNATURES.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise KernelError(f"cannot use {_LIBRARY}", errno.ENOENT, f"{error}; Debian: apt install libbpf1") from error
    loaded.libbpf_set_print(_print_callback)
    return loaded


def call(name: str, what: str, *arguments: Any, accept: tuple[int, ...] = ()) -> int:
    """Calls a function that returns a negative error number; those in `accept` are returned rather than raised."""
    function: Callable[..., int] = getattr(libbpf(), name)
    _messages.clear()
    result = function(*arguments)
    if result < 0 and -result not in accept:
        raise _failure(what, -result)
    return result


def pointer(name: str, what: str, *arguments: Any) -> int:
    """Calls a function that returns a pointer, null for an error."""
    function: Callable[..., int | None] = getattr(libbpf(), name)
    _messages.clear()
    result = function(*arguments)
    if not result:
        raise _failure(what, ctypes.get_errno())
    return result


def version() -> str:
    """The version of the library, such as `v1.1`."""
    text: bytes = libbpf().libbpf_version_string()
    return text.decode()


def _failure(what: str, number: int) -> KernelError:
    message, log = split_verifier_log("".join(_messages))
    if number >= _OWN_ERRORS:
        text = ctypes.create_string_buffer(_MESSAGE_SIZE)
        libbpf().libbpf_strerror(number, text, len(text))
        return KernelError(what, None, f"{text.value.decode()}\n{message}", log)
    return KernelError(what, number, message, log)


def _keep_message(level: int, template: bytes, arguments: int) -> int:
    """Formats one of libbpf's messages, whose arguments are a va_list that only C can read."""
    if level <= _LOUDEST:
        buffer = ctypes.create_string_buffer(_MESSAGE_SIZE)
        ctypes.CDLL(None).vsnprintf(buffer, c_size_t(len(buffer)), c_char_p(template), c_void_p(arguments))
        _messages.append(os.fsdecode(buffer.value))
    return 0


# A module-level name keeps the callback alive for as long as libbpf may call it.
_print_callback = _PrintCallback(_keep_message)
