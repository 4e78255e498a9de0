/*
 * What the hand-written programs share: names of the kernel, counters, and the storage of sockets.
 *
 * A program defines `struct counters` and `struct storage` before it includes this.
 */
#pragma once

#define ENOENT			2
#define ENOSPC			28
#define ENOMSG			42
#define SOL_TCP			6
#define TCP_CONGESTION		13
#define TCP_USER_TIMEOUT	18
#define TCP_SAVE_SYN		27

#define TCPHDR_FIN		0x01
#define TCPHDR_SYN		0x02
#define TCPHDR_RST		0x04

#define PARSE			BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG
#define WRITE			BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG

/* A read of its own: the verifier wants a field of the context read alone, and compilers like to merge reads. */
#define READ_ONCE(field)	(*(volatile typeof(field) *)&(field))

#define clamp(value, low, high)			\
({						\
	typeof(value) v_ = (value);		\
	v_ < (low) ? (low) : v_ > (high) ? (high) : v_;	\
})

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct storage);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counters);
} counters SEC(".maps");

static __always_inline struct counters *counters_of_this_cpu(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&counters, &zero);
}

#define COUNT(counter)						\
({								\
	struct counters *counters_ = counters_of_this_cpu();	\
								\
	if (counters_)						\
		counters_->counter++;				\
})

static __noinline void count(unsigned long offset)
{
	struct counters *counters = counters_of_this_cpu();

	if (counters)
		*(__u64 *)((void *)counters + offset) += 1;
}

/* Out of line, as it is rare. */
#define COUNT_ERROR(counter)	count(offsetof(struct counters, counter))

static __always_inline struct storage *storage_of(struct bpf_sock_ops *ctx, __u64 flags)
{
	struct bpf_sock *sk = ctx->sk;

	return sk ? bpf_sk_storage_get(&sockets, sk, NULL, flags) : NULL;
}

/* Keeps the callbacks that other programs on the cgroup have asked for. */
static __always_inline void enable(struct bpf_sock_ops *ctx, int flags)
{
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | flags);
}

static __always_inline int set_number(struct bpf_sock_ops *ctx, int name, __u32 value)
{
	return bpf_setsockopt(ctx, SOL_TCP, name, &value, sizeof(value));
}
