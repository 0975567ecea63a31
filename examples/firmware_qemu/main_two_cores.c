/* The same capture cut into two stages, one per core, with two blocks in flight; needs `schedc compile --cores 2`. */
#include <stdint.h>

#include "board.h"
#include "capture_pipeline.h"
#include "test_signal.h"

static capture_pipeline pipeline;

/* Is core 0 inside its stage? Core 1 looks when it enters and leaves its own: then both compute at once. */
static schedc_counter first_core_busy;

static void second_core(void)
{
    static float block_out[CAPTURE_MAX_BLOCK];
    uint32_t hash = HASH_START, at_once = 0;
    for (int done = 0; done < SAMPLES;) {
        while (!capture_pipeline_ready(&pipeline, 1))
            SCHEDC_PAUSE();
        uint32_t together = SCHEDC_LOAD(first_core_busy, relaxed);
        int size = capture_pipeline_stage1(&pipeline, block_out);
        at_once += together | SCHEDC_LOAD(first_core_busy, relaxed);
        for (int i = 0; i < size; i++)
            hash = hash_sample(hash, block_out[i]);
        done += size;
    }
    print_text("checksum ");
    print_hex(hash);
    print_text("\nblocks at once ");
    print_hex(at_once);
    print_text("\n");
    exit_program(0);
}

int main(void)
{
    static float block_in[CAPTURE_MAX_BLOCK];
    if (capture_pipeline_init(&pipeline, capture_weights))
        return 1;
    start_second_core(second_core);
    for (int done = 0, size = 1; done < SAMPLES; done += size) {
        size = next_block_size(done, size, CAPTURE_MAX_BLOCK);
        for (int i = 0; i < size; i++)
            block_in[i] = next_sample();
        while (!capture_pipeline_ready(&pipeline, 0))
            SCHEDC_PAUSE();
        SCHEDC_STORE(first_core_busy, 1, relaxed);
        (void)capture_pipeline_stage0(&pipeline, block_in, size);
        SCHEDC_STORE(first_core_busy, 0, relaxed);
    }
    for (;;)
        ; /* the second core ends the program */
}
