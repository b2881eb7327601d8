/* A driver for libotr 4.1: one JSON-RPC request a line on standard input, one answer a line on standard output.
 *
 * docs/reference/driver-protocol.md describes the lines. Each party is an account of its own with its own OtrlUserState.
 */

#include "driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Seconds between heartbeats, fixed in libotr. */
#define HEARTBEAT 60

static Party *parties = NULL;

static Party *find(const char *name)
{
    for (Party *party = parties; name && party; party = party->next)
        if (!strcmp(party->name, name)) return party;
    return NULL;
}

static void forget(Party *party)
{
    Party **link = &parties;
    while (*link && *link != party) link = &(*link)->next;
    if (*link) *link = party->next;
    act_for(party);
    otrl_userstate_free(party->us);
    act_for(NULL);
    free(party->name);
    free(party->account);
    free(party->peer);
    json_decref(party->events);
    free(party);
}

/* libotr reads keys and instance tags only from files, and needs the size of the file. It is an unnamed temporary file. */
static gcry_error_t read_text(Party *party, const char *text, gcry_error_t (*reader)(OtrlUserState, FILE *))
{
    FILE *file = tmpfile();
    if (!file) return gcry_error_from_errno(errno);
    fputs(text, file);
    rewind(file);
    gcry_error_t error = reader(party->us, file);
    fclose(file);
    return error;
}

static int read_key(Party *party, json_t *key)
{
    static const char *const names[] = {"p", "q", "g", "y", "x"};
    char text[4096];
    size_t length = (size_t)snprintf(text, sizeof text, "(privkeys (account (name \"%s\") (protocol %s) (private-key (dsa",
                                     party->account, PROTOCOL_NAME);
    for (int i = 0; i < 5; i++) {
        const char *digits = text_of(key, names[i]);
        if (!digits || strlen(digits) > 768 || strspn(digits, "0123456789abcdef") != strlen(digits)) return -1;
        length += (size_t)snprintf(text + length, sizeof text - length, " (%s #00%s%s#)", names[i],
                                   strlen(digits) % 2 ? "0" : "", digits);
    }
    snprintf(text + length, sizeof text - length, "))))\n");
    return read_text(party, text, otrl_privkey_read_FILEp) ||
           !otrl_privkey_find(party->us, party->account, PROTOCOL_NAME);
}

static int set_instance_tag(Party *party, json_t *tag)
{
    if (!json_is_integer(tag)) { /* libotr draws one */
        ops.create_instag(party, party->account, PROTOCOL_NAME);
    } else {
        char text[256];
        snprintf(text, sizeof text, "%s\t%s\t%08x\n", party->account, PROTOCOL_NAME,
                 (unsigned int)json_integer_value(tag));
        if (read_text(party, text, otrl_instag_read_FILEp)) return -1;
    }
    return otrl_instag_find(party->us, party->account, PROTOCOL_NAME) ? 0 : -1;
}

static const char *set_up(Party *party, json_t *params)
{
    const char *seed = text_of(params, "seed");
    party->us = otrl_userstate_create();
    party->events = json_array();
    party->max_message_size = (int)json_integer_value(json_object_get(params, "max_message_size"));
    if (seed) {
        gcry_md_hash_buffer(GCRY_MD_SHA256, party->seed, seed, strlen(seed));
        party->seeded = 1;
    }
    act_for(party);
    if (policy_of(json_object_get(params, "policy"), &party->policy)) return "policy is a list of names of flags";
    if (read_key(party, json_object_get(params, "key"))) return "libotr does not take this key";
    if (set_instance_tag(party, json_object_get(params, "instance_tag"))) return "libotr does not take this instance tag";
    return NULL;
}

static Failure create(json_t *params, json_t **result)
{
    const char *name = text_of(params, "party"), *account = text_of(params, "account"), *peer = text_of(params, "peer");
    json_t *heartbeat = json_object_get(params, "heartbeat_interval");
    unsigned char fingerprint[20];
    if (!name || !account || !peer || strpbrk(account, "\"\\\t\r\n") || strlen(account) > 128)
        return failure(INVALID_PARAMS, "create needs party, account and peer; the account short and without quotes");
    if (find(name)) return failure(INVALID_PARAMS, "there is a party of that name; close it first");
    if (json_is_integer(heartbeat) && json_integer_value(heartbeat) != HEARTBEAT)
        return failure(UNSUPPORTED, "libotr's heartbeat is 60 seconds");
    Party *party = calloc(1, sizeof *party);
    party->name = strdup(name);
    party->account = strdup(account);
    party->peer = strdup(peer);
    party->next = parties;
    parties = party;
    const char *problem = set_up(party, params);
    act_for(NULL);
    if (problem) {
        forget(party);
        return failure(INVALID_PARAMS, problem);
    }
    otrl_privkey_fingerprint_raw(party->us, fingerprint, account, PROTOCOL_NAME);
    *result = json_pack("{s:I, s:o}", "instance_tag",
                        (json_int_t)otrl_instag_find(party->us, account, PROTOCOL_NAME)->instag, "fingerprint",
                        hex(fingerprint, 20));
    return OK;
}

/* Not part of the protocol: the time for libotr to send and receive messages that rotate keys, in alternating directions. */
static Failure bench(json_t *params, json_t **result)
{
    Party *sides[2] = {find(text_of(params, "party")), find(text_of(params, "other"))};
    json_int_t messages = json_integer_value(json_object_get(params, "messages"));
    struct timespec from, to;
    if (!sides[0] || !sides[1]) return failure(INVALID_PARAMS, "bench needs two parties that are connected");
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (json_int_t i = 0; i < messages; i++) {
        Party *sender = sides[i % 2], *receiver = sides[1 - i % 2];
        act(sender, "send", params);
        act(receiver, "receive", json_array_get(sender->events, 0));
        if (!json_array_size(receiver->events)) return failure(LIBRARY_FAILED, "a message did not arrive");
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    *result = json_pack("{s:f}", "seconds",
                        (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    return OK;
}

#ifdef OTTERPROOF_VERSION
#define LIBRARY_VERSION OTTERPROOF_VERSION
#else
#define LIBRARY_VERSION otrl_version()
#endif

static json_t *hello(void)
{
    static const char *const capabilities[] = {
        "v2",   "v3",     "smp",       "smp_question", "smp_abort",      "extra_key", "fragmentation_out", "instance_tags",
        "policy", "heartbeat", "time", "dump", "whitespace_tag", "stored_messages",
#ifdef __linux__
        "snapshot",
#endif
    };
    json_t *names = json_array();
    for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++)
        json_array_append_new(names, json_string(capabilities[i]));
    return json_pack("{s:i, s:s, s:s, s:[i,i], s:o, s:s, s:b}", "protocol", 2, "name", "libotr", "version",
                     LIBRARY_VERSION, "otr_versions", 2, 3, "capabilities", names, "randomness", "seed", "coverage",
                     HAS_COVERAGE);
}

/* What to do after a request has been answered. */
typedef enum { GO_ON, LEAVE, RESTORE, SAY_NOTHING } Then;

/* The snapshot to restore, for RESTORE. */
static int wanted;

static void discard_all(void)
{
    for (int i = 0; i < SNAPSHOTS; i++)
        if (snapshot_waits(i)) snapshot_discard(i);
}

static Failure handle_snapshot(const char *method, json_t *params, Then *then)
{
    json_t *number = json_object_get(params, "handle");
    json_int_t value = json_integer_value(number);
    if (!json_is_integer(number) || value < 0) return failure(INVALID_PARAMS, "a handle is a number from 0 on");
    if (value >= SNAPSHOTS) return failure(UNSUPPORTED, "there are no more snapshots");
    wanted = (int)value;
    if (!strcmp(method, "snapshot")) {
        if (snapshot_waits(wanted)) return failure(INVALID_PARAMS, "there is a snapshot of this handle; discard it first");
        Kept kept = snapshot_keep(wanted);
        if (kept == KEPT_EARLIER) *then = SAY_NOTHING;
        return kept == KEPT_NOTHING ? failure(UNSUPPORTED, "the system has no process for a snapshot") : OK;
    }
    if (!snapshot_waits(wanted)) return failure(INVALID_PARAMS, "there is no snapshot of this handle");
    if (!strcmp(method, "restore"))
        *then = RESTORE;
    else
        snapshot_discard(wanted);
    return OK;
}

static Failure handle(const char *method, json_t *params, json_t **result, Then *then)
{
    if (!strcmp(method, "hello")) {
        *result = hello();
        return OK;
    }
    if (HAS_COVERAGE && !strcmp(method, "coverage")) {
        *result = coverage(json_is_true(json_object_get(params, "begin")));
        return OK;
    }
    if (!strcmp(method, "create")) return create(params, result);
    if (!strcmp(method, "bench")) return bench(params, result);
    if (!strcmp(method, "shutdown")) {
        *then = LEAVE;
        return OK;
    }
    if (!strcmp(method, "reset")) {
        while (parties) forget(parties);
        discard_all();
        return OK;
    }
    if (!strcmp(method, "snapshot") || !strcmp(method, "restore") || !strcmp(method, "discard"))
        return handle_snapshot(method, params, then);
    Party *party = find(text_of(params, "party"));
    if (!party) return failure(INVALID_PARAMS, "there is no party of that name; create it first");
    if (!strcmp(method, "close")) {
        forget(party);
        return OK;
    }
    if (!strcmp(method, "dump")) {
        *result = dump(party);
        return OK;
    }
    Failure failed = act(party, method, params);
    if (!failed.code) *result = json_pack("{s:O}", "events", party->events);
    return failed;
}

/* The answer to one line, and what to do next. If the line is not a request: NULL, and the reason on standard error. */
static char *answer(const char *line, size_t length, Then *then)
{
    json_error_t where;
    json_t *request = json_loadb(line, length, JSON_ALLOW_NUL, &where), *result = NULL, *reply;
    json_t *id = json_object_get(request, "id");
    const char *method = text_of(request, "method");
    char *text = NULL;
    if (method && id) {
        coverage_of_next_request();
        Failure failed = handle(method, json_object_get(request, "params"), &result, then);
        if (failed.code)
            reply = json_pack("{s:s, s:O, s:{s:i, s:s}}", "jsonrpc", "2.0", "id", id, "error", "code", failed.code,
                              "message", failed.text);
        else
            reply = json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", id, "result", result ? result : json_object());
        text = json_dumps(reply, JSON_COMPACT | JSON_ENSURE_ASCII);
        json_decref(reply);
    } else {
        fprintf(stderr, "libotr driver: not a request: %s\n", request ? "no method or no id" : where.text);
    }
    json_decref(request);
    return text;
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    Then then = GO_ON;
    gcry_control(GCRYCTL_SET_PREFERRED_RNG_TYPE, GCRY_RNG_TYPE_SYSTEM);
    OTRL_INIT;
    while (then != LEAVE && (length = getline(&line, &size, stdin)) > 0) {
        then = GO_ON;
        char *text = answer(line, (size_t)length, &then);
        if (!text) return 2;
        if (then != SAY_NOTHING) {
            puts(text);
            fflush(stdout);
        }
        free(text);
        if (then == RESTORE) snapshot_restore(wanted);
    }
    while (parties) forget(parties);
    free(line);
    return 0;
}
