/* Shared by the parts of the driver: parties, the values of the protocol, and the outcomes of actions.
 *
 *   main.c     requests in, answers out; creating and closing parties
 *   actions.c  actions of the user and the network
 *   events.c   libotr's callbacks, as events
 *   dump.c     the visible part of libotr's state
 *   snapshot.c copies of the driver process, to restore
 *   edges.c    code coverage of libotr, if it was compiled for that
 *   values.c   bytes, numbers and policies in JSON
 *   world.c    the randomness and time that libotr uses
 */

#ifndef OTTERPROOF_LIBOTR_DRIVER_H
#define OTTERPROOF_LIBOTR_DRIVER_H

#include <time.h>

#include <gcrypt.h>
#include <jansson.h>
#include <libotr/proto.h> /* the other headers need its declarations */
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
    json_t *events; /* of the current action */
    int decrypted;  /* the message being received was a readable data message */
} Party;

/* The driver's notes on one of libotr's contexts, which owns and frees them. */
typedef struct {
    OtrlMessageState before; /* at the start of the action */
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
void act_for(Party *party); /* the party whose randomness and time libotr uses from now on, or NULL */

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
Failure act(Party *party, const char *method, json_t *params); /* METHOD_NOT_FOUND if it is not an action */

/* dump.c */
json_t *dump(Party *party);

/* edges.c */
#ifdef OTTERPROOF_COVERAGE
#define HAS_COVERAGE 1
#else
#define HAS_COVERAGE 0
#endif
void coverage_of_next_request(void); /* the next code does not form an edge with the code reached last */
json_t *coverage(int begin);

/* snapshot.c: Linux only. Handles are 0 to SNAPSHOTS - 1. */
#define SNAPSHOTS 64
typedef enum {
    KEPT,         /* the snapshot was taken, and this process is still the driver */
    KEPT_EARLIER, /* the snapshot was restored: this process is now the driver, and the call has been answered */
    KEPT_NOTHING  /* the system can't take one */
} Kept;
Kept snapshot_keep(int handle);
int snapshot_waits(int handle);     /* whether the snapshot exists */
void snapshot_restore(int handle);  /* does not return: another process is the driver */
void snapshot_discard(int handle);

#endif
