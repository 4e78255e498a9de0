// SPDX-License-Identifier: GPL-2.0
/* Writes options of MPTCP's kind into all packets of a host that have room, reads them from what arrives, and tells in
 * a ring buffer what the kernel answered.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "mptcp_bpf.h"

#define TCP_SAVE_SYN 27
#define MPTCP_KIND 30
#define OPTIONS 2
#define LOADED 40

/* What is written: whole options, with kind and length; up to 8 bytes */
struct option {
	__u8 bytes[8];
	__u32 length; /* 0 for none */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OPTIONS);
	__type(key, __u32);
	__type(value, struct option);
} written SEC(".maps");

__u32 reserved; /* bytes */
__u32 greedy; /* reserves all the room there is instead */

/* What is searched for: kind, length of the search, subtype in the upper half of a byte */
__u32 search = MPTCP_KIND | 3 << 8 | 0xF0 << 16;

struct record {
	__u32 op;
	__u32 flags; /* of the TCP header, in PARSE and WRITE */
	__u32 length; /* of the packet, headers included */
	__s32 answers[OPTIONS]; /* WRITE: of each store; others: of the search, and of one for the first option */
	__u8 found[8]; /* the option that was found, its beginning */
	__u8 first[4]; /* the first option of the kind, its beginning */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

static void reserve(struct bpf_sock_ops *ctx)
{
	int size;

	if (!greedy) {
		bpf_reserve_hdr_opt(ctx, reserved, 0);
		return;
	}
	for (size = LOADED; size >= 4; size -= 4)
		if (!bpf_reserve_hdr_opt(ctx, size, 0))
			return;
}

static int store(struct bpf_sock_ops *ctx, __u32 number)
{
	struct option *option = bpf_map_lookup_elem(&written, &number);
	__u32 length;

	if (!option)
		return 0;
	length = option->length;
	if (length < 2)
		return 0;
	barrier_var(length); /* else clang folds both tests into one, and the verifier learns nothing */
	if (length > sizeof(option->bytes))
		return 0;
	return bpf_store_hdr_opt(ctx, option->bytes, length, 0);
}

static void store_all(struct bpf_sock_ops *ctx)
{
	struct record record = {.op = ctx->op, .flags = ctx->skb_tcp_flags, .length = ctx->skb_len};

	record.answers[0] = store(ctx, 0);
	record.answers[1] = store(ctx, 1);
	bpf_ringbuf_output(&events, &record, sizeof(record), 0);
}

static void load(struct bpf_sock_ops *ctx, __u64 flags)
{
	struct record record = {.op = ctx->op, .flags = ctx->skb_tcp_flags, .length = ctx->skb_len};
	__u8 option[LOADED] = {search, search >> 8, search >> 16};

	if (flags)
		record.flags = 0x02; /* the SYN that was kept */
	record.answers[0] = bpf_load_hdr_opt(ctx, option, sizeof(option), flags);
	__builtin_memcpy(record.found, option, sizeof(record.found));

	__builtin_memset(option, 0, sizeof(option));
	option[0] = MPTCP_KIND;
	record.answers[1] = bpf_load_hdr_opt(ctx, option, sizeof(option), flags);
	__builtin_memcpy(record.first, option, sizeof(record.first));
	bpf_ringbuf_output(&events, &record, sizeof(record), 0);
}

static void use_options(struct bpf_sock_ops *ctx)
{
	bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG | BPF_SOCK_OPS_PARSE_ALL_HDR_OPT_CB_FLAG);
}

SEC("sockops")
int suboptions(struct bpf_sock_ops *ctx)
{
	int yes = 1;

	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		bpf_setsockopt(ctx, SOL_TCP, TCP_SAVE_SYN, &yes, sizeof(yes));
		use_options(ctx);
		break;
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		use_options(ctx);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		load(ctx, 0);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		load(ctx, BPF_LOAD_HDR_OPT_TCP_SYN);
		load(ctx, 0);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		reserve(ctx);
		break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		store_all(ctx);
		break;
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:
		load(ctx, 0);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
