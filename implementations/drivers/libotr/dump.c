/* libotr's state as far as its public headers show it, in the form of the protocol's dump.
 *
 * A field that libotr has no counterpart for is null. The AES keys are hidden in libgcrypt's cipher handles.
 */

#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const message_states[] = {"plaintext", "encrypted", "finished"};
static const char *const auth_states[] = {"none", "awaiting_dhkey", "awaiting_revealsig", "awaiting_sig"};
static const char *const smp_states[] = {"expect1", "expect2", "expect3", "expect4"};

#define NAME_IN(names, index) ((size_t)(index) < sizeof names / sizeof *names ? names[index] : NULL)

/* A number's digits without leading zeros. */
static json_t *digits(gcry_mpi_t number)
{
    unsigned char *bytes = NULL;
    size_t length = 0;
    gcry_mpi_aprint(GCRYMPI_FMT_USG, &bytes, &length, number);
    json_t *padded = hex(bytes, length);
    const char *text = json_string_value(padded);
    json_t *result = json_string(*text == '0' && text[1] ? text + 1 : text);
    json_decref(padded);
    gcry_free(bytes);
    return result;
}

static json_int_t counter(const unsigned char ctr[16])
{
    unsigned long long top = 0;
    for (int i = 0; i < 8; i++) top = top << 8 | ctr[i];
    return (json_int_t)top;
}

static int has_keys(const ConnContextPriv *state, int ours, int theirs)
{
    return (ours ? state->our_old_dh_key.pub : state->our_dh_key.pub) && (theirs ? state->their_old_y : state->their_y);
}

static void put_key(json_t *keys, unsigned int keyid, gcry_mpi_t value)
{
    char name[16];
    if (!value) return;
    snprintf(name, sizeof name, "%u", keyid);
    json_object_set_new(keys, name, digits(value));
}

static json_t *ratchet(const ConnContextPriv *state)
{
    json_t *ours = json_object(), *theirs = json_object(), *sent = json_object(), *received = json_object();
    json_t *verified = json_array();
    put_key(ours, state->our_keyid - 1, state->our_old_dh_key.pub);
    put_key(ours, state->our_keyid, state->our_dh_key.pub);
    put_key(theirs, state->their_keyid - 1, state->their_old_y);
    put_key(theirs, state->their_keyid, state->their_y);
    for (int i = 1; i >= 0; i--) {
        for (int j = 1; j >= 0; j--) {
            char pair[32];
            const DH_sesskeys *keys = &state->sesskeys[i][j];
            if (!has_keys(state, i, j)) continue;
            snprintf(pair, sizeof pair, "%u,%u", state->our_keyid - (unsigned int)i, state->their_keyid - (unsigned int)j);
            if (counter(keys->sendctr)) json_object_set_new(sent, pair, json_integer(counter(keys->sendctr)));
            if (counter(keys->rcvctr)) json_object_set_new(received, pair, json_integer(counter(keys->rcvctr)));
            if (keys->rcvmacused) json_array_append_new(verified, json_string(pair));
        }
    }
    return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "our_keyid", (json_int_t)state->our_keyid, "their_keyid",
                     (json_int_t)state->their_keyid, "our_keys", ours, "their_keys", theirs, "sent", sent, "received",
                     received, "verified", verified);
}

static json_t *session(ConnContext *context)
{
    const ConnContextPriv *state = context->context_priv;
    const Fingerprint *print = context->active_fingerprint;
    json_t *pending = json_array();
    for (unsigned int i = 0; i < state->numsavedkeys; i++)
        json_array_append_new(pending, hex(state->saved_mac_keys + 20 * i, 20));
    return json_pack("{s:o, s:i, s:s?, s:s?, s:s?, s:b, s:o, s:o, s:o, s:o}", "instance", instance_of(context), "version",
                     (int)context->protocol_version, "message_state", NAME_IN(message_states, context->msgstate),
                     "auth_state", NAME_IN(auth_states, context->auth.authstate), "smp_state",
                     NAME_IN(smp_states, context->smstate->nextExpected), "smp_question_waiting",
                     note_of(context)->asked, "ssid", hex(context->sessionid, context->sessionid_len), "fingerprint",
                     print ? hex(print->fingerprint, 20) : json_string(""), "ratchet",
                     context->msgstate == OTRL_MSGSTATE_ENCRYPTED ? ratchet(state) : json_null(), "pending_mac_keys",
                     pending);
}

static void put_secret(json_t *secrets, const ConnContext *context, const char *name, const void *data, size_t length)
{
    char full[64];
    snprintf(full, sizeof full, "%08x.%s", context->their_instance, name);
    json_object_set_new(secrets, full, hex(data, length));
}

static void put_number(json_t *secrets, const ConnContext *context, const char *name, gcry_mpi_t number)
{
    unsigned char *bytes = NULL;
    size_t length = 0;
    if (!number) return;
    gcry_mpi_aprint(GCRYMPI_FMT_USG, &bytes, &length, number);
    put_secret(secrets, context, name, bytes, length);
    gcry_free(bytes);
}

static void put_secrets(json_t *secrets, ConnContext *context)
{
    static const unsigned char nothing[16];
    const ConnContextPriv *state = context->context_priv;
    put_number(secrets, context, "our_dh_key", state->our_dh_key.priv);
    put_number(secrets, context, "our_old_dh_key", state->our_old_dh_key.priv);
    put_number(secrets, context, "auth.our_dh", context->auth.our_dh.priv);
    if (memcmp(context->auth.r, nothing, sizeof nothing))
        put_secret(secrets, context, "auth.r", context->auth.r, sizeof context->auth.r);
    put_number(secrets, context, "smp.secret", context->smstate->secret);
    put_number(secrets, context, "smp.x2", context->smstate->x2);
    put_number(secrets, context, "smp.x3", context->smstate->x3);
    if (state->lastmessage)
        put_secret(secrets, context, "lastmessage", state->lastmessage, strlen(state->lastmessage));
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            const DH_sesskeys *keys = &state->sesskeys[i][j];
            char name[32];
            if (!has_keys(state, i, j)) continue;
            snprintf(name, sizeof name, "sesskeys.%d.%d.sendmac", i, j);
            put_secret(secrets, context, name, keys->sendmackey, sizeof keys->sendmackey);
            snprintf(name, sizeof name, "sesskeys.%d.%d.rcvmac", i, j);
            put_secret(secrets, context, name, keys->rcvmackey, sizeof keys->rcvmackey);
            snprintf(name, sizeof name, "sesskeys.%d.%d.extra", i, j);
            put_secret(secrets, context, name, keys->extrakey, sizeof keys->extrakey);
        }
    }
}

json_t *dump(Party *party)
{
    json_t *sessions = json_array(), *fragments = json_object(), *secrets = json_object();
    OtrlInsTag *own = otrl_instag_find(party->us, party->account, PROTOCOL_NAME);
    for (ConnContext *context = party->us->context_root; context; context = context->next) {
        const ConnContextPriv *state = context->context_priv;
        json_array_append_new(sessions, session(context));
        put_secrets(secrets, context);
        if (state->fragment_k) {
            char name[16], place[16];
            snprintf(name, sizeof name, "%u", context->their_instance);
            snprintf(place, sizeof place, "%u,%u", state->fragment_k, state->fragment_n);
            json_object_set_new(fragments, name, json_string(place));
        }
    }
    json_t *shown = json_pack("{s:I, s:n, s:n, s:n, s:o, s:n, s:o}", "instance_tag", (json_int_t)(own ? own->instag : 0),
                              "focus", "announced", "heard_plaintext", "sessions", sessions, "stored", "fragments",
                              fragments);
    return json_pack("{s:o, s:o}", "snapshot", shown, "secrets", secrets);
}
