"""The formatter: its cases, and what holds for every program.

| module | what it has |
|---|---|
| `format_programs` | the programs of the repository |
| `format_perturb` | the same programs in other layouts |
"""
