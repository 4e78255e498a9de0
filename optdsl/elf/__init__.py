"""BPF objects as files: reading, stripping, disassembling and listing them.

Nothing here needs the kernel, root or LLVM. `strip`, `disassembler` and all that has to do with BTF (`btf` reads it,
`btf_types` and `btf_text` describe it, `btf_values` and `btf_places` apply it to data) use the standard library only;
`image`, and `object` on top of it, read the ELF container with pyelftools.
"""
