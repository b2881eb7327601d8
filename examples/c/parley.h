/* Parley: an Off-the-Record conversation between two people, on top of libotr. */

#ifndef PARLEY_H
#define PARLEY_H

#include <stddef.h>

typedef struct Parley Parley;

/* What Parley tells the program that uses it. */
typedef struct {
    void (*transmit)(void *user, const char *message);          /* send it to the friend */
    void (*show)(void *user, const char *text, int encrypted);  /* a text from the friend */
    void (*encrypted)(void *user, int version, unsigned tag, const unsigned char ssid[8], const unsigned char theirs[20]);
    void (*ended)(void *user, unsigned tag, int by_friend);
    void (*unreadable)(void *user, unsigned tag);               /* an encrypted message can't be read */
    void (*refused)(void *user);                                /* a text was not sent: the friend has ended the session */
} ParleyListener;

/* key: p, q, g, y and x of a DSA key, in hexadecimal. version: 2 or 3. NULL if the key is not valid. */
Parley *parley_new(const char *me, const char *friend, const char *const key[5], int version,
                   const ParleyListener *listener, void *user);
void parley_free(Parley *parley);
void parley_fingerprint(Parley *parley, unsigned char fingerprint[20]);
unsigned parley_instance_tag(Parley *parley);

void parley_start(Parley *parley);
void parley_receive(Parley *parley, const char *message);
void parley_send(Parley *parley, const char *text);
void parley_end(Parley *parley);

#endif
