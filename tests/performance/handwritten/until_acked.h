/*
 * `until acked`: the option goes on every packet until data that carried it is acknowledged.
 *
 * A program has a `struct until_acked` in its storage, asks `still_wanted` when a packet is measured, and tells
 * `was_written` and `was_not_written` what became of it.
 */
#pragma once

/* What HDR_OPT_LEN_CB has decided for the packet that is being sent. */
enum reserved {
	NOTHING,
	ON_ACK,
	ON_DATA,
};

struct until_acked {
	__u32 mark;	/* snd_nxt when data first carried it */
	__u16 repeats;	/* packets without data that carried it */
	__u8 carried;	/* data segments have carried it since mark */
	__u8 done;
	__u8 reserved;	/* enum reserved */
};

struct {
	__u16 until_acked_packets;	/* give up after this many packets without data */
} settings SEC(".data.params") = { 16 };

static __always_inline bool still_wanted(struct bpf_sock_ops *ctx, struct until_acked *policy, bool data)
{
	if (policy->done)
		return false;
	if (policy->carried && (__s32)(policy->mark - ctx->snd_una) < 0) {
		policy->done = 1;
		return false;
	}
	return data || policy->repeats < settings.until_acked_packets;
}

static __always_inline void was_written(struct bpf_sock_ops *ctx, struct until_acked *policy)
{
	if (policy->reserved == ON_ACK) {
		policy->repeats++;
	} else if (!policy->carried) {
		policy->carried = 1;
		policy->mark = ctx->snd_nxt;
	}
}

/* Data went out without the option: what is acknowledged from here on proves nothing. */
static __always_inline void was_not_written(struct until_acked *policy, bool data)
{
	if (data)
		policy->carried = 0;
}
