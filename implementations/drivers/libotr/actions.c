/* The actions of the user and the network. Each runs libotr once and adds events to the party.
 *
 * The driver refuses an action that libotr's interface can't express or that applications must not ask for, because
 * libotr would crash or do something else: a NUL inside a C string, the answer to an SMP question that was never asked
 * (libotr would compute with numbers that it does not have), lengths beyond 16 bits.
 */

#include "driver.h"

#include <stdlib.h>
#include <string.h>

const Failure OK = {0, NULL};

Failure failure(int code, const char *text)
{
    Failure result = {code, text};
    return result;
}

/* The session that an action names, or libotr's best one; NULL if there is none. */
static ConnContext *context_of(Party *party, json_t *params)
{
    json_t *instance = json_object_get(params, "instance");
    json_int_t tag = json_is_integer(instance) ? json_integer_value(instance) : OTRL_INSTAG_BEST;
    /* The numbers between are libotr's codes for "the best one" and the like. */
    if (json_is_integer(instance) && tag && (tag < OTRL_MIN_VALID_INSTAG || tag > 0xFFFFFFFF)) return NULL;
    return otrl_context_find(party->us, party->peer, party->account, PROTOCOL_NAME, (otrl_instag_t)tag, 0, NULL, NULL,
                             NULL);
}

/* The session if it is encrypted; otherwise reports a refusal and returns NULL. */
static ConnContext *encrypted(Party *party, json_t *params, const char *action)
{
    ConnContext *context = context_of(party, params);
    if (context && context->msgstate == OTRL_MSGSTATE_ENCRYPTED) return context;
    emit_refused(party, action, "wrong_state");
    return NULL;
}

/* Note the state of every session, to find out afterwards what has changed. */
static void remember(Party *party)
{
    for (ConnContext *context = party->us->context_root; context; context = context->next) {
        Note *note = note_of(context);
        note->before = context->msgstate;
        if (context->active_fingerprint) memcpy(note->before_fingerprint, context->active_fingerprint->fingerprint, 20);
    }
}

/* libotr does not report that the correspondent has ended a session. */
static void report_finished(Party *party)
{
    for (ConnContext *context = party->us->context_root; context; context = context->next)
        if (note_of(context)->before == OTRL_MSGSTATE_ENCRYPTED && context->msgstate == OTRL_MSGSTATE_FINISHED)
            emit_instance(party, "peer_ended_session", context);
}

/* libotr takes C strings, so it sees a message only up to its first NUL. */
static Failure do_receive(Party *party, json_t *params)
{
    char *text = NULL, *message = bytes_of(json_object_get(params, "message"), NULL);
    OtrlTLV *tlvs = NULL;
    ConnContext *context = NULL;
    if (!message) return failure(INVALID_PARAMS, "receive needs message, one character for each byte");
    party->decrypted = 0;
    int internal = otrl_message_receiving(party->us, &ops, party, party->account, PROTOCOL_NAME, party->peer, message,
                                          &text, &tlvs, &context, NULL, NULL);
    if (!internal) emit_text(party, text ? text : message, party->decrypted, 0, context);
    report_finished(party);
    otrl_tlv_free(tlvs);
    otrl_message_free(text);
    free(message);
    return OK;
}

static int has_event(const Party *party, const char *name)
{
    size_t index;
    json_t *event;
    json_array_foreach(party->events, index, event)
        if (!strcmp(text_of(event, "event"), name)) return 1;
    return 0;
}

static const char *why_not_send(Party *party, json_t *params, const char *text, size_t length)
{
    json_t *padding = json_object_get(params, "padding"), *instance = json_object_get(params, "instance");
    if (strlen(text) != length) return "has_nul";
    if (json_is_integer(padding) && (json_integer_value(padding) < 0 || json_integer_value(padding) > 0xFFFF))
        return "too_long";
    /* libotr would create a session with that tag and send the text there in the clear. */
    if (json_is_integer(instance) && !context_of(party, params)) return "wrong_state";
    return NULL;
}

static Failure do_send(Party *party, json_t *params)
{
    size_t length = 0;
    char *out = NULL, *text = bytes_of(json_object_get(params, "text"), &length);
    json_t *padding = json_object_get(params, "padding"), *instance = json_object_get(params, "instance");
    OtrlTLV *tlvs = NULL;
    if (!text) return failure(INVALID_PARAMS, "send needs text, one character for each byte");
    const char *refusal = why_not_send(party, params, text, length);
    if (refusal) {
        emit_refused(party, "send", refusal);
        free(text);
        return OK;
    }
    if (json_is_integer(padding)) {
        size_t size = (size_t)json_integer_value(padding);
        unsigned char *zeros = calloc(1, size + 1);
        tlvs = otrl_tlv_new(OTRL_TLV_PADDING, (unsigned short)size, zeros);
        free(zeros);
    }
    otrl_instag_t tag = json_is_integer(instance) ? (otrl_instag_t)json_integer_value(instance) : OTRL_INSTAG_BEST;
    gcry_error_t error = otrl_message_sending(party->us, &ops, party, party->account, PROTOCOL_NAME, party->peer, tag,
                                              text, tlvs, &out, OTRL_FRAGMENT_SEND_ALL, NULL, NULL, NULL);
    if (!error && !out) emit_outgoing(party, text); /* libotr leaves it to the application to send the text unchanged */
    otrl_message_free(out);
    otrl_tlv_free(tlvs);
    free(text);
    /* libotr refuses to send by an error. Usually it has already reported the reason through a callback. */
    if (error && !has_event(party, "action_refused")) emit_refused(party, "send", NULL);
    return OK;
}

static Failure do_start(Party *party, json_t *params)
{
    (void)params;
    if (!(party->policy & OTRL_POLICY_VERSION_MASK)) {
        emit_refused(party, "start", "not_in_version");
        return OK;
    }
    char *query = otrl_proto_default_query_msg(party->account, party->policy);
    emit_outgoing(party, query);
    free(query);
    return OK;
}

static Failure do_end(Party *party, json_t *params)
{
    ConnContext *context = context_of(party, params);
    if (!context || context->msgstate == OTRL_MSGSTATE_PLAINTEXT) return OK;
    otrl_message_disconnect(party->us, &ops, party, party->account, PROTOCOL_NAME, party->peer,
                            context->their_instance);
    if (context->msgstate == OTRL_MSGSTATE_PLAINTEXT) emit_instance(party, "user_ended_session", context);
    return OK;
}

static Failure do_smp_start(Party *party, json_t *params)
{
    size_t length = 0, question_length = 0;
    json_t *asked = json_object_get(params, "question");
    char *secret = bytes_of(json_object_get(params, "secret"), &length);
    char *question = bytes_of(asked, &question_length);
    Failure result = OK;
    if (!secret || (!question && asked && !json_is_null(asked))) {
        result = failure(INVALID_PARAMS, "smp_start needs secret, one character for each byte, and question if any");
    } else if (question && strlen(question) != question_length) {
        emit_refused(party, "smp_start", "has_nul");
    } else {
        ConnContext *context = encrypted(party, params, "smp_start");
        if (context) {
            note_of(context)->asked = 0;
            /* If a run is in progress, the protocol says to send an abort and go on. libotr leaves that to us. */
            if (context->smstate->nextExpected != OTRL_SMP_EXPECT1)
                otrl_message_abort_smp(party->us, &ops, party, context);
            if (question)
                otrl_message_initiate_smp_q(party->us, &ops, party, context, question, (unsigned char *)secret,
                                            length);
            else
                otrl_message_initiate_smp(party->us, &ops, party, context, (unsigned char *)secret, length);
        }
    }
    free(secret);
    free(question);
    return result;
}

static Failure do_smp_answer(Party *party, json_t *params)
{
    size_t length = 0;
    char *secret = bytes_of(json_object_get(params, "secret"), &length);
    if (!secret) return failure(INVALID_PARAMS, "smp_answer needs secret, one character for each byte");
    ConnContext *context = encrypted(party, params, "smp_answer");
    /* g3o comes with the question; libotr forgets it when a session ends. */
    if (context && !(note_of(context)->asked && context->smstate->g3o)) {
        emit_refused(party, "smp_answer", "wrong_state");
    } else if (context) {
        note_of(context)->asked = 0;
        otrl_message_respond_smp(party->us, &ops, party, context, (unsigned char *)secret, length);
    }
    free(secret);
    return OK;
}

static Failure do_smp_abort(Party *party, json_t *params)
{
    ConnContext *context = encrypted(party, params, "smp_abort");
    if (!context) return OK;
    note_of(context)->asked = 0;
    otrl_message_abort_smp(party->us, &ops, party, context);
    return OK;
}

static Failure do_extra_key(Party *party, json_t *params)
{
    size_t length = 0;
    unsigned char key[OTRL_EXTRAKEY_BYTES];
    json_int_t use = json_integer_value(json_object_get(params, "use"));
    json_t *given = json_object_get(params, "data");
    char *data = given ? bytes_of(given, &length) : calloc(1, 1);
    if (!data) return failure(INVALID_PARAMS, "extra_key needs data, one character for each byte");
    ConnContext *context = encrypted(party, params, "extra_key");
    if (context && (use < 0 || use > 0xFFFFFFFF || length > 0xFFFF - 4)) {
        emit_refused(party, "extra_key", "too_long");
    } else if (context) {
        gcry_error_t error = otrl_message_symkey(party->us, &ops, party, context, (unsigned int)use,
                                                 (unsigned char *)data, length, key);
        if (error)
            emit_refused(party, "extra_key", NULL);
        else
            emit_extra_key(party, context, 0, (unsigned int)use, data, length, key);
    }
    free(data);
    return OK;
}

static Failure do_set_policy(Party *party, json_t *params)
{
    if (policy_of(json_object_get(params, "policy"), &party->policy))
        return failure(INVALID_PARAMS, "policy is a list of names of flags");
    return OK;
}

static Failure do_set_time(Party *party, json_t *params)
{
    json_t *value = json_object_get(params, "now");
    if (!json_is_integer(value)) return failure(INVALID_PARAMS, "set_time needs now, whole seconds");
    party->now = (time_t)json_integer_value(value);
    otrl_message_poll(party->us, &ops, party); /* libotr allows calls more often than its timer asks for */
    return OK;
}

static const struct {
    const char *name;
    Failure (*run)(Party *party, json_t *params);
} actions[] = {
    {"receive", do_receive},     {"send", do_send},           {"start", do_start},
    {"end", do_end},             {"smp_start", do_smp_start}, {"smp_answer", do_smp_answer},
    {"smp_abort", do_smp_abort}, {"extra_key", do_extra_key}, {"set_policy", do_set_policy},
    {"set_time", do_set_time},
};

Failure act(Party *party, const char *method, json_t *params)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(method, actions[i].name)) continue;
        json_array_clear(party->events);
        act_for(party);
        remember(party);
        Failure failed = actions[i].run(party, params);
        act_for(NULL);
        return failed;
    }
    return failure(METHOD_NOT_FOUND, "the driver of libotr has no such method");
}
