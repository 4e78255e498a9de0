"""BPF objects as files: reading, stripping, disassembling and listing them.

Nothing here needs the kernel, root or LLVM. `strip`, `disassembler`, `btf` and `btf_ext` use the standard library only;
`image`, and `object` on top of it, read the ELF container with pyelftools.
"""
