"""`@record`: what a dataclass would do, and at what price."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest

from optdsl.record import FrozenError, field, fields, is_record, record, replace


@record
class Base:
    """Two fields, one with a default."""

    a: int
    b: str = "b"


@record
class Derived(Base):
    c: list[int] = field(default_factory=list)
    d: int = field(default=4, compare=False)


@record(eq=False)
class Thing:
    name: str
    length: int = field(init=False, shown=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", len(self.name))


@record(frozen=False)
class Changing:
    found: dict[str, int] = field(default_factory=dict)
    number: int = 0


def test_fields_by_place_and_by_name() -> None:
    assert (Base(1).a, Base(1).b, Base(b="x", a=2).b) == (1, "b", "x")
    made = Derived(1, d=5)
    assert (made.a, made.b, made.c, made.d) == (1, "b", [], 5)
    assert fields(made) == fields(Derived) == ("a", "b", "c", "d")
    with pytest.raises(TypeError, match=r"Base.__init__\(\) missing 1 required positional argument: 'a'"):
        Base()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        Base(1, z=2)  # type: ignore[call-arg]


def test_each_record_has_its_own_made_default() -> None:
    assert Derived(1).c is not Derived(1).c
    assert Changing().found is not Changing().found


def test_comparison_and_hash() -> None:
    assert Base(1) == Base(1, "b")
    assert hash(Base(1)) == hash(Base(1, "b"))
    assert Base(1) != Base(2)
    assert Base(1) != Derived(1)
    assert Derived(1, d=1) == Derived(1, d=2)
    assert Thing("x") != Thing("x")
    assert len({Thing("x"), Thing("x")}) == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(Changing())


def test_frozen() -> None:
    with pytest.raises(FrozenError, match="cannot assign to `a` of a Base"):
        Base(1).a = 2  # type: ignore[misc]
    with pytest.raises(FrozenError):
        del Base(1).a
    with pytest.raises(AttributeError):
        Changing().other = 1  # type: ignore[attr-defined]
    changing = Changing()
    changing.number = 7
    assert changing == Changing(number=7)


def test_slots_and_repr_and_patterns() -> None:
    assert not hasattr(Derived(1), "__dict__")
    assert Derived.__slots__ == ("c", "d")  # type: ignore[attr-defined]
    assert repr(Derived(1)) == "Derived(a=1, b='b', c=[], d=4)"
    assert repr(Thing("abc")) == "Thing(name='abc')"
    match Derived(1, "two"):
        case Base(first, second):
            assert (first, second) == (1, "two")


def test_replace_copy_and_pickle() -> None:
    assert replace(Base(1), b="x") == Base(1, "x")
    assert replace(Thing("abc"), name="x").length == 1
    with pytest.raises(TypeError):
        replace(Base(1), z=1)
    made = Derived(1, "x", [1, 2])
    assert pickle.loads(pickle.dumps(made)) == made
    assert copy.deepcopy(made) == made
    assert is_record(made)
    assert not is_record(1)


def test_a_record_costs_a_small_part_of_a_dataclass() -> None:
    """Measured in one process, each form a hundred times: the point of the module."""
    script = """
import time
from dataclasses import dataclass
from optdsl.record import record
body = "class C:\\n    a: int\\n    b: int\\n    c: int = 0\\n"
def spent(decorate):
    start = time.perf_counter()
    for _ in range(100):
        names = {}
        exec(body, names)
        decorate(names["C"])
    return time.perf_counter() - start
spent(record)
print(min(spent(dataclass(frozen=True, slots=True)) for _ in range(3)) / min(spent(record) for _ in range(3)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 4
