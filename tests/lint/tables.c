/* Prints what the daemon's tables hold, one row a line with tabs, for tests/lint/docs:
 *
 *	field DOCUMENT PATH STATUS	a field of a role file; live, fixed or not supported
 *	method NAME			a method of the control socket
 */
#include <stdio.h>

#include "agentd/inputs/methods.h"
#include "agentd/schema/explain.h"

int main(void)
{
	struct explain_walk walk = { 0 };
	struct explain_field field;

	while (explain_next(&walk, &field))
		printf("field\t%s\t%s\t%s\n", field.document->kind, field.path,
		       explain_status_name(field.status));
	for (const struct method *method = methods_table; method->name; method++)
		printf("method\t%s\n", method->name);
	return 0;
}
