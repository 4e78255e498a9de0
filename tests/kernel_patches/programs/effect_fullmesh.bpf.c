// SPDX-License-Identifier: GPL-2.0
/* Path manager: a server announces all its addresses, and a client opens a subflow from each of its own to each of them.
 *
 * Both sides run this program; user space tells it the addresses of its host. The one that a connection was made from or
 * to is not among them.
 */
#include "effect.h"

#define ADDRESSES 4
#define AF_INET 2

/* The further addresses of this host, with identifiers; those without a family are left out */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ADDRESSES);
	__type(key, __u32);
	__type(value, struct mptcp_bpf_addr);
} addresses SEC(".maps");

/* Of each connection */
struct session {
	/* What the peer has announced, a bit for each identifier: it says so again where it got no echo */
	__u64 known[4];
	/* This host's address of the initial subflow: the peer may announce on another one */
	struct mptcp_bpf_addr first;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct session);
} sessions SEC(".maps");

static struct session *session_of(struct bpf_sock_ops *ctx)
{
	return storage_of(ctx, &sessions);
}

static struct mptcp_bpf_addr *address(__u32 number)
{
	struct mptcp_bpf_addr *found = bpf_map_lookup_elem(&addresses, &number);

	return found && found->family ? found : NULL;
}

/* From all further addresses; without a remote one to that of this subflow */
static void open_from_all(struct bpf_sock_ops *ctx, struct mptcp_bpf_subflow *subflow)
{
	struct mptcp_bpf_addr *local;
	__u32 i;

	for (i = 0; i < ADDRESSES; i++) {
		local = address(i);
		if (!local)
			continue;
		subflow->local = *local;
		bpf_setsockopt(ctx, SOL_MPTCP, MPTCP_BPF_OPEN_SUBFLOW, subflow, sizeof(*subflow));
	}
}

static void announce_all(struct bpf_sock_ops *ctx)
{
	struct mptcp_bpf_addr *local;
	__u32 i;

	for (i = 0; i < ADDRESSES; i++) {
		local = address(i);
		if (local)
			bpf_setsockopt(ctx, SOL_MPTCP, MPTCP_BPF_ANNOUNCE, local, sizeof(*local));
	}
}

static void remember_first(struct bpf_sock_ops *ctx)
{
	struct session *session = session_of(ctx);

	if (!session)
		return;
	session->first.family = ctx->family;
	if (ctx->family == AF_INET) {
		session->first.v4 = ctx->local_ip4;
		return;
	}
	session->first.v6[0] = ctx->local_ip6[0];
	session->first.v6[1] = ctx->local_ip6[1];
	session->first.v6[2] = ctx->local_ip6[2];
	session->first.v6[3] = ctx->local_ip6[3];
}

static void begin(struct bpf_sock_ops *ctx)
{
	struct mptcp_bpf_subflow subflow = {};
	struct mptcp_bpf_info info;

	if (bpf_getsockopt(ctx, SOL_MPTCP, MPTCP_BPF_INFO, &info, sizeof(info)))
		return;
	if (info.server_side)
		announce_all(ctx);
	else
		open_from_all(ctx, &subflow);
}

static void address_comes(struct bpf_sock_ops *ctx)
{
	struct session *session = session_of(ctx);
	struct mptcp_bpf_subflow subflow = {};
	__u32 id = ctx->args[1] & 255;

	if (!session || session->known[id / 64] & 1ULL << id % 64)
		return;
	if (bpf_getsockopt(ctx, SOL_MPTCP, MPTCP_BPF_ADDR, &subflow.remote, sizeof(subflow.remote)))
		return;
	session->known[id / 64] |= 1ULL << id % 64;
	subflow.local = session->first;
	bpf_setsockopt(ctx, SOL_MPTCP, MPTCP_BPF_OPEN_SUBFLOW, &subflow, sizeof(subflow));
	open_from_all(ctx, &subflow);
}

static void address_goes(struct bpf_sock_ops *ctx)
{
	struct session *session = session_of(ctx);
	__u32 id = ctx->args[1] & 255;

	if (session)
		session->known[id / 64] &= ~(1ULL << id % 64);
}

static void take_event(struct bpf_sock_ops *ctx)
{
	switch (ctx->args[0]) {
	case MPTCP_BPF_NEW_SESSION:
		remember_first(ctx);
		break;
	case MPTCP_BPF_ESTABLISHED:
		if (ctx->args[1]) /* the initial subflow */
			begin(ctx);
		break;
	case MPTCP_BPF_ADDR_ADDED:
		address_comes(ctx);
		break;
	case MPTCP_BPF_ADDR_REMOVED:
		address_goes(ctx);
		break;
	}
}

SEC("sockops")
int fullmesh(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		ask_for_events(ctx, 1 << MPTCP_BPF_NEW_SESSION | 1 << MPTCP_BPF_ESTABLISHED |
				    1 << MPTCP_BPF_ADDR_ADDED | 1 << MPTCP_BPF_ADDR_REMOVED);
		break;
	case BPF_SOCK_OPS_MPTCP_CB:
		take_event(ctx);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
