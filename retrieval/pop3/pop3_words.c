/* See pop3_words.h. */
#include "retrieval/pop3/pop3_words.h"

const char *pop3_lang(struct slice argument)
{
    if (argument.n == 0)
        return "+OK languages:\r\nen English\r\ni-default English\r\n.\r\n";
    if (slice_equal(argument, SLICE("*")) || slice_equal_nocase(argument, SLICE("i-default")))
        return "+OK i-default English it is\r\n";
    if (slice_equal_nocase(argument, SLICE("en")) || slice_starts_nocase(argument, SLICE("en-")))
        return "+OK en English it is\r\n";
    return NULL;
}
