/* What the files of test-varlink share: their suites, and a served connection whose other end the
 * test holds. */
#pragma once

#include <check.h>
#include <stdbool.h>

#include "common/varlink.h"

Suite *frames_suite(void);
Suite *connection_suite(void);
Suite *client_suite(void);

/* A connection that answers Test.Echo with its parameters, keeps Test.Later for the test, and
 * begins to stream at Test.Follow, on a clock that stands still. */
struct served {
	struct clock_fake clock;
	struct loop *loop;
	struct varlink_connection *connection;
	int client;	    /* the test's end; not blocking */
	struct buf calls;   /* methods in the order they came: "Echo Later " */
	struct buf got;	    /* what the client received, with ' for " and | for NUL */
	char *closed;	    /* the reason, NULL while it is open */
	bool keep_on_close; /* the test frees the connection itself */
};
void served_init(struct served *served, size_t message_max);
void served_done(struct served *served);
DEFINE_CLEANUP_VALUE(struct served, served_done)
/* The client sends text, where ' stands for " and | for the NUL. */
void served_send(struct served *served, const char *text);
/* Rounds of the loop until nothing moves. */
void served_run(struct served *served);
/* Runs, receives, runs: all that the client gets, since the last time. */
const char *served_receive(struct served *served);
void served_advance(struct served *served, unsigned seconds);

#define TEST_CALL(method) "{'method':'org.test.Test." method "'}|"
