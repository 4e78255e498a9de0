/* samples/uto.opt by hand: the User Timeout option of RFC 5482. */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct counters {
	struct {
		__u64 sent, received, load_failed, bad_length, set_failed, no_space, store_failed;
	} user_timeout;
};

#include "until_acked.h"

struct storage {
	struct until_acked policy;
	__u8 received;
};

#include "option.h"

struct option {
	__u8 kind;
	__u8 length;
	__be16 timeout;
};

#define KIND		28
#define MINUTES		0x8000
#define SECOND		1000000ULL
#define MINUTE		(60 * SECOND)
#define HOUR		(60 * MINUTE)

/* All in microseconds. */
struct {
	__u64 announced;
	__u64 lower;
	__u64 upper;
} user_timeout SEC(".data.params") = { .announced = 30 * SECOND, .lower = 10 * SECOND, .upper = HOUR };

static __always_inline __u64 announced(void)
{
	return clamp(user_timeout.announced, SECOND, 24 * HOUR);
}

static void set_timeout(struct bpf_sock_ops *ctx, __u64 microseconds)
{
	if (set_number(ctx, TCP_USER_TIMEOUT, (microseconds + 999) / 1000))
		COUNT_ERROR(user_timeout.set_failed);
}

static struct storage *start(struct bpf_sock_ops *ctx)
{
	struct storage *storage = storage_of(ctx, BPF_SK_STORAGE_GET_F_CREATE);

	if (!storage)
		return NULL;
	*storage = (struct storage){};
	enable(ctx, PARSE | WRITE);
	return storage;
}

static __noinline void receive(struct bpf_sock_ops *ctx, struct storage *storage)
{
	struct option option = { .kind = KIND };
	int length = bpf_load_hdr_opt(ctx, &option, sizeof(option), 0);
	__u64 wish, lower, upper;
	__u16 timeout;

	if (length < 0 && length != -ENOSPC) {
		if (length != -ENOMSG)
			COUNT_ERROR(user_timeout.load_failed);
		return;
	}
	COUNT(user_timeout.received);
	if (length != sizeof(option)) {
		COUNT_ERROR(user_timeout.bad_length);
		return;
	}
	storage->received = 1;
	timeout = bpf_ntohs(option.timeout);
	wish = (timeout & ~MINUTES) * (timeout & MINUTES ? MINUTE : SECOND);
	if (wish < announced())
		wish = announced();
	lower = clamp(user_timeout.lower, SECOND, HOUR);
	upper = clamp(user_timeout.upper, SECOND, 24 * HOUR);
	if (wish < lower)
		wish = lower;
	if (wish > upper)
		wish = upper;
	set_timeout(ctx, wish);
}

static __noinline void established(struct bpf_sock_ops *ctx, struct storage *storage)
{
	if (!storage)
		return;
	receive(ctx, storage);
	if (!storage->received)
		set_timeout(ctx, announced());
}

static void parse(struct bpf_sock_ops *ctx)
{
	struct storage *storage = storage_of(ctx, 0);

	if (storage)
		receive(ctx, storage);
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
		COUNT_ERROR(user_timeout.no_space);
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
	struct option option = { .kind = KIND, .length = sizeof(option) };
	__u64 timeout = announced();

	if (timeout <= 32767 * SECOND)
		option.timeout = bpf_htons(timeout / SECOND);
	else
		option.timeout = bpf_htons(MINUTES | timeout / MINUTE);
	if (bpf_store_hdr_opt(ctx, &option, sizeof(option), 0)) {
		COUNT_ERROR(user_timeout.store_failed);
		was_not_written(&storage->policy, storage->policy.reserved == ON_DATA);
	} else {
		COUNT(user_timeout.sent);
		was_written(ctx, &storage->policy);
	}
	storage->policy.reserved = NOTHING;
}

SEC("sockops")
int uto(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		start(ctx);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		established(ctx, storage_of(ctx, 0));
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		established(ctx, start(ctx));
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
