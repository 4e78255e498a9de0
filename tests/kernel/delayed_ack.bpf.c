// A hand-written stand-in for what the compiler emits: an option on every data segment, counters, parameters, socket state, events.
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define EXPERIMENT 253
#define EXID_HIGH 0x44
#define EXID_LOW 0x41
#define OPTION_LENGTH 6

struct delayed_ack_params {
	__u8 divisor;
	__u8 threshold;
};

struct delayed_ack_counters {
	__u64 sent;
	__u64 received;
	__u64 failed;
};

struct counters {
	struct delayed_ack_counters delayed_ack;
};

struct socket_state {
	__u32 received;
};

struct event {
	__u32 op;
	__u32 family;
};

volatile struct delayed_ack_params delayed_ack SEC(".data.params") = {2, 4};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct socket_state);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} ops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

static void established(struct bpf_sock_ops *ctx)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG |
					       BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG);
	if (event) {
		event->op = ctx->op;
		event->family = ctx->family;
		bpf_ringbuf_submit(event, 0);
	}
}

static void reserve(struct bpf_sock_ops *ctx)
{
	// args[0] is 1 in the MSS calculation, which has no packet.
	if (ctx->args[0] == 1 || ctx->skb_len)
		bpf_reserve_hdr_opt(ctx, OPTION_LENGTH, 0);
}

static void write(struct bpf_sock_ops *ctx, struct delayed_ack_counters *count)
{
	__u8 option[OPTION_LENGTH] = {
		EXPERIMENT, OPTION_LENGTH, EXID_HIGH, EXID_LOW, delayed_ack.divisor, delayed_ack.threshold,
	};

	if (bpf_store_hdr_opt(ctx, option, sizeof(option), 0) == 0)
		count->sent++;
	else
		count->failed++;
}

static void parse(struct bpf_sock_ops *ctx, struct delayed_ack_counters *count)
{
	__u8 option[OPTION_LENGTH] = {EXPERIMENT, 4, EXID_HIGH, EXID_LOW};
	struct socket_state *state;
	struct bpf_sock *sk = ctx->sk;

	if (bpf_load_hdr_opt(ctx, option, sizeof(option), 0) < 0)
		return;
	count->received++;
	if (!sk)
		return;
	state = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (state)
		state->received++;
}

SEC("sockops")
int opt_main(struct bpf_sock_ops *ctx)
{
	__u32 zero = 0, op = ctx->op;
	__u64 one = 1;
	struct counters *count = bpf_map_lookup_elem(&counters, &zero);

	bpf_map_update_elem(&ops, &op, &one, BPF_ANY);
	if (!count)
		return 1;
	switch (op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		established(ctx);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		reserve(ctx);
		break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		write(ctx, &count->delayed_ack);
		break;
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:
		parse(ctx, &count->delayed_ack);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
