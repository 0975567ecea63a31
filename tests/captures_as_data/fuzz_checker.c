/* libFuzzer: NAME_check_weights on any bytes, wherever they lie, compared with a second reading of
 * docs/weight_blob.md.  fuzz_checker.py builds and runs it; `make fuzz`.
 * Every copy ends where its memory ends (AddressSanitizer sees a byte too many).  Most mutations would die at the
 * magic or the CRC; the mutator repairs some or all of the header in half of the cases.  Prints how often each result
 * was met. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"

#define SECOND_READING __attribute__((no_sanitize("coverage", "address", "undefined")))

extern const unsigned char capture_weights[CAPTURE_WEIGHTS_BYTES]; /* capture_weights.c */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static unsigned long counts[CAPTURE_MISALIGNED + 1];

SECOND_READING static void print_counts(void)
{
    for (int k = CAPTURE_OK; k <= CAPTURE_MISALIGNED; k++)
        fprintf(stderr, "result %d: %lu\n", k, counts[k]);
}

SECOND_READING int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return atexit(print_counts);
}

/* CRC-32 byte by byte; the checker goes by half bytes. */
SECOND_READING static uint32_t crc32(const uint8_t *data, size_t size)
{
    static uint32_t table[256];
    uint32_t crc = 0xffffffffu;
    if (!table[1])
        for (uint32_t i = 0; i < 256; i++) {
            table[i] = i;
            for (int k = 0; k < 8; k++)
                table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320u : 0);
        }
    for (size_t i = 0; i < size; i++)
        crc = crc >> 8 ^ table[(crc ^ data[i]) & 255];
    return ~crc;
}

SECOND_READING static uint32_t word_at(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* What the table in docs/weight_blob.md says about an aligned blob. */
SECOND_READING static int expected(const uint8_t *p, size_t size)
{
    static const uint8_t zeros[32];
    if (size < 64)
        return CAPTURE_TRUNCATED;
    if (memcmp(p, "SCDW\1\0\0\0", 8) != 0)
        return CAPTURE_NOT_A_BLOB;
    if (memcmp(p + 8, capture_weights + 8, 16) != 0)
        return CAPTURE_WRONG_ARCHITECTURE;
    if (word_at(p + 24) != CAPTURE_WEIGHTS_BYTES || size < CAPTURE_WEIGHTS_BYTES)
        return CAPTURE_TRUNCATED;
    if (word_at(p + 28) != crc32(p + 64, CAPTURE_WEIGHTS_BYTES - 64) || memcmp(p + 32, zeros, 32) != 0)
        return CAPTURE_DAMAGED;
    return CAPTURE_OK;
}

/* One copy of the checker, so that libFuzzer's coverage is that of its lines. */
__attribute__((noinline)) static int checked(const unsigned char *blob, size_t size)
{
    return capture_check_weights(blob, size);
}

/* The checker on the first `size` bytes, `shift` bytes behind an address that is a multiple of 16. */
static void check(const uint8_t *data, size_t size, size_t shift)
{
    unsigned char *memory = (unsigned char *)malloc(size + shift);
    int wanted = shift % 4 ? CAPTURE_MISALIGNED : expected(data, size);
    if (!memory)
        return;
    unsigned char *blob = memory + shift;
    if (size)
        memcpy(blob, data, size);
    if (checked(blob, size) != wanted)
        abort();
    /* A partition may be as large as it likes: nothing behind the blob is looked at. */
    if (size >= CAPTURE_WEIGHTS_BYTES && checked(blob, SIZE_MAX) != wanted)
        abort();
    if (size && memcmp(blob, data, size) != 0)
        abort();
    counts[wanted]++;
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t chance = crc32(data, size < 256 ? size : 256) ^ (uint32_t)size;
    check(data, size, 0);
    check(data, size, 1 + chance % 15);
    check(data, (chance >> 8) % (size + 1), 4 * (chance >> 4 & 3));
    if (checked(NULL, size) != CAPTURE_MISALIGNED)
        abort();
    return 0;
}

SECOND_READING size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, max_size);
    if (seed & 1)
        return size;
    unsigned chance = seed >> 1;
    if (size < CAPTURE_WEIGHTS_BYTES && max_size >= CAPTURE_WEIGHTS_BYTES && chance % 8) {
        memcpy(data + size, capture_weights + size, CAPTURE_WEIGHTS_BYTES - size);
        size = CAPTURE_WEIGHTS_BYTES;
    }
    if (size < 64)
        return size;
    /* Magic, version, digest, stated size: all seven words, or the first few of them. */
    memcpy(data, capture_weights, 4 * (chance / 8 % 4 ? 7 : chance / 32 % 8));
    if (chance / 256 % 4)
        memset(data + 32, 0, 32);
    if (chance / 1024 % 8) {
        size_t end = size < CAPTURE_WEIGHTS_BYTES ? size : CAPTURE_WEIGHTS_BYTES;
        uint32_t crc = crc32(data + 64, end - 64);
        for (int k = 0; k < 4; k++)
            data[28 + k] = (uint8_t)(crc >> 8 * k);
    }
    return size;
}
