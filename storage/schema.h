/* The databases' schema and versions; docs/schema.md explains every table. */
#ifndef STORAGE_SCHEMA_H
#define STORAGE_SCHEMA_H

#include "base/err.h"

#define SCHEMA_MAIL_VERSION 1
#define SCHEMA_LETTERS_VERSION 1
#define SCHEMA_CREDENTIALS_VERSION 1

extern const char *const schema_mail_v1;
extern const char *const schema_letters_v1;
extern const char *const schema_credentials_v1;

#endif
