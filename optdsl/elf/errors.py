"""The one error of this package."""


class ObjectError(ValueError):
    """The bytes are not a BPF object that can be read; the message says in one sentence what is wrong with them."""
