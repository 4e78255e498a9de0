"""The small enumerations that all tables of this folder share."""

from __future__ import annotations

from enum import StrEnum


class TargetName(StrEnum):
    """What a program is compiled for: stock kernels, or kernels with the series in `kernel-patches/`."""

    MAINLINE = "mainline"
    PATCHED = "patched"


class Unit(StrEnum):
    """The type of an attribute's value. Numbers in the tables count the base unit given here."""

    NUMBER = "number"
    DURATION = "duration"  # microseconds
    RATE = "rate"  # bits per second
    SIZE = "size"  # bytes
    SEGMENTS = "segments"  # TCP segments
    SEGMENT_SIZE = "segment_size"  # bytes per segment, the MSS
    BOOL = "bool"  # 0 or 1
    ADDRESS = "address"  # 128 bits, IPv4 as ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2)
    IP4 = "ip4"  # 32 bits
    IP6 = "ip6"  # 128 bits
    TEXT = "text"  # bounds are lengths in bytes, without the terminating NUL


class Role(StrEnum):
    """Which end of a connection this is: the client opened it, the server accepted it."""

    CLIENT = "client"
    SERVER = "server"


class Direction(StrEnum):
    """What a program does with an attribute."""

    READ = "read"
    WRITE = "write"
