/* The JSON that a driver needs: a reader for requests and a writer for answers. There is nothing to fill in here.
 *
 * A string of the protocol has one character, U+0000 to U+00FF, for each byte. The reader converts it to these bytes: `text`
 * has `length` bytes, which may include NULs, and a terminating NUL. It refuses strings with other characters.
 * If memory runs out, the program aborts, which counts as a crash.
 */

#ifndef JSON_H
#define JSON_H

#include <stdlib.h>
#include <string.h>

typedef enum { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_LIST, JSON_OBJECT } JsonKind;

typedef struct Json {
    JsonKind kind;
    long long number;     /* of a number; one out of range becomes the nearest value */
    char *text;           /* of a string */
    size_t length;        /* of `text` */
    char *name;           /* of a member of an object */
    struct Json *first;   /* the first item of a list or member of an object; NULL if empty */
    struct Json *next;    /* the item or member after this one; NULL for the last */
} Json;

static inline void *json_memory(void *old, size_t size)
{
    void *memory = realloc(old, size);
    if (!memory) abort();
    return memory;
}

static inline void json_free(Json *value)
{
    while (value) {
        Json *next = value->next;
        json_free(value->first);
        free(value->name);
        free(value->text);
        free(value);
        value = next;
    }
}

/* ---- the reader -------------------------------------------------------------------------------------------------- */

typedef struct {
    const unsigned char *at, *end;
    int depth;
} JsonReader;

static inline void json_skip_blanks(JsonReader *in)
{
    while (in->at < in->end && strchr(" \t\r\n", *in->at) && *in->at) in->at++;
}

/* Whether the next non-blank character is this one; if so, it is skipped. */
static inline int json_next_is(JsonReader *in, char wanted)
{
    json_skip_blanks(in);
    if (in->at == in->end || *in->at != (unsigned char)wanted) return 0;
    in->at++;
    return 1;
}

/* The byte that an escape stands for, after its backslash; -1 if it is not an escape for a byte. */
static inline int json_escape(JsonReader *in)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    if (in->at == in->end) return -1;
    int name = *in->at++, code = 0;
    if (name != 'u') {
        const char *found = name ? strchr(names, name) : NULL;
        return found ? bytes[found - names] : -1;
    }
    for (int i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef";
        if (in->at == in->end) return -1;
        int lower = *in->at >= 'A' && *in->at <= 'F' ? *in->at + ('a' - 'A') : *in->at;
        const char *found = lower ? strchr(digits, lower) : NULL;
        if (!found) return -1;
        code = code * 16 + (int)(found - digits);
        in->at++;
    }
    return code <= 0xFF ? code : -1;
}

/* The bytes of a string after its opening quote; NULL if it is not valid. */
static inline char *json_string(JsonReader *in, size_t *length)
{
    char *out = json_memory(NULL, (size_t)(in->end - in->at) + 1);
    *length = 0;
    while (in->at < in->end) {
        int byte = *in->at++;
        if (byte == '"') {
            out[*length] = 0;
            return out;
        }
        if (byte == '\\')
            byte = json_escape(in);
        else if ((byte == 0xC2 || byte == 0xC3) && in->at < in->end && (*in->at & 0xC0) == 0x80)
            byte = (byte & 0x03) << 6 | (*in->at++ & 0x3F); /* UTF-8 of U+0080 to U+00FF */
        else if (byte < 0x20 || byte >= 0x80)
            byte = -1;
        if (byte < 0) break;
        out[(*length)++] = (char)byte;
    }
    free(out);
    return NULL;
}

static inline int json_word(JsonReader *in, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(in->end - in->at) < length || memcmp(in->at, word, length)) return 0;
    in->at += length;
    return 1;
}

static inline int json_number(JsonReader *in, long long *number)
{
    const unsigned char *begin = in->at;
    char digits[32] = "";
    while (in->at < in->end && strchr("-0123456789", *in->at) && *in->at) in->at++;
    size_t length = (size_t)(in->at - begin);
    if (!length || length >= sizeof digits) return 0;
    memcpy(digits, begin, length);
    char *rest;
    *number = strtoll(digits, &rest, 10);
    return !*rest && rest[-1] != '-';
}

static inline int json_read_value(JsonReader *in, Json *value);

/* The items of a list or the members of an object, up to the closing bracket. */
static inline int json_read_inside(JsonReader *in, Json *value, char close)
{
    Json **link = &value->first;
    if (json_next_is(in, close)) return 1;
    do {
        Json *inner = *link = json_memory(NULL, sizeof *inner);
        memset(inner, 0, sizeof *inner);
        link = &inner->next;
        if (value->kind == JSON_OBJECT) {
            size_t length;
            if (!json_next_is(in, '"') || !(inner->name = json_string(in, &length)) || !json_next_is(in, ':')) return 0;
        }
        if (!json_read_value(in, inner)) return 0;
    } while (json_next_is(in, ','));
    return json_next_is(in, close);
}

static inline int json_read_value(JsonReader *in, Json *value)
{
    int read = 0;
    if (++in->depth > 64) return 0;
    json_skip_blanks(in);
    if (json_next_is(in, '{')) {
        value->kind = JSON_OBJECT;
        read = json_read_inside(in, value, '}');
    } else if (json_next_is(in, '[')) {
        value->kind = JSON_LIST;
        read = json_read_inside(in, value, ']');
    } else if (json_next_is(in, '"')) {
        value->kind = JSON_STRING;
        value->text = json_string(in, &value->length);
        read = value->text != NULL;
    } else if (json_word(in, "null")) {
        read = 1;
    } else if (json_word(in, "true")) {
        value->kind = JSON_TRUE;
        read = 1;
    } else if (json_word(in, "false")) {
        value->kind = JSON_FALSE;
        read = 1;
    } else {
        value->kind = JSON_NUMBER;
        read = json_number(in, &value->number);
    }
    in->depth--;
    return read;
}

/* The value in a line; NULL unless there is exactly one. Free it with json_free. */
static inline Json *json_read(const char *line, size_t length)
{
    JsonReader in = {(const unsigned char *)line, (const unsigned char *)line + length, 0};
    Json *value = json_memory(NULL, sizeof *value);
    memset(value, 0, sizeof *value);
    int read = json_read_value(&in, value);
    json_skip_blanks(&in);
    if (read && in.at == in.end) return value;
    json_free(value);
    return NULL;
}

/* A member of an object; NULL if it is missing or null. */
static inline const Json *json_member(const Json *object, const char *name)
{
    const Json *member = object && object->kind == JSON_OBJECT ? object->first : NULL;
    while (member && strcmp(member->name, name)) member = member->next;
    return member && member->kind != JSON_NULL ? member : NULL;
}

/* The same; NULL also if it is not a string, or not a number. */
static inline const Json *json_member_string(const Json *object, const char *name)
{
    const Json *member = json_member(object, name);
    return member && member->kind == JSON_STRING ? member : NULL;
}

static inline const Json *json_member_number(const Json *object, const char *name)
{
    const Json *member = json_member(object, name);
    return member && member->kind == JSON_NUMBER ? member : NULL;
}

/* ---- the writer -------------------------------------------------------------------------------------------------- */

typedef struct {
    char *data; /* NUL-terminated; NULL while empty */
    size_t length, room;
} Text;

static inline void put_data(Text *out, const char *data, size_t length)
{
    if (out->length + length + 1 > out->room) {
        out->room = 2 * (out->length + length + 1);
        out->data = json_memory(out->data, out->room);
    }
    memcpy(out->data + out->length, data, length);
    out->length += length;
    out->data[out->length] = 0;
}

/* Text that is already JSON. */
static inline void put(Text *out, const char *json)
{
    put_data(out, json, strlen(json));
}

static inline void put_number(Text *out, long long number)
{
    char digits[32], *at = digits + sizeof digits;
    unsigned long long rest = number < 0 ? 0 - (unsigned long long)number : (unsigned long long)number;
    do *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (number < 0) *--at = '-';
    put_data(out, at, (size_t)(digits + sizeof digits - at));
}

/* A string with one character for each byte: printable ASCII, and escapes for everything else. */
static inline void put_bytes(Text *out, const void *data, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = data;
    put(out, "\"");
    for (size_t i = 0; i < length; i++) {
        char escape[] = {'\\', 'u', '0', '0', digits[in[i] >> 4], digits[in[i] & 15]};
        if (in[i] < 0x20 || in[i] > 0x7E || in[i] == '"' || in[i] == '\\')
            put_data(out, escape, sizeof escape);
        else
            put_data(out, (const char *)in + i, 1);
    }
    put(out, "\"");
}

/* A string of lower-case hexadecimal digits. */
static inline void put_hex(Text *out, const void *data, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = data;
    put(out, "\"");
    for (size_t i = 0; i < length; i++) {
        char two[] = {digits[in[i] >> 4], digits[in[i] & 15]};
        put_data(out, two, sizeof two);
    }
    put(out, "\"");
}

#endif
