"""Mutants of the compiler: it is broken in listed ways, one at a time, and the tests must notice each.

| module | what it has |
|---|---|
| `mutant` | what a mutant is, and how it is applied |
| `checker_mutants` | mistakes of the checker and of the tables of the kernel |
| `lowering_mutants` | mistakes of the lowering |
| `output_mutants` | mistakes of the IR's rules, the back ends, and what reads and strips objects |
| `tool_mutants` | mistakes of what stands around the compiler |
| `workplace` | copies of the tree in which mutants live |
| `no_shrinking` | hypothesis as trials need it |
| `trial` | one mutant against the tests |
| `run` | `make mutants` |
"""
