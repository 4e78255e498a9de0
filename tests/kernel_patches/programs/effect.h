/* SPDX-License-Identifier: GPL-2.0 */
/* What the programs effect_*.bpf.c share: small steps of sock_ops programs for MPTCP. */
#ifndef EFFECT_H
#define EFFECT_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "mptcp_bpf.h"

#define MPTCP_KIND 30
#define PRIVATE_SUBTYPE 0xF0 /* in the upper half of the byte (RFC 8684, section 8.2) */

/* In addition to those that are on: each subflow has flags of its own */
static __always_inline void add_callbacks(struct bpf_sock_ops *ctx, int flags)
{
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | flags);
}

/* In addition to those that another program has asked for: they are the connection's */
static __always_inline void ask_for_events(struct bpf_sock_ops *ctx, __u32 events)
{
	__u32 known = 0;

	bpf_getsockopt(ctx, SOL_MPTCP, MPTCP_BPF_EVENTS, &known, sizeof(known));
	events |= known;
	bpf_setsockopt(ctx, SOL_MPTCP, MPTCP_BPF_EVENTS, &events, sizeof(events));
}

/* Makes room on a segment without data: there it is beside every DSS, and no data has to be cut for it */
static __always_inline void reserve_on_ack(struct bpf_sock_ops *ctx, __u32 length)
{
	if (ctx->args[0] == BPF_WRITE_HDR_TCP_CURRENT_MSS || ctx->skb_len)
		return;
	bpf_reserve_hdr_opt(ctx, length, 0);
}

/* Finds the option by its subtype in a segment that has come */
static __always_inline bool load_suboption(struct bpf_sock_ops *ctx, void *option, __u32 length)
{
	__u8 *search = option;

	search[0] = MPTCP_KIND;
	search[1] = 3;
	search[2] = PRIVATE_SUBTYPE;
	return bpf_load_hdr_opt(ctx, option, length, 0) == length;
}

/* What a program keeps for a connection, whichever of its subflows asks: storage of the msk */
static __always_inline void *storage_of(struct bpf_sock_ops *ctx, void *map)
{
	struct bpf_sock *sk = ctx->sk;
	struct mptcp_sock *msk;

	if (!sk)
		return NULL;
	msk = bpf_skc_to_mptcp_sock(sk);
	if (!msk)
		return NULL;
	return bpf_sk_storage_get(map, msk, 0, BPF_SK_STORAGE_GET_F_CREATE);
}

#endif
