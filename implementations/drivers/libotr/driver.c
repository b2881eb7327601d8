/* A driver for libotr 4.1: one JSON-RPC request a line on standard input, one answer a line on standard output.
 *
 * docs/driver-protocol.md describes the lines. Each party is an account of its own with its own OtrlUserState. What
 * libotr reports through its callbacks becomes an event in the order in which it reports it; nothing is added and nothing
 * repaired. Where libotr leaves a decision to the application (it asks for the abort of a cheated SMP run to be sent, for
 * example) the driver does what libotr's documentation asks applications to do.
 *
 * libgcrypt takes its randomness from getentropy() and libotr the time from time(); both are defined here, so that a
 * conversation depends on nothing but its seeds and what it is told.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gcrypt.h>
#include <jansson.h>
#include <libotr/proto.h> /* the others need what this one declares */
#include <libotr/instag.h>
#include <libotr/message.h>
#include <libotr/privkey.h>
#include <libotr/tlv.h>
#include <libotr/userstate.h>

#define PROTOCOL_NAME "prpl-otterproof"
#define UNSUPPORTED (-32001)
#define LIBRARY_FAILED (-32002)
#define INVALID_PARAMS (-32602)
#define METHOD_NOT_FOUND (-32601)

typedef struct party {
    struct party *next;
    char *name;
    char *account;
    char *peer;
    OtrlUserState us;
    OtrlPolicy policy;
    int max_message_size;
    int seeded;
    unsigned char seed[32];
    unsigned long long drawn;
    unsigned char fingerprint[20];
    json_t *events;
    int decrypted; /* the message being received was a data message that could be read */
} Party;

static Party *parties = NULL;
static Party *current = NULL; /* whose randomness is drawn from */
static time_t now = 0;

/* ---- randomness and time ---------------------------------------------------------------------------------------- */

/* libgcrypt's system generator calls this. The stream of a seeded party is the SHA-256 of its seed and a counter. */
int getentropy(void *buffer, size_t length)
{
    unsigned char *out = buffer;
    if (!current || !current->seeded) {
        FILE *source = fopen("/dev/urandom", "rb");
        size_t got = source ? fread(out, 1, length, source) : 0;
        if (source) fclose(source);
        return got == length ? 0 : -1;
    }
    while (length > 0) {
        unsigned char block[40], digest[32];
        size_t take = length < sizeof digest ? length : sizeof digest;
        memcpy(block, current->seed, 32);
        for (int i = 0; i < 8; i++) block[32 + i] = (unsigned char)(current->drawn >> (8 * i));
        current->drawn++;
        gcry_md_hash_buffer(GCRY_MD_SHA256, digest, block, sizeof block);
        memcpy(out, digest, take);
        out += take;
        length -= take;
    }
    return 0;
}

time_t time(time_t *where)
{
    if (where) *where = now;
    return now;
}

/* ---- bytes in JSON ---------------------------------------------------------------------------------------------- */

/* A JSON string with one character, U+0000 to U+00FF, for each byte. */
static json_t *latin1(const void *data, size_t length)
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

static json_t *latin1_string(const char *text)
{
    return latin1(text, strlen(text));
}

/* The bytes of such a string, with a NUL after them; NULL if there is none, or a character beyond U+00FF. */
static char *bytes_of(json_t *value, size_t *length)
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

static json_t *hex(const unsigned char *data, size_t length)
{
    char *text = malloc(2 * length + 1);
    for (size_t i = 0; i < length; i++) sprintf(text + 2 * i, "%02x", data[i]);
    json_t *result = json_stringn(text, 2 * length);
    free(text);
    return result;
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

static void emit(Party *party, json_t *event)
{
    json_array_append_new(party->events, event);
}

static void emit_unreadable(Party *party, ConnContext *context, const char *reason)
{
    emit(party, json_pack("{s:s, s:I, s:s?, s:s, s:i}", "event", "unreadable", "instance",
                          (json_int_t)(context ? context->their_instance : 0), "reason", reason, "field", "", "offset",
                          0));
}

static void emit_rejected(Party *party, const char *reason)
{
    emit(party,
         json_pack("{s:s, s:s?, s:s, s:i}", "event", "rejected", "reason", reason, "field", "", "offset", 0));
}

static void emit_refused(Party *party, const char *action, const char *reason)
{
    emit(party, json_pack("{s:s, s:s, s:s?}", "event", "refused", "action", action, "reason", reason));
}

static void emit_text(Party *party, const char *text, int secure, int warn, ConnContext *context)
{
    emit(party, json_pack("{s:s, s:o, s:b, s:b, s:I}", "event", "text_received", "text", latin1_string(text), "secure",
                          secure, "warn", warn, "instance",
                          (json_int_t)(secure && context ? context->their_instance : 0)));
}

static void emit_established(Party *party, ConnContext *context, int refreshed)
{
    unsigned char *fingerprint = context->active_fingerprint->fingerprint;
    emit(party, json_pack("{s:s, s:I, s:i, s:o, s:o, s:b, s:b, s:b}", "event", "established", "instance",
                          (json_int_t)context->their_instance, "version", (int)context->protocol_version, "ssid",
                          hex(context->sessionid, context->sessionid_len), "fingerprint", hex(fingerprint, 20),
                          "sent_reveal_signature", context->sessionid_half == OTRL_SESSIONID_FIRST_HALF_BOLD,
                          "refreshed", refreshed, "same_key", refreshed));
}

static void emit_instance(Party *party, const char *name, ConnContext *context)
{
    emit(party, json_pack("{s:s, s:I}", "event", name, "instance", (json_int_t)context->their_instance));
}

static void emit_smp_aborted(Party *party, ConnContext *context, const char *reason)
{
    emit(party, json_pack("{s:s, s:I, s:s?}", "event", "smp_aborted", "instance", (json_int_t)context->their_instance,
                          "reason", reason));
}

static void emit_extra_key(Party *party, ConnContext *context, int received, unsigned int use,
                           const unsigned char *data, size_t length, const unsigned char *key)
{
    emit(party, json_pack("{s:s, s:I, s:b, s:I, s:o, s:o}", "event", "extra_key", "instance",
                          (json_int_t)context->their_instance, "received", received, "use", (json_int_t)use, "data",
                          latin1(data, length), "key", hex(key, OTRL_EXTRAKEY_BYTES)));
}

/* ---- libotr's callbacks ----------------------------------------------------------------------------------------- */

static OtrlMessageAppOps ops;

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
    if (*message) /* libotr says with an empty message that nothing is to be sent */
        emit(opdata, json_pack("{s:s, s:o}", "event", "outgoing", "message", latin1_string(message)));
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
    emit_established(opdata, context, 0);
}

static void on_gone_insecure(void *opdata, ConnContext *context)
{
    (void)opdata, (void)context;
}

static void on_still_secure(void *opdata, ConnContext *context, int is_reply)
{
    (void)is_reply;
    emit_established(opdata, context, 1);
}

static int on_max_message_size(void *opdata, ConnContext *context)
{
    (void)context;
    return ((Party *)opdata)->max_message_size;
}

static void on_symkey(void *opdata, ConnContext *context, unsigned int use, const unsigned char *data, size_t length,
                      const unsigned char *key)
{
    emit_extra_key(opdata, context, 1, use, data, length, key);
}

static const char *on_error_message(void *opdata, ConnContext *context, OtrlErrorCode code)
{
    (void)opdata, (void)context, (void)code;
    return "An encrypted message could not be read.";
}

static void on_free_nothing(void *opdata, const char *text)
{
    (void)opdata, (void)text;
}

static void on_smp_event(void *opdata, OtrlSMPEvent event, ConnContext *context, unsigned short progress,
                         char *question)
{
    Party *party = opdata;
    (void)progress;
    switch (event) {
    case OTRL_SMPEVENT_ASK_FOR_SECRET:
    case OTRL_SMPEVENT_ASK_FOR_ANSWER:
        emit(party, json_pack("{s:s, s:I, s:o}", "event", "smp_requested", "instance",
                              (json_int_t)context->their_instance, "question",
                              question ? latin1_string(question) : json_null()));
        break;
    case OTRL_SMPEVENT_SUCCESS:
    case OTRL_SMPEVENT_FAILURE:
        emit(party, json_pack("{s:s, s:I, s:b}", "event", "smp_finished", "instance",
                              (json_int_t)context->their_instance, "equal", event == OTRL_SMPEVENT_SUCCESS));
        break;
    case OTRL_SMPEVENT_ABORT:
        emit_smp_aborted(party, context, "peer_aborted");
        break;
    case OTRL_SMPEVENT_CHEATED:
    case OTRL_SMPEVENT_ERROR: /* the application is asked to send the abort */
        otrl_message_abort_smp(party->us, &ops, party, context);
        emit_smp_aborted(party, context, NULL);
        break;
    default:
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
        emit_rejected(party, NULL);
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
        emit(party, json_pack("{s:s, s:o}", "event", "error_received", "text", latin1_string(message)));
        break;
    case OTRL_MSGEVENT_RCVDMSG_UNENCRYPTED:
        emit_text(party, message, 0, 1, context);
        break;
    case OTRL_MSGEVENT_RCVDMSG_UNRECOGNIZED:
        emit_rejected(party, "unknown_type");
        break;
    case OTRL_MSGEVENT_RCVDMSG_FOR_OTHER_INSTANCE:
        emit_rejected(party, "other_instance");
        break;
    default: /* about heartbeats, resent messages and stored ones: visible on the wire */
        break;
    }
}

static void on_create_instag(void *opdata, const char *account, const char *protocol)
{
    FILE *file = tmpfile();
    if (file) {
        otrl_instag_generate_FILEp(((Party *)opdata)->us, file, account, protocol);
        fclose(file);
    }
}

/* Called for every data message that was decrypted: this is how one knows that a text came encrypted. */
static void on_convert(void *opdata, ConnContext *context, OtrlConvertType type, char **to, const char *from)
{
    (void)context, (void)to, (void)from;
    if (type == OTRL_CONVERT_RECEIVING) ((Party *)opdata)->decrypted = 1;
}

static OtrlMessageAppOps ops = {
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

/* ---- parties ---------------------------------------------------------------------------------------------------- */

typedef struct {
    int code; /* 0: no error */
    const char *text;
} Failure;

static const Failure OK = {0, NULL};

static Failure failure(int code, const char *text)
{
    Failure result = {code, text};
    return result;
}

static Party *find_party(json_t *params)
{
    const char *name = json_string_value(json_object_get(params, "party"));
    for (Party *party = parties; name && party; party = party->next)
        if (!strcmp(party->name, name)) return party;
    return NULL;
}

static void close_party(Party *party)
{
    for (Party **link = &parties; *link; link = &(*link)->next) {
        if (*link == party) {
            *link = party->next;
            break;
        }
    }
    current = party;
    otrl_userstate_free(party->us);
    current = NULL;
    free(party->name);
    free(party->account);
    free(party->peer);
    json_decref(party->events);
    free(party);
}

static ConnContext *context_of(Party *party, json_t *params)
{
    json_t *instance = json_object_get(params, "instance");
    otrl_instag_t tag = json_is_integer(instance) ? (otrl_instag_t)json_integer_value(instance) : OTRL_INSTAG_BEST;
    return otrl_context_find(party->us, party->peer, party->account, PROTOCOL_NAME, tag, 0, NULL, NULL, NULL);
}

static int policy_of(json_t *names, OtrlPolicy *policy)
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
    size_t index;
    json_t *name;
    if (!json_is_array(names)) return -1;
    *policy = 0;
    json_array_foreach(names, index, name)
    {
        size_t i = 0, count = sizeof flags / sizeof *flags;
        while (i < count && (!json_is_string(name) || strcmp(flags[i].name, json_string_value(name)))) i++;
        if (i == count) return -1;
        *policy |= flags[i].flag;
    }
    return 0;
}

/* libotr reads keys and instance tags from files only. */
static int read_key(Party *party, json_t *key)
{
    static const char *const names[] = {"p", "q", "g", "y", "x"};
    FILE *file = tmpfile();
    if (!file) return -1;
    fprintf(file, "(privkeys (account (name \"%s\") (protocol %s) (private-key (dsa", party->account, PROTOCOL_NAME);
    for (int i = 0; i < 5; i++) {
        const char *digits = json_string_value(json_object_get(key, names[i]));
        if (!digits) {
            fclose(file);
            return -1;
        }
        fprintf(file, " (%s #00%s%s#)", names[i], strlen(digits) % 2 ? "0" : "", digits);
    }
    fprintf(file, "))))\n");
    rewind(file);
    gcry_error_t error = otrl_privkey_read_FILEp(party->us, file);
    fclose(file);
    return error || !otrl_privkey_fingerprint_raw(party->us, party->fingerprint, party->account, PROTOCOL_NAME);
}

static int read_instance_tag(Party *party, json_int_t tag)
{
    FILE *file = tmpfile();
    if (!file) return -1;
    fprintf(file, "%s\t%s\t%08x\n", party->account, PROTOCOL_NAME, (unsigned int)tag);
    rewind(file);
    gcry_error_t error = otrl_instag_read_FILEp(party->us, file);
    fclose(file);
    return error != 0;
}

static Failure create(json_t *params, json_t **result)
{
    const char *name = json_string_value(json_object_get(params, "party"));
    const char *account = json_string_value(json_object_get(params, "account"));
    const char *peer = json_string_value(json_object_get(params, "peer"));
    const char *seed = json_string_value(json_object_get(params, "seed"));
    json_t *tag = json_object_get(params, "instance_tag");
    if (!name || !account || !peer || strpbrk(account, "\"\\\t\n"))
        return failure(INVALID_PARAMS, "create needs party, account and peer as strings, the account without quotes");
    if (find_party(params)) return failure(INVALID_PARAMS, "there is a party of that name; close it first");
    Party *party = calloc(1, sizeof *party);
    party->name = strdup(name);
    party->account = strdup(account);
    party->peer = strdup(peer);
    party->us = otrl_userstate_create();
    party->events = json_array();
    party->max_message_size = (int)json_integer_value(json_object_get(params, "max_message_size"));
    party->next = parties;
    parties = party;
    if (seed) {
        gcry_md_hash_buffer(GCRY_MD_SHA256, party->seed, seed, strlen(seed));
        party->seeded = 1;
    }
    current = party;
    if (policy_of(json_object_get(params, "policy"), &party->policy)) {
        close_party(party);
        return failure(INVALID_PARAMS, "policy is a list of names of flags");
    }
    if (read_key(party, json_object_get(params, "key"))) {
        close_party(party);
        return failure(INVALID_PARAMS, "libotr does not take this key");
    }
    if (json_is_integer(tag) ? read_instance_tag(party, json_integer_value(tag)) : 0) {
        close_party(party);
        return failure(INVALID_PARAMS, "libotr does not take this instance tag");
    }
    if (!json_is_integer(tag)) on_create_instag(party, account, PROTOCOL_NAME);
    OtrlInsTag *own = otrl_instag_find(party->us, account, PROTOCOL_NAME);
    *result = json_pack("{s:I, s:o}", "instance_tag", (json_int_t)(own ? own->instag : 0), "fingerprint",
                        hex(party->fingerprint, 20));
    return OK;
}

/* ---- actions ---------------------------------------------------------------------------------------------------- */

typedef Failure (*Action)(Party *party, json_t *params);

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
    if (context && otrl_tlv_find(tlvs, OTRL_TLV_DISCONNECTED)) emit_instance(party, "finished", context);
    otrl_tlv_free(tlvs);
    otrl_message_free(text);
    free(message);
    return OK;
}

static Failure do_send(Party *party, json_t *params)
{
    char *out = NULL, *text = bytes_of(json_object_get(params, "text"), NULL);
    json_t *padding = json_object_get(params, "padding"), *instance = json_object_get(params, "instance");
    otrl_instag_t tag = json_is_integer(instance) ? (otrl_instag_t)json_integer_value(instance) : OTRL_INSTAG_BEST;
    OtrlTLV *tlvs = NULL;
    if (!text) return failure(INVALID_PARAMS, "send needs text, one character for each byte");
    if (json_is_integer(padding)) {
        json_int_t length = json_integer_value(padding);
        unsigned char *zeros = calloc(1, 65536);
        if (length >= 0 && length < 65536) tlvs = otrl_tlv_new(OTRL_TLV_PADDING, (unsigned short)length, zeros);
        free(zeros);
    }
    gcry_error_t error = otrl_message_sending(party->us, &ops, party, party->account, PROTOCOL_NAME, party->peer, tag,
                                              text, tlvs, &out, OTRL_FRAGMENT_SEND_ALL, NULL, NULL, NULL);
    if (!error && !out) on_inject(party, party->account, PROTOCOL_NAME, party->peer, text); /* as it was typed */
    otrl_message_free(out);
    otrl_tlv_free(tlvs);
    free(text);
    return error ? failure(LIBRARY_FAILED, gcry_strerror(error)) : OK;
}

static Failure do_start(Party *party, json_t *params)
{
    (void)params;
    char *query = otrl_proto_default_query_msg(party->account, party->policy);
    on_inject(party, party->account, PROTOCOL_NAME, party->peer, query);
    free(query);
    return OK;
}

static Failure do_end(Party *party, json_t *params)
{
    ConnContext *context = context_of(party, params);
    if (!context || context->msgstate == OTRL_MSGSTATE_PLAINTEXT) return OK;
    otrl_message_disconnect(party->us, &ops, party, party->account, PROTOCOL_NAME, party->peer,
                            context->their_instance);
    emit_instance(party, "ended", context);
    return OK;
}

/* The context if it is encrypted; otherwise the refusal is reported. */
static ConnContext *encrypted(Party *party, json_t *params, const char *action)
{
    ConnContext *context = context_of(party, params);
    if (context && context->msgstate == OTRL_MSGSTATE_ENCRYPTED) return context;
    emit_refused(party, action, "wrong_state");
    return NULL;
}

static Failure do_smp_start(Party *party, json_t *params)
{
    size_t length = 0;
    ConnContext *context = encrypted(party, params, "smp_start");
    char *secret = bytes_of(json_object_get(params, "secret"), &length);
    char *question = bytes_of(json_object_get(params, "question"), NULL);
    if (context && secret && question)
        otrl_message_initiate_smp_q(party->us, &ops, party, context, question, (unsigned char *)secret, length);
    else if (context && secret)
        otrl_message_initiate_smp(party->us, &ops, party, context, (unsigned char *)secret, length);
    Failure result = secret ? OK : failure(INVALID_PARAMS, "smp_start needs secret, one character for each byte");
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
    if (context) otrl_message_respond_smp(party->us, &ops, party, context, (unsigned char *)secret, length);
    free(secret);
    return OK;
}

static Failure do_smp_abort(Party *party, json_t *params)
{
    ConnContext *context = encrypted(party, params, "smp_abort");
    if (context) otrl_message_abort_smp(party->us, &ops, party, context);
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
    gcry_error_t error = context ? otrl_message_symkey(party->us, &ops, party, context, (unsigned int)use,
                                                       (unsigned char *)data, length, key)
                                 : 0;
    if (context && !error) emit_extra_key(party, context, 0, (unsigned int)use, (unsigned char *)data, length, key);
    if (context && error) emit_refused(party, "extra_key", NULL);
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
    now = (time_t)json_integer_value(value);
    otrl_message_poll(party->us, &ops, party);
    return OK;
}

/* Not part of the protocol: how long libotr takes for messages that change keys, from send to receive, each way in turn. */
static Failure bench(json_t *params, json_t **result)
{
    Party *sides[2] = {find_party(params), NULL};
    const char *other = json_string_value(json_object_get(params, "other"));
    json_int_t messages = json_integer_value(json_object_get(params, "messages"));
    struct timespec from, to;
    for (Party *party = parties; other && party; party = party->next)
        if (!strcmp(party->name, other)) sides[1] = party;
    if (!sides[0] || !sides[1]) return failure(INVALID_PARAMS, "bench needs two parties that are connected");
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (json_int_t i = 0; i < messages; i++) {
        Party *sender = sides[i % 2], *receiver = sides[1 - i % 2];
        json_array_clear(sender->events);
        json_array_clear(receiver->events);
        current = sender;
        do_send(sender, params);
        current = receiver;
        do_receive(receiver, json_array_get(sender->events, 0));
        if (!json_array_size(receiver->events)) return failure(LIBRARY_FAILED, "a message did not arrive");
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    current = NULL;
    *result = json_pack("{s:f}", "seconds", to.tv_sec - from.tv_sec + (to.tv_nsec - from.tv_nsec) / 1e9);
    return OK;
}

static const struct {
    const char *name;
    Action action;
} actions[] = {
    {"receive", do_receive},   {"send", do_send},           {"start", do_start},
    {"end", do_end},           {"smp_start", do_smp_start}, {"smp_answer", do_smp_answer},
    {"smp_abort", do_smp_abort}, {"extra_key", do_extra_key}, {"set_policy", do_set_policy},
    {"set_time", do_set_time},
};

/* ---- requests --------------------------------------------------------------------------------------------------- */

static json_t *hello(void)
{
    return json_pack("{s:i, s:s, s:s, s:[i,i], s:[s,s,s,s,s,s,s,s,s,s,s], s:s}", "protocol", 1, "name", "libotr",
                     "version", otrl_version(), "otr_versions", 2, 3, "capabilities", "v2", "v3", "smp",
                     "smp_question", "extra_key", "fragmentation_out", "instance_tags", "policy", "time",
                     "whitespace_tag", "stored_messages", "randomness", "seed");
}

static Failure handle(const char *method, json_t *params, json_t **result)
{
    if (!strcmp(method, "hello")) {
        *result = hello();
        return OK;
    }
    if (!strcmp(method, "create")) return create(params, result);
    if (!strcmp(method, "bench")) return bench(params, result);
    if (!strcmp(method, "reset")) {
        while (parties) close_party(parties);
        now = 0;
        *result = json_object();
        return OK;
    }
    Party *party = find_party(params);
    if (!party) return failure(INVALID_PARAMS, "there is no party of that name; create it first");
    if (!strcmp(method, "close")) {
        close_party(party);
        *result = json_object();
        return OK;
    }
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(method, actions[i].name)) continue;
        current = party;
        json_array_clear(party->events);
        Failure failed = actions[i].action(party, params);
        current = NULL;
        if (!failed.code) *result = json_pack("{s:O}", "events", party->events);
        return failed;
    }
    return failure(METHOD_NOT_FOUND, "libotr has no such method");
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    int running = 1;
    gcry_control(GCRYCTL_SET_PREFERRED_RNG_TYPE, GCRY_RNG_TYPE_SYSTEM);
    OTRL_INIT;
    while (running && (length = getline(&line, &size, stdin)) > 0) {
        json_error_t where;
        json_t *request = json_loadb(line, (size_t)length, JSON_ALLOW_NUL, &where), *result = NULL, *answer;
        const char *method = json_string_value(json_object_get(request, "method"));
        if (!method) {
            fprintf(stderr, "libotr driver: not a request: %s\n", where.text);
            return 2;
        }
        running = strcmp(method, "shutdown");
        Failure failed = running ? handle(method, json_object_get(request, "params"), &result) : OK;
        json_t *id = json_object_get(request, "id");
        if (failed.code)
            answer = json_pack("{s:s, s:O, s:{s:i, s:s}}", "jsonrpc", "2.0", "id", id, "error", "code", failed.code,
                               "message", failed.text);
        else
            answer = json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", id, "result", result ? result : json_object());
        char *text = json_dumps(answer, JSON_COMPACT | JSON_ENSURE_ASCII);
        puts(text);
        fflush(stdout);
        free(text);
        json_decref(answer);
        json_decref(request);
    }
    free(line);
    return 0;
}
