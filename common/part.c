/* Each kind is a row: its pattern both reads and writes the name, its form is
 * what a person is shown.  In a pattern a letter is a field, '-' is itself:
 *
 *   c h o p  cube, host, ocs, port    x y z  in-cube position   a b  in-face
 *   F  sign and axis ("+x")           S  side, n or s           I  an id */
#include "part.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"

static const struct kind {
    const char *name, *pattern, *form;
} kinds[] = {
    [PART_POD] = {"pod", "I", "pod/ID"},
    [PART_CUBE] = {"cube", "c", "cube/CUBE"},
    [PART_HOST] = {"host", "c-h", "host/CUBE-HOST"},
    [PART_CHIP] = {"chip", "c-x-y-z", "chip/CUBE-X-Y-Z"},
    [PART_OCS] = {"ocs", "o", "ocs/OCS"},
    [PART_PORT] = {"port", "o-S-p", "port/OCS-SIDE-PORT, SIDE n or s"},
    [PART_FIBRE] = {"fibre", "cF-a-b", "fibre/CUBE+AXIS-A-B"},
    [PART_FACE] = {"face", "cF", "face/CUBE+AXIS"},
    [PART_LINK] = {"link", "c-x-y-zF", "link/CUBE-X-Y-Z+AXIS"},
    [PART_POWER] = {"power", "I", "power/ID"},
    [PART_SLICE] = {"slice", "I", "slice/ID"},
};

static const struct number {
    char letter;
    const char *name;
    unsigned max;
    size_t offset, size; /* of the member of struct part */
} numbers[] = {
#define X(letter, name, max, member)                                                               \
    {                                                                                              \
        letter, name, max, offsetof(struct part, member), sizeof((struct part *)0)->member         \
    }
    X('c', "cube", UINT16_MAX, cube),
    X('h', "host", 15, host),
    X('o', "ocs", 47, ocs),
    X('p', "port", UINT16_MAX, port),
    X('x', "x", 3, at[0]),
    X('y', "y", 3, at[1]),
    X('z', "z", 3, at[2]),
    X('a', "a", 3, a),
    X('b', "b", 3, b),
#undef X
};

static const struct number *number_of(char letter)
{
    const struct number *number = numbers;
    while (number->letter != letter) {
        number++;
        assert(number < numbers + ARRAY_LEN(numbers));
    }
    return number;
}

static unsigned get_number(const struct part *part, const struct number *number)
{
    const unsigned char *member = (const unsigned char *)part + number->offset;
    uint16_t wide;
    if (number->size == sizeof wide) {
        memcpy(&wide, member, sizeof wide);
        return wide;
    }
    return *member;
}

static void set_number(struct part *part, const struct number *number, unsigned value)
{
    unsigned char *member = (unsigned char *)part + number->offset;
    uint16_t wide = (uint16_t)value;
    if (number->size == sizeof wide) {
        memcpy(member, &wide, sizeof wide);
    } else {
        *member = (unsigned char)value;
    }
}

/* The text under examination: where it is read, and what a complaint quotes. */
struct reader {
    const char *at;
    char quoted[64]; /* printable: it ends up in logs and in JSON */
    struct error *err;
};

static void quote(struct reader *r, const char *text)
{
    size_t n = 0;
    for (; n < sizeof r->quoted - 1 && text[n] != '\0'; n++) {
        r->quoted[n] = text[n] > ' ' && text[n] < 0x7f ? text[n] : '?';
    }
    r->quoted[n] = '\0';
}

static int bad_form(struct reader *r, const struct kind *kind)
{
    return err_set(r->err, E_INVALID, "%s: %s is written %s", r->quoted, kind->name, kind->form);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int read_number(struct reader *r, struct part *out, const struct kind *kind, char letter)
{
    const struct number *number = number_of(letter);
    if (!is_digit(r->at[0])) {
        return bad_form(r, kind);
    }
    if (r->at[0] == '0' && is_digit(r->at[1])) {
        return err_set(r->err, E_INVALID, "%s: %s has a leading zero", r->quoted, number->name);
    }
    unsigned value = 0;
    for (; is_digit(*r->at); r->at++) {
        value = value * 10 + (unsigned)(*r->at - '0');
        if (value > number->max) {
            return err_set(r->err, E_INVALID, "%s: %s is 0 to %u", r->quoted, number->name,
                           number->max);
        }
    }
    set_number(out, number, value);
    return 0;
}

static int read_face(struct reader *r, struct part *out, const struct kind *kind)
{
    if (r->at[0] != '+' && r->at[0] != '-') {
        return bad_form(r, kind);
    }
    if (r->at[1] < 'x' || r->at[1] > 'z') {
        return err_set(r->err, E_INVALID, "%s: the face is one of +x -x +y -y +z -z", r->quoted);
    }
    out->minus = r->at[0] == '-';
    out->axis = (uint8_t)(r->at[1] - 'x');
    r->at += 2;
    return 0;
}

static int read_id(struct reader *r, struct part *out, const struct kind *kind)
{
    size_t len = strspn(r->at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    if (len == 0 || len >= sizeof out->id || r->at[len] != '\0') {
        return err_set(r->err, E_INVALID, "%s: the id in %s is 1 to 63 of A-Z a-z 0-9 . _ -",
                       r->quoted, kind->form);
    }
    memcpy(out->id, r->at, len + 1);
    r->at += len;
    return 0;
}

static int read_field(struct reader *r, struct part *out, const struct kind *kind, char letter)
{
    switch (letter) {
    case '-':
        return *r->at++ == '-' ? 0 : bad_form(r, kind);
    case 'S':
        if (*r->at != 'n' && *r->at != 's') {
            return bad_form(r, kind);
        }
        out->south = *r->at++ == 's';
        return 0;
    case 'F':
        return read_face(r, out, kind);
    case 'I':
        return read_id(r, out, kind);
    default:
        return read_number(r, out, kind, letter);
    }
}

int part_parse(struct part *out, const char *text, struct error *err)
{
    struct reader r = {.err = err};
    quote(&r, text);
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        size_t len = strlen(kinds[k].name);
        if (strncmp(text, kinds[k].name, len) != 0 || text[len] != '/') {
            continue;
        }
        struct part part = {.kind = (enum part_kind)k};
        r.at = text + len + 1;
        for (const char *letter = kinds[k].pattern; *letter != '\0'; letter++) {
            int rc = read_field(&r, &part, &kinds[k], *letter);
            if (rc < 0) {
                return rc;
            }
        }
        if (*r.at != '\0') {
            return bad_form(&r, &kinds[k]);
        }
        *out = part;
        return 0;
    }
    return err_set(err, E_INVALID,
                   "%s: not a part; a part is written KIND/NAME, KIND one of pod cube host chip "
                   "ocs port fibre face link power slice",
                   r.quoted);
}

const char *part_format(const struct part *part, char buf[static 80])
{
    const struct kind *kind = &kinds[part->kind];
    int len = snprintf(buf, 80, "%s/", kind->name);
    for (const char *letter = kind->pattern; *letter != '\0'; letter++) {
        size_t room = 80 - (size_t)len;
        switch (*letter) {
        case '-':
            len += snprintf(buf + len, room, "-");
            break;
        case 'S':
            len += snprintf(buf + len, room, "%c", part->south ? 's' : 'n');
            break;
        case 'F':
            len += snprintf(buf + len, room, "%c%c", part->minus ? '-' : '+', 'x' + part->axis);
            break;
        case 'I':
            len += snprintf(buf + len, room, "%.63s", part->id);
            break;
        default:
            len += snprintf(buf + len, room, "%u", get_number(part, number_of(*letter)));
        }
        assert(len > 0 && len < 80);
    }
    return buf;
}

const char *part_kind_name(enum part_kind kind)
{
    assert((size_t)kind < ARRAY_LEN(kinds));
    return kinds[kind].name;
}

bool part_same(const struct part *a, const struct part *b)
{
    bool face = a->cube == b->cube && a->axis == b->axis && a->minus == b->minus;
    bool chip = a->cube == b->cube && memcmp(a->at, b->at, sizeof a->at) == 0;

    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case PART_CUBE:
        return a->cube == b->cube;
    case PART_HOST:
        return a->cube == b->cube && a->host == b->host;
    case PART_CHIP:
        return chip;
    case PART_OCS:
        return a->ocs == b->ocs;
    case PART_PORT:
        return a->ocs == b->ocs && a->south == b->south && a->port == b->port;
    case PART_FIBRE:
        return face && a->a == b->a && a->b == b->b;
    case PART_FACE:
        return face;
    case PART_LINK:
        return face && chip;
    case PART_POD:
    case PART_POWER:
    case PART_SLICE:
        return strcmp(a->id, b->id) == 0;
    }
    return false;
}
