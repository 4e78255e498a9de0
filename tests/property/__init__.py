"""Whole programs made at random, and everything that must hold for those that the checker accepts.

| module | what it has |
|---|---|
| `choices` | where chance comes from: a seed, or hypothesis |
| `expressions` | expressions of all units and conditions, shared with `tests/semantics` |
| `fields` | layouts, and what may be assigned to their fields |
| `values` | params, states, tables, consts, enums and functions |
| `blocks` | statements of `receive` and `on` |
| `sending` | `send` statements |
| `programs` | whole programs, and the acceptance of what the checker lets through |
| `pieces` | programs as pieces that can be taken out |
| `evaluator` | runs checked blocks on numbers, and demands what the checker claims |
| `ranges` | the evaluator on all blocks of a program |
| `oracle` | what a program means, told without the IR, against the interpreter |
| `namespaces` | packet sockets and kernel parameters of the hosts of a lab, without a process for each |
| `talks` | conversations between the hosts |
| `options` | the socket options that the kernel keeps, for the interpreter |
| `settings` | params and tables as user space sets them |
| `wires` | options as a peer may send them |
| `trial` | one program through both back ends, the kernel and the interpreter |
| `features` | which parts of the language a program uses |
| `reduction` | makes a failing program small |
| `batch` | many programs in several processes |
| `soak` | `make soak` |
"""
