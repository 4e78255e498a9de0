"""Independent peers for tests: the kernel's own selftest program for header options, and a raw TCP client.

`scenario` runs one connection between two sides, each of which may be the kernel's program or one of ours:

    folder, lab = tmp_path, ...                                   # optdsl.lab.hosts.two_hosts
    theirs = SelftestSide(kernel_selftest.compiled(folder))
    seen = run_scenario(lab, theirs, theirs, scenario.SIMPLE, folder)
    assert seen.client.active_estab_in == scenario.SIMPLE.sends.synack

| module | what it has |
|---|---|
| `kernel_selftest` | gets the program out of Debian's kernel source package and compiles it |
| `option` | the program's wire format, written from its description |
| `selftest_side` | loads the program, tells it what to write, reads what it saw |
| `scenario` | the scenarios of the kernel's own test, for any two sides |
| `expected` | on which packets of each scenario the kernel's program has its option |
| `every_packet` | a second program of the kernel's: two options on every packet of the client |
| `raw_peer` | a TCP client of our own that sends any option bytes on any segment |

Nothing of the kernel's is part of this repository: tests need the package, and say so where it is missing.
"""
