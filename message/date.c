/* RFC 5322 section 3.3 date-time, with the obsolete forms of section 4.3 and what else mail holds:
 * two-digit years, named zones, no zone, no seconds, full month names, comments anywhere, a day name
 * without comma, and the order of ctime ("Mon Nov 23 10:00:00 2026"). */
#include "message/decode.h"

#define DATE_TOKENS_MAX 12

struct date {
    int64_t year, month, day;
    int64_t hour, minute, second;
    int zone_minutes;
    bool has_day, has_year, has_time, has_zone;
};

static const char MONTHS[12][4] = {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep",
    "oct", "nov", "dec"};

static const struct {
    char name[5];
    int minutes;
} ZONES[] = {{"UT", 0}, {"UTC", 0}, {"GMT", 0}, {"Z", 0}, {"EST", -300}, {"EDT", -240},
    {"CST", -360}, {"CDT", -300}, {"MST", -420}, {"MDT", -360}, {"PST", -480}, {"PDT", -420},
    {"WET", 0}, {"WEST", 60}, {"CET", 60}, {"CEST", 120}, {"MET", 60}, {"MEST", 120}, {"EET", 120},
    {"EEST", 180}, {"MSK", 180}, {"BST", 60}, {"IST", 330}, {"JST", 540}, {"KST", 540},
    {"AEST", 600}, {"AEDT", 660}, {"NZST", 720}, {"NZDT", 780}};

/* Words between blanks, commas and comments. */
static struct slice next_token(struct slice *s)
{
    size_t i = 0;
    size_t depth = 0;
    for (; i < s->n; i++) {
        uint8_t c = s->p[i];
        if (c == '(')
            depth++;
        else if (c == ')' && depth)
            depth--;
        else if (!depth && c > ' ' && c != ',')
            break;
    }
    struct slice rest = slice_from(*s, i);
    size_t n = 0;
    while (n < rest.n && rest.p[n] > ' ' && rest.p[n] != ',' && rest.p[n] != '(')
        n++;
    *s = slice_from(rest, n);
    return slice_sub(rest, 0, n);
}

static bool read_month(struct slice t, struct date *d)
{
    for (int i = 0; i < 12; i++)
        if (t.n >= 3 && slice_starts_nocase(t, slice_of(MONTHS[i], 3))) {
            d->month = i + 1;
            return true;
        }
    return false;
}

/* "10:00", "10:00:59", also with fractions. */
static bool read_time(struct slice t, struct date *d)
{
    uint64_t hour, minute, second = 0;
    struct slice rest = t;
    struct slice h = slice_cut(&rest, ':');
    struct slice m = slice_cut(&rest, ':');
    if (!slice_to_u64(h, 23, &hour) || !slice_to_u64(m, 59, &minute))
        return false;
    if (rest.n && !slice_to_u64(slice_sub(rest, 0, slice_find_byte(rest, '.')), 60, &second))
        return false;
    d->hour = (int64_t)hour;
    d->minute = (int64_t)minute;
    d->second = (int64_t)second;
    d->has_time = true;
    return true;
}

/* "+0100", "-05:30", "EST", "GMT+0200"; an unknown name is "-0000" (RFC 5322 section 4.3). */
static void read_zone(struct slice t, struct date *d)
{
    if (d->has_zone && d->zone_minutes != 0)
        return;
    for (size_t i = 0; i < sizeof ZONES / sizeof *ZONES; i++)
        if (slice_equal_nocase(t, slice_str(ZONES[i].name))) {
            d->zone_minutes = ZONES[i].minutes;
            d->has_zone = true;
            return;
        }
    size_t sign = 0;
    while (sign < t.n && t.p[sign] != '+' && t.p[sign] != '-')
        sign++;
    if (sign == t.n)
        return;
    uint64_t digits = 0;
    size_t n = 0;
    for (size_t i = sign + 1; i < t.n && n < 4; i++) {
        if (!ascii_is_digit(t.p[i])) {
            if (t.p[i] == ':')
                continue;
            break;
        }
        digits = digits * 10 + (uint64_t)(t.p[i] - '0');
        n++;
    }
    if (n <= 2)
        digits *= 100;
    int minutes = (int)(digits / 100 * 60 + digits % 100);
    if (digits > 1500 || digits % 100 > 59)
        return;
    d->zone_minutes = t.p[sign] == '-' ? -minutes : minutes;
    d->has_zone = true;
}

/* RFC 5322 section 4.3: two digits below 50 are 20xx, else and with three digits 19xx. */
static void read_number(uint64_t v, size_t digits, struct date *d)
{
    if (!d->has_day && digits <= 2) {
        d->day = (int64_t)v;
        d->has_day = true;
        return;
    }
    if (d->has_year)
        return;
    if (digits == 2)
        v += v < 50 ? 2000 : 1900;
    else if (digits == 3)
        v += 1900;
    d->year = (int64_t)v;
    d->has_year = true;
}

/* "23-Nov-2026" as some write. */
static bool read_dashed(struct slice t, struct date *d)
{
    struct slice rest = t;
    struct slice day = slice_cut(&rest, '-');
    struct slice month = slice_cut(&rest, '-');
    uint64_t dv, yv;
    if (!slice_to_u64(day, 31, &dv) || !slice_to_u64(rest, 9999, &yv) || !read_month(month, d))
        return false;
    read_number(dv, day.n, d);
    read_number(yv, rest.n, d);
    return true;
}

static void read_token(struct slice t, struct date *d)
{
    uint64_t v;
    if (slice_find_byte(t, ':') < t.n && ascii_is_digit(t.p[0]) && !d->has_time && read_time(t, d))
        return;
    if (slice_to_u64(t, 9999, &v))
        read_number(v, t.n, d);
    else if (ascii_is_digit(t.p[0]))
        read_dashed(t, d);
    else if (d->month == 0 && read_month(t, d))
        return;
    else if (d->has_time)
        read_zone(t, d);
}

/* Days since 1970-01-01 of a Gregorian date. */
static int64_t days_from_civil(int64_t y, int64_t m, int64_t d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static bool is_day_of_month(const struct date *d)
{
    static const int64_t LENGTHS[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (d->year % 4 == 0 && d->year % 100 != 0) || d->year % 400 == 0;
    return d->day >= 1 && d->day <= LENGTHS[d->month - 1] + (d->month == 2 && leap);
}

bool decode_date(struct slice value, int64_t *out_wall, int *out_zone_minutes)
{
    struct date d = {0};
    for (size_t i = 0; i < DATE_TOKENS_MAX; i++) {
        struct slice token = next_token(&value);
        if (token.n == 0)
            break;
        read_token(token, &d);
    }
    if (!d.has_day || d.month == 0 || !d.has_year || d.year < 1900 || !is_day_of_month(&d))
        return false;
    *out_wall = days_from_civil(d.year, d.month, d.day) * 86400 + d.hour * 3600 + d.minute * 60 +
        d.second - (int64_t)d.zone_minutes * 60;
    *out_zone_minutes = d.zone_minutes;
    return true;
}
