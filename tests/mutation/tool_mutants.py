"""Mistakes of what stands around the compiler: syntax, standard library, messages, commands, kernel, captures."""

from __future__ import annotations

from typing import Final

from mutation.mutant import Mutant

MUTANTS: Final = (
    Mutant(
        "binary-digits",
        "numbers in binary notation are refused",
        "optdsl/syntax/builder.py",
        'digits[:2].lower() in ("0x", "0b")',
        'digits[:2].lower() in ("0x", "0B")',
        ("tests/semantics/test_semantics_cases.py::test_the_checker_says_what_stands_in_the_program",),
    ),
    Mutant(
        "lost-comment",
        "the formatter does not compare the comments before and behind",
        "optdsl/syntax/format/verify.py",
        "if comments_of(old_words) != comments_of(new_words):",
        "if comments_of(old_words) != comments_of(old_words):",
        ("tests/format/test_format_programs.py::test_mistakes_of_the_formatter_are_found",),
    ),
    Mutant(
        "changed-meaning",
        "the formatter does not compare the trees before and behind",
        "optdsl/syntax/format/verify.py",
        "if shape(old) != shape(new):",
        "if shape(old) != shape(old):",
        ("tests/format/test_format_programs.py::test_mistakes_of_the_formatter_are_found",),
    ),
    Mutant(
        "whole-segments",
        "std.rates: the segments that an amount takes are rounded down",
        "stdlib/rates.opt",
        "min(ceil(amount / mss), 2147483647mss)",
        "min(floor(amount / mss), 2147483647mss)",
        ("tests/stdlib/test_stdlib_rates.py",),
    ),
    Mutant(
        "byte-offset",
        "offsets in messages for programs count characters instead of bytes",
        "optdsl/diagnostics/places.py",
        'len(source.text[:offset].encode("utf-8", "surrogatepass"))',
        "offset",
        ("tests/diagnostics/test_diagnostics_formats.py", "tests/cli/test_cli_message_format.py"),
    ),
    Mutant(
        "every-cpu",
        "counters are shown twice as high as all CPUs together have counted",
        "optdsl/kernel/maps.py",
        "return total([self.decode(value) for value in values])",
        "return total([self.decode(value) for value in values * 2])",
        ("tests/kernel/test_kernel_libbpf.py",),
    ),
    Mutant(
        "rejected-line",
        "a rejection of the verifier is shown at the line before the rejected instruction",
        "optdsl/kernel/verifier_place.py",
        "each.slot <= index - holder.start",
        "each.slot < index - holder.start",
        ("tests/kernel/test_kernel_verifier_log.py", "tests/cli/test_cli_verify.py"),
    ),
    Mutant(
        "shown-param",
        "`optdsl param` shows a number outside of the range as it stands in the map, not as it is taken",
        "optdsl/tuning.py",
        "return min(max(value, param.interval.low), param.interval.high)",
        "return value",
        ("tests/cli/test_cli_param.py::test_numbers_that_others_have_written",),
    ),
    Mutant(
        "file-mode",
        "`optdsl fmt` gives a file other permissions",
        "optdsl/cli/output.py",
        "temporary.chmod(stat.S_IMODE(status.st_mode))",
        "pass",
        ("tests/cli/test_cli_fmt.py",),
    ),
    Mutant(
        "overwritten",
        "`optdsl new` writes over a file that is there",
        "optdsl/cli/output.py",
        "path.hardlink_to(temporary)",
        "_replace(path, data)",
        ("tests/cli/test_cli_new.py",),
    ),
    Mutant(
        "captured-length",
        "an option that reaches beyond the header of a captured packet counts as well formed",
        "optdsl/lab/pcap.py",
        "if length < 2 or position + length > len(data):",
        "if length < 2:",
        ("tests/lab/test_lab_pcap.py",),
    ),
)
