/* samples/cc.opt by hand: the client chooses the server's congestion control. */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct counters {
	struct {
		__u64 sent, received, load_failed, bad_length, unknown_algorithm, set_failed, no_space, store_failed;
	} congestion_control;
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
	__u8 algorithm;
};

#define KIND	253
#define EXID	bpf_htons(0x4343)
#define LENGTH	5

struct {
	__u8 wanted;
} congestion_control SEC(".data.params") = { .wanted = 3 };

#define ALGORITHMS	18

static const char names[ALGORITHMS][16] = {
	[1] = "reno",
	[2] = "cubic",
	[3] = "bbr",
	[4] = "vegas",
	[5] = "dctcp",
	[6] = "westwood",
	[7] = "bic",
	[8] = "htcp",
	[9] = "hybla",
	[10] = "illinois",
	[11] = "veno",
	[12] = "yeah",
	[13] = "scalable",
	[14] = "lp",
	[15] = "nv",
	[16] = "cdg",
	[17] = "highspeed",
};

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

	if (length < 0 && length != -ENOSPC) {
		if (length != -ENOMSG)
			COUNT_ERROR(congestion_control.load_failed);
		return;
	}
	COUNT(congestion_control.received);
	if (length != LENGTH) {
		COUNT_ERROR(congestion_control.bad_length);
		return;
	}
	if (option.algorithm < 1 || option.algorithm >= ALGORITHMS) {
		COUNT_ERROR(congestion_control.unknown_algorithm);
		return;
	}
	if (bpf_setsockopt(ctx, SOL_TCP, TCP_CONGESTION, (void *)names[option.algorithm], sizeof(names[0])))
		COUNT_ERROR(congestion_control.set_failed);
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
		COUNT_ERROR(congestion_control.no_space);
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
		.algorithm = congestion_control.wanted,
	};

	if (bpf_store_hdr_opt(ctx, &option, LENGTH, 0)) {
		COUNT_ERROR(congestion_control.store_failed);
		was_not_written(&storage->policy, storage->policy.reserved == ON_DATA);
	} else {
		COUNT(congestion_control.sent);
		was_written(ctx, &storage->policy);
	}
	storage->policy.reserved = NOTHING;
}

SEC("sockops")
int cc(struct bpf_sock_ops *ctx)
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
