"""The samples run for real, between two hosts on the running kernel: bytes on the wire, and their effect.

Each sample is compiled by both back ends and tried over IPv4 and IPv6.

| module | what it has |
|---|---|
| `sample_objects` | compiles samples through a back end |
| `conftest` | the fixtures: objects, back ends, IP versions, a lab with a TCP peer on each host |
| `conversation` | one connection between the hosts, step by step |
| `wire` | which packets must carry an option, told from a capture |
| `counting` | what programs have counted |
| `obstacles` | packets that do not arrive |
"""
