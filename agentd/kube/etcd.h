/* Requests to etcd's JSON gateway as ops: who its members are, and how they are reached. Numbers of
 * 64 bits are texts there, so ids are texts here. */
#pragma once

#include "common/http.h"
#include "common/loop.h"
#include "common/op.h"
#include "common/strv.h"

struct etcd;
/* server: "https://127.0.0.1:2379". Borrowed strings are copied. */
struct etcd *etcd_new(struct loop *loop, const char *server, const struct http_identity *identity);
struct etcd *etcd_free(struct etcd *etcd);
DEFINE_CLEANUP(struct etcd, etcd_free)

/* The member that answers: header.member_id is its id, leader that of the leader ("0": none). */
struct op *etcd_status(struct etcd *etcd);
/* All members: members[].ID, .name, .peerURLs, .clientURLs, .isLearner. Needs a quorum. */
struct op *etcd_members(struct etcd *etcd);
/* Tells the cluster that a member is reached at these URLs from now on. Needs a quorum. */
struct op *etcd_member_update(struct etcd *etcd, const char *id, const struct strv *peer_urls);
