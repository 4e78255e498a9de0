"""Runs LLVM in a child process, which can be started ahead of the text that it will compile."""

from __future__ import annotations

from enum import Enum

from optdsl.backends.llvm.child import Child, Report


class Output(Enum):
    """What to generate."""

    OBJECT = "object"
    ASSEMBLY = "assembly"


def start() -> Child:
    """A child that loads LLVM and waits for LLVM IR. Raises `BackendError` if there is no process to be had."""
    return Child.start(_load, _compile)


def generate(text: str, output: Output, child: Child | None = None) -> bytes:
    """Optimises LLVM IR and generates a BPF object (still with DWARF) or assembly text. Raises `BackendError`.

    `child` is one that `start` gave; it can be used once.
    """
    if child is None:
        # Loaded here, before the fork, it need not be loaded again for the next program.
        _load()
        child = start()
    return child.finish(f"{output.value}\n{text}".encode())


def _load() -> None:
    from llvmlite import binding

    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    # `unreachable` would become a call of a kernel function that older kernels lack.
    binding.set_option("optdsl", "--bpf-disable-trap-unreachable")


def _compile(given: bytes, report: Report) -> bytes:
    """Code generation proper, from the kind of output and the text."""
    from llvmlite import binding

    output, _, text = given.decode().partition("\n")
    report("parse")
    module = binding.parse_assembly(text, context=binding.create_context())
    module.verify()

    report("optimise")
    target = binding.Target.from_triple("bpfel").create_target_machine(cpu="v3", opt=2, codemodel="default")
    tuning = binding.create_pipeline_tuning_options(speed_level=2)
    tuning.loop_vectorization = False
    tuning.slp_vectorization = False
    builder = binding.create_pass_builder(target, tuning)
    builder.getModulePassManager().run(module, builder)

    report("generate")
    data: bytes = target.emit_object(module) if output == Output.OBJECT.value else target.emit_assembly(module).encode()
    return data
