/* All settings: one table with name, default, form and help, from which `config` and its help are
 * made. Values live in mail.db as text; roles get a snapshot and hear of changes. */
#ifndef STORAGE_SETTINGS_H
#define STORAGE_SETTINGS_H

#include "base/buf.h"

/* TEXT: printable UTF-8. HOST: a host or domain name, or nothing. SIZE: bytes, or with K, M, G.
 * SECONDS: or with s, m, h, d. BOOL: yes or no. CHOICE: one word of `choices`. NETWORKS: addresses with
 * or without /bits, parted by spaces. */
enum setting_form { SETTING_TEXT, SETTING_HOST, SETTING_NUMBER, SETTING_SIZE, SETTING_SECONDS,
    SETTING_BOOL, SETTING_CHOICE, SETTING_NETWORKS };

#define SETTING_VALUE_MAX 1000 /* bytes */

struct setting_info {
    const char *name;       /* "login.cleartext" */
    enum setting_form form;
    const char *preset;     /* default, as text */
    const char *help;       /* one sentence */
    uint64_t least, most;   /* of NUMBER, SIZE, SECONDS; most 0: any */
    const char *choices;    /* of CHOICE: words parted by spaces */
};

extern const struct setting_info setting_infos[];
extern const size_t setting_info_count;

/* NULL: no such name. */
const struct setting_info *setting_info_find(struct slice name);
/* What a value of this setting looks like, for error messages: "a size, for example 50M". */
const char *setting_form_text(const struct setting_info *info);

struct settings;
struct settings *settings_new(void);    /* all at their defaults */
void settings_free(struct settings *s);
/* ERR_NOT_FOUND: no such name. ERR_SYNTAX: value not of its form. */
enum err settings_set(struct settings *s, struct slice name, struct slice value) MUST_CHECK;
/* Value as text; valid until it is set again. The name must exist. */
struct slice settings_text(const struct settings *s, const char *name);
uint64_t settings_number(const struct settings *s, const char *name); /* NUMBER, SIZE (bytes), SECONDS */
bool settings_bool(const struct settings *s, const char *name);
bool settings_is_preset(const struct settings *s, const char *name);
/* Whether an address ("10.0.0.1") lies in the networks of the setting ("127.0.0.0/8 ::1/128"). */
bool settings_has_network(const struct settings *s, const char *name, const char *address);
/* As in the boot and settings messages: all that differ from their defaults. Decoding puts all others
 * back to their defaults and passes over names that this version does not know. */
void settings_encode(const struct settings *s, struct buf *out);
enum err settings_decode(struct slice record, struct settings *s) MUST_CHECK;

#endif
