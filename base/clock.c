/* Time; see clock.h. */
#include "base/clock.h"

#include <time.h>

static int64_t offset_s;

void clock_init(void)
{
    const char *text = getenv("LETTERLOCK_TEST_CLOCK");
    if (text)
        offset_s = strtoll(text, NULL, 10);
}

void clock_set_offset(int64_t seconds)
{
    offset_s = seconds;
}

static int64_t read_us(clockid_t id)
{
    struct timespec now;
    ENSURE(clock_gettime(id, &now) == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

uint64_t clock_mono_us(void)
{
    return (uint64_t)read_us(CLOCK_MONOTONIC);
}

uint64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

int64_t clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME) + offset_s * 1000000;
}

int64_t clock_wall(void)
{
    return clock_wall_us() / 1000000;
}

void clock_put_rfc5322(struct buf *out, int64_t wall)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
        "Oct", "Nov", "Dec"};
    struct tm tm;
    time_t t = (time_t)wall;
    ENSURE(gmtime_r(&t, &tm) != NULL);
    buf_printf(out, "%s, %02d %s %04d %02d:%02d:%02d +0000", days[tm.tm_wday], tm.tm_mday,
        months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}
