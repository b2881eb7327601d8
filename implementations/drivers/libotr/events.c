/* libotr's callbacks. Each becomes an event, in the order in which libotr calls them.
 *
 * The driver adds and repairs nothing. Where libotr leaves a task to the application, such as sending the abort of a
 * cheated SMP run, the driver does what libotr's headers ask of applications.
 */

#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Note *note_of(ConnContext *context)
{
    if (!context->app_data) {
        context->app_data = calloc(1, sizeof(Note));
        context->app_data_free = free;
    }
    return context->app_data;
}

void emit(Party *party, json_t *event)
{
    json_array_append_new(party->events, event);
}

void emit_outgoing(Party *party, const char *message)
{
    emit(party, json_pack("{s:s, s:o}", "event", "outgoing_message", "message", latin1_string(message)));
}

void emit_text(Party *party, const char *text, int secure, int warn, const ConnContext *context)
{
    emit(party, json_pack("{s:s, s:o, s:b, s:b, s:o}", "event", "text_received", "text", latin1_string(text), "secure",
                          secure, "warn", warn, "instance", instance_of(secure ? context : NULL)));
}

void emit_instance(Party *party, const char *name, const ConnContext *context)
{
    emit(party, json_pack("{s:s, s:o}", "event", name, "instance", instance_of(context)));
}

void emit_refused(Party *party, const char *action, const char *reason)
{
    emit(party, json_pack("{s:s, s:s, s:s?}", "event", "action_refused", "action", action, "reason", reason));
}

void emit_extra_key(Party *party, const ConnContext *context, int received, unsigned int use, const void *data,
                    size_t length, const unsigned char *key)
{
    emit(party, json_pack("{s:s, s:o, s:b, s:I, s:o, s:o}", "event", "extra_key_derived", "instance", instance_of(context),
                          "received", received, "use", (json_int_t)use, "data", latin1(data, length), "key",
                          hex(key, OTRL_EXTRAKEY_BYTES)));
}

/* libotr never says which field is wrong, or where. */
static void emit_unreadable(Party *party, const ConnContext *context, const char *reason)
{
    emit(party, json_pack("{s:s, s:o, s:s?, s:n, s:n}", "event", "message_unreadable", "instance", instance_of(context), "reason",
                          reason, "field", "offset"));
}

static void emit_rejected(Party *party, const char *reason)
{
    emit(party, json_pack("{s:s, s:s?, s:n, s:n}", "event", "message_rejected", "reason", reason, "field", "offset"));
}

static void emit_established(Party *party, ConnContext *context)
{
    const unsigned char *fingerprint = context->active_fingerprint->fingerprint;
    const Note *note = note_of(context);
    int refreshed = note->before == OTRL_MSGSTATE_ENCRYPTED;
    int same_key = refreshed && !memcmp(note->before_fingerprint, fingerprint, 20);
    emit(party, json_pack("{s:s, s:o, s:i, s:o, s:o, s:b, s:b, s:b}", "event", "session_established", "instance",
                          instance_of(context), "version", (int)context->protocol_version, "ssid",
                          hex(context->sessionid, context->sessionid_len), "fingerprint", hex(fingerprint, 20),
                          "sent_reveal_signature", context->sessionid_half == OTRL_SESSIONID_FIRST_HALF_BOLD,
                          "refreshed", refreshed, "same_key", same_key));
}

static void emit_smp_aborted(Party *party, const ConnContext *context, const char *reason)
{
    emit(party, json_pack("{s:s, s:o, s:s?}", "event", "smp_aborted", "instance", instance_of(context), "reason",
                          reason));
}

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

static OtrlPolicy on_policy(void *opdata, ConnContext *context)
{
    (void)context;
    return ((Party *)opdata)->policy;
}

static int on_is_logged_in(void *opdata, const char *account, const char *protocol, const char *recipient)
{
    (void)opdata, (void)account, (void)protocol, (void)recipient;
    return 1;
}

static void on_inject(void *opdata, const char *account, const char *protocol, const char *recipient,
                      const char *message)
{
    (void)account, (void)protocol, (void)recipient;
    if (*message) emit_outgoing(opdata, message); /* libotr passes an empty message to send none */
}

static void on_nothing(void *opdata)
{
    (void)opdata;
}

static void on_new_fingerprint(void *opdata, OtrlUserState us, const char *account, const char *protocol,
                               const char *username, unsigned char fingerprint[20])
{
    (void)opdata, (void)us, (void)account, (void)protocol, (void)username, (void)fingerprint;
}

static void on_gone_secure(void *opdata, ConnContext *context)
{
    emit_established(opdata, context);
}

static void on_gone_insecure(void *opdata, ConnContext *context)
{
    (void)opdata, (void)context;
}

static void on_still_secure(void *opdata, ConnContext *context, int is_reply)
{
    (void)is_reply;
    emit_established(opdata, context);
}

static int on_max_message_size(void *opdata, ConnContext *context)
{
    (void)context;
    return ((Party *)opdata)->max_message_size;
}

static void on_create_instag(void *opdata, const char *account, const char *protocol)
{
    char *written = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&written, &size);
    if (file) {
        otrl_instag_generate_FILEp(((Party *)opdata)->us, file, account, protocol);
        fclose(file);
        free(written);
    }
}

/* ---- texts and reports ------------------------------------------------------------------------------------------- */

static void on_symkey(void *opdata, ConnContext *context, unsigned int use, const unsigned char *data, size_t length,
                      const unsigned char *key)
{
    emit_extra_key(opdata, context, 1, use, data, length, key);
}

/* Clients choose the text; this is the one of Otterproof's own engines. */
static const char *on_error_message(void *opdata, ConnContext *context, OtrlErrorCode code)
{
    (void)opdata, (void)context, (void)code;
    return "An encrypted message could not be read.";
}

static void on_free_nothing(void *opdata, const char *text)
{
    (void)opdata, (void)text;
}

/* Called for each decrypted text, which shows that it came encrypted. */
static void on_convert(void *opdata, ConnContext *context, OtrlConvertType type, char **to, const char *from)
{
    (void)context, (void)to, (void)from;
    if (type == OTRL_CONVERT_RECEIVING) ((Party *)opdata)->decrypted = 1;
}

static void on_smp_event(void *opdata, OtrlSMPEvent event, ConnContext *context, unsigned short progress,
                         char *question)
{
    Party *party = opdata;
    (void)progress;
    switch (event) {
    case OTRL_SMPEVENT_ASK_FOR_SECRET:
    case OTRL_SMPEVENT_ASK_FOR_ANSWER:
        note_of(context)->asked = 1;
        emit(party, json_pack("{s:s, s:o, s:o}", "event", "smp_requested", "instance", instance_of(context),
                              "question", question ? latin1_string(question) : json_null()));
        break;
    case OTRL_SMPEVENT_SUCCESS:
    case OTRL_SMPEVENT_FAILURE:
        emit(party, json_pack("{s:s, s:o, s:b}", "event", "smp_finished", "instance", instance_of(context), "equal",
                              event == OTRL_SMPEVENT_SUCCESS));
        break;
    case OTRL_SMPEVENT_ABORT:
        note_of(context)->asked = 0;
        emit_smp_aborted(party, context, "peer_aborted");
        break;
    case OTRL_SMPEVENT_CHEATED:
    case OTRL_SMPEVENT_ERROR: /* the application has to send the abort */
        note_of(context)->asked = 0;
        otrl_message_abort_smp(party->us, &ops, party, context);
        emit_smp_aborted(party, context, NULL);
        break;
    case OTRL_SMPEVENT_NONE:
    case OTRL_SMPEVENT_IN_PROGRESS:
        break;
    }
}

static void on_msg_event(void *opdata, OtrlMessageEvent event, ConnContext *context, const char *message,
                         gcry_error_t error)
{
    Party *party = opdata;
    (void)error;
    switch (event) {
    case OTRL_MSGEVENT_ENCRYPTION_ERROR:
        emit_refused(party, "send", NULL);
        break;
    case OTRL_MSGEVENT_CONNECTION_ENDED:
        emit_refused(party, "send", "wrong_state");
        break;
    case OTRL_MSGEVENT_SETUP_ERROR:
    case OTRL_MSGEVENT_MSG_REFLECTED:
    case OTRL_MSGEVENT_RCVDMSG_UNRECOGNIZED:
        emit_rejected(party, NULL);
        break;
    case OTRL_MSGEVENT_RCVDMSG_FOR_OTHER_INSTANCE:
        emit_rejected(party, "other_instance");
        break;
    case OTRL_MSGEVENT_RCVDMSG_NOT_IN_PRIVATE:
        emit_unreadable(party, context, "not_encrypted");
        break;
    case OTRL_MSGEVENT_RCVDMSG_UNREADABLE:
        emit_unreadable(party, context, NULL);
        break;
    case OTRL_MSGEVENT_RCVDMSG_MALFORMED:
        emit_unreadable(party, context, "malformed");
        break;
    case OTRL_MSGEVENT_RCVDMSG_GENERAL_ERR:
        emit(party, json_pack("{s:s, s:o}", "event", "error_message_received", "text", latin1_string(message)));
        break;
    case OTRL_MSGEVENT_RCVDMSG_UNENCRYPTED:
        emit_text(party, message, 0, 1, context);
        break;
    case OTRL_MSGEVENT_NONE:
    case OTRL_MSGEVENT_ENCRYPTION_REQUIRED: /* the text was stored, and a query goes out */
    case OTRL_MSGEVENT_MSG_RESENT:
    case OTRL_MSGEVENT_LOG_HEARTBEAT_RCVD:
    case OTRL_MSGEVENT_LOG_HEARTBEAT_SENT:
        break;
    }
}

OtrlMessageAppOps ops = {
    .policy = on_policy,
    .is_logged_in = on_is_logged_in,
    .inject_message = on_inject,
    .update_context_list = on_nothing,
    .new_fingerprint = on_new_fingerprint,
    .write_fingerprints = on_nothing,
    .gone_secure = on_gone_secure,
    .gone_insecure = on_gone_insecure,
    .still_secure = on_still_secure,
    .max_message_size = on_max_message_size,
    .received_symkey = on_symkey,
    .otr_error_message = on_error_message,
    .otr_error_message_free = on_free_nothing,
    .handle_smp_event = on_smp_event,
    .handle_msg_event = on_msg_event,
    .create_instag = on_create_instag,
    .convert_msg = on_convert,
};
