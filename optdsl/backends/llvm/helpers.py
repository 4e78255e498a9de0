"""Numbers of the kernel's helper functions (`enum bpf_func_id`, include/uapi/linux/bpf.h); they are kernel ABI."""

from __future__ import annotations

from enum import IntEnum


class Helper(IntEnum):
    """The helpers that generated programs call; all are there in sock_ops programs since Linux 5.10."""

    MAP_LOOKUP_ELEM = 1
    KTIME_GET_NS = 5
    SETSOCKOPT = 49
    GETSOCKOPT = 57
    SOCK_OPS_CB_FLAGS_SET = 59
    SK_STORAGE_GET = 107
    RINGBUF_RESERVE = 131
    RINGBUF_SUBMIT = 132
    LOAD_HDR_OPT = 142
    STORE_HDR_OPT = 143
    RESERVE_HDR_OPT = 144


# Flags of these helpers, from the same header.
SK_STORAGE_GET_F_CREATE = 1
LOAD_HDR_OPT_TCP_SYN = 1
# BPF_F_NO_PREALLOC, which socket storage demands at map creation.
MAP_NO_PREALLOC = 1
