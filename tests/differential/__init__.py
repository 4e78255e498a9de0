"""The same programs three times: as an object of LLVM, as an object of clang from generated C, and in the interpreter.

The objects run on the kernel between the two hosts of a lab. What each host sent and received is captured there, and
the captured packets are played to the interpreter, which must then have the same bytes for the same packets, the same
counters and the same records.

| module | what it has |
|---|---|
| `objects` | compiles a program through a back end, and loads and attaches it |
| `replay` | plays captured packets to the interpreter |
| `programs` | the programs, and the conversations that they are tried in |
"""
