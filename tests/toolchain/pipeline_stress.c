/* The C runtime under stress: stages that stall, an input that does not wait. Nothing may be damaged.
 *
 *     pipeline_stress capture_weights.bin BLOCKS SLOW
 *
 * Stage 0 offers BLOCKS blocks of many sizes and drops what finds no room, as an audio driver does; the
 * stage numbered SLOW is late now and then (SLOW = CAPTURE_STAGES: none is). The output of what got in must be, bit
 * for bit, what capture_process makes of those blocks alone. Prints what was counted.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture_pipeline.h"
#include "read_weights.h"
#include "test_signal.h"

#if CAPTURE_STAGES > 3
#error the threads here know when to end for two and three stages only
#endif

static capture_pipeline pipeline;
static _Alignas(64) unsigned char whole_state[CAPTURE_STATE_BYTES];
static int blocks, slow;
static float *offered, *received;
static int *sizes; /* of the blocks that got in */
static int got_in, came_out;
static schedc_counter input_ended;
static uint32_t refused;

static void pause_us(uint32_t us)
{
    struct timespec pause = {0, (long)us * 1000};
    nanosleep(&pause, NULL);
}

/* One call in 16 of the slow stage takes up to 1 ms longer. */
static void maybe_stall(int stage, uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    if (stage == slow && *seed >> 28 == 0)
        pause_us(*seed >> 8 & 1023);
}

static void *first_stage(void *unused)
{
    uint32_t seed = 1;
    float *kept = offered;
    for (int block = 0, size = 1; block < blocks; block++) {
        size = 1 + (size * 5 + block) % CAPTURE_MAX_BLOCK;
        for (int i = 0; i < size; i++)
            kept[i] = next_sample();
        maybe_stall(0, &seed);
        if (capture_pipeline_stage0(&pipeline, kept, size)) {
            sizes[got_in++] = size;
            kept += size;
        } else {
            refused++;
            pause_us(20);
        }
    }
    SCHEDC_STORE(input_ended, 1, release);
    return unused;
}

static void *later_stage(void *number)
{
    int stage = *(int *)number, last = stage == CAPTURE_STAGES - 1;
    uint32_t seed = (uint32_t)stage;
    static float nothing[1];
    for (float *out = last ? received : nothing;;) {
        int ended = (int)SCHEDC_LOAD(input_ended, acquire);
        int size = capture_pipeline_step(&pipeline, stage, NULL, out, 0);
        if (size && last) {
            out += size;
            came_out++;
        }
        maybe_stall(stage, &seed);
        if (ended && last && came_out == got_in)
            return NULL;
        if (ended && !last && !size && !schedc_ring_has_block(&pipeline.ring0))
            return NULL; /* the middle one of three */
        if (!size)
            sched_yield();
    }
}

/* What one core makes of the blocks that got in; 1 if a bit differs. */
static int compare(const void *weights)
{
    float block[CAPTURE_MAX_BLOCK], *in = offered, *out = received;
    if (capture_init(whole_state, weights))
        return 1;
    for (int i = 0; i < got_in; in += sizes[i], out += sizes[i], i++) {
        capture_process(whole_state, weights, in, block, sizes[i]);
        if (memcmp(block, out, sizeof(float) * (size_t)sizes[i])) {
            printf("block %d differs\n", i);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    pthread_t threads[CAPTURE_STAGES];
    int numbers[CAPTURE_STAGES];
    void *weights = argc == 4 ? read_weights(argv[1]) : NULL;
    if (!weights || capture_pipeline_init(&pipeline, weights))
        return 2;
    blocks = atoi(argv[2]);
    slow = atoi(argv[3]);
    offered = malloc(sizeof(float) * CAPTURE_MAX_BLOCK * (size_t)(blocks + 1));
    received = malloc(sizeof(float) * CAPTURE_MAX_BLOCK * (size_t)(blocks + 1));
    sizes = malloc(sizeof(int) * (size_t)blocks);
    if (!offered || !received || !sizes)
        return 2;
    for (int stage = 0; stage < CAPTURE_STAGES; stage++) {
        numbers[stage] = stage;
        if (pthread_create(&threads[stage], NULL, stage ? later_stage : first_stage, &numbers[stage]))
            return 2;
    }
    for (int stage = 0; stage < CAPTURE_STAGES; stage++)
        pthread_join(threads[stage], NULL);
    printf("in %d out %d refused %u overruns %u underruns %u\n", got_in, came_out, (unsigned)refused,
           (unsigned)schedc_ring_overruns(&pipeline.ring0), (unsigned)schedc_ring_underruns(&pipeline.ring0));
    int differs = compare(weights);
    free(weights);
    free(offered);
    free(received);
    free(sizes);
    return differs || got_in != came_out || refused != schedc_ring_overruns(&pipeline.ring0);
}
