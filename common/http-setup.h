/* What curl is told about a request, and what it says afterwards; http.c's other half. `easy` is a
 * CURL handle. */
#pragma once

#include "common/http.h"

/* Refuses what http.h promises never to do. */
int http_setup_check(const struct http_identity *identity, const struct http_request *request,
		     struct error *err);
/* Lists of curl's that a handle borrows. */
struct http_lists {
	void *headers, *connect_to;
};
/* Sets all options of a handle but its callbacks. The identity's texts and the body are borrowed
 * for as long as the handle lives. *ret_lists must live as long as well; they are to be freed, on
 * failure too. */
int http_setup_easy(void *easy, const struct http_identity *identity,
		    const struct http_request *request, struct http_lists *ret_lists,
		    struct error *err);
/* Wipes the headers, which may hold a token. */
void http_setup_free_lists(struct http_lists *lists);

/* Translates a failure: code is curl's, text what it left in its error buffer. */
void http_setup_error(void *easy, int code, const char *text, struct error *err);
/* The serial number of the server's certificate; leaves ret alone if there is none. */
void http_setup_serial(void *easy, char *ret, size_t size);
