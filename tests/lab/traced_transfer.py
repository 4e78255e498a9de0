"""Run in a lab: a transfer over two paths, captured into a folder; with `--loss` packets are lost by chance."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

from optdsl.lab.capture import capture
from optdsl.lab.paths import Shape, two_paths
from optdsl.lab.paths.manager import use_all_paths
from optdsl.lab.paths.sockets import Sockets, exchange


def main(folder: Path, loss: float) -> None:
    """500 kB there and 100 kB back."""
    shapes = Shape(delay=0.010, rate=20_000_000), Shape(delay=0.020, rate=20_000_000, loss=loss)
    with two_paths(*shapes) as lab:
        use_all_paths(lab.client, lab.server, [lab.paths[1].client])
        with ExitStack() as stack:
            for path in lab.paths:
                file = folder / f"path{path.number}.pcap"
                stack.enter_context(capture(path.client, file, "", snap_length=2048))
            sockets = stack.enter_context(Sockets())
            ends = sockets.connect(lab.client, lab.server.ipv4, sockets.listen(lab.server))
            exchange(*ends, sent=500_000, received=100_000)


if __name__ == "__main__":
    main(Path(sys.argv[1]), 1.0 if "--loss" in sys.argv else 0.0)
