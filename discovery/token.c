/* Bootstrap tokens; see token.h. */
#include "discovery/token.h"

#include <errno.h>
#include <string.h>

enum { ID_LENGTH = 6, SECRET_LENGTH = 16, TEXT_LENGTH = ID_LENGTH + 1 + SECRET_LENGTH };
enum { DISTINCT_MIN = 6, NEIGHBOURS_MAX = 9 };

void token_done(struct token *token)
{
	secret_unref(token->secret);
	*token = (struct token){ 0 };
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_token_text(const char *text, size_t length)
{
	if (length != TEXT_LENGTH || text[ID_LENGTH] != '.')
		return false;
	for (size_t i = 0; i < length; i++)
		if (i != ID_LENGTH && !is_digit(text[i]) && !(text[i] >= 'a' && text[i] <= 'z'))
			return false;
	return true;
}

int token_parse(const struct secret *text, struct token *ret, struct error *err)
{
	const char *bytes = secret_bytes(text);
	size_t length = secret_length(text);

	/* An editor's line break at the end of a token's file is none of the token. */
	if (length > 0 && bytes[length - 1] == '\n')
		length--;
	if (!is_token_text(bytes, length))
		return error_set(err, ERROR_CONFIG, -EINVAL,
				 "the bootstrap token is not of the form [a-z0-9]{6}.[a-z0-9]{16};"
				 " make one with `agentctl token create` on a control plane");
	*ret = (struct token){ .secret = secret_new(bytes + ID_LENGTH + 1, SECRET_LENGTH) };
	memcpy(ret->id, bytes, ID_LENGTH);
	return 0;
}

void token_generate(struct token *ret)
{
	_cleanup_(secret_unref) struct secret *id = secret_random_text(ID_LENGTH);

	*ret = (struct token){ 0 };
	memcpy(ret->id, secret_bytes(id), ID_LENGTH);
	do {
		secret_unref(ret->secret);
		ret->secret = secret_random_text(SECRET_LENGTH);
	} while (token_is_weak(ret));
}

struct secret *token_text(const struct token *token)
{
	char text[TEXT_LENGTH];
	struct secret *secret;

	memcpy(text, token->id, ID_LENGTH);
	text[ID_LENGTH] = '.';
	memcpy(text + ID_LENGTH + 1, secret_bytes(token->secret), SECRET_LENGTH);
	secret = secret_new(text, sizeof(text));
	secret_wipe(text, sizeof(text));
	return secret;
}

/* Tokens that stand in Kubernetes' documentation and look random. */
static const struct {
	const char *id, *secret;
} samples[] = {
	{ "07401b", "f395accd246ae52d" }, { "9a08jv", "c0izixklcxtmnze7" },
	{ "783bde", "3f89s0fje9f38fhf" }, { "8ewj1p", "9r9hcjoqgajrj4gi" },
	{ "5didvk", "d09sbcov8ph2amjw" }, { "n32eo4", "cci2j99rnn8fmv42" },
};

static bool is_sample(const struct token *token)
{
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		if (strcmp(token->id, samples[i].id) == 0 &&
		    memcmp(secret_bytes(token->secret), samples[i].secret, SECRET_LENGTH) == 0)
			return true;
	return false;
}

/* Whether b is a again, or the letter or digit beside it, as in 1234567890abcdef. */
static bool are_neighbours(char a, char b)
{
	int step = b - a;

	if (is_digit(a) && is_digit(b) && (step == 9 || step == -9))
		return true;
	return (step >= -1 && step <= 1) || (a == '9' && b == 'a');
}

bool token_is_weak(const struct token *token)
{
	const char *secret = secret_bytes(token->secret);
	unsigned distinct = 0, neighbours = 0;

	for (size_t i = 0; i < SECRET_LENGTH; i++) {
		if (!memchr(secret, secret[i], i))
			distinct++;
		if (i > 0 && are_neighbours(secret[i - 1], secret[i]))
			neighbours++;
	}
	return distinct < DISTINCT_MIN || neighbours > NEIGHBOURS_MAX || is_sample(token);
}

bool token_group_is_valid(const char *group)
{
	static const char prefix[] = "system:bootstrappers:";
	static const char characters[] = "abcdefghijklmnopqrstuvwxyz0123456789:-";
	const char *rest = group + strlen(prefix);
	size_t length;

	if (strncmp(group, prefix, strlen(prefix)) != 0)
		return false;
	length = strspn(rest, characters);
	return length >= 1 && length <= 256 && rest[length] == '\0' && rest[length - 1] != ':' &&
	       rest[length - 1] != '-';
}
