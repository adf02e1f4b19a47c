/* Time, from one place so that tests can replace it.
 *
 * Deadlines use the monotonic clock, dates the wall clock. LETTERLOCK_TEST_CLOCK (seconds to add to
 * the wall clock, may be negative) is honoured by clock_init() for tests; it never touches
 * deadlines. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#include "base/buf.h"

void clock_init(void);
uint64_t clock_mono_ms(void);
uint64_t clock_mono_us(void);
/* Seconds since 1970, UTC. */
int64_t clock_wall(void);
int64_t clock_wall_us(void);
/* For tests: from now on the wall clock stands this many seconds off the system's. */
void clock_set_offset(int64_t seconds);
/* RFC 5322 section 3.3 date-time in UTC: "Mon, 23 Nov 2026 23:19:28 +0000". */
void clock_put_rfc5322(struct buf *out, int64_t wall);

#endif
