/* NAME_check_weights on damaged blobs: every truncation, every single flipped bit, and random damage for SECONDS.
 *     mutate_checker capture_weights.bin SECONDS
 * Every blob is copied to memory of exactly its size (AddressSanitizer sees a byte too many). Prints the counts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture.h"

static unsigned long counts[CAPTURE_MISALIGNED + 1];
static uint64_t seed = 88172645463325252u;

static uint64_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static int check(const unsigned char *data, size_t size)
{
    unsigned char *copy = (unsigned char *)malloc(size ? size : 1);
    memcpy(copy, data, size);
    int result = capture_check_weights(copy, size);
    free(copy);
    counts[result]++;
    return result;
}

int main(int argc, char **argv)
{
    static unsigned char good[CAPTURE_WEIGHTS_BYTES], bad[CAPTURE_WEIGHTS_BYTES];
    FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
    if (!file || fread(good, 1, sizeof good, file) != sizeof good)
        return 2;
    fclose(file);
    if (check(good, sizeof good) != CAPTURE_OK || capture_check_weights(NULL, 64) != CAPTURE_MISALIGNED)
        return 3;
    for (size_t size = 0; size < sizeof good; size++)
        if (check(good, size) != CAPTURE_TRUNCATED)
            return 4;
    memcpy(bad, good, sizeof good);
    for (size_t bit = 0; bit < 8 * sizeof good; bit++) {
        bad[bit / 8] ^= (unsigned char)(1u << bit % 8);
        if (check(bad, sizeof bad) == CAPTURE_OK)
            return 5;
        bad[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    clock_t end = clock() + (clock_t)(atof(argv[2]) * CLOCKS_PER_SEC);
    while (clock() < end) {
        memcpy(bad, good, sizeof good);
        size_t size = next() % 4 ? sizeof good : next() % (sizeof good + 1);
        for (uint64_t changes = 1 + next() % 8; changes--;) {
            size_t region = next() % 2 ? 64 : sizeof bad;
            bad[next() % region] = (unsigned char)next();
        }
        int same = size == sizeof good && !memcmp(bad, good, sizeof good);
        if ((check(bad, size) == CAPTURE_OK) != same)
            return 6;
    }
    for (int k = CAPTURE_OK; k <= CAPTURE_MISALIGNED; k++)
        printf("%d: %lu\n", k, counts[k]);
    return 0;
}
