"""The one exception that this package raises when the kernel, libbpf or bpftool refuses something."""

import errno as errno_codes
import os

from optdsl.kernel.verifier_log import LOG_BLOCK, parse_log


class KernelError(Exception):
    """What was attempted, why it failed, and what the verifier said about it.

    `errno` is the positive error number, or None where the tool in between did not report one. `message` is the text of
    libbpf or bpftool, without the verifier log. `verifier_log` is the whole log, empty when the verifier took no part.
    """

    def __init__(self, what: str, errno: int | None = None, message: str = "", verifier_log: str = "") -> None:
        super().__init__(what, errno, message, verifier_log)
        self.what = what
        self.errno = errno
        self.message = message.strip()
        self.verifier_log = verifier_log.strip("\0\n")

    @property
    def symbol(self) -> str | None:
        """The name of the error number, such as `EPERM`."""
        return None if self.errno is None else errno_codes.errorcode.get(self.errno, str(self.errno))

    def __str__(self) -> str:
        head = self.what
        if self.errno is not None:
            head += f": {os.strerror(self.errno)} ({self.symbol})"
        summary = parse_log(self.verifier_log).summary
        return "\n".join(part for part in (head, self.message, summary and f"verifier: {summary}") if part)


def split_verifier_log(text: str) -> tuple[str, str]:
    """Separates libbpf's own messages from the verifier log that it quotes among them: (messages, log)."""
    log = "\n".join(block.strip("\n") for _, block in LOG_BLOCK.findall(text))
    messages = (line.removeprefix("libbpf: ").rstrip() for line in LOG_BLOCK.sub("", text).splitlines())
    return "\n".join(message for message in messages if message), log
