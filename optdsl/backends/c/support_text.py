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
static __noinline void count(unsigned long offset)
{
	__u32 zero = 0;
	void *first = bpf_map_lookup_elem(&counters, &zero);

	if (first)
		*(__u64 *)(first + offset) += 1;
}

#define COUNT(counter) count(offsetof(struct %s, counter))"""

_SETSOCKOPT = """\
static __always_inline long setsockopt_u{bits}(struct bpf_sock_ops *ctx, int level, int option, __u{bits} value)
{{
	return bpf_setsockopt(ctx, level, option, &value, sizeof(value));
}}"""

_LOAD = """\
/* A number in network byte order; bytes is aligned to its size. */
static __always_inline __u{bits} load_be{bits}(const void *bytes)
{{
	return {swap}(*(const be{bits} *)bytes);
}}"""

_STORE = """\
/* Stores a number in network byte order; bytes is aligned to its size. */
static __always_inline void store_be{bits}(void *bytes, __u{bits} value)
{{
	*(be{bits} *)bytes = {swap}(value);
}}"""

_ALIAS = """\
/* A number laid over an array of bytes. */
typedef __be{bits} __attribute__((may_alias)) be{bits};"""

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

_BELOW_64 = """\
/* An offset that is below 64 anyway, in a way that every verifier sees and clang cannot undo. */
static __always_inline __u64 below_64(__u64 offset)
{
	asm volatile("" : "+r"(offset));
	return offset & 63;
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

_SWAPS = {16: ("bpf_ntohs", "bpf_htons"), 32: ("bpf_ntohl", "bpf_htonl"), 64: ("bpf_be64_to_cpu", "bpf_cpu_to_be64")}

TEXTS: dict[str, str] = {
    "READ_ONCE": _READ_ONCE,
    "min": _MIN,
    "max": _MAX,
    "clamp": _CLAMP,
    **{f"be{bits}": _ALIAS.format(bits=bits) for bits in _SWAPS},
    **{f"load_be{bits}": _LOAD.format(bits=bits, swap=load) for bits, (load, _) in _SWAPS.items()},
    "load_be": _LOAD_ANY,
    **{f"store_be{bits}": _STORE.format(bits=bits, swap=store) for bits, (_, store) in _SWAPS.items()},
    "store_be": _STORE_ANY,
    "below_64": _BELOW_64,
    "enable_callbacks": _ENABLE_CALLBACKS,
    "setsockopt_u32": _SETSOCKOPT.format(bits=32),
    "setsockopt_u64": _SETSOCKOPT.format(bits=64),
    "count": _COUNT,
}

# What a text needs besides itself.
NEEDS: dict[str, tuple[str, ...]] = {
    "clamp": ("min", "max"),
    **{f"{access}_be{bits}": (f"be{bits}",) for bits in _SWAPS for access in ("load", "store")},
}
