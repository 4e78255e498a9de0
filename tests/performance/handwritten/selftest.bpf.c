/* samples/selftest.opt by hand: the options of the kernel's selftest test_tcp_hdr_options. */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct counters {
	struct {
		__u64 sent, received, load_failed, bad_length, bad_max_delack, set_failed, no_space, store_failed;
	} selftest;
};

/* What is to be written on the packet that is being sent. */
enum form {
	NOTHING,
	GREETING,
	PARTING,
};

struct storage {
	__u8 is_client;
	__u8 third_ack;	/* the next packet completes the handshake */
	__u8 again;	/* the server has asked for the option once more */
	__u8 form;	/* enum form */
};

#include "option.h"

struct option {
	__u8 kind;
	__u8 length;
	__be16 exid;
	__u8 flags;
	__u8 data[2];	/* max_delack in milliseconds and random, as far as the flags announce them */
};

#define KIND		254
#define EXID		bpf_htons(0xEB9F)

#define RESEND		1
#define MAX_DELACK	2
#define RANDOM		4

#define GREETING_LENGTH	7
#define PARTING_LENGTH	6

struct {
	__u8 greet;
	__u8 part;
	__u64 client_max_delack;	/* microseconds */
	__u8 client_random;
	__u64 server_max_delack;
	__u8 server_random;
	__u8 fin_random;
} selftest SEC(".data.params") = {
	.greet = 1,
	.part = 1,
	.client_max_delack = 11000,
	.client_random = 0xFA,
	.server_max_delack = 22000,
	.server_random = 0xCE,
	.fin_random = 0xFA,
};

#define max_delack(side)	clamp(selftest.side##_max_delack, 5000, 200000)

static struct storage *start(struct bpf_sock_ops *ctx, bool is_client)
{
	struct storage *storage = storage_of(ctx, BPF_SK_STORAGE_GET_F_CREATE);

	if (!storage)
		return NULL;
	*storage = (struct storage){ .is_client = is_client };
	enable(ctx, PARSE | WRITE);
	return storage;
}

static void listen(struct bpf_sock_ops *ctx)
{
	enable(ctx, WRITE);
	set_number(ctx, TCP_SAVE_SYN, 1);
}

static __noinline void receive(struct bpf_sock_ops *ctx, struct storage *storage, __u64 from)
{
	struct option option = { .kind = KIND, .length = 4, .exid = EXID };
	int length = bpf_load_hdr_opt(ctx, &option, GREETING_LENGTH, from);
	int expected = 5;

	if (length < 0 && length != -ENOSPC) {
		if (length != -ENOMSG && length != -ENOENT)
			COUNT_ERROR(selftest.load_failed);
		return;
	}
	COUNT(selftest.received);
	if (option.flags & MAX_DELACK)
		expected++;
	if (option.flags & RANDOM)
		expected++;
	if (length != expected) {
		COUNT_ERROR(selftest.bad_length);
		return;
	}
	if (option.flags & MAX_DELACK) {
		if (option.data[0] < 2 || option.data[0] > 200) {
			COUNT_ERROR(selftest.bad_max_delack);
			return;
		}
		if (set_number(ctx, TCP_BPF_RTO_MIN, option.data[0] * 1000))
			COUNT_ERROR(selftest.set_failed);
	}
	if (option.flags & RESEND)
		storage->again = 1;
}

static void parse(struct bpf_sock_ops *ctx)
{
	struct storage *storage = storage_of(ctx, 0);

	if (storage)
		receive(ctx, storage, 0);
}

static void active_established(struct bpf_sock_ops *ctx)
{
	struct storage *storage = storage_of(ctx, 0);

	if (!storage)
		return;
	storage->third_ack = 1;
	receive(ctx, storage, 0);
	if (set_number(ctx, TCP_BPF_DELACK_MAX, max_delack(client)))
		COUNT_ERROR(selftest.set_failed);
}

static void passive_established(struct bpf_sock_ops *ctx)
{
	struct storage *storage = start(ctx, false);

	if (!storage)
		return;
	if (!(ctx->skb_tcp_flags & TCPHDR_SYN))	/* with Fast Open the packet is the SYN itself */
		receive(ctx, storage, BPF_LOAD_HDR_OPT_TCP_SYN);
	receive(ctx, storage, 0);
	if (set_number(ctx, TCP_BPF_DELACK_MAX, max_delack(server)))
		COUNT_ERROR(selftest.set_failed);
}

static void write_option(struct bpf_sock_ops *ctx, struct option *option, int length)
{
	if (bpf_store_hdr_opt(ctx, option, length, 0))
		COUNT_ERROR(selftest.store_failed);
	else
		COUNT(selftest.sent);
}

/* The SYN-ACK belongs to a request, which has no storage. It greets only those who have greeted. */
static bool greets_back(struct bpf_sock_ops *ctx)
{
	struct option option = { .kind = KIND, .length = 4, .exid = EXID };
	int length;

	if (!selftest.greet)
		return false;
	length = bpf_load_hdr_opt(ctx, &option, 4, BPF_LOAD_HDR_OPT_TCP_SYN);
	return length >= 0 || length == -ENOSPC;
}

static void measure_synack(struct bpf_sock_ops *ctx)
{
	if (greets_back(ctx) && bpf_reserve_hdr_opt(ctx, GREETING_LENGTH, 0))
		COUNT_ERROR(selftest.no_space);
}

static void write_synack(struct bpf_sock_ops *ctx)
{
	struct option option = {
		.kind = KIND,
		.length = GREETING_LENGTH,
		.exid = EXID,
		.flags = MAX_DELACK | RANDOM,
		.data = { max_delack(server) / 1000, selftest.server_random },
	};

	if (!greets_back(ctx))
		return;
	if (ctx->args[0] == BPF_WRITE_HDR_TCP_SYNACK_COOKIE)
		option.flags |= RESEND;
	write_option(ctx, &option, GREETING_LENGTH);
}

static enum form form_of(struct bpf_sock_ops *ctx, struct storage *storage)
{
	__u8 flags = ctx->skb_tcp_flags;
	bool third_ack = storage->third_ack;

	if (flags & TCPHDR_SYN)
		return selftest.greet ? GREETING : NOTHING;
	storage->third_ack = 0;
	if (storage->is_client && storage->again && ctx->segs_in <= 1 &&
	    (third_ack || ctx->skb_len || !(flags & TCPHDR_FIN)))
		return GREETING;
	return flags & TCPHDR_FIN && selftest.part ? PARTING : NOTHING;
}

static void measure(struct bpf_sock_ops *ctx)
{
	struct storage *storage;
	enum form form;

	if (!ctx->sk) {
		measure_synack(ctx);
		return;
	}
	storage = storage_of(ctx, 0);
	if (!storage)
		return;
	if (ctx->args[0] == BPF_WRITE_HDR_TCP_CURRENT_MSS) {
		/* Where a greeting has no room, a parting may have it. */
		if (!storage->is_client || bpf_reserve_hdr_opt(ctx, GREETING_LENGTH, 0))
			bpf_reserve_hdr_opt(ctx, PARTING_LENGTH, 0);
		return;
	}
	if (ctx->skb_tcp_flags & TCPHDR_RST)
		return;
	form = form_of(ctx, storage);
	if (form && bpf_reserve_hdr_opt(ctx, form == GREETING ? GREETING_LENGTH : PARTING_LENGTH, 0)) {
		COUNT_ERROR(selftest.no_space);
		form = NOTHING;
	}
	storage->form = form;
}

static void write(struct bpf_sock_ops *ctx)
{
	struct option option = { .kind = KIND, .length = PARTING_LENGTH, .exid = EXID };
	struct storage *storage;

	if (!ctx->sk) {
		write_synack(ctx);
		return;
	}
	storage = storage_of(ctx, 0);
	if (!storage || !storage->form)
		return;
	if (storage->form == GREETING) {
		option.length = GREETING_LENGTH;
		option.flags = MAX_DELACK | RANDOM;
		option.data[0] = max_delack(client) / 1000;
		option.data[1] = selftest.client_random;
	} else {
		option.flags = RANDOM;
		option.data[0] = selftest.fin_random;
	}
	write_option(ctx, &option, GREETING_LENGTH);
	storage->form = NOTHING;
}

SEC("sockops")
int selftest_ops(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		start(ctx, true);
		break;
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		listen(ctx);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		active_established(ctx);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		passive_established(ctx);
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
