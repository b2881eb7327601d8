/* The coverage of libotr's code, for the method `coverage`. [docs/reference/driver-protocol.md, Coverage]
 *
 * libotr is compiled with -fsanitize-coverage=trace-pc, so it calls `__sanitizer_cov_trace_pc` at the start of each basic
 * block. An edge is two successive calls. Its number is a hash of both addresses, relative to where the program was
 * loaded, so that it is the same in every process. This file and the rest of the driver are compiled without the option
 * and are not counted.
 */

#include "driver.h"

#ifdef OTTERPROOF_COVERAGE

#include <stdint.h>

/* The number of edge numbers: about fifty for each edge of libotr, so that few edges share one. */
#define BITS 18
#define NUMBERS (1u << BITS)

/* The most edges in one answer. */
#define MOST 65536

/* The start of the program, defined by the linker. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

static unsigned char is_reached[NUMBERS];
static uint32_t reached[MOST];
static size_t count = 0, told = 0;
static uint32_t before = 0;

void __sanitizer_cov_trace_pc(void)
{
    uint32_t place = (uint32_t)((uintptr_t)__builtin_return_address(0) - (uintptr_t)__ehdr_start) * 2654435761u;
    uint32_t edge = (place ^ before) >> (32 - BITS);
    before = place >> 1 | place << 31;
    if (is_reached[edge] || count == MOST) return;
    is_reached[edge] = 1;
    reached[count++] = edge;
}

void coverage_of_next_request(void)
{
    before = 0;
}

json_t *coverage(int begin)
{
    json_t *edges = json_array();
    if (begin) {
        while (count) is_reached[reached[--count]] = 0;
        told = 0;
    }
    while (told < count) json_array_append_new(edges, json_integer(reached[told++]));
    return json_pack("{s:o}", "edges", edges);
}

#else

void coverage_of_next_request(void)
{
}

json_t *coverage(int begin)
{
    (void)begin;
    return NULL;
}

#endif
