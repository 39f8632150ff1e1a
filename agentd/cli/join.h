/* What joins the next node, made of the reply to TokenCreate. It holds the token, so it goes to
 * standard output and nowhere else. */
#pragma once

#include "common/buf.h"
#include "common/value.h"

/* "kubeadm join ..." on one line. */
void join_command(const struct value *token, struct buf *buf);
/* A worker's role file. */
void join_role_file(const struct value *token, struct buf *buf);
/* User-data for cloud-init that puts the role file in place. */
void join_user_data(const struct value *token, struct buf *buf);
