/* A capture on POSIX threads, one per stage, over the rings of capture_pipeline.h; needs `schedc compile --cores N`.
 * Prints the checksum of the output's bits, which is that of main.c. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define SCHEDC_PAUSE() sched_yield()
#include "capture_pipeline.h"
#include "read_weights.h"
#include "test_signal.h"

static capture_pipeline pipeline;
static uint32_t hash = HASH_START;

/* Every stage sees blocks of the same sizes; each counts the samples by itself and ends with the signal. */
static void *stage_thread(void *number)
{
    float in[CAPTURE_MAX_BLOCK], out[CAPTURE_MAX_BLOCK];
    int stage = *(int *)number;
    for (int done = 0, size = 1; done < SAMPLES; done += size) {
        size = next_block_size(done, size, CAPTURE_MAX_BLOCK);
        for (int i = 0; stage == 0 && i < size; i++)
            in[i] = next_sample();
        while (!capture_pipeline_ready(&pipeline, stage))
            SCHEDC_PAUSE();
        (void)capture_pipeline_step(&pipeline, stage, in, out, size);
        for (int i = 0; stage == CAPTURE_STAGES - 1 && i < size; i++)
            hash = hash_sample(hash, out[i]);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s capture_weights.bin\n", argv[0]);
        return 2;
    }
    void *weights = read_weights(argv[1]);
    if (!weights)
        return 1;
    int error = capture_pipeline_init(&pipeline, weights);
    if (error) {
        fprintf(stderr, "%s does not belong to this code (error %d)\n", argv[1], error);
        return 1;
    }
    pthread_t threads[CAPTURE_STAGES];
    int numbers[CAPTURE_STAGES];
    for (int stage = 0; stage < CAPTURE_STAGES; stage++) {
        numbers[stage] = stage;
        if (pthread_create(&threads[stage], NULL, stage_thread, &numbers[stage])) {
            fprintf(stderr, "no thread for stage %d\n", stage);
            return 1;
        }
    }
    for (int stage = 0; stage < CAPTURE_STAGES; stage++)
        pthread_join(threads[stage], NULL);
    printf("checksum %08x\n", (unsigned)hash);
    free(weights);
    return 0;
}
