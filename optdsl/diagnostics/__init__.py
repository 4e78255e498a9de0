"""What the compiler tells its user: diagnostic values, their codes and wording, and how they are shown."""

from optdsl.diagnostics.model import CompileError, Diagnostic, Diagnostics, Label, Severity, Suggestion

__all__ = ["CompileError", "Diagnostic", "Diagnostics", "Label", "Severity", "Suggestion"]
