/* A driver to begin with, for an implementation with an interface in C. Copy this file and json.h, fill in the places
 * marked TODO, and run it:
 *
 *     cc -Wall -Wextra -o my_driver driver.c
 *     otterproof check exec:./my_driver
 *
 * It needs a C11 compiler and POSIX, nothing else. As it stands it can do nothing, and says so: each action is answered
 * with "unsupported". docs/reference/driver-protocol.md tells what each method and event means.
 */

#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"

enum { UNSUPPORTED = -32001, LIBRARY_FAILED = -32002, METHOD_NOT_FOUND = -32601, INVALID_PARAMS = -32602 };

/* How a call ended: OK, or an error with its code and a message for people. */
typedef struct {
    int code;
    const char *message;
} Failure;

static const Failure OK = {0, NULL};

static Failure failure(int code, const char *message)
{
    Failure result = {code, message};
    return result;
}

/* One local account with one correspondent. Parties know nothing of each other. */
typedef struct Party {
    char *name;
    Text events; /* what has happened in the call under way */
    struct Party *next;
    /* TODO: what the implementation needs for an account */
} Party;

/* ---- events: begin one, then add all its fields -------------------------------------------------------------------- */

static inline void event(Party *party, const char *name)
{
    put(&party->events, party->events.length ? "},{\"event\":\"" : "{\"event\":\"");
    put(&party->events, name);
    put(&party->events, "\"");
}

static inline void add_field(Party *party, const char *name)
{
    put(&party->events, ",\"");
    put(&party->events, name);
    put(&party->events, "\":");
}

/* A message, text, question or data: bytes. */
static inline void add_bytes(Party *party, const char *name, const void *data, size_t length)
{
    add_field(party, name);
    put_bytes(&party->events, data, length);
}

/* An ssid, fingerprint or key. */
static inline void add_hex(Party *party, const char *name, const void *data, size_t length)
{
    add_field(party, name);
    put_hex(&party->events, data, length);
}

static inline void add_number(Party *party, const char *name, long long number)
{
    add_field(party, name);
    put_number(&party->events, number);
}

static inline void add_bool(Party *party, const char *name, int value)
{
    add_field(party, name);
    put(&party->events, value ? "true" : "false");
}

/* A name of the protocol, such as a reason; NULL for what the implementation does not tell. */
static inline void add_word(Party *party, const char *name, const char *word)
{
    add_field(party, name);
    if (word)
        put_bytes(&party->events, word, strlen(word));
    else
        put(&party->events, "null");
}

/* Something is to be transmitted. */
static inline void outgoing(Party *party, const void *message, size_t length)
{
    event(party, "outgoing_message");
    add_bytes(party, "message", message, length);
}

/* The implementation refuses what its user asks for, which is no error. */
static inline void refused(Party *party, const char *action, const char *reason)
{
    event(party, "action_refused");
    add_word(party, "action", action);
    add_word(party, "reason", reason);
}

/* ---- what the implementation does -------------------------------------------------------------------------------- */

static void put_hello(Text *out)
{
    put(out, "{\"protocol\":2,"
             "\"name\":\"template\"," /* TODO */
             "\"version\":\"0\","     /* TODO: the implementation's version, asked of itself */
             "\"otr_versions\":[2,3]," /* TODO */
             "\"capabilities\":[],"   /* TODO: "v2", "v3", "smp", ...: what is listed here is judged */
             "\"randomness\":\"none\"}");
}

static Failure set_up(Party *party, const Json *params)
{
    /* TODO: set up the implementation. The long-term key is given, so that fingerprints stay the same:
     *     const Json *key = json_member(params, "key");
     *     const char *p = json_member_string(key, "p")->text;   (and q, g, y, x, all in hexadecimal)
     * Make it obey "policy" (a list of strings), "instance_tag", "max_message_size" and "heartbeat_interval" as far as
     * it can; json_member gives NULL for null. If there is a "seed", feed the random generator from that, if you can:
     * then runs are repeatable, and "randomness" above is "seed". A value that it can't have is UNSUPPORTED. */
    (void)party;
    (void)params;
    return OK;
}

static void put_created(Text *out, Party *party)
{
    /* TODO: our own instance tag (null if there is none yet), and the fingerprint of our own key: put_number, put_hex. */
    (void)party;
    put(out, "{\"instance_tag\":null,\"fingerprint\":\"0000000000000000000000000000000000000000\"}");
}

static void tear_down(Party *party)
{
    /* TODO: free what set_up has made. It may have failed half-way. */
    (void)party;
}

/* Each action hands its arguments on and leaves what happens in the party's events. What the implementation does not tell
 * is null: add_word(party, field, NULL). An error by which it refuses something is an event: message_rejected or
 * message_unreadable for what was received, refused() for what the user wants. Only a breakdown is LIBRARY_FAILED, with a
 * message that begins with the name of the error and a colon. */

static Failure do_receive(Party *party, const Json *params)
{
    /* TODO: hand the message to the implementation:
     *     const Json *message = json_member_string(params, "message");   (message->text, message->length)
     * and tell what happens, for example:
     *     event(party, "text_received");
     *     add_bytes(party, "text", text, length);
     *     add_bool(party, "secure", 1);
     *     add_bool(party, "warn", 0);
     *     add_number(party, "instance", tag); */
    (void)party;
    (void)params;
    return failure(UNSUPPORTED, "it can't receive");
}

static Failure do_send(Party *party, const Json *params)
{
    /* TODO: "text"; "padding" and "instance" are numbers, and may be left out. */
    (void)party;
    (void)params;
    return failure(UNSUPPORTED, "it can't send");
}

static Failure do_start(Party *party, const Json *params)
{
    /* TODO: send a query. */
    (void)party;
    (void)params;
    return failure(UNSUPPORTED, "it can't start");
}

static Failure do_end(Party *party, const Json *params)
{
    /* TODO: "instance" may be left out. */
    (void)party;
    (void)params;
    return failure(UNSUPPORTED, "it can't end");
}

static Failure do_smp_start(Party *party, const Json *params)
{
    /* TODO: "secret"; "question" and "instance" may be left out. */
    (void)party;
    (void)params;
    return failure(UNSUPPORTED, "it can't smp_start");
}

static Failure do_smp_answer(Party *party, const Json *params)
{
    /* TODO: "secret"; "instance" may be left out. */
    (void)party;
    (void)params;
    return failure(UNSUPPORTED, "it can't smp_answer");
}

static Failure do_smp_abort(Party *party, const Json *params)
{
    /* TODO: "instance" may be left out. */
    (void)party;
    (void)params;
    return failure(UNSUPPORTED, "it can't smp_abort");
}

static Failure do_extra_key(Party *party, const Json *params)
{
    /* TODO: "use" is a number; "data" and "instance" may be left out. */
    (void)party;
    (void)params;
    return failure(UNSUPPORTED, "it can't extra_key");
}

static Failure do_set_policy(Party *party, const Json *params)
{
    /* TODO: "policy", a list of strings. */
    (void)party;
    (void)params;
    return failure(UNSUPPORTED, "it can't set_policy");
}

static Failure do_set_time(Party *party, const Json *params)
{
    /* TODO: "now", whole seconds. Only asked of drivers that claim "time". */
    (void)party;
    (void)params;
    return failure(UNSUPPORTED, "it can't set_time");
}

/* ---- the protocol: nothing to fill in from here on ----------------------------------------------------------------- */

static const struct {
    const char *name;
    Failure (*run)(Party *party, const Json *params);
} ACTIONS[] = {
    {"receive", do_receive},     {"send", do_send},           {"start", do_start},
    {"end", do_end},             {"smp_start", do_smp_start}, {"smp_answer", do_smp_answer},
    {"smp_abort", do_smp_abort}, {"extra_key", do_extra_key}, {"set_policy", do_set_policy},
    {"set_time", do_set_time},
};

static Party *parties = NULL;

/* The place of a party in the list, which is its end if there is no party of that name. */
static Party **find(const Json *params)
{
    const Json *name = json_member_string(params, "party");
    Party **link = &parties;
    while (*link && (!name || strcmp((*link)->name, name->text))) link = &(*link)->next;
    return link;
}

static void forget(Party **link)
{
    Party *party = *link;
    *link = party->next;
    tear_down(party);
    free(party->name);
    free(party->events.data);
    free(party);
}

static Failure create(const Json *params, Text *result)
{
    const Json *name = json_member_string(params, "party");
    Party **link = find(params);
    if (!name || *link) return failure(INVALID_PARAMS, "create needs party, a new name");
    Party *party = *link = json_memory(NULL, sizeof *party);
    memset(party, 0, sizeof *party);
    party->name = strdup(name->text);
    Failure failed = set_up(party, params);
    if (failed.code)
        forget(link);
    else
        put_created(result, party);
    return failed;
}

static Failure act(Failure (*run)(Party *, const Json *), Party *party, const Json *params, Text *result)
{
    party->events.length = 0;
    Failure failed = run(party, params);
    if (failed.code) return failed;
    put(result, "{\"events\":[");
    if (party->events.length) {
        put_data(result, party->events.data, party->events.length);
        put(result, "}");
    }
    put(result, "]}");
    return OK;
}

static Failure handle(const char *method, const Json *params, Text *result)
{
    if (!strcmp(method, "create")) return create(params, result);
    if (!strcmp(method, "hello")) {
        put_hello(result);
        return OK;
    }
    for (size_t i = 0; i < sizeof ACTIONS / sizeof *ACTIONS; i++)
        if (!strcmp(method, ACTIONS[i].name)) {
            Party *party = *find(params);
            if (!party) return failure(INVALID_PARAMS, "no such party; create it first");
            return act(ACTIONS[i].run, party, params, result);
        }
    if (!strcmp(method, "close")) {
        if (!*find(params)) return failure(INVALID_PARAMS, "no such party; create it first");
        forget(find(params));
    } else if (!strcmp(method, "reset")) {
        while (parties) forget(&parties);
    } else if (strcmp(method, "shutdown")) {
        return failure(METHOD_NOT_FOUND, "no such method");
    }
    put(result, "{}");
    return OK;
}

/* The answer to a request. */
static void put_answer(Text *out, long long id, const char *method, const Json *params)
{
    Text result = {NULL, 0, 0};
    Failure failed = handle(method, params, &result);
    put(out, "{\"jsonrpc\":\"2.0\",\"id\":");
    put_number(out, id);
    if (failed.code) {
        put(out, ",\"error\":{\"code\":");
        put_number(out, failed.code);
        put(out, ",\"message\":");
        put_bytes(out, failed.message, strlen(failed.message));
        put(out, "}");
    } else {
        put(out, ",\"result\":");
        put_data(out, result.data, result.length);
    }
    put(out, "}\n");
    free(result.data);
}

int main(void)
{
    /* Standard output is the protocol's alone: whatever else prints something goes to standard error. */
    FILE *answers = fdopen(dup(STDOUT_FILENO), "w");
    char *line = NULL;
    size_t room = 0;
    int last = 0;
    ssize_t length;
    if (!answers || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return 2;
    while (!last && (length = getline(&line, &room, stdin)) > 0) {
        Json *request = json_read(line, (size_t)length);
        const Json *id = json_member_number(request, "id"), *method = json_member_string(request, "method");
        if (!id || !method) {
            fprintf(stderr, "not a request: %s", line);
            return 2;
        }
        Text answer = {NULL, 0, 0};
        put_answer(&answer, id->number, method->text, json_member(request, "params"));
        fwrite(answer.data, 1, answer.length, answers);
        fflush(answers);
        last = !strcmp(method->text, "shutdown");
        free(answer.data);
        json_free(request);
    }
    while (parties) forget(&parties);
    free(line);
    return 0;
}
