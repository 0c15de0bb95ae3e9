/* Messages as we take them: besides what protobuf-c checks, every string is
 * printable ASCII.  Strings of a peer end in journals, logs and JSON, are cut to
 * the size of a buffer on the way, and none of that may make an answer that
 * cannot be written. */
#include "rpc.h"

static bool is_plain(const char *text)
{
    for (; text != NULL && *text != '\0'; text++) {
        if ((*text < ' ' || *text > '~') && *text != '\n' && *text != '\t') {
            return false;
        }
    }
    return true;
}

static bool strings_are_plain(const ProtobufCMessage *message);

static bool item_is_plain(const ProtobufCFieldDescriptor *field, const void *item)
{
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        return is_plain(*(char *const *)item);
    }
    const ProtobufCMessage *inner = *(ProtobufCMessage *const *)item;
    return inner == NULL || strings_are_plain(inner);
}

/* Depth is that of our message types, none of which holds itself. */
static bool field_is_plain(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *)message;
    const void *at = base + field->offset;

    if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE) {
        return true;
    }
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t n = *(const size_t *)(const void *)(base + field->quantifier_offset);
        void *const *items = *(void *const *const *)at;
        for (size_t i = 0; i < n; i++) {
            if (!item_is_plain(field, &items[i])) {
                return false;
            }
        }
        return true;
    }
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
        *(const uint32_t *)(const void *)(base + field->quantifier_offset) != field->id) {
        return true; /* the place holds another of them */
    }
    return item_is_plain(field, at);
}

static bool strings_are_plain(const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        if (!field_is_plain(message, &message->descriptor->fields[i])) {
            return false;
        }
    }
    return true;
}

void *rpc_unpack(const ProtobufCMessageDescriptor *type, const uint8_t *body, size_t len)
{
    ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, len, body);

    if (message != NULL && !strings_are_plain(message)) {
        protobuf_c_message_free_unpacked(message, NULL);
        return NULL;
    }
    return message;
}
