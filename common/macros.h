/* Small things every file wants: cleanup attributes, container_of, sizes.
 * Works with every other header of common/. */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define KIB 1024ULL
#define MIB (1024ULL * KIB)

#define NSEC_PER_SEC  1000000000ULL
#define NSEC_PER_MSEC 1000000ULL

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Hands an owned pointer over: its value is returned and the variable becomes NULL. */
#define TAKE_PTR(pointer)                         \
	({                                        \
		typeof(pointer) taken_ = pointer; \
		pointer = NULL;                   \
		taken_;                           \
	})

/* Hands an owned file descriptor over: its value is returned and the variable becomes -1. */
#define TAKE_FD(fd)              \
	({                       \
		int taken_ = fd; \
		fd = -1;         \
		taken_;          \
	})

/* The smaller and the greater of two; names with a number of their own, so that one may stand
 * inside the other. */
#define MIN(a, b)			CHOOSE_(<, a, b, __COUNTER__)
#define MAX(a, b)			CHOOSE_(>, a, b, __COUNTER__)
#define CHOOSE_(relation, a, b, number) CHOOSE__(relation, a, b, number)
/* clang-format off */
#define CHOOSE__(relation, a, b, number) \
	({ \
		typeof(a) a_##number = (a); \
		typeof(b) b_##number = (b); \
		a_##number relation b_##number ? a_##number : b_##number; \
	})
/* clang-format on */

#define PRINTF_LIKE(text_index, first_index) \
	__attribute__((format(printf, text_index, first_index)))

/* Makes `name##_cleanup(T **)`, the function behind a `_cleanup_NAME_` attribute, from a destructor
 * that accepts NULL. Use: DEFINE_CLEANUP(struct cert, cert_free) and then
 * `_cleanup_(cert_free) struct cert *cert = NULL;`. */
#define DEFINE_CLEANUP(type, destructor)                        \
	static inline void destructor##_cleanup(type **pointer) \
	{                                                       \
		if (*pointer)                                   \
			destructor(*pointer);                   \
	}

/* The same for objects that live in the variable itself (`_done` instead of `_free`). */
#define DEFINE_CLEANUP_VALUE(type, destructor)                \
	static inline void destructor##_cleanup(type *object) \
	{                                                     \
		destructor(object);                           \
	}

#define _cleanup_(destructor) __attribute__((cleanup(destructor##_cleanup)))

static inline void free_cleanup(void *pointer)
{
	free(*(void **)pointer);
}
#define _cleanup_free_ __attribute__((cleanup(free_cleanup)))

static inline void close_cleanup(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}
#define _cleanup_close_ __attribute__((cleanup(close_cleanup)))
