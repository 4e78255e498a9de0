/* samples/iw.opt by hand: the client asks for an initial window, trusted peers are granted it. */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct counters {
	struct {
		__u64 sent, received, load_failed, bad_length, bad_window, set_failed, no_space, store_failed;
	} initial_window;
};

#include "until_acked.h"

struct storage {
	struct until_acked policy;
	__u8 is_client;
	__u8 third_ack;	/* the next packet completes the handshake */
};

#include "option.h"

struct option {
	__u8 kind;
	__u8 length;
	__be16 exid;
	__be16 window;
};

#define KIND	253
#define EXID	bpf_htons(0x4957)
#define LENGTH	6

#define AF_INET6	10

struct prefix {
	__u8 address[16] __attribute__((aligned(8)));	/* IPv6, or IPv4 as ::ffff:a.b.c.d */
	__u8 length;					/* 0: free */
};

#define PREFIXES	16

struct {
	__u32 wanted;
	struct prefix trusted[PREFIXES];
} initial_window SEC(".data.params") = {
	.wanted = 32,
	.trusted = {
		{ { [10] = 0xff, 0xff, 10 }, 104 },
		{ { [10] = 0xff, 0xff, 192, 168 }, 112 },
		{ { 0xfd }, 8 },
	},
};

static bool is_in(const struct prefix *prefix, __u64 high, __u64 low)
{
	const __be64 *address = (const __be64 *)prefix->address;
	__u8 length = prefix->length;

	if (length == 0 || length > 128)
		return false;
	high ^= bpf_be64_to_cpu(address[0]);
	if (length <= 64)
		return high >> (64 - length) == 0;
	low ^= bpf_be64_to_cpu(address[1]);
	return high == 0 && low >> (128 - length) == 0;
}

static bool is_trusted(struct bpf_sock_ops *ctx)
{
	__u64 high = 0, low;

	if (ctx->family == AF_INET6) {
		high = (__u64)bpf_ntohl(READ_ONCE(ctx->remote_ip6[0])) << 32 | bpf_ntohl(READ_ONCE(ctx->remote_ip6[1]));
		low = (__u64)bpf_ntohl(READ_ONCE(ctx->remote_ip6[2])) << 32 | bpf_ntohl(READ_ONCE(ctx->remote_ip6[3]));
	} else {
		low = 0xffff00000000ULL | bpf_ntohl(READ_ONCE(ctx->remote_ip4));
	}
	for (int i = 0; i < PREFIXES; i++)
		if (is_in(&initial_window.trusted[i], high, low))
			return true;
	return false;
}

static bool start(struct bpf_sock_ops *ctx, bool is_client)
{
	struct storage *storage = storage_of(ctx, BPF_SK_STORAGE_GET_F_CREATE);

	if (!storage)
		return false;
	*storage = (struct storage){ .is_client = is_client };
	enable(ctx, is_client ? WRITE : PARSE);
	return true;
}

static __noinline void receive(struct bpf_sock_ops *ctx)
{
	struct option option = { .kind = KIND, .length = 4, .exid = EXID };
	int length = bpf_load_hdr_opt(ctx, &option, LENGTH, 0);
	__u16 window;

	if (length < 0 && length != -ENOSPC) {
		if (length != -ENOMSG)
			COUNT_ERROR(initial_window.load_failed);
		return;
	}
	COUNT(initial_window.received);
	if (length != LENGTH) {
		COUNT_ERROR(initial_window.bad_length);
		return;
	}
	window = bpf_ntohs(option.window);
	if (window < 1 || window > 64) {
		COUNT_ERROR(initial_window.bad_window);
		return;
	}
	if (is_trusted(ctx) && set_number(ctx, TCP_BPF_IW, window))
		COUNT_ERROR(initial_window.set_failed);
}

static void parse(struct bpf_sock_ops *ctx)
{
	struct storage *storage = storage_of(ctx, 0);

	if (storage && !storage->is_client)
		receive(ctx);
}

static void syn_ack_has_come(struct bpf_sock_ops *ctx)
{
	struct storage *storage = storage_of(ctx, 0);

	if (storage)
		storage->third_ack = 1;
}

static void measure(struct bpf_sock_ops *ctx)
{
	struct storage *storage = storage_of(ctx, 0);
	bool data, third_ack;

	if (!storage || !storage->is_client)
		return;
	if (ctx->args[0] == BPF_WRITE_HDR_TCP_CURRENT_MSS) {
		if (!storage->policy.done)
			bpf_reserve_hdr_opt(ctx, LENGTH, 0);
		return;
	}
	if (ctx->skb_tcp_flags & (TCPHDR_SYN | TCPHDR_RST))
		return;
	data = ctx->skb_len > 0;
	third_ack = storage->third_ack;
	storage->third_ack = 0;
	storage->policy.reserved = NOTHING;
	if (!data && !third_ack)
		return;
	if (!still_wanted(ctx, &storage->policy, data))
		return;
	if (bpf_reserve_hdr_opt(ctx, LENGTH, 0)) {
		COUNT_ERROR(initial_window.no_space);
		was_not_written(&storage->policy, data);
		return;
	}
	storage->policy.reserved = data ? ON_DATA : ON_ACK;
}

static void write(struct bpf_sock_ops *ctx)
{
	struct storage *storage = storage_of(ctx, 0);

	if (!storage || !storage->policy.reserved)
		return;
	struct option option = {
		.kind = KIND,
		.length = LENGTH,
		.exid = EXID,
		.window = bpf_htons(clamp(initial_window.wanted, 1, 64)),
	};

	if (bpf_store_hdr_opt(ctx, &option, LENGTH, 0)) {
		COUNT_ERROR(initial_window.store_failed);
		was_not_written(&storage->policy, storage->policy.reserved == ON_DATA);
	} else {
		COUNT(initial_window.sent);
		was_written(ctx, &storage->policy);
	}
	storage->policy.reserved = NOTHING;
}

SEC("sockops")
int iw(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		start(ctx, true);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		syn_ack_has_come(ctx);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		if (start(ctx, false))
			receive(ctx);
		break;
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:
		parse(ctx);
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
