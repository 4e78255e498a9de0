"""The lowering, tested by what its IR does: programs are compiled from text and run by the reference interpreter.

| module | what it has |
|---|---|
| `driver` | compiles text, and plays the kernel for one socket: connects, sends, receives |
| `random_layouts` | layouts made at random, with an encoder of their own |
"""
