/* Names of the parts of a pod, as people and the API write them:
 *
 *   pod/ID  cube/5  host/5-3  chip/5-3-0-2 (cube-x-y-z)  ocs/12
 *   port/12-n-5 (OCS-side-number)  fibre/5+x-0-3 (cube, face, a, b)  face/5+x
 *   link/5-3-0-2+x (directed, from that chip's port)  power/ID  slice/ID
 */
#ifndef COMMON_PART_H
#define COMMON_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum part_kind {
    PART_POD,
    PART_CUBE,
    PART_HOST,
    PART_CHIP,
    PART_OCS,
    PART_PORT,
    PART_FIBRE,
    PART_FACE,
    PART_LINK,
    PART_POWER,
    PART_SLICE,
};

/* Only the fields that the kind has are meaningful; others are 0. */
struct part {
    enum part_kind kind;
    uint16_t cube, host, ocs, port;
    uint8_t at[3]; /* chip, link: in-cube x, y, z */
    uint8_t a, b;  /* fibre: in-face position */
    uint8_t axis;  /* fibre, face, link */
    bool minus;    /* fibre, face, link */
    bool south;    /* port */
    char id[64];   /* pod, power, slice */
};

/* Checks the syntax and the bounds that every pod has (0 <= x,y,z,a,b <= 3,
 * host < 16, ocs < 48); whether cube and port exist is the caller's to check.
 * A part has one name: leading zeros and signs are refused.  An ID is 1 to 63
 * of A-Z a-z 0-9 . _ -.  E_INVALID names what is wrong with the text
 * ("host/5-16: host is 0 to 15"); *out is then untouched. */
int part_parse(struct part *out, const char *text, struct error *err);
/* Writes the name and returns buf. */
const char *part_format(const struct part *part, char buf[static 80]);
const char *part_kind_name(enum part_kind kind);
bool part_same(const struct part *a, const struct part *b);

#endif
