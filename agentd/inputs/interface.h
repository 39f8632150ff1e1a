/* The descriptions of the interfaces, for introspection; and of replies too long for a row of the
 * table of methods (methods.c). */
#pragma once

#include "common/buf.h"

/* Appends the description of io.agentd.Node. */
int interface_describe(struct buf *buf);
/* That of org.varlink.service, which every service has. */
extern const char interface_of_service[];

/* clang-format off */
#define INTERFACE_STATUS \
	"(\n" \
	"  version: string,\n" \
	"  role: string,\n" \
	"  source: ?string,\n" \
	"  generation: Generation,\n" \
	"  node: ?string,\n" \
	"  server: ?string,\n" \
	"  kubernetesVersion: ?string,\n" \
	"  conditions: []Condition,\n" \
	"  rows: []Row,\n" \
	"  holds: []Hold,\n" \
	"  hints: []string,\n" \
	"  counters: Counters\n" \
	")"

/* A row of Status, and what explains it. */
#define INTERFACE_EXPLAIN \
	"(\n" \
	"  name: string,\n" \
	"  title: ?string,\n" \
	"  inRole: bool,\n" \
	"  verdict: ?string,\n" \
	"  reason: ?string,\n" \
	"  since: ?string,\n" \
	"  policy: ?string,\n" \
	"  heldBy: ?string,\n" \
	"  heldUntil: ?string,\n" \
	"  waitsFor: ?string,\n" \
	"  stage: ?string,\n" \
	"  stageSince: ?string,\n" \
	"  error: ?string,\n" \
	"  errorClass: ?string,\n" \
	"  fightSince: ?string,\n" \
	"  repairs: ?int,\n" \
	"  nextTry: ?string,\n" \
	"  observed: ?int,\n" \
	"  applied: ?int,\n" \
	"  failed: ?int,\n" \
	"  repaired: ?int,\n" \
	"  fights: ?int,\n" \
	"  lastRepair: ?string,\n" \
	"  needs: []Need,\n" \
	"  triggers: []string,\n" \
	"  stages: []string\n" \
	")"

#define INTERFACE_DRIFT \
	"(\n" \
	"  id: int,\n" \
	"  time: string,\n" \
	"  kind: string,\n" \
	"  name: string,\n" \
	"  resource: ?string,\n" \
	"  change: string,\n" \
	"  secret: bool,\n" \
	"  about: object,\n" \
	"  diff: ?string\n" \
	")"

#define INTERFACE_TOKEN \
	"(\n" \
	"  token: string,\n" \
	"  id: string,\n" \
	"  expiration: ?string,\n" \
	"  endpoint: string,\n" \
	"  caCertHashes: []string\n" \
	")"
/* clang-format on */
