"""`__init__` of the usual records, compiled with this module and not at each start: all fields given, up to seven.

`record` renames the parameters; `s0` sets the first field, `v0` is its value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Setter = Callable[[Any, Any], None]
"""Sets one field of a record that is being made."""
Initializer = Callable[..., None]


def given_0() -> Initializer:
    def __init__(self: Any) -> None:  # noqa: N807
        pass

    return __init__


def given_1(s0: Setter) -> Initializer:
    def __init__(self: Any, v0: Any) -> None:  # noqa: N807
        s0(self, v0)

    return __init__


def given_2(s0: Setter, s1: Setter) -> Initializer:
    def __init__(self: Any, v0: Any, v1: Any) -> None:  # noqa: N807
        s0(self, v0)
        s1(self, v1)

    return __init__


def given_3(s0: Setter, s1: Setter, s2: Setter) -> Initializer:
    def __init__(self: Any, v0: Any, v1: Any, v2: Any) -> None:  # noqa: N807
        s0(self, v0)
        s1(self, v1)
        s2(self, v2)

    return __init__


def given_4(s0: Setter, s1: Setter, s2: Setter, s3: Setter) -> Initializer:
    def __init__(self: Any, v0: Any, v1: Any, v2: Any, v3: Any) -> None:  # noqa: N807
        s0(self, v0)
        s1(self, v1)
        s2(self, v2)
        s3(self, v3)

    return __init__


def given_5(s0: Setter, s1: Setter, s2: Setter, s3: Setter, s4: Setter) -> Initializer:
    def __init__(self: Any, v0: Any, v1: Any, v2: Any, v3: Any, v4: Any) -> None:  # noqa: N807
        s0(self, v0)
        s1(self, v1)
        s2(self, v2)
        s3(self, v3)
        s4(self, v4)

    return __init__


def given_6(s0: Setter, s1: Setter, s2: Setter, s3: Setter, s4: Setter, s5: Setter) -> Initializer:
    def __init__(self: Any, v0: Any, v1: Any, v2: Any, v3: Any, v4: Any, v5: Any) -> None:  # noqa: N807
        s0(self, v0)
        s1(self, v1)
        s2(self, v2)
        s3(self, v3)
        s4(self, v4)
        s5(self, v5)

    return __init__


def given_7(s0: Setter, s1: Setter, s2: Setter, s3: Setter, s4: Setter, s5: Setter, s6: Setter) -> Initializer:
    def __init__(self: Any, v0: Any, v1: Any, v2: Any, v3: Any, v4: Any, v5: Any, v6: Any) -> None:  # noqa: N807
        s0(self, v0)
        s1(self, v1)
        s2(self, v2)
        s3(self, v3)
        s4(self, v4)
        s5(self, v5)
        s6(self, v6)

    return __init__


GIVEN: tuple[Callable[..., Initializer], ...] = (
    given_0, given_1, given_2, given_3, given_4, given_5, given_6, given_7,
)  # fmt: skip
"""By the number of fields: makes an `__init__` from the setters of the fields."""
