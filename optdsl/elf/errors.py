"""The errors of this package: bytes that cannot be read, and members of values that cannot be found or set."""


class ObjectError(ValueError):
    """The bytes are not a BPF object that can be read; the message says in one sentence what is wrong with them."""


class MemberError(ValueError):
    """A member of a value cannot be set: `what` says why, `hint` what there is instead, each without a full stop."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}; {self.hint}" if self.hint else self.what


class UnknownMemberError(MemberError):
    """The path names a member that is not there; the hint lists those that are."""


class MemberTypeError(MemberError):
    """The path ends at something other than an integer."""


class MemberRangeError(MemberError):
    """The integer does not fit the member; the hint gives the range that does."""
