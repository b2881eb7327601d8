/* The driver of Parley for Otterproof: it passes each request to a Parley and reports what happens. protocol.h and json.h
 * come with Otterproof, whose docs/reference/driver-protocol.md explains each method and event. */

#include "protocol.h"

#include "parley.h"

static void on_transmit(void *party, const char *message)
{
    outgoing(party, message, strlen(message));
}

static void on_show(void *party, const char *text, int encrypted)
{
    event(party, "text_received");
    add_bytes(party, "text", text, strlen(text));
    add_bool(party, "secure", encrypted);
    add_word(party, "warn", NULL); /* NULL: Parley does not tell */
    add_word(party, "instance", NULL);
}

static void on_encrypted(void *party, int version, unsigned tag, const unsigned char ssid[8], const unsigned char theirs[20])
{
    event(party, "session_established");
    add_number(party, "instance", tag);
    add_number(party, "version", version);
    add_hex(party, "ssid", ssid, 8);
    add_hex(party, "fingerprint", theirs, 20);
    add_word(party, "sent_reveal_signature", NULL);
    add_word(party, "refreshed", NULL);
    add_word(party, "same_key", NULL);
}

static void on_ended(void *party, unsigned tag, int by_friend)
{
    event(party, by_friend ? "peer_ended_session" : "user_ended_session");
    add_number(party, "instance", tag);
}

static void on_unreadable(void *party, unsigned tag)
{
    event(party, "message_unreadable");
    add_number(party, "instance", tag);
    add_word(party, "reason", NULL);
    add_word(party, "field", NULL);
    add_word(party, "offset", NULL);
}

static void on_refused(void *party)
{
    refused(party, "send", "wrong_state");
}

static const ParleyListener LISTENER = {on_transmit, on_show, on_encrypted, on_ended, on_unreadable, on_refused};

static void put_hello(Text *out)
{
    put(out, "{\"protocol\":2,\"name\":\"parley\",\"version\":\"1.0\",\"otr_versions\":[2,3],"
             "\"capabilities\":[\"v2\",\"v3\"],\"randomness\":\"none\"}");
}

static const char *string(const Json *params, const char *name)
{
    return json_member_string(params, name)->text;
}

static Failure set_up(Party *party, const Json *params)
{
    const Json *policy = json_member(params, "policy"), *key = json_member(params, "key");
    const char *numbers[] = {string(key, "p"), string(key, "q"), string(key, "g"), string(key, "y"), string(key, "x")};
    if (!policy->first || policy->first->next) return failure(UNSUPPORTED, "Parley has one version at a time");
    int version = strcmp(policy->first->text, "allow_v2") ? 3 : 2;
    party->own = parley_new(string(params, "account"), string(params, "peer"), numbers, version, &LISTENER, party);
    return party->own ? ok() : failure(LIBRARY_FAILED, "BadKey: Parley does not take this key");
}

static void put_created(Text *out, Party *party)
{
    unsigned char fingerprint[20];
    parley_fingerprint(party->own, fingerprint);
    put(out, "{\"instance_tag\":");
    put_number(out, parley_instance_tag(party->own));
    put(out, ",\"fingerprint\":");
    put_hex(out, fingerprint, sizeof fingerprint);
    put(out, "}");
}

static void tear_down(Party *party)
{
    if (party->own) parley_free(party->own);
}

static Failure do_receive(Party *party, const Json *params)
{
    parley_receive(party->own, string(params, "message"));
    return ok();
}

static Failure do_send(Party *party, const Json *params)
{
    const Json *text = json_member_string(params, "text");
    if (strlen(text->text) != text->length) return failure(UNSUPPORTED, "a text of Parley's has no NUL");
    if (json_member(params, "padding")) return failure(UNSUPPORTED, "Parley does not pad");
    parley_send(party->own, text->text);
    return ok();
}

static Failure do_start(Party *party, const Json *params)
{
    (void)params;
    parley_start(party->own);
    return ok();
}

static Failure do_end(Party *party, const Json *params)
{
    (void)params;
    parley_end(party->own);
    return ok();
}

static const Action ACTIONS[] = {
    {"receive", do_receive}, {"send", do_send}, {"start", do_start}, {"end", do_end}, {NULL, NULL},
};

int main(void)
{
    static const Driver driver = {put_hello, set_up, put_created, tear_down, ACTIONS};
    return serve(&driver);
}
