/* Letters on their way out: letterlock queue … */
#include "admin/commands.h"

static const struct cli_option list_options[] = {
    {"domain", "DOMAIN", "only recipients of this domain", "domain", false},
    {"from", "ADDRESS", "only letters of this sender", "from", false},
    {0},
};

const struct command cmd_queue_list = {
    .name = "queue list",
    .summary = "letters that wait, to whom, until when, and why",
    .options = list_options, .op = "queue.list",
};

const struct command cmd_queue_show = {
    .name = "queue show", .arguments = "LETTER", .least = 1, .most = 1,
    .summary = "the recipients of one letter that it has not reached",
    .op = "queue.show", .keys = {"letter"},
};

const struct command cmd_queue_retry = {
    .name = "queue retry", .arguments = "[LETTER|DOMAIN]", .most = 1,
    .summary = "try again now: a letter, a domain, or all",
    .op = "queue.retry", .keys = {"letter"},
};

const struct command cmd_queue_hold = {
    .name = "queue hold", .arguments = "LETTER", .least = 1, .most = 1,
    .summary = "do not send this letter until it is released",
    .details = "What is being sent at this very moment is sent.",
    .op = "queue.hold", .keys = {"letter"},
};

const struct command cmd_queue_release = {
    .name = "queue release", .arguments = "LETTER", .least = 1, .most = 1,
    .summary = "send a letter that was held",
    .op = "queue.release", .keys = {"letter"},
};

const struct command cmd_queue_drop = {
    .name = "queue drop", .arguments = "LETTER", .least = 1, .most = 1,
    .summary = "take a letter out of the queue; nobody is told",
    .op = "queue.drop", .keys = {"letter"},
};
