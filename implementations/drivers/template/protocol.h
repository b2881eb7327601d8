/* The driver protocol in C: the request loop, the parties by name, and the events. There is nothing to fill in here;
 * driver.c passes the implementation's functions to serve(). Include this file before any other header.
 */

#ifndef PROTOCOL_H
#define PROTOCOL_H

#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"

enum { UNSUPPORTED = -32001, LIBRARY_FAILED = -32002, METHOD_NOT_FOUND = -32601, INVALID_PARAMS = -32602 };

/* The outcome of a call: code 0, or an error code and a message for humans. */
typedef struct {
    int code;
    const char *message;
} Failure;

static inline Failure failure(int code, const char *message)
{
    Failure result = {code, message};
    return result;
}

/* Success. */
static inline Failure ok(void)
{
    return failure(0, NULL);
}

/* One local account with one correspondent. Parties are independent of each other. */
typedef struct Party {
    char *name;
    Text events; /* of the current call */
    struct Party *next;
    void *own; /* the implementation's data for the account; NULL at first */
} Party;

/* An action of the protocol and the function that carries it out, which adds events to the party. */
typedef struct {
    const char *name;
    Failure (*run)(Party *party, const Json *params);
} Action;

/* What serve() needs. put_hello and put_created write a JSON object. set_up creates party->own, and tear_down frees it, also
 * after set_up failed halfway. The list of actions ends with one whose name is NULL. */
typedef struct {
    void (*put_hello)(Text *out);
    Failure (*set_up)(Party *party, const Json *params);
    void (*put_created)(Text *out, Party *party);
    void (*tear_down)(Party *party);
    const Action *actions;
} Driver;

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

/* Bytes: a message, text, question or data. */
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

/* A word of the protocol, such as a reason; NULL if the implementation does not tell it. */
static inline void add_word(Party *party, const char *name, const char *word)
{
    add_field(party, name);
    if (word)
        put_bytes(&party->events, word, strlen(word));
    else
        put(&party->events, "null");
}

/* A message to transmit. */
static inline void outgoing(Party *party, const void *message, size_t length)
{
    event(party, "outgoing_message");
    add_bytes(party, "message", message, length);
}

/* The implementation refuses a user action. This is an event, not an error. */
static inline void refused(Party *party, const char *action, const char *reason)
{
    event(party, "action_refused");
    add_word(party, "action", action);
    add_word(party, "reason", reason);
}

/* ---- requests and answers ------------------------------------------------------------------------------------------ */

/* The link to the party in the list; the end of the list if there is no party with that name. */
static inline Party **find(Party **parties, const Json *params)
{
    const Json *name = json_member_string(params, "party");
    Party **link = parties;
    while (*link && (!name || strcmp((*link)->name, name->text))) link = &(*link)->next;
    return link;
}

static inline void forget(const Driver *driver, Party **link)
{
    Party *party = *link;
    *link = party->next;
    driver->tear_down(party);
    free(party->name);
    free(party->events.data);
    free(party);
}

static inline Failure create(const Driver *driver, Party **parties, const Json *params, Text *result)
{
    const Json *name = json_member_string(params, "party");
    Party **link = find(parties, params);
    if (!name || *link) return failure(INVALID_PARAMS, "create needs party, a new name");
    Party *party = *link = json_memory(NULL, sizeof *party);
    memset(party, 0, sizeof *party);
    party->name = strdup(name->text);
    Failure failed = driver->set_up(party, params);
    if (failed.code)
        forget(driver, link);
    else
        driver->put_created(result, party);
    return failed;
}

static inline Failure act(Failure (*run)(Party *, const Json *), Party *party, const Json *params, Text *result)
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
    return ok();
}

static inline int is_action(const char *method)
{
    static const char *const all[] = {"receive",   "send",      "start",     "end",        "smp_start",
                                      "smp_answer", "smp_abort", "extra_key", "set_policy", "set_time"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(method, all[i])) return 1;
    return 0;
}

static inline Failure handle(const Driver *driver, Party **parties, const char *method, const Json *params, Text *result)
{
    if (!strcmp(method, "create")) return create(driver, parties, params, result);
    if (!strcmp(method, "hello")) {
        driver->put_hello(result);
        return ok();
    }
    if (is_action(method)) {
        Party *party = *find(parties, params);
        if (!party) return failure(INVALID_PARAMS, "no such party; create it first");
        for (const Action *action = driver->actions; action->name; action++)
            if (!strcmp(method, action->name)) return act(action->run, party, params, result);
        return failure(UNSUPPORTED, "the driver has no such action");
    }
    if (!strcmp(method, "close")) {
        if (!*find(parties, params)) return failure(INVALID_PARAMS, "no such party; create it first");
        forget(driver, find(parties, params));
    } else if (!strcmp(method, "reset")) {
        while (*parties) forget(driver, parties);
    } else if (strcmp(method, "shutdown")) {
        return failure(METHOD_NOT_FOUND, "no such method");
    }
    put(result, "{}");
    return ok();
}

/* The answer to a request. */
static inline void put_answer(const Driver *driver, Party **parties, const Json *request, Text *out)
{
    Text result = {NULL, 0, 0};
    const char *method = json_member_string(request, "method")->text;
    Failure failed = handle(driver, parties, method, json_member(request, "params"), &result);
    put(out, "{\"jsonrpc\":\"2.0\",\"id\":");
    put_number(out, json_member_number(request, "id")->number);
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

/* Answer requests until `shutdown` or the end of input. Returns the exit code. */
static inline int serve(const Driver *driver)
{
    /* Only the protocol may use standard output; everything else that prints goes to standard error. */
    FILE *answers = fdopen(dup(STDOUT_FILENO), "w");
    Party *parties = NULL;
    char *line = NULL;
    size_t room = 0;
    int last = 0;
    ssize_t length;
    if (!answers || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return 2;
    while (!last && (length = getline(&line, &room, stdin)) > 0) {
        Json *request = json_read(line, (size_t)length);
        const Json *method = json_member_string(request, "method");
        if (!method || !json_member_number(request, "id")) {
            fprintf(stderr, "not a request: %s", line);
            return 2;
        }
        Text answer = {NULL, 0, 0};
        put_answer(driver, &parties, request, &answer);
        fwrite(answer.data, 1, answer.length, answers);
        fflush(answers);
        last = !strcmp(method->text, "shutdown");
        free(answer.data);
        json_free(request);
    }
    while (parties) forget(driver, &parties);
    free(line);
    return 0;
}

#endif
