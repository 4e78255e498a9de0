"""The kernel's own MPTCP selftests, run in the lab: the series must not change what any of them says.

`sources` takes them out of the kernel's source and compiles their helpers, `runs` lists what is run, `running` runs it,
`outcomes` reads what came of it, `kept` is the list in `kernel-patches/6.12/selftests.md`, `compare` makes that list:

    PYTHONPATH=tests python -m kernel_selftests.compare
"""
