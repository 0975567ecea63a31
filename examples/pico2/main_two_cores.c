/* A capture on both cores of a Raspberry Pi Pico 2 (RP2350), one stage each; needs `schedc compile --cores 2`.
 *
 * No audio driver here: core 0 makes the input, core 1 keeps the output, and core 0 prints how things go.
 */
#include <stdio.h>

#include "hardware/sync.h"
#include "pico/multicore.h"
#include "pico/stdlib.h"

/* A waiting core sleeps until the other one has passed a block on; SRAM here has no caches. */
#define SCHEDC_PAUSE() __wfe()
#define SCHEDC_SIGNAL() __sev()
#define SCHEDC_LINE_BYTES 4
#include "capture_pipeline.h"

#define SAMPLE_RATE 48000

static capture_pipeline pipeline;
static schedc_counter blocks_out;

static void second_core(void)
{
    static float block_out[CAPTURE_MAX_BLOCK];
    for (;;) {
        while (!capture_pipeline_ready(&pipeline, 1))
            SCHEDC_PAUSE();
        (void)capture_pipeline_stage1(&pipeline, block_out);
        /* Here block_out goes to the driver. A driver's interrupt would not wait: it calls stage1 when a
         * block is due and plays silence where that returns 0, an underrun. */
        SCHEDC_STORE(blocks_out, SCHEDC_LOAD(blocks_out, relaxed) + 1, relaxed);
    }
}

int main(void)
{
    static float block_in[CAPTURE_MAX_BLOCK];
    stdio_init_all();
    int error = capture_pipeline_init(&pipeline, capture_weights);
    if (error)
        panic("capture_pipeline_init: error %d", error);
    multicore_launch_core1(second_core);
    uint64_t start = time_us_64();
    for (uint32_t block = 0;; block++) {
        /* Here the samples of an I2S or ADC driver go to block_in; the demo plays a sawtooth of 93.75 Hz. */
        for (int i = 0; i < CAPTURE_MAX_BLOCK; i++)
            block_in[i] = (float)((block * CAPTURE_MAX_BLOCK + (uint32_t)i) % 512u) * 0x1p-9f - 0.5f;
        while (!capture_pipeline_ready(&pipeline, 0))
            SCHEDC_PAUSE();
        (void)capture_pipeline_stage0(&pipeline, block_in, CAPTURE_MAX_BLOCK);
        if ((block + 1) % (SAMPLE_RATE / CAPTURE_MAX_BLOCK) == 0) {
            uint64_t now = time_us_64();
            printf("%lu blocks out; a second of audio took %llu us\n",
                   (unsigned long)SCHEDC_LOAD(blocks_out, relaxed), (unsigned long long)(now - start));
            start = now;
        }
    }
}
