/* The header's protocol for swapping captures, with real threads: one plays block after block, one swaps.
 *     swap_threads A.bin B.bin SECONDS MILLISECONDS_BETWEEN_SWAPS    (some 1500 blocks of audio per second)
 * Afterwards every block is computed again by one thread from the log of who played it, and compared bit by bit.
 * Linked with --wrap for the allocator and the mutexes, which count calls of the playing thread. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture.h"

enum { BLOCK = 48, MOST_BLOCKS = 1 << 20, STATES = 3 };

typedef struct {
    void *state;
    const void *weights;
    int capture, serial;
} Pair;

static Pair pairs[STATES];
static _Atomic(Pair *) next_pair, playing;
static atomic_int stop;
static _Thread_local int on_audio_side;
static atomic_long audio_calls, blocks_played;
static float (*played)[BLOCK];
static unsigned char *who;
static int *serials;

#define COUNTED if (on_audio_side) atomic_fetch_add(&audio_calls, 1)
void *__real_malloc(size_t);
void *__wrap_malloc(size_t size) { COUNTED; return __real_malloc(size); }
void *__real_calloc(size_t, size_t);
void *__wrap_calloc(size_t n, size_t size) { COUNTED; return __real_calloc(n, size); }
void *__real_realloc(void *, size_t);
void *__wrap_realloc(void *p, size_t size) { COUNTED; return __real_realloc(p, size); }
void __real_free(void *);
void __wrap_free(void *p) { COUNTED; __real_free(p); }
int __real_pthread_mutex_lock(pthread_mutex_t *);
int __wrap_pthread_mutex_lock(pthread_mutex_t *m) { COUNTED; return __real_pthread_mutex_lock(m); }

static void fill(float *x, long block)
{
    for (int i = 0; i < BLOCK; i++) {
        uint32_t v = (uint32_t)(block * BLOCK + i) * 2654435761u;
        x[i] = (float)((int32_t)(v ^ v >> 15) >> 8) * 0x1p-25f;
    }
}

static void *audio(void *unused)
{
    float x[BLOCK];
    on_audio_side = 1;
    for (long k = 0; k < MOST_BLOCKS && !atomic_load(&stop); k++) {
        Pair *pair = atomic_load_explicit(&next_pair, memory_order_acquire);
        fill(x, k);
        capture_process(pair->state, pair->weights, x, played[k], BLOCK);
        who[k] = (unsigned char)pair->capture;
        serials[k] = pair->serial;
        atomic_store_explicit(&playing, pair, memory_order_release);
        atomic_store(&blocks_played, k + 1);
        nanosleep(&(struct timespec){0, 500000}, NULL);
    }
    on_audio_side = 0;
    return unused;
}

static void *aligned(size_t size) { return aligned_alloc(64, (size + 63) / 64 * 64); }

static void *read_blob(const char *path)
{
    unsigned char *blob = aligned(CAPTURE_WEIGHTS_BYTES);
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(blob, 1, CAPTURE_WEIGHTS_BYTES, file) : 0;
    if (file)
        fclose(file);
    if (capture_check_weights(blob, size) != CAPTURE_OK)
        exit(3);
    return blob;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    const void *weights[2] = {read_blob(argv[1]), read_blob(argv[2])};
    played = calloc(MOST_BLOCKS, sizeof *played);
    who = calloc(MOST_BLOCKS, 1);
    serials = calloc(MOST_BLOCKS, sizeof *serials);
    for (int k = 0; k < STATES; k++)
        pairs[k].state = aligned(CAPTURE_STATE_BYTES);
    pairs[0].weights = weights[0];
    capture_init(pairs[0].state, weights[0]);
    atomic_store(&next_pair, &pairs[0]);
    pthread_t thread;
    pthread_create(&thread, NULL, audio, NULL);
    struct timespec gap = {0, (long)(atof(argv[4]) * 1e6)}, now, begin;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    int serial = 0;
    do {
        nanosleep(&gap, NULL);
        Pair *current = atomic_load(&next_pair);
        while (atomic_load_explicit(&playing, memory_order_acquire) != current && blocks_played < MOST_BLOCKS)
            nanosleep(&(struct timespec){0, 100000}, NULL);
        Pair *spare = current == &pairs[0] ? &pairs[1] : &pairs[0]; /* nobody plays it any more */
        spare->capture = ++serial % 2;
        spare->serial = serial;
        spare->weights = weights[serial % 2];
        if (capture_init(spare->state, spare->weights))
            return 4;
        atomic_store_explicit(&next_pair, spare, memory_order_release);
        clock_gettime(CLOCK_MONOTONIC, &now);
        /* However short the time, some swaps are heard: each waits for the one before. */
    } while (serial < 5 ||
             (double)(now.tv_sec - begin.tv_sec) + 1e-9 * (double)(now.tv_nsec - begin.tv_nsec) < atof(argv[3]));
    atomic_store(&stop, 1);
    pthread_join(thread, NULL);
    long count = atomic_load(&blocks_played), wrong = 0, swaps = 0;
    float x[BLOCK], y[BLOCK];
    for (long k = 0; k < count; k++) {
        if (k == 0 || serials[k] != serials[k - 1]) {
            capture_init(pairs[2].state, weights[who[k]]);
            swaps += k > 0;
        }
        fill(x, k);
        capture_process(pairs[2].state, weights[who[k]], x, y, BLOCK);
        wrong += memcmp(y, played[k], sizeof y) != 0;
    }
    printf("%ld blocks, %ld swaps, %ld wrong blocks, %ld calls of allocator or mutex on the audio side\n", count, swaps,
           wrong, atomic_load(&audio_calls));
    return wrong || !swaps || atomic_load(&audio_calls);
}
