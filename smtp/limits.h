/* What a peer may make us hold or wait for, with the section of the RFC beside each number. Limits
 * that an administrator may want to move are settings (storage/settings.h):
 *
 *     smtp.max-connections      all at one time            421 4.3.2  memory is bounded
 *     smtp.max-per-network      of a network at one time   421 4.7.0  one peer does not take all places
 *     smtp.network-connections  of a network, in 10 min    421 4.7.0  a loop somewhere does not become ours
 *     smtp.network-errors       5xx of a network, in 10 min 421 4.7.0 who guesses addresses is sent away
 *     smtp.max-errors           5xx of a connection        421 4.7.0  the same, sooner
 *     smtp.max-idle-commands    since a recipient          421 4.7.0  commands that lead nowhere
 *     smtp.greeting-wait        before the greeting        554 5.5.1  who talks first is a robot
 *     smtp.max-recipients       of a letter                452 4.5.3  RFC 5321 section 4.5.3.1.8
 *     smtp.max-size             of a letter                552 5.3.4
 *
 * Networks of smtp.unlimited-networks are spared those of networks, idle commands, the wait and the check
 * for commands that are sent before their turn (554 5.5.0; RFC 2920 section 3.1). */
#ifndef SMTP_LIMITS_H
#define SMTP_LIMITS_H

/* RFC 5321 section 4.5.3.1.4 asks for 512 with CRLF; extensions add to it (RFC 6531 section 3.4, RFC
 * 4954 section 3), and long parameters come from real clients. */
#define SMTP_COMMAND_LINE_MAX 2048
/* RFC 4954 section 4: a base64 line may be this long, for commands and for answers. */
#define SMTP_AUTH_LINE_MAX 12288
/* RFC 5321 section 4.5.3.1.2 */
#define SMTP_HELLO_NAME_MAX 255
/* Text lines (RFC 5321 section 4.5.3.1.6: 1000) have no limit of their own: real mail has longer
 * ones, and storage does not look at lines. smtp.max-size bounds the whole. */

/* RFC 5321 section 4.5.3.2.7: at least 5 minutes; ours is a total for a whole command line, so that
 * bytes that drip do not stretch it. */
#define SMTP_COMMAND_MS (5u * 60 * 1000)
/* RFC 5321 section 4.5.3.2.5 (DATA block: 3 minutes). In each such period so many bytes must come. */
#define SMTP_DATA_PERIOD_MS (3u * 60 * 1000)
#define SMTP_DATA_PERIOD_BYTES (16u * 1024)
/* However fast the bytes are, a letter that takes longer than this is given up. */
#define SMTP_DATA_TOTAL_MS (3u * 60 * 60 * 1000)
/* RFC 5321 section 4.5.3.2.6: clients wait 10 minutes for the answer to the final dot; the store's
 * own patience (30 s) ends much sooner. */
#define SMTP_HANDSHAKE_MS (60u * 1000)
/* After SIGTERM, for replies under way. */
#define SMTP_STOP_MS (10u * 1000)

/* RFC 3030: a larger chunk is not even read to be dropped. */
#define SMTP_CHUNK_MAX (1ULL << 31)

/* Input held: a connection before it may send a letter, and while it sends one. */
#define SMTP_INPUT_COMMAND (16u * 1024)
#define SMTP_INPUT_DATA (64u * 1024)
#define SMTP_AUTH_FAILURES_MAX 3
/* The header of a letter that is submitted, which is held until it is whole; and addresses in its From
 * and Sender. */
#define SMTP_HEADER_MAX (256u * 1024)
#define SMTP_FROM_MAX 16
#define SMTP_RECEIVED_MAX 100 /* RFC 5321 section 6.3: at least 100 */
#define SMTP_PARAMETERS_MAX 16
/* What a network did is added up for so long (smtp.network-connections, smtp.network-errors). Why: a
 * robot that tries addresses or breaks the protocol comes back at once on another connection. */
#define SMTP_TALLY_MS (10u * 60 * 1000)
#define SMTP_TALLIES_MAX 10000
#define SMTP_TARGETS_MAX 10000
#define SMTP_LOOKUPS_MAX 4096       /* cached look-ups */
#define SMTP_LOOKUP_TARGETS_MAX 16  /* answers with more are not cached */

#endif
