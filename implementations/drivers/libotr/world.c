/* Randomness and time. libgcrypt's system generator calls getentropy(), and libotr calls time(). Both are defined here and
 * override the C library's, so a conversation depends only on its seeds and its input.
 */

#include "driver.h"

#include <stdio.h>
#include <string.h>

/* libotr's time at time 0 of the protocol. libotr reads a time of 0 as "never", so its clock must start later. */
#define EPOCH 1000000000

static Party *acting = NULL;

void act_for(Party *party)
{
    acting = party;
}

/* The random stream of a seeded party: SHA-256 of its seed and a counter. */
int getentropy(void *buffer, size_t length)
{
    unsigned char *out = buffer;
    if (!acting || !acting->seeded) {
        FILE *source = fopen("/dev/urandom", "rb");
        size_t got = source ? fread(out, 1, length, source) : 0;
        if (source) fclose(source);
        return got == length ? 0 : -1;
    }
    while (length > 0) {
        unsigned char block[40], digest[32];
        size_t take = length < sizeof digest ? length : sizeof digest;
        memcpy(block, acting->seed, 32);
        for (int i = 0; i < 8; i++) block[32 + i] = (unsigned char)(acting->drawn >> (8 * i));
        acting->drawn++;
        gcry_md_hash_buffer(GCRY_MD_SHA256, digest, block, sizeof block);
        memcpy(out, digest, take);
        out += take;
        length -= take;
    }
    return 0;
}

time_t time(time_t *where)
{
    time_t result = EPOCH + (acting ? acting->now : 0);
    if (where) *where = result;
    return result;
}
