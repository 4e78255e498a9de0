"""A peer that sends what no honest peer sends: no option outside its declaration is ever acted on, and all are counted.

A raw client sends to a socket with a program attached. After each segment the socket's attributes and the counters are
compared with what a judge says, who knows the bytes that were sent, the language reference and the declaration, but
nothing of the compiler. Then the interpreter has to come to the same counts.

| module | what it has |
|---|---|
| `judge` | what the kernel hands over, and what must be counted for it |
| `declarations` | the samples and one more program: their formats in a second notation, the attributes that they set |
| `values` | from the checked program: every value that a declaration excludes |
| `bent` | lists of options that are malformed, too long, doubled, out of place |
| `target` | a server with a program, and the raw client's connection to it |
"""
