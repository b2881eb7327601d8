/* Bytes, numbers and policies in the JSON forms of the protocol. */

#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A JSON string with one character, U+0000 to U+00FF, for each byte. */
json_t *latin1(const void *data, size_t length)
{
    const unsigned char *in = data;
    char *utf8 = malloc(2 * length + 1);
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        if (in[i] < 0x80) {
            utf8[n++] = (char)in[i];
        } else {
            utf8[n++] = (char)(0xC0 | in[i] >> 6);
            utf8[n++] = (char)(0x80 | (in[i] & 0x3F));
        }
    }
    json_t *result = json_stringn(utf8, n);
    free(utf8);
    return result;
}

json_t *latin1_string(const char *text)
{
    return latin1(text, strlen(text));
}

/* The bytes of such a string, NUL-terminated; NULL if it is not a string or has a character above U+00FF. */
char *bytes_of(json_t *value, size_t *length)
{
    if (!json_is_string(value)) return NULL;
    const unsigned char *in = (const unsigned char *)json_string_value(value);
    size_t size = json_string_length(value), n = 0;
    char *out = malloc(size + 1);
    for (size_t i = 0; i < size; i++) {
        if (in[i] < 0x80) {
            out[n++] = (char)in[i];
        } else if (i + 1 < size && (in[i] & 0xFC) == 0xC0) {
            out[n++] = (char)((in[i] & 0x03) << 6 | (in[i + 1] & 0x3F));
            i++;
        } else {
            free(out);
            return NULL;
        }
    }
    out[n] = 0;
    if (length) *length = n;
    return out;
}

json_t *hex(const void *data, size_t length)
{
    const unsigned char *in = data;
    char *text = malloc(2 * length + 1);
    for (size_t i = 0; i < length; i++) sprintf(text + 2 * i, "%02x", in[i]);
    json_t *result = json_stringn(text, 2 * length);
    free(text);
    return result;
}

/* The correspondent's instance tag. libotr has 0 for its master context, which holds version 2 sessions. */
json_t *instance_of(const ConnContext *context)
{
    return json_integer(context ? (json_int_t)context->their_instance : 0);
}

int policy_of(json_t *names, OtrlPolicy *policy)
{
    static const struct {
        const char *name;
        OtrlPolicy flag;
    } flags[] = {
        {"allow_v2", OTRL_POLICY_ALLOW_V2},
        {"allow_v3", OTRL_POLICY_ALLOW_V3},
        {"require_encryption", OTRL_POLICY_REQUIRE_ENCRYPTION},
        {"send_whitespace_tag", OTRL_POLICY_SEND_WHITESPACE_TAG},
        {"whitespace_start_ake", OTRL_POLICY_WHITESPACE_START_AKE},
        {"error_start_ake", OTRL_POLICY_ERROR_START_AKE},
    };
    OtrlPolicy result = 0;
    size_t index;
    json_t *name;
    if (!json_is_array(names)) return -1;
    json_array_foreach(names, index, name)
    {
        size_t i = 0, count = sizeof flags / sizeof *flags;
        while (i < count && (!json_is_string(name) || strcmp(flags[i].name, json_string_value(name)))) i++;
        if (i == count) return -1;
        result |= flags[i].flag;
    }
    *policy = result;
    return 0;
}

const char *text_of(json_t *params, const char *name)
{
    return json_string_value(json_object_get(params, name));
}
