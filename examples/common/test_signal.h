/* The test signal and the checksum: exact in every step, so any language makes the same bits. */
#ifndef TEST_SIGNAL_H
#define TEST_SIGNAL_H

#include <stdint.h>

#define SAMPLES 2000
#define HASH_START 2166136261u

/* White noise in [-0.5, 0.5) from a linear congruential generator; the upper 24 bits fit a float. */
static inline float next_sample(void)
{
    static uint32_t seed = 1;
    seed = seed * 1664525u + 1013904223u;
    return ((float)(seed >> 8) - 8388608.0f) / 16777216.0f;
}

/* Sizes from 1 to max in an irregular order that ends exactly at SAMPLES. */
static inline int next_block_size(int done, int last, int max)
{
    int size = 1 + (last * 5 + done) % max;
    return size < SAMPLES - done ? size : SAMPLES - done;
}

/* FNV-1a over the bytes of a float, least significant first. */
static inline uint32_t hash_sample(uint32_t hash, float sample)
{
    union {
        float value;
        uint32_t bits;
    } word = {sample};
    for (int shift = 0; shift < 32; shift += 8)
        hash = (hash ^ (word.bits >> shift & 0xffu)) * 16777619u;
    return hash;
}

#endif
