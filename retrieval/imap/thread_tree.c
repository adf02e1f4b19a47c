/* Threads, see thread_tree.h. The steps of REFERENCES are numbered as in RFC 5256 section 3. */
#include "retrieval/imap/thread_tree.h"

#include <stdlib.h>

#define ROOT 0

/* --- message ids --- */

/* FNV-1a; never 0. */
static uint64_t hash_of(struct slice s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '"' && s.p[i] != ' ' && s.p[i] != '\t') /* <"a"@b> is <a@b> */
            h = (h ^ s.p[i]) * 0x100000001b3u;
    return h ? h : 1;
}

size_t thread_ids(struct slice value, uint64_t *out, size_t max)
{
    size_t n = 0;
    for (;;) {
        size_t from = slice_find_byte(value, '<');
        value = slice_from(value, from + 1);
        size_t end = slice_find_byte(value, '>');
        if (end >= value.n)
            return n;
        struct slice id = slice_sub(value, 0, end);
        value = slice_from(value, end + 1);
        if (slice_find_byte(id, '@') == id.n || slice_find_byte(id, '<') < id.n)
            continue;
        if (n == max) {
            memmove(out, out + 1, (max - 1) * sizeof *out);
            n--;
        }
        out[n++] = hash_of(id);
    }
}

/* --- nodes --- */

static uint32_t add_node(struct thread_tree *t, uint32_t letter)
{
    if (t->node_count == t->node_cap) {
        t->node_cap = t->node_cap ? t->node_cap * 2 : 256;
        t->nodes = mem_resize(t->nodes, t->node_cap * sizeof *t->nodes);
    }
    t->nodes[t->node_count] = (struct thread_node){letter, THREAD_NONE, THREAD_NONE, THREAD_NONE, false};
    return (uint32_t)t->node_count++;
}

static void put_under(struct thread_tree *t, uint32_t node, uint32_t parent)
{
    t->nodes[node].parent = parent;
    t->nodes[node].next = t->nodes[parent].child;
    t->nodes[parent].child = node;
}

/* Whether node may hang under parent: no loop, and not too deep. */
static bool may_link(const struct thread_tree *t, uint32_t node, uint32_t parent)
{
    uint32_t at = parent;
    for (size_t depth = 0; depth < THREAD_DEPTH_MAX; depth++) {
        if (at == node)
            return false;
        if (at == THREAD_NONE)
            return true;
        at = t->nodes[at].parent;
    }
    return false;
}

/* Before the lists of children are made, only `parent` is kept. */
static void make_lists(struct thread_tree *t)
{
    for (size_t i = t->node_count; i-- > 1;)
        put_under(t, (uint32_t)i, t->nodes[i].parent == THREAD_NONE ? ROOT : t->nodes[i].parent);
}

void thread_tree_clear(struct thread_tree *t)
{
    free(t->nodes);
    *t = (struct thread_tree){0};
}

/* --- a table of ids: hash to node --- */

struct table {
    uint64_t *keys;
    uint32_t *values;
    size_t mask;
};

static void table_init(struct table *t, size_t entries)
{
    size_t n = 16;
    while (n < 2 * entries)
        n *= 2;
    t->keys = mem_new(n * sizeof *t->keys);
    t->values = mem_new(n * sizeof *t->values);
    t->mask = n - 1;
}

static void table_clear(struct table *t)
{
    free(t->keys);
    free(t->values);
}

/* The entry of the key; its key is 0 when it is new. */
static size_t table_at(const struct table *t, uint64_t key)
{
    size_t at = (size_t)(key ^ key >> 32) & t->mask;
    while (t->keys[at] && t->keys[at] != key)
        at = (at + 1) & t->mask;
    return at;
}

/* --- step 1: containers and links --- */

static uint32_t node_of(struct thread_tree *t, struct table *ids, uint64_t id)
{
    size_t at = table_at(ids, id);
    if (!ids->keys[at]) {
        ids->keys[at] = id;
        ids->values[at] = add_node(t, THREAD_NONE);
    }
    return ids->values[at];
}

static void link_letter(struct thread_tree *t, struct table *ids, uint32_t letter)
{
    const struct thread_letter *l = &t->letters[letter];
    uint32_t node = l->id ? node_of(t, ids, l->id) : add_node(t, letter);
    if (t->nodes[node].letter != THREAD_NONE && t->nodes[node].letter != letter)
        node = add_node(t, letter); /* a second letter of this id: as if it had none */
    t->nodes[node].letter = letter;
    uint32_t before = THREAD_NONE;
    for (uint32_t i = 0; i < l->references_n; i++) {
        uint32_t ref = node_of(t, ids, t->references[l->references_at + i]);
        if (before != THREAD_NONE && t->nodes[ref].parent == THREAD_NONE && may_link(t, ref, before))
            t->nodes[ref].parent = before;
        before = ref;
    }
    if (before == THREAD_NONE)
        return;
    t->nodes[node].parent = THREAD_NONE;
    if (may_link(t, node, before))
        t->nodes[node].parent = before;
}

/* --- step 3: dummies without children go, others give their children to their parents --- */

/* Ancestors of the node that is left, dummies passed over; at the top a dummy stays when it has several. */
static uint32_t living_parent(const struct thread_tree *t, uint32_t node)
{
    uint32_t at = t->nodes[node].parent;
    while (at != THREAD_NONE && t->nodes[at].letter == THREAD_NONE && t->nodes[at].parent != THREAD_NONE)
        at = t->nodes[at].parent;
    return at;
}

static void prune(struct thread_tree *t)
{
    uint32_t *parents = mem_new(t->node_count * sizeof *parents);
    uint32_t *counts = mem_new(t->node_count * sizeof *counts);
    for (uint32_t i = 1; i < t->node_count; i++) {
        parents[i] = living_parent(t, i);
        if (parents[i] != THREAD_NONE && t->nodes[i].letter != THREAD_NONE)
            counts[parents[i]]++;
    }
    for (uint32_t i = 1; i < t->node_count; i++) {
        bool is_dummy = t->nodes[i].letter == THREAD_NONE;
        uint32_t p = parents[i];
        /* A dummy below the top is gone, as is one with one child or none. */
        t->nodes[i].is_gone = is_dummy && (t->nodes[i].parent != THREAD_NONE || counts[i] < 2);
        if (p != THREAD_NONE && t->nodes[p].letter == THREAD_NONE && counts[p] < 2)
            parents[i] = THREAD_NONE;
    }
    for (uint32_t i = 1; i < t->node_count; i++)
        t->nodes[i].parent = parents[i];
    free(parents);
    free(counts);
}

/* Living nodes get into the lists of their parents; those that are gone into none. */
static void make_living_lists(struct thread_tree *t)
{
    for (uint32_t i = 0; i < t->node_count; i++)
        t->nodes[i].child = t->nodes[i].next = THREAD_NONE;
    for (size_t i = t->node_count; i-- > 1;)
        if (!t->nodes[i].is_gone)
            put_under(t, (uint32_t)i, t->nodes[i].parent == THREAD_NONE ? ROOT : t->nodes[i].parent);
}

/* --- steps 4 and 6: siblings by date --- */

static const struct thread_letter *first_letter(const struct thread_tree *t, uint32_t node)
{
    if (t->nodes[node].letter == THREAD_NONE)
        node = t->nodes[node].child; /* of a dummy: never a dummy */
    return &t->letters[t->nodes[node].letter];
}

static int compare_nodes(const void *a, const void *b, void *ctx)
{
    const struct thread_tree *t = ctx;
    const struct thread_letter *x = first_letter(t, *(const uint32_t *)a);
    const struct thread_letter *y = first_letter(t, *(const uint32_t *)b);
    if (x->sent != y->sent)
        return x->sent < y->sent ? -1 : 1;
    return (x->result > y->result) - (x->result < y->result);
}

static void sort_children(struct thread_tree *t, uint32_t node, uint32_t *room)
{
    size_t n = 0;
    for (uint32_t c = t->nodes[node].child; c != THREAD_NONE; c = t->nodes[c].next)
        room[n++] = c;
    if (n < 2)
        return;
    qsort_r(room, n, sizeof *room, compare_nodes, t);
    t->nodes[node].child = THREAD_NONE;
    while (n)
        put_under(t, room[--n], node);
    for (uint32_t c = t->nodes[node].child; node == ROOT && c != THREAD_NONE; c = t->nodes[c].next)
        t->nodes[c].parent = THREAD_NONE;
}

/* All but the root first, so that a dummy's first child is known when the root's children are sorted. */
static void sort_all(struct thread_tree *t)
{
    uint32_t *room = mem_new(t->node_count * sizeof *room);
    for (size_t i = t->node_count; i-- > 0;)
        if (!t->nodes[i].is_gone)
            sort_children(t, (uint32_t)i, room);
    free(room);
}

/* --- step 5: threads of one subject --- */

static bool is_dummy(const struct thread_tree *t, uint32_t node)
{
    return t->nodes[node].letter == THREAD_NONE;
}

static bool is_reply(const struct thread_tree *t, uint32_t node)
{
    return first_letter(t, node)->is_reply;
}

/* 5.B: for each subject the root that the others join. */
static void choose_roots(struct thread_tree *t, uint32_t *table)
{
    for (uint32_t n = t->nodes[ROOT].child; n != THREAD_NONE; n = t->nodes[n].next) {
        uint32_t *chosen = &table[first_letter(t, n)->subject];
        bool takes = *chosen == THREAD_NONE || (is_dummy(t, n) && !is_dummy(t, *chosen)) ||
            (is_dummy(t, n) == is_dummy(t, *chosen) && is_reply(t, *chosen) && !is_reply(t, n));
        if (takes)
            *chosen = n;
    }
}

static void join(struct thread_tree *t, uint32_t node, uint32_t *chosen)
{
    if (is_dummy(t, node) && is_dummy(t, *chosen)) {
        for (uint32_t c = t->nodes[node].child; c != THREAD_NONE; c = t->nodes[c].next)
            t->nodes[c].parent = *chosen;
        t->nodes[node].is_gone = true;
    } else if (is_dummy(t, *chosen) || (is_reply(t, node) && !is_reply(t, *chosen))) {
        t->nodes[node].parent = *chosen;
    } else {
        uint32_t dummy = add_node(t, THREAD_NONE);
        t->nodes[dummy].child = *chosen; /* so that it has a first letter at once */
        t->nodes[*chosen].parent = t->nodes[node].parent = dummy;
        *chosen = dummy;
    }
}

/* 5.C; parents change, lists are made anew afterwards. */
static void join_subjects(struct thread_tree *t)
{
    uint32_t *table = mem_new((t->letter_count + 1) * sizeof *table);
    for (size_t i = 0; i <= t->letter_count; i++)
        table[i] = THREAD_NONE;
    choose_roots(t, table);
    for (uint32_t n = t->nodes[ROOT].child, next; n != THREAD_NONE; n = next) {
        next = t->nodes[n].next;
        uint32_t subject = first_letter(t, n)->subject;
        if (subject && table[subject] != n && t->nodes[n].parent == THREAD_NONE)
            join(t, n, &table[subject]);
    }
    free(table);
}

void thread_by_references(struct thread_letter *letters, size_t n, const uint64_t *references, struct thread_tree *out)
{
    struct thread_tree t = {.letters = letters, .letter_count = n, .references = references};
    struct table ids;
    size_t count = n;
    for (size_t i = 0; i < n; i++)
        count += letters[i].references_n;
    table_init(&ids, count);
    add_node(&t, THREAD_NONE);
    for (size_t i = 0; i < n; i++)
        link_letter(&t, &ids, (uint32_t)i);
    table_clear(&ids);
    prune(&t);
    make_living_lists(&t);
    sort_all(&t);
    for (uint32_t c = t.nodes[ROOT].child; c != THREAD_NONE; c = t.nodes[c].next)
        t.nodes[c].parent = THREAD_NONE;
    join_subjects(&t);
    make_living_lists(&t);
    sort_all(&t);
    *out = t;
}

/* --- ORDEREDSUBJECT --- */

static int compare_subjects(const void *a, const void *b)
{
    const struct thread_letter *x = a;
    const struct thread_letter *y = b;
    if (x->subject != y->subject)
        return x->subject < y->subject ? -1 : 1;
    if (x->sent != y->sent)
        return x->sent < y->sent ? -1 : 1;
    return (x->result > y->result) - (x->result < y->result);
}

void thread_by_subject(struct thread_letter *letters, size_t n, struct thread_tree *out)
{
    struct thread_tree t = {.letters = letters, .letter_count = n};
    uint32_t first = THREAD_NONE;
    add_node(&t, THREAD_NONE);
    if (n)
        qsort(letters, n, sizeof *letters, compare_subjects);
    for (size_t i = 0; i < n; i++) {
        uint32_t node = add_node(&t, (uint32_t)i);
        bool begins = first == THREAD_NONE || letters[i].subject != letters[t.nodes[first].letter].subject;
        if (begins)
            first = node;
        else
            t.nodes[node].parent = first;
    }
    make_lists(&t);
    sort_all(&t);
    *out = t;
}

/* --- writing --- */

static void put_number(const struct thread_tree *t, uint32_t node, struct buf *out)
{
    if (t->nodes[node].letter != THREAD_NONE)
        buf_put_u64(out, t->letters[t->nodes[node].letter].result);
}

static bool has_siblings(const struct thread_tree *t, uint32_t node)
{
    uint32_t parent = t->nodes[node].parent;
    uint32_t first = t->nodes[parent == THREAD_NONE ? ROOT : parent].child;
    return parent == THREAD_NONE || parent == ROOT || t->nodes[first].next != THREAD_NONE;
}

/* One node: its opening, its number, and what closes behind it. A child without siblings stands behind its
 * parent with a blank, others in parentheses of their own. */
static uint32_t put_node(const struct thread_tree *t, uint32_t node, struct buf *out)
{
    bool is_top = t->nodes[node].parent == THREAD_NONE || t->nodes[node].parent == ROOT;
    uint32_t parent = t->nodes[node].parent;
    if (has_siblings(t, node)) {
        bool behind_number = !is_top && t->nodes[parent].child == node && !is_dummy(t, parent);
        buf_put_str(out, behind_number ? " (" : "(");
    } else {
        buf_put_byte(out, ' ');
    }
    put_number(t, node, out);
    if (t->nodes[node].child != THREAD_NONE)
        return t->nodes[node].child;
    for (;;) {
        if (has_siblings(t, node))
            buf_put_byte(out, ')');
        if (t->nodes[node].next != THREAD_NONE)
            return t->nodes[node].next;
        node = t->nodes[node].parent;
        if (node == THREAD_NONE || node == ROOT)
            return THREAD_NONE;
    }
}

bool thread_tree_put(const struct thread_tree *t, uint32_t *at, struct buf *out)
{
    uint32_t node = *at == ROOT ? t->nodes[ROOT].child : *at;
    if (node == THREAD_NONE)
        return false;
    *at = put_node(t, node, out);
    return *at != THREAD_NONE;
}
