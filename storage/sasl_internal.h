/* Between sasl.c and sasl_scram.c. */
#ifndef STORAGE_SASL_INTERNAL_H
#define STORAGE_SASL_INTERNAL_H

#include "base/secret.h"
#include "storage/sasl.h"

/* A decoded message of the client's in a SCRAM exchange. */
enum sasl_step sasl_take_scram(struct sasl *x, struct slice message);

#endif
