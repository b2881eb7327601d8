/* A driver template for an implementation with a C interface. Copy this file, protocol.h and json.h, fill in the places
 * marked TODO, and run it:
 *
 *     cc -Wall -Wextra -o my_driver driver.c
 *     otterproof check exec:./my_driver
 *
 * It needs only a C11 compiler and POSIX. As it stands, it answers every action with "unsupported".
 * docs/reference/driver-protocol.md explains each method and event.
 */

#include "protocol.h"

static void put_hello(Text *out)
{
    put(out, "{\"protocol\":2,"
             "\"name\":\"template\"," /* TODO */
             "\"version\":\"0\","     /* TODO: the version that the implementation reports */
             "\"otr_versions\":[2,3]," /* TODO */
             "\"capabilities\":[],"   /* TODO: "v2", "v3", "smp", ...; what you list here is judged */
             "\"randomness\":\"none\"}");
}

static Failure set_up(Party *party, const Json *params)
{
    /* TODO: set up the implementation, and store it in party->own. Use the given long-term key, so that fingerprints
     * stay the same:
     *     const Json *key = json_member(params, "key");
     *     const char *p = json_member_string(key, "p")->text;   (and q, g, y, x, all in hexadecimal)
     * Apply "policy" (a list of strings), "instance_tag", "max_message_size" and "heartbeat_interval" as far as the
     * implementation can; json_member gives NULL for null. If there is a "seed" and you can seed the random generator, do
     * so and set "randomness" above to "seed": then runs are repeatable. Return UNSUPPORTED for a value it can't have. */
    (void)party;
    (void)params;
    return ok();
}

static void put_created(Text *out, Party *party)
{
    /* TODO: our own instance tag (null if there is none yet), and the fingerprint of our own key: put_number, put_hex. */
    (void)party;
    put(out, "{\"instance_tag\":null,\"fingerprint\":\"0000000000000000000000000000000000000000\"}");
}

static void tear_down(Party *party)
{
    /* TODO: free what set_up stored in party->own. It may have failed halfway. */
    (void)party;
}

/* Each action passes its arguments on and adds events to the party. A field that the implementation does not tell is null:
 * add_word(party, field, NULL). If the implementation reports a refusal as an error, report it as an event:
 * message_rejected or message_unreadable for a received message, refused() for a user action. Return LIBRARY_FAILED only
 * if it breaks down, with a message that begins with the name of the error and a colon. */

static Failure do_receive(Party *party, const Json *params)
{
    /* TODO: pass the message to the implementation:
     *     const Json *message = json_member_string(params, "message");   (message->text, message->length)
     * and report what happens, for example:
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
    /* TODO: "now", in whole seconds. Called only if the driver claims "time". */
    (void)party;
    (void)params;
    return failure(UNSUPPORTED, "it can't set_time");
}

/* An action that is not in this table is also unsupported. */
static const Action ACTIONS[] = {
    {"receive", do_receive},     {"send", do_send},           {"start", do_start},
    {"end", do_end},             {"smp_start", do_smp_start}, {"smp_answer", do_smp_answer},
    {"smp_abort", do_smp_abort}, {"extra_key", do_extra_key}, {"set_policy", do_set_policy},
    {"set_time", do_set_time},   {NULL, NULL},
};

int main(void)
{
    static const Driver driver = {put_hello, set_up, put_created, tear_down, ACTIONS};
    return serve(&driver);
}
