"""Two hosts on one kernel joined by several paths, each with a delay, a loss and a rate of its own.

    with two_paths(Shape(delay=0.040), Shape(delay=0.020, rate=20_000_000)) as lab:
        first, second = lab.paths
        lab.client.run(["ping", "-c1", second.server.ipv4])
        second.set(loss=10, towards=lab.server)
        first.down()
        with capture(second.client, tmp_path / "second.pcap") as seen: ...

Path n is the interface `eth<n-1>` of both hosts, with 10.0.n.1 and 2001:db8:n::1 for the client and 10.0.n.2 and
2001:db8:n::2 for the server. The client's address decides, in both directions: a subflow that is bound to the client's
address on a path takes that path, whichever of the server's addresses it goes to.

Between the hosts, in a namespace of its own, a bridge for each path delays and loses packets. So a capture on a host
shows a packet when the host sends it, a loss is not told to the sender, and the queues of the hosts are free for use.
Delay, loss and rate are netem's, which the kernel that `optdsl lab run` boots has. Stock kernels often lack it: without
a delay and a loss paths work there too, a rate then with a token bucket filter.
"""

from __future__ import annotations

from optdsl.lab.paths.shape import Shape
from optdsl.lab.paths.topology import MOST_PATHS, MultipathLab, Path, two_paths

__all__ = ["MOST_PATHS", "MultipathLab", "Path", "Shape", "two_paths"]
