/* LIST's patterns; see list_pattern.h. */
#include "retrieval/imap/list_pattern.h"

/* at[i]: the pattern so far can stand for the first i bytes of the name. */
static void step_wildcard(bool *at, struct slice name, bool stops, uint8_t delimiter)
{
    for (size_t i = 0; i < name.n; i++)
        if (at[i] && !(stops && name.p[i] == delimiter))
            at[i + 1] = true;
}

static bool step_byte(bool *at, struct slice name, uint8_t byte)
{
    bool any = false;
    for (size_t i = name.n; i > 0; i--) {
        at[i] = at[i - 1] && name.p[i - 1] == byte;
        any |= at[i];
    }
    at[0] = false;
    return any;
}

bool list_pattern_matches(struct slice pattern, struct slice name, uint8_t delimiter)
{
    if (pattern.n > LIST_PATTERN_MAX || name.n > LIST_NAME_MAX)
        return false;
    bool at[LIST_NAME_MAX + 1];
    memset(at, 0, name.n + 1);
    at[0] = true;
    for (size_t p = 0; p < pattern.n; p++) {
        uint8_t c = pattern.p[p];
        if (c == '*' || c == '%')
            step_wildcard(at, name, c == '%', delimiter);
        else if (!step_byte(at, name, c))
            return false;
    }
    return at[name.n];
}
