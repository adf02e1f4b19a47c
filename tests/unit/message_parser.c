/* message/parser.h: the tree of parts with its offsets, envelopes, previews, limits; and that the cut
 * of the pieces never matters. Letters of the public collections are read from
 * $LETTERLOCK_TEST_DATA; a test that does not find them says so and is skipped. */
#include "message_help.h"

#include <dirent.h>
#include <time.h>

#define LETTER_MAX (4 * 1024 * 1024)

static const struct {
    const char *name;
    const char *letter;
    const char *parts;
} TREES[] = {
    {"nothing at all", "", "text/plain 0+0:0/0"},
    {"a header without end", "Subject: x\r\n", "text/plain 0+12:0/0"},
    {"a header without line end", "Subject: x", "text/plain 0+10:0/0"},
    {"only an empty line", "\r\nbody", "text/plain 0+2:4/1"},
    {"a plain letter", "Subject: x\r\n\r\nab\r\ncd\r\n", "text/plain 0+14:8/2"},
    {"a last line without end", "Subject: x\r\n\r\nab\r\ncd", "text/plain 0+14:6/2"},
    {"bare line feeds", "Subject: x\n\nab\ncd\n", "text/plain 0+12:6/2"},
    {"two parts",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\r\none\r\n--b\r\n"
        "Content-Type: text/html\r\n\r\n<p>\r\n\r\n--b--\r\nepilogue\r\n",
        "multipart/mixed 0+45:78/11[text/plain 60+2:3/1 text/html 72+27:5/1]"},
    {"blanks behind a delimiter",
        "Content-Type: multipart/mixed; boundary=\"b c\"\n\n--b c \t\n\none\n--b c-- \n",
        "multipart/mixed 0+47:22/4[text/plain 55+1:3/1]"},
    {"a delimiter is the whole line",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--bc\n--b-\n-b\n--b--x\n--b--",
        "multipart/mixed 0+43:30/7[text/plain 47+1:19/4]"},
    {"no closing delimiter",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\ntwo\n",
        "multipart/mixed 0+43:13/4[text/plain 47+1:8/2]"},
    {"the parent's delimiter ends the child",
        "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/alternative; "
        "boundary=b\n\n--b\n\none\n--a\n\ntwo\n--a--\n",
        "multipart/mixed 0+43:77/10[multipart/alternative 47+49:8/3[text/plain 100+1:3/1] "
        "text/plain 109+1:3/1]"},
    {"an inner delimiter that begins like the outer",
        "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; "
        "boundary=a1\n\n--a1\n\none\n--a1--\n--a--\n",
        "multipart/mixed 0+43:71/8[multipart/mixed 47+44:16/4[text/plain 96+1:3/1]]"},
    {"a multipart without delimiter has one empty child",
        "Content-Type: multipart/mixed; boundary=b\n\ntext\n",
        "multipart/mixed 0+43:5/1[text/plain 43+0:0/0]"},
    {"a multipart without boundary has one empty child",
        "Content-Type: multipart/mixed\n\ntext\n",
        "multipart/mixed 0+31:5/1[text/plain 31+0:0/0]"},
    {"a part's header cut by a delimiter",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n--b\n--b--\n",
        "multipart/mixed 0+43:38/4[text/html 47+24:0/0 text/plain 75+0:0/0]"},
    {"a letter in the letter",
        "Content-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Type: text/html\r\n\r\nx\r\n",
        "message/rfc822 0+32:43/4[text/html 32+40:3/1]"},
    {"a letter in base64 is not looked into",
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogaW4K\n",
        "application/octet-stream 0+64:17/1"},
    {"parts of a digest are letters",
        "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: in\n\nx\n--b--\n",
        "multipart/digest 0+44:26/6[message/rfc822 48+1:14/3[text/plain 49+13:1/1]]"},
    {"a type that is none is text", "Content-Type: hello\n\nx", "text/plain 0+21:1/1"},
    {"types are told in lower case", "CONTENT-TYPE : Text/HTML ; x=y\n\nx", "text/html 0+32:1/1"},
};

static void the_tree_of_parts_is_as_expected(void **state)
{
    (void)state;
    struct buf text;
    size_t wrong = 0;
    buf_init(&text, HELP_TEXT_MAX);
    for (size_t i = 0; i < sizeof TREES / sizeof *TREES; i++) {
        struct message_parser *p = message_parser_new();
        message_parser_feed(p, slice_str(TREES[i].letter));
        buf_reset(&text);
        help_put_part(&text, message_parser_finish(p), 0);
        if (!slice_equal(buf_slice(&text), slice_str(TREES[i].parts))) {
            print_message("# %s:\n#  is %.*s\n#  not %s\n", TREES[i].name,
                SLICE_FMT(buf_slice(&text)), TREES[i].parts);
            wrong++;
        }
        message_parser_free(p);
        help_check_letter(slice_str(TREES[i].letter));
    }
    buf_clear(&text);
    assert_int_equal(wrong, 0);
}

static const struct {
    const char *field;
    const char *list;
} LISTS[] = {
    {"a@b", "<|a|b>"},
    {"Jane Doe <jane@example.org>", "'Jane Doe' <|jane|example.org>"},
    {"\"Doe, Jane\" <jane@example.org>, bob@example.net",
        "'Doe, Jane' <|jane|example.org> <|bob|example.net>"},
    {"\"Q\\\"uote\" <\"a b\"@c>", "'Q\"uote' <|a b|c>"},
    {"jane@example.org (Jane (the) Doe)", "'Jane (the) Doe' <|jane|example.org>"},
    {"J. R. Doe <j@d>", "'J. R. Doe' <|j|d>"},
    {"<@a,@b:c@d>", "<@a,@b|c|d>"},
    {"friends: a@b, C <c@d>;, e@f", "friends{ <|a|b> 'C' <|c|d> } <|e|f>"},
    {"undisclosed-recipients:;", "undisclosed-recipients{ }"},
    {"group: a@b", "group{ <|a|b> }"},
    {"=?utf-8?Q?J=C3=B6rg?= <j@d>", "'=?utf-8?Q?J=C3=B6rg?=' <|j|d>"},
    {"a@[192.0.2.1]", "<|a|[192.0.2.1]>"},
    {"nobody", "<|nobody|>"},
    {", ,a@b,,", "<|a|b>"},
    {"A <a@b", "'A' <|a|b>"},
    {"\"open <a@b>", "<|open <a@b>|>"},
    {"a . b @ c . d", "<|a.b|c.d>"},
    {"<>", ""},
    {"", ""},
    {"A\r\n B <a@b>,\r\n\tc@d", "'A B' <|a|b> <|c|d>"},
};

static void address_fields_are_read_as_real_mail_writes_them(void **state)
{
    (void)state;
    struct buf text, letter;
    buf_init(&text, HELP_TEXT_MAX);
    buf_init(&letter, HELP_TEXT_MAX);
    for (size_t i = 0; i < sizeof LISTS / sizeof *LISTS; i++) {
        buf_reset(&letter);
        buf_printf(&letter, "To: %s\r\n\r\n", LISTS[i].field);
        struct message_parser *p = message_parser_new();
        message_parser_feed(p, buf_slice(&letter));
        const struct summary *s = message_parser_finish(p);
        assert_true(s->envelopes[0].has_list[SUMMARY_TO]);
        help_put_list(&text, s, 0, SUMMARY_TO);
        help_is(&text, LISTS[i].list);
        message_parser_free(p);
        help_check_letter(buf_slice(&letter));
    }
    buf_clear(&text);
    buf_clear(&letter);
}

static void fields_that_come_again_are_joined_or_passed_over(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, HELP_TEXT_MAX);
    struct message_parser *p = message_parser_new();
    message_parser_feed(p, SLICE("To: a@b\r\nCc: c@d\r\nSubject:\r\nSubject: two\r\nTO: e@f\r\n"
                                 "Received: x\r\nReceived: y\r\nFrom: g@h\r\nList-Id: <l>\r\n\r\n"));
    const struct summary *s = message_parser_finish(p);
    help_put_list(&text, s, 0, SUMMARY_TO);
    help_is(&text, "<|a|b> <|e|f>");
    help_put_list(&text, s, 0, SUMMARY_CC);
    help_is(&text, "<|c|d>");
    help_put_list(&text, s, 0, SUMMARY_FROM);
    help_is(&text, "<|g|h>");
    assert_true(s->envelopes[0].has_field[SUMMARY_SUBJECT]);
    assert_int_equal(s->envelopes[0].fields[SUMMARY_SUBJECT].n, 0);
    assert_false(s->envelopes[0].has_field[SUMMARY_DATE]);
    assert_false(s->envelopes[0].has_list[SUMMARY_BCC]);
    assert_int_equal(s->received_count, 2);
    assert_true(slice_equal(s->list_id, SLICE("<l>")));
    message_parser_free(p);
    buf_clear(&text);
}

static const struct {
    const char *field;
    const char *params; /* name=value joined with "|" */
} PARAMS[] = {
    {"text/plain; charset=utf-8", "charset=utf-8"},
    {"text/plain; charset=\"utf-8\"; format=flowed", "charset=utf-8|format=flowed"},
    {"text/plain; name=\"a\\\"b;c\"", "name=a\"b;c"},
    {"text/plain; charset=us-ascii (Plain text)", "charset=us-ascii"},
    {"text/plain; name=my file (1).txt; x=y", "name=my file (1).txt|x=y"},
    {"text/plain; (c) name (c) = (c) v", "name (c)=v"},
    {"a/b; name*=utf-8''%e2%82%ac%20rates", "name=\xe2\x82\xac rates"},
    {"a/b; name*=ISO-8859-1'en'%A3%20rates; name=old", "name=\xc2\xa3 rates"},
    {"a/b; n*1*=%62c; n*0*=utf-8''%C3%A4; n*2=\"d e\"", "n=\xc3\xa4" "bcd e"},
    {"a/b; n*0=one; n*1=two; n*3=lost", "n=onetwo"},
    {"a/b; x; y=; z=1;;", "y=|z=1"},
    {"a/b; name=\"open", "name=open"},
    {"a/b;name=\"\"", "name="},
};

static void parameters_are_joined_and_decoded(void **state)
{
    (void)state;
    struct buf text, letter;
    buf_init(&text, HELP_TEXT_MAX);
    buf_init(&letter, HELP_TEXT_MAX);
    for (size_t i = 0; i < sizeof PARAMS / sizeof *PARAMS; i++) {
        buf_reset(&letter);
        buf_printf(&letter, "Content-Type: %s\r\n\r\n", PARAMS[i].field);
        struct message_parser *p = message_parser_new();
        message_parser_feed(p, buf_slice(&letter));
        const struct summary *s = message_parser_finish(p);
        for (size_t k = 0; k < s->param_count; k++)
            buf_printf(&text, "%s%.*s=%.*s", k ? "|" : "", SLICE_FMT(s->params[k].name),
                SLICE_FMT(s->params[k].value));
        help_is(&text, PARAMS[i].params);
        message_parser_free(p);
        help_check_letter(buf_slice(&letter));
    }
    buf_clear(&text);
    buf_clear(&letter);
}

static const struct {
    const char *letter;
    const char *preview;
} PREVIEWS[] = {
    {"\n  Hello,\r\n\r\n\tworld  \n", "Hello, world"},
    {"Content-Transfer-Encoding: base64\n\nSGVsbG8s\nIHdvcmxk\n", "Hello, world"},
    {"Content-Transfer-Encoding: quoted-printable\nContent-Type: text/plain; charset=utf-8\n\n"
     "Gr=C3=BC=\n=C3=9Fe\n",
        "Gr\xc3\xbc\xc3\x9f" "e"},
    {"Content-Type: text/plain; charset=iso-8859-2\n\n\xb1\xe6", "\xc4\x85\xc4\x87"},
    {"Content-Type: text/html\n\n<style>p { }</style><!-- x --><p>One&nbsp;&amp; t<b>w</b>o<br>"
     "&#x33;&#233; 1 < 2</p>",
        "One & two 3\xc3\xa9 1 < 2"},
    {"Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>h\n--b\n"
     "Content-Type: text/plain\n\nplain\n--b--\n",
        "plain"},
    {"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment\n\nfile\n"
     "--b\nContent-Type: text/html\n\n<p>h\n--b--\n",
        "h"},
    {"Content-Type: text/html\n\nA\xe2\x80\x8c\xc2\xa0\xe2\x80\x8c\xc2\xa0 B\x01", "A B"},
    {"Content-Type: application/pdf\n\nx", ""},
};

static void the_preview_is_the_first_text_on_one_line(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, HELP_TEXT_MAX);
    for (size_t i = 0; i < sizeof PREVIEWS / sizeof *PREVIEWS; i++) {
        struct message_parser *p = message_parser_new();
        message_parser_feed(p, slice_str(PREVIEWS[i].letter));
        buf_put(&text, message_parser_finish(p)->preview);
        help_is(&text, PREVIEWS[i].preview);
        message_parser_free(p);
        help_check_letter(slice_str(PREVIEWS[i].letter));
    }
    buf_clear(&text);
}

static void flags_say_what_is_in_the_letter(void **state)
{
    (void)state;
    const struct {
        struct slice letter;
        bool header_8bit, body_8bit, nul, attachment;
    } cases[] = {
        {SLICE("A: \xc3\xa4\n\nb"), true, false, false, false},
        {SLICE("A: b\n\n\xc3"), false, true, false, false},
        {SLICE("A: b\n\n\0"), false, false, true, false},
        {SLICE("Content-Type: image/png\n\n"), false, false, false, true},
        {SLICE("Content-Type: text/plain\n\n"), false, false, false, false},
        {SLICE("Content-Disposition: attachment\n\n"), false, false, false, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct message_parser *p = message_parser_new();
        message_parser_feed(p, cases[i].letter);
        const struct summary *s = message_parser_finish(p);
        assert_int_equal(s->has_8bit_header, cases[i].header_8bit);
        assert_int_equal(s->has_8bit_body, cases[i].body_8bit);
        assert_int_equal(s->has_nul, cases[i].nul);
        assert_int_equal(s->has_attachment, cases[i].attachment);
        message_parser_free(p);
    }
}

static void a_parser_can_be_used_again(void **state)
{
    (void)state;
    struct buf first, second;
    buf_init(&first, SUMMARY_BYTES_MAX);
    buf_init(&second, SUMMARY_BYTES_MAX);
    struct message_parser *p = message_parser_new();
    for (size_t i = 0; i < sizeof TREES / sizeof *TREES; i++) {
        buf_reset(&first);
        buf_reset(&second);
        help_record(slice_str(TREES[i].letter), 0, &first);
        message_parser_feed(p, slice_str(TREES[i].letter));
        assert_int_equal(summary_encode(message_parser_finish(p), &second), ERR_OK);
        assert_true(slice_equal(buf_slice(&first), buf_slice(&second)));
        message_parser_reset(p);
    }
    message_parser_free(p);
    buf_clear(&first);
    buf_clear(&second);
}

/* Hostile letters: made piece by piece so that nothing is ever as large here as the letter is. */
struct hostile {
    const char *name;
    const char *begin;
    const char *repeat; /* "%u" stands for the number of the round */
    unsigned rounds;
};

static const struct hostile HOSTILE[] = {
    {"100,000 To headers", "", "To: a%u@example.org\r\n", 100000},
    {"100,000 addresses in one field", "To: x@y", ",\r\n Name %u <a@example.org>", 100000},
    {"100,000 groups in one field", "To: ", "g%u: a@b;", 100000},
    {"50,000 parameter sections", "Content-Type: text/plain", ";\r\n n*%u*=a%%20b", 50000},
    {"50,000 plain parameters", "Content-Type: text/plain", ";\r\n n%u=ab", 50000},
    {"10,000 nested multiparts", "",
        "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n--b%u\r\n", 10000},
    {"100,000 parts", "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
        "--b\r\nContent-Type: text/plain; charset=utf-8; name=\"file number %u\"\r\n\r\nx\r\n", 100000},
    {"100,000 digest letters", "Content-Type: multipart/digest; boundary=b\r\n\r\n",
        "--b\r\n\r\nSubject: s%u\r\nTo: a@b, c@d\r\n\r\nx\r\n", 100000},
    {"10,000 nested letters", "", "Content-Type: message/rfc822\r\nSubject: %u\r\n\r\n", 10000},
    {"a line of 50 MB", "Subject: x\r\n\r\n", "0123456789012345678901234567890123456789%u0123456789",
        900000},
    {"a header line of 50 MB", "Subject: ", "0123456789012345678901234567890123456789%u0123456789",
        900000},
    {"delimiters that are none", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n",
        "--a%u\n--\n--\n", 2000000},
    {"folded lines of blanks", "Subject: x\r\n", " \r\n \t %u\r\n", 1000000},
    {"encoded words", "Subject: ", "=?utf-8?q?=C3=A4%u?=\r\n ", 100000},
    {"comments in an address field", "To: ", "(((%u", 100000},
    {"tags in the preview", "Content-Type: text/html\r\n\r\n", "<!-- <style %u &", 100000},
};

static double seconds_of(struct message_parser *p, struct slice all)
{
    struct timespec a, b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    for (size_t at = 0; at < all.n; at += 16384)
        message_parser_feed(p, slice_sub(all, at, 16384));
    message_parser_finish(p);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

static void put_rounds(struct buf *out, const struct hostile *h)
{
    buf_put_str(out, h->begin);
    for (unsigned i = 0; i < h->rounds; i++)
        for (const char *at = h->repeat; *at; at++) {
            bool is_number = at[0] == '%' && at[1] == 'u';
            if (is_number)
                buf_put_u64(out, i);
            else
                buf_put_byte(out, (uint8_t)*at);
            at += is_number || (at[0] == '%' && at[1] == '%');
        }
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SLOW_BUILD
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(IS_SLOW_BUILD)
#define SECONDS_MAX 10.0
#else
#define SECONDS_MAX 1.0 /* 0.3 on a machine that does nothing else */
#endif

static void hostile_letters_cost_linear_time_and_fit_the_record(void **state)
{
    (void)state;
    struct buf all, record;
    buf_init(&all, 128 * 1024 * 1024);
    buf_init(&record, SUMMARY_BYTES_MAX);
    for (size_t i = 0; i < sizeof HOSTILE / sizeof *HOSTILE; i++) {
        buf_reset(&all);
        put_rounds(&all, &HOSTILE[i]);
        struct message_parser *p = message_parser_new();
        double seconds = seconds_of(p, buf_slice(&all));
        buf_reset(&record);
        assert_int_equal(summary_encode(message_parser_finish(p), &record), ERR_OK);
        print_message("# %s: %zu bytes, %.0f ms, record %zu\n", HOSTILE[i].name, all.n,
            seconds * 1000, record.n);
        assert_true(seconds < SECONDS_MAX);
        struct summary s;
        assert_int_equal(summary_decode(buf_slice(&record), &s), ERR_OK);
        summary_clear(&s);
        message_parser_free(p);
    }
    buf_clear(&all);
    buf_clear(&record);
}

static void hostile_letters_are_the_same_for_every_cut(void **state)
{
    (void)state;
    struct buf all;
    buf_init(&all, 128 * 1024 * 1024);
    for (size_t i = 0; i < sizeof HOSTILE / sizeof *HOSTILE; i++) {
        struct hostile less = HOSTILE[i];
        less.rounds = 3000;
        buf_reset(&all);
        put_rounds(&all, &less);
        help_check_letter(buf_slice(&all));
    }
    buf_clear(&all);
}

static const char *data_folder(void)
{
    const char *folder = getenv("LETTERLOCK_TEST_DATA");
    return folder ? folder : "/work/shared/data";
}

static bool read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    buf_reset(out);
    uint8_t chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_put_bytes(out, chunk, n);
    fclose(f);
    return buf_ok(out);
}

/* Checks every file of the folder and those below it; returns how many. */
static size_t check_folder(const char *path, unsigned depth, struct buf *letter)
{
    DIR *dir = opendir(path);
    size_t count = 0;
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        char name[1024];
        if (entry->d_name[0] == '.')
            continue;
        if ((size_t)snprintf(name, sizeof name, "%s/%s", path, entry->d_name) >= sizeof name)
            continue;
        if (entry->d_type == DT_DIR && depth < 8) {
            count += check_folder(name, depth + 1, letter);
        } else if (entry->d_type == DT_REG && read_file(name, letter)) {
            help_check_letter(buf_slice(letter));
            count++;
        }
    }
    if (dir)
        closedir(dir);
    return count;
}

static void every_cut_of_real_letters_gives_the_same_record(void **state)
{
    (void)state;
    static const char *const folders[] = {"mail-notmuch-corpora", "mime-cpython", "mime-mailparser",
        "mime-mime4j", "mime-wildduck-imap"};
    struct buf letter;
    buf_init(&letter, LETTER_MAX);
    size_t count = 0;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", data_folder(), folders[i]);
        count += check_folder(path, 0, &letter);
    }
    buf_clear(&letter);
    print_message("# %zu files\n", count);
    if (count == 0) {
        print_message("# no letters below %s: skipped\n", data_folder());
        skip();
    }
}

#define BENCH_LETTERS 20000
#define BENCH_BODY_BYTES (64 * 1024 * 1024)

/* A letter of about 4 KiB as mail programs send it, and a large one of base64 lines: prints what the
 * delivery path pays. The limits only catch what is slow by an order of magnitude. */
static void letters_are_parsed_at_the_speed_of_delivery(void **state)
{
    (void)state;
    struct buf small, large;
    buf_init(&small, HELP_TEXT_MAX);
    buf_init(&large, BENCH_BODY_BYTES + HELP_TEXT_MAX);
    buf_put_str(&small,
        "Received: from a.example (a.example [192.0.2.1]) by b.example with ESMTPS id 1;\r\n"
        "\tMon, 23 Nov 2026 10:00:00 +0000\r\nFrom: Jane Doe <jane@a.example>\r\n"
        "To: \"Smith, Bob\" <bob@b.example>, c@d.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
        "Date: Mon, 23 Nov 2026 10:00:00 +0100\r\nMessage-ID: <1@a.example>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"=_1\"\r\n\r\n");
    buf_put(&large, buf_slice(&small));
    for (size_t i = 0; i < 2; i++) {
        buf_printf(&small, "--=_1\r\nContent-Type: text/%s; charset=utf-8\r\n", i ? "html" : "plain");
        buf_put_str(&small, "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
        for (size_t k = 0; k < 23; k++)
            buf_put_str(&small, "A line of text as people and programs write it, =C3=BCber and =\r\n");
    }
    buf_put_str(&small, "\r\n--=_1--\r\n");
    buf_put_str(&large, "--=_1\r\nContent-Type: image/png\r\n\r\n");
    while (large.n < BENCH_BODY_BYTES)
        buf_put_str(&large,
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9\r\n");
    struct message_parser *p = message_parser_new();
    double seconds = 0;
    for (size_t i = 0; i < BENCH_LETTERS; i++) {
        message_parser_reset(p);
        seconds += seconds_of(p, buf_slice(&small));
    }
    print_message("# %zu bytes: %.1f us\n", small.n, seconds * 1e6 / BENCH_LETTERS);
    assert_true(seconds < BENCH_LETTERS * 1e-3);
    message_parser_reset(p);
    seconds = seconds_of(p, buf_slice(&large));
    print_message("# %zu bytes: %.2f GB/s\n", large.n, (double)large.n / seconds / 1e9);
    assert_true(seconds < SECONDS_MAX);
    message_parser_free(p);
    buf_clear(&small);
    buf_clear(&large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tree_of_parts_is_as_expected),
        cmocka_unit_test(address_fields_are_read_as_real_mail_writes_them),
        cmocka_unit_test(fields_that_come_again_are_joined_or_passed_over),
        cmocka_unit_test(parameters_are_joined_and_decoded),
        cmocka_unit_test(the_preview_is_the_first_text_on_one_line),
        cmocka_unit_test(flags_say_what_is_in_the_letter),
        cmocka_unit_test(a_parser_can_be_used_again),
        cmocka_unit_test(hostile_letters_cost_linear_time_and_fit_the_record),
        cmocka_unit_test(letters_are_parsed_at_the_speed_of_delivery),
        cmocka_unit_test(hostile_letters_are_the_same_for_every_cut),
        cmocka_unit_test(every_cut_of_real_letters_gives_the_same_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
