/* samples/delack.opt by hand: a wish for the delayed-ACK timer and threshold of the peer. */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct counters {
	struct {
		__u64 sent, received, load_failed, bad_length, bad_rtt_divisor, bad_segments, set_failed, no_space,
		      store_failed;
	} delayed_ack;
};

#include "until_acked.h"

struct storage {
	struct until_acked policy;
};

#include "option.h"

struct option {
	__u8 kind;
	__u8 length;
	__be16 exid;
	__u8 rtt_divisor;
	__u8 segments;
};

#define KIND	253
#define EXID	bpf_htons(0x4441)

struct {
	__u8 divisor;
	__u8 threshold;
} delayed_ack SEC(".data.params") = { .divisor = 2, .threshold = 4 };

static bool start(struct bpf_sock_ops *ctx)
{
	struct storage *storage = storage_of(ctx, BPF_SK_STORAGE_GET_F_CREATE);

	if (!storage)
		return false;
	*storage = (struct storage){};
	enable(ctx, PARSE | WRITE);
	return true;
}

static __noinline void receive(struct bpf_sock_ops *ctx)
{
	struct option option = { .kind = KIND, .length = 4, .exid = EXID };
	int length = bpf_load_hdr_opt(ctx, &option, sizeof(option), 0);
	__u32 delay;

	if (length < 0 && length != -ENOSPC) {
		if (length != -ENOMSG)
			COUNT_ERROR(delayed_ack.load_failed);
		return;
	}
	COUNT(delayed_ack.received);
	if (length != sizeof(option)) {
		COUNT_ERROR(delayed_ack.bad_length);
		return;
	}
	if (!option.rtt_divisor) {
		COUNT_ERROR(delayed_ack.bad_rtt_divisor);
		return;
	}
	if (option.segments < 1 || option.segments > 64) {
		COUNT_ERROR(delayed_ack.bad_segments);
		return;
	}
	delay = ctx->rtt_min / option.rtt_divisor;
	if (set_number(ctx, TCP_BPF_DELACK_MAX, clamp(delay, 5000, 200000)))
		COUNT_ERROR(delayed_ack.set_failed);
}

static void measure(struct bpf_sock_ops *ctx)
{
	struct storage *storage = storage_of(ctx, 0);
	bool data;

	if (!storage)
		return;
	if (ctx->args[0] == BPF_WRITE_HDR_TCP_CURRENT_MSS) {
		if (!storage->policy.done)
			bpf_reserve_hdr_opt(ctx, sizeof(struct option), 0);
		return;
	}
	if (ctx->skb_tcp_flags & (TCPHDR_SYN | TCPHDR_RST))
		return;
	data = ctx->skb_len > 0;
	storage->policy.reserved = NOTHING;
	if (!data && ctx->skb_tcp_flags & TCPHDR_FIN)
		return;
	if (!still_wanted(ctx, &storage->policy, data))
		return;
	if (bpf_reserve_hdr_opt(ctx, sizeof(struct option), 0)) {
		COUNT_ERROR(delayed_ack.no_space);
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
		.length = sizeof(option),
		.exid = EXID,
		.rtt_divisor = clamp(delayed_ack.divisor, 1, 255),
		.segments = clamp(delayed_ack.threshold, 1, 64),
	};

	if (bpf_store_hdr_opt(ctx, &option, sizeof(option), 0)) {
		COUNT_ERROR(delayed_ack.store_failed);
		was_not_written(&storage->policy, storage->policy.reserved == ON_DATA);
	} else {
		COUNT(delayed_ack.sent);
		was_written(ctx, &storage->policy);
	}
	storage->policy.reserved = NOTHING;
}

SEC("sockops")
int delack(struct bpf_sock_ops *ctx)
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
