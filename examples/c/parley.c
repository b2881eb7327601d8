#include "parley.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libotr/proto.h>

#include <libotr/message.h>
#include <libotr/privkey.h>

#define PROTOCOL "parley"

struct Parley {
    OtrlUserState state;
    OtrlPolicy policy;
    char *me, *friend;
    const ParleyListener *listener;
    void *user;
    int decrypted; /* the message being received has been decrypted */
};

/* ---- what libotr calls ------------------------------------------------------------------------------------------- */

static OtrlPolicy on_policy(void *data, ConnContext *context)
{
    (void)context;
    return ((Parley *)data)->policy;
}

static int on_is_logged_in(void *data, const char *account, const char *protocol, const char *recipient)
{
    (void)data, (void)account, (void)protocol, (void)recipient;
    return 1;
}

static void on_inject(void *data, const char *account, const char *protocol, const char *recipient, const char *message)
{
    Parley *parley = data;
    (void)account, (void)protocol, (void)recipient;
    if (*message) parley->listener->transmit(parley->user, message);
}

static void on_nothing(void *data)
{
    (void)data;
}

static void on_fingerprint(void *data, OtrlUserState us, const char *account, const char *protocol, const char *name,
                           unsigned char fingerprint[20])
{
    (void)data, (void)us, (void)account, (void)protocol, (void)name, (void)fingerprint;
}

static void on_secure(void *data, ConnContext *context)
{
    Parley *parley = data;
    parley->listener->encrypted(parley->user, context->protocol_version, context->their_instance, context->sessionid,
                                context->active_fingerprint->fingerprint);
}

static void on_insecure(void *data, ConnContext *context)
{
    (void)data, (void)context;
}

static void on_still_secure(void *data, ConnContext *context, int is_reply)
{
    (void)is_reply;
    on_secure(data, context);
}

static void on_convert(void *data, ConnContext *context, OtrlConvertType type, char **to, const char *from)
{
    (void)context, (void)to, (void)from;
    if (type == OTRL_CONVERT_RECEIVING) ((Parley *)data)->decrypted = 1;
}

static const char *on_error_message(void *data, ConnContext *context, OtrlErrorCode code)
{
    (void)data, (void)context, (void)code;
    return "Your message could not be read.";
}

static void on_error_message_free(void *data, const char *text)
{
    (void)data, (void)text;
}

static void on_event(void *data, OtrlMessageEvent event, ConnContext *context, const char *message, gcry_error_t error)
{
    Parley *parley = data;
    (void)error;
    if (event == OTRL_MSGEVENT_RCVDMSG_UNENCRYPTED)
        parley->listener->show(parley->user, message, 0);
    else if (event == OTRL_MSGEVENT_CONNECTION_ENDED)
        parley->listener->refused(parley->user);
    else if (event == OTRL_MSGEVENT_RCVDMSG_NOT_IN_PRIVATE || event == OTRL_MSGEVENT_RCVDMSG_UNREADABLE ||
             event == OTRL_MSGEVENT_RCVDMSG_MALFORMED)
        parley->listener->unreadable(parley->user, context->their_instance);
}

static void on_create_tag(void *data, const char *account, const char *protocol)
{
    FILE *file = tmpfile(); /* libotr insists on writing the tag to a file */
    if (!file) return;
    otrl_instag_generate_FILEp(((Parley *)data)->state, file, account, protocol);
    fclose(file);
}

static OtrlMessageAppOps ops = {
    .policy = on_policy,
    .is_logged_in = on_is_logged_in,
    .inject_message = on_inject,
    .update_context_list = on_nothing,
    .new_fingerprint = on_fingerprint,
    .write_fingerprints = on_nothing,
    .gone_secure = on_secure,
    .gone_insecure = on_insecure,
    .still_secure = on_still_secure,
    .otr_error_message = on_error_message,
    .otr_error_message_free = on_error_message_free,
    .handle_msg_event = on_event,
    .create_instag = on_create_tag,
    .convert_msg = on_convert,
};

/* ---- what a program calls ---------------------------------------------------------------------------------------- */

Parley *parley_new(const char *me, const char *friend, const char *const key[5], int version,
                   const ParleyListener *listener, void *user)
{
    FILE *file = tmpfile(); /* libotr reads keys from files */
    Parley *parley = calloc(1, sizeof *parley);
    OTRL_INIT;
    parley->state = otrl_userstate_create();
    parley->policy = version == 2 ? OTRL_POLICY_ALLOW_V2 : OTRL_POLICY_ALLOW_V3;
    parley->me = strdup(me);
    parley->friend = strdup(friend);
    parley->listener = listener;
    parley->user = user;
    fprintf(file, "(privkeys (account (name \"%s\") (protocol " PROTOCOL ") (private-key (dsa", me);
    for (int i = 0; i < 5; i++)
        fprintf(file, " (%c #00%s%s#)", "pqgyx"[i], strlen(key[i]) % 2 ? "0" : "", key[i]);
    fprintf(file, "))))\n");
    rewind(file);
    gcry_error_t error = otrl_privkey_read_FILEp(parley->state, file);
    fclose(file);
    on_create_tag(parley, me, PROTOCOL);
    if (!error) return parley;
    parley_free(parley);
    return NULL;
}

void parley_free(Parley *parley)
{
    otrl_userstate_free(parley->state);
    free(parley->me);
    free(parley->friend);
    free(parley);
}

void parley_fingerprint(Parley *parley, unsigned char fingerprint[20])
{
    otrl_privkey_fingerprint_raw(parley->state, fingerprint, parley->me, PROTOCOL);
}

unsigned parley_instance_tag(Parley *parley)
{
    return otrl_instag_find(parley->state, parley->me, PROTOCOL)->instag;
}

void parley_start(Parley *parley)
{
    char *query = otrl_proto_default_query_msg(parley->me, parley->policy);
    parley->listener->transmit(parley->user, query);
    free(query);
}

/* The session that libotr considers best; NULL if there is none. */
static ConnContext *session(Parley *parley)
{
    return otrl_context_find(parley->state, parley->friend, parley->me, PROTOCOL, OTRL_INSTAG_BEST, 0, NULL, NULL, NULL);
}

void parley_receive(Parley *parley, const char *message)
{
    char *text = NULL;
    OtrlTLV *records = NULL;
    ConnContext *context = NULL;
    parley->decrypted = 0;
    int internal = otrl_message_receiving(parley->state, &ops, parley, parley->me, PROTOCOL, parley->friend, message,
                                          &text, &records, &context, NULL, NULL);
    if (!internal) parley->listener->show(parley->user, text ? text : message, parley->decrypted);
    if (otrl_tlv_find(records, OTRL_TLV_DISCONNECTED)) parley->listener->ended(parley->user, context->their_instance, 1);
    otrl_tlv_free(records);
    otrl_message_free(text);
}

void parley_send(Parley *parley, const char *text)
{
    char *out = NULL;
    gcry_error_t error = otrl_message_sending(parley->state, &ops, parley, parley->me, PROTOCOL, parley->friend,
                                              OTRL_INSTAG_BEST, text, NULL, &out, OTRL_FRAGMENT_SEND_ALL, NULL, NULL, NULL);
    if (!error && !out) parley->listener->transmit(parley->user, text);
    otrl_message_free(out);
}

void parley_end(Parley *parley)
{
    ConnContext *context = session(parley);
    if (!context || context->msgstate == OTRL_MSGSTATE_PLAINTEXT) return;
    otrl_message_disconnect(parley->state, &ops, parley, parley->me, PROTOCOL, parley->friend, context->their_instance);
    parley->listener->ended(parley->user, context->their_instance, 0);
}
