"""The text of the small functions and macros at the top of a generated file, in the order in which they stand there."""

from __future__ import annotations

_READ_ONCE = """\
/*
 * One field of the context, read by itself. The verifier wants fields read at constant offsets from
 * ctx, but clang likes to make "this field or that one" a single read from a computed address; the
 * empty asm keeps the two apart.
 */
#define READ_ONCE(field)		\\
({					\\
	__u64 value_ = (field);		\\
	asm("" : "+r"(value_));		\\
	value_;				\\
})"""

_ENABLE_CALLBACKS = """\
/* Asks for more callbacks on this socket; keeps those that other programs have asked for. */
static __always_inline void enable_callbacks(struct bpf_sock_ops *ctx, int flags)
{
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | flags);
}"""

_COUNT = """\
/* Adds one to a counter of this CPU. */
__noinline int count(unsigned long index)
{
	__u32 zero = 0;
	__u64 *first;

	/* No caller goes further, but a global function is verified by itself. */
	if (index >= sizeof(struct %s) / sizeof(*first))
		return 0;
	first = bpf_map_lookup_elem(&counters, &zero);
	if (first)
		first[index] += 1;
	return 0;
}

#define COUNT(counter) count(offsetof(struct %s, counter) / sizeof(__u64))"""

_SETSOCKOPT = """\
/* Sets a socket option that is a number. */
static __always_inline long setsockopt_u{bits}(struct bpf_sock_ops *ctx, int level, int option,
					__u{bits} value)
{{
	return bpf_setsockopt(ctx, level, option, &value, sizeof(value));
}}"""

_LOAD = """\
/* A number in network byte order; bytes is aligned to {alignment}. */
static __always_inline __u{bits} load_{name}(const void *bytes)
{{
	return {swap}(*(const {name} *)bytes);
}}"""

_STORE = """\
/* Stores a number in network byte order; bytes is aligned to {alignment}. */
static __always_inline void store_{name}(void *bytes, __u{bits} value)
{{
	*({name} *)bytes = {swap}(value);
}}"""

_LOAD_ANY = """\
/* A number in network byte order of any size and alignment. */
static __always_inline __u64 load_be(const void *bytes, int size)
{
	const __u8 *byte = bytes;
	__u64 value = 0;

	for (int i = 0; i < size; i++)
		value = value << 8 | byte[i];
	return value;
}"""

_STORE_ANY = """\
/* Stores a number in network byte order in any size and alignment. */
static __always_inline void store_be(void *bytes, int size, __u64 value)
{
	__u8 *byte = bytes;

	for (int i = size - 1; i >= 0; i--) {
		byte[i] = value;
		value >>= 8;
	}
}"""

_BELOW = """\
/* An index that is below count anyway, in a way that every verifier sees and clang cannot undo. */
static __always_inline __u64 below(__u64 index, __u64 count)
{
	__u64 last = count - 1;

	asm volatile("" : "+r"(index));
	if ((count & last) == 0)
		return index & last;
	return index < count ? index : last;
}"""

_MIN = """\
static __always_inline __u64 min(__u64 a, __u64 b)
{
	return a < b ? a : b;
}"""

_MAX = """\
static __always_inline __u64 max(__u64 a, __u64 b)
{
	return a > b ? a : b;
}"""

_CLAMP = """\
/* The number nearest to value in low..=high. */
static __always_inline __u64 clamp(__u64 value, __u64 low, __u64 high)
{
	return min(max(value, low), high);
}"""

_FROM_NETWORK = {16: "bpf_ntohs", 32: "bpf_ntohl", 64: "bpf_be64_to_cpu"}
_TO_NETWORK = {16: "bpf_htons", 32: "bpf_htonl", 64: "bpf_cpu_to_be64"}

# Numbers laid over arrays of bytes: (width in bits, alignment in bytes) by the name of the type.
_OVERLAYS = {
    f"be{bits}" + (f"_at{alignment}" if 8 * alignment < bits else ""): (bits, alignment)
    for bits in (16, 32, 64)
    for alignment in (8, 4, 2)
    if 8 * alignment <= bits
}

OVERLAY_COMMENT = "/* Numbers in network byte order that lie over arrays of bytes. */"

# The types, before everything else.
OVERLAYS = {
    name: f"typedef __be{bits} __attribute__((may_alias, aligned({alignment}))) {name};"
    for name, (bits, alignment) in _OVERLAYS.items()
}


def _accessors(template: str, verb: str, swaps: dict[int, str]) -> dict[str, str]:
    return {
        f"{verb}_{name}": template.format(name=name, bits=bits, alignment=alignment, swap=swaps[bits])
        for name, (bits, alignment) in _OVERLAYS.items()
    }


# Functions and macros in the order in which they stand in a file.
TEXTS: dict[str, str] = {
    "READ_ONCE": _READ_ONCE,
    "min": _MIN,
    "max": _MAX,
    "clamp": _CLAMP,
    **_accessors(_LOAD, "load", _FROM_NETWORK),
    "load_be": _LOAD_ANY,
    **_accessors(_STORE, "store", _TO_NETWORK),
    "store_be": _STORE_ANY,
    "below": _BELOW,
    "enable_callbacks": _ENABLE_CALLBACKS,
    "setsockopt_u32": _SETSOCKOPT.format(bits=32),
    "setsockopt_u64": _SETSOCKOPT.format(bits=64),
    "count": _COUNT,
}

# What a text needs besides itself.
NEEDS: dict[str, tuple[str, ...]] = {
    "clamp": ("min", "max"),
    **{f"{verb}_{name}": (name,) for name in OVERLAYS for verb in ("load", "store")},
}
