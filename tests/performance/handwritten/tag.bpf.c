/*
 * Traffic for throughput measurements by hand: an option on every packet; with PARSE_OPTIONS it is read and validated
 * too, with SET_TIMEOUT a socket option is set to it besides. The same in .opt is in traffic_programs.py.
 */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct counters {
	struct {
		__u64 sent, received, load_failed, bad_length, bad_value, set_failed, no_space, store_failed;
	} tag;
};

struct storage {
	__u8 reserved;	/* the packet that is being sent has room for the option */
};

#include "option.h"

#ifdef PARSE_OPTIONS
#define CALLBACKS	(PARSE | WRITE)
#else
#define CALLBACKS	WRITE
#endif

struct option {
	__u8 kind;
	__u8 length;
	__be16 exid;
	__be16 value;
};

#define KIND	253
#define EXID	bpf_htons(0x5447)
#define LENGTH	6

struct {
	__u16 label;
} tag SEC(".data.params") = { .label = 30000 };

static bool start(struct bpf_sock_ops *ctx)
{
	struct storage *storage = storage_of(ctx, BPF_SK_STORAGE_GET_F_CREATE);

	if (!storage)
		return false;
	storage->reserved = 0;
	enable(ctx, CALLBACKS);
	return true;
}

static __noinline void receive(struct bpf_sock_ops *ctx)
{
#ifdef PARSE_OPTIONS
	struct option option = { .kind = KIND, .length = 4, .exid = EXID };
	int length = bpf_load_hdr_opt(ctx, &option, LENGTH, 0);
	__u16 value;

	if (length < 0 && length != -ENOSPC) {
		if (length != -ENOMSG)
			COUNT_ERROR(tag.load_failed);
		return;
	}
	COUNT(tag.received);
	if (length != LENGTH) {
		COUNT_ERROR(tag.bad_length);
		return;
	}
	value = bpf_ntohs(option.value);
	if (value < 1 || value > 60000) {
		COUNT_ERROR(tag.bad_value);
		return;
	}
#ifdef SET_TIMEOUT
	if (set_number(ctx, TCP_USER_TIMEOUT, value))
		COUNT_ERROR(tag.set_failed);
#endif
#endif
}

static void measure(struct bpf_sock_ops *ctx)
{
	struct storage *storage = storage_of(ctx, 0);

	if (!storage)
		return;
	if (ctx->args[0] == BPF_WRITE_HDR_TCP_CURRENT_MSS) {
		bpf_reserve_hdr_opt(ctx, LENGTH, 0);
		return;
	}
	if (ctx->skb_tcp_flags & (TCPHDR_SYN | TCPHDR_RST))
		return;
	storage->reserved = 0;
	if (!ctx->skb_len && ctx->skb_tcp_flags & TCPHDR_FIN)
		return;
	if (bpf_reserve_hdr_opt(ctx, LENGTH, 0))
		COUNT_ERROR(tag.no_space);
	else
		storage->reserved = 1;
}

static void write(struct bpf_sock_ops *ctx)
{
	struct storage *storage = storage_of(ctx, 0);

	if (!storage || !storage->reserved)
		return;
	struct option option = {
		.kind = KIND,
		.length = LENGTH,
		.exid = EXID,
		.value = bpf_htons(clamp(tag.label, 1, 60000)),
	};

	if (bpf_store_hdr_opt(ctx, &option, LENGTH, 0))
		COUNT_ERROR(tag.store_failed);
	else
		COUNT(tag.sent);
	storage->reserved = 0;
}

SEC("sockops")
int tag_ops(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		start(ctx);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		if (start(ctx))
			receive(ctx);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:
		receive(ctx);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		measure(ctx);
		break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		write(ctx);
		break;
	}
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
