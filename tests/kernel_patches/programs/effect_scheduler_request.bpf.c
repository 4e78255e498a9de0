// SPDX-License-Identifier: GPL-2.0
/* A receiver asks the sender for a packet scheduler, by a number that both know.
 *
 * The client writes the number into an MPTCP option. The server has a table of names, and switches the connection.
 */
#include "effect.h"

#define SCHEDULERS 8
#define NAME_MAX 16

struct scheduler_option {
	__u8 kind;
	__u8 length;
	__u8 subtype;
	__u8 number;
};

struct scheduler {
	char name[NAME_MAX];
};

struct choice {
	__u32 number;
};

/* The names by their numbers; 0 stands for no wish */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCHEDULERS);
	__type(key, __u32);
	__type(value, struct scheduler);
} schedulers SEC(".maps");

/* Of each connection: all its subflows carry the option */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct choice);
} choices SEC(".maps");

/* The client's wish */
__u32 wanted;

/* At the server */
__u32 switched; /* how often */
__u32 unknown; /* wishes that were not understood */

static void write_number(struct bpf_sock_ops *ctx)
{
	struct scheduler_option option = {
		.kind = MPTCP_KIND,
		.length = sizeof(option),
		.subtype = PRIVATE_SUBTYPE,
		.number = wanted,
	};

	bpf_store_hdr_opt(ctx, &option, sizeof(option), 0);
}

static struct choice *choice_of(struct bpf_sock_ops *ctx)
{
	return storage_of(ctx, &choices);
}

static void read_number(struct bpf_sock_ops *ctx)
{
	struct scheduler_option option = {};
	struct scheduler *scheduler;
	struct choice *choice;
	__u32 number;

	if (!load_suboption(ctx, &option, sizeof(option)))
		return;
	number = option.number;
	choice = choice_of(ctx);
	if (!choice || choice->number == number)
		return;
	choice->number = number;
	scheduler = bpf_map_lookup_elem(&schedulers, &number);
	if (scheduler && !bpf_setsockopt(ctx, SOL_MPTCP, MPTCP_SCHEDULER, scheduler->name, NAME_MAX))
		switched++;
	else
		unknown++;
}

SEC("sockops")
int scheduler_request(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		add_callbacks(ctx, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		if (wanted)
			reserve_on_ack(ctx, sizeof(struct scheduler_option));
		break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		write_number(ctx);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		add_callbacks(ctx, BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_PARSE_HDR_OPT_CB:
		read_number(ctx);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
