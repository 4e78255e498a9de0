"""The hand-written programs do what the samples do, so that comparing their cost is honest.

They are put through the end-to-end tests of the samples, and through random callbacks beside the generated objects.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from optdsl.ir.invocation import Effect, Loaded
from optdsl.record import replace
from performance.handwritten_objects import BY_HAND, MAKERS, SAMPLES, compile_by, compile_handwritten
from performance.object_machine import ObjectMachine
from performance.paths import walk
from performance.random_callbacks import OPTIONS, random_callbacks
from samples import conftest as fixtures
from samples import test_sample_cc as cc
from samples import test_sample_delack as delack
from samples import test_sample_iw as iw
from samples import test_sample_selftest as selftest
from samples import test_sample_uto as uto
from samples import test_samples_until_acked as until_acked

pytestmark = pytest.mark.kernel

peers, ipv6, lab, theirs = fixtures.peers, fixtures.ipv6, selftest.lab, selftest.theirs
available, _no_probes = cc.available, iw._no_probes

test_delack_on_the_wire = delack.test_on_the_wire
test_delack_params = delack.test_params_change_what_is_written
test_delack_rejects = delack.test_what_the_declaration_excludes_is_rejected
test_delack_without_data = until_acked.test_a_client_that_only_listens
test_delack_without_acknowledgements = until_acked.test_data_that_nobody_acknowledges
test_uto_on_the_wire = uto.test_on_the_wire
test_uto_units = uto.test_seconds_and_minutes
test_uto_in_the_socket = uto.test_the_timeout_in_the_socket
test_cc_on_the_wire = cc.test_on_the_wire
test_cc_is_used = cc.test_the_server_uses_what_the_client_asks_for
test_cc_rejects = cc.test_what_the_server_does_not_know_changes_nothing
test_iw_on_the_wire = iw.test_on_the_wire
test_iw_trusts_one_address = iw.test_one_address_may_be_trusted
test_selftest_client = selftest.test_our_client
test_selftest_server = selftest.test_our_server


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    return lambda _, name: compile_handwritten(name, tmp_path_factory.mktemp("handwritten"))


@pytest.fixture
def backend() -> str:
    return BY_HAND


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> selftest.OurSide:
    return selftest.OurSide(compile_handwritten("selftest", tmp_path_factory.mktemp("ours")))


def _visible(effects: tuple[Effect, ...]) -> list[Effect]:
    """Without what stands behind the pattern in a buffer that the kernel fills."""
    return [replace(each, pattern=each.pattern[:4]) if isinstance(each, Loaded) else each for each in effects]


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_usual_callbacks_have_the_same_effects(sample: str, tmp_path: Path) -> None:
    walks = [walk(compile_by(maker, sample, tmp_path).read_bytes(), OPTIONS[sample]) for maker in MAKERS]
    for steps in zip(*walks, strict=True):
        assert len({step.name for step in steps}) == 1
        for step in steps[1:]:
            assert (step.name, _visible(step.effects)) == (step.name, _visible(steps[0].effects))


@pytest.mark.parametrize("sample", SAMPLES)
def test_random_callbacks_have_the_same_effects(sample: str, tmp_path: Path) -> None:
    machines = [ObjectMachine(compile_by(maker, sample, tmp_path).read_bytes()) for maker in MAKERS]
    sent = 0
    for seed in range(60):
        steps = [random_callbacks(machine, random.Random(seed), sample) for machine in machines]
        effects = [[_visible(step.effects) for step in each] for each in steps]
        assert effects[0] == effects[1] == effects[2]
        assert machines[0].counters() == machines[1].counters() == machines[2].counters()
        sent += sum(step.name.endswith("write") for step in steps[0])
    assert sent > 20
    counted = struct.unpack_from("<4Q", machines[0].counters())
    assert all(counted), "sent, received, load_failed, bad_length"
