/* What the parts of the driver share: a party, the values that cross the protocol, and what can become of an action.
 *
 *   main.c     requests in, answers out; making and forgetting parties
 *   actions.c  what a user or the network does to a party
 *   events.c   what libotr reports through its callbacks, as events
 *   dump.c     what can be seen of the state
 *   snapshot.c copies of the whole driver, to go back to
 *   edges.c    what was reached of libotr's code, where it was compiled for that
 *   values.c   bytes, numbers and policies in JSON
 *   world.c    randomness and time, which libotr takes from here
 */

#ifndef OTTERPROOF_LIBOTR_DRIVER_H
#define OTTERPROOF_LIBOTR_DRIVER_H

#include <time.h>

#include <gcrypt.h>
#include <jansson.h>
#include <libotr/proto.h> /* the others need what this one declares */
#include <libotr/instag.h>
#include <libotr/message.h>
#include <libotr/privkey.h>
#include <libotr/tlv.h>
#include <libotr/userstate.h>

/* libotr's name for the network; it never leaves the process. */
#define PROTOCOL_NAME "prpl-otterproof"

/* Error codes of the driver protocol. */
#define UNSUPPORTED (-32001)
#define LIBRARY_FAILED (-32002)
#define METHOD_NOT_FOUND (-32601)
#define INVALID_PARAMS (-32602)

typedef struct party {
    struct party *next;
    char *name;
    char *account;
    char *peer;
    OtrlUserState us;
    OtrlPolicy policy;
    int max_message_size; /* 0: not limited */
    int seeded;
    unsigned char seed[32];
    unsigned long long drawn; /* blocks of randomness taken from the seed */
    time_t now;
    json_t *events; /* of the action that is being carried out */
    int decrypted;  /* the message being received was a data message that could be read */
} Party;

/* What the driver notes about one of libotr's contexts; it hangs on the context and goes with it. */
typedef struct {
    OtrlMessageState before; /* when the action began */
    unsigned char before_fingerprint[20];
    int asked; /* libotr has asked for the secret, and the user has not answered */
} Note;

typedef struct {
    int code; /* 0: none */
    const char *text;
} Failure;

extern const Failure OK;
Failure failure(int code, const char *text);

/* values.c */
json_t *latin1(const void *data, size_t length);
json_t *latin1_string(const char *text);
char *bytes_of(json_t *value, size_t *length);
json_t *hex(const void *data, size_t length);
json_t *instance_of(const ConnContext *context);
int policy_of(json_t *names, OtrlPolicy *policy);
const char *text_of(json_t *params, const char *name);

/* world.c */
void act_for(Party *party); /* whose randomness and time libotr gets from now on; NULL: nobody's */

/* events.c */
extern OtrlMessageAppOps ops;
Note *note_of(ConnContext *context);
void emit(Party *party, json_t *event);
void emit_outgoing(Party *party, const char *message);
void emit_text(Party *party, const char *text, int secure, int warn, const ConnContext *context);
void emit_instance(Party *party, const char *name, const ConnContext *context);
void emit_refused(Party *party, const char *action, const char *reason);
void emit_extra_key(Party *party, const ConnContext *context, int received, unsigned int use, const void *data,
                    size_t length, const unsigned char *key);

/* actions.c */
Failure act(Party *party, const char *method, json_t *params); /* METHOD_NOT_FOUND if it is no action */

/* dump.c */
json_t *dump(Party *party);

/* edges.c */
#ifdef OTTERPROOF_COVERAGE
#define HAS_COVERAGE 1
#else
#define HAS_COVERAGE 0
#endif
void coverage_of_next_request(void); /* what comes now does not follow on the code that was reached last */
json_t *coverage(int begin);

/* snapshot.c: Linux only. Handles are 0 to SNAPSHOTS - 1. */
#define SNAPSHOTS 64
typedef enum {
    KEPT,         /* there is a snapshot, and this is the driver as before */
    KEPT_EARLIER, /* the snapshot was restored: this is the driver from now on, and the call has been answered */
    KEPT_NOTHING  /* the system can't do it */
} Kept;
Kept snapshot_keep(int handle);
int snapshot_waits(int handle);     /* whether there is a snapshot */
void snapshot_restore(int handle);  /* does not return: another process is the driver */
void snapshot_discard(int handle);

#endif
