/* A capture on a Raspberry Pi Pico 2 (RP2350): a 48 kHz block loop with the time each block took. */
#include <stdio.h>

#include "capture.h"
#include "pico/stdlib.h"

#define SAMPLE_RATE 48000

static _Alignas(64) unsigned char state[CAPTURE_STATE_BYTES];
static float block_in[CAPTURE_MAX_BLOCK], block_out[CAPTURE_MAX_BLOCK];

int main(void)
{
    stdio_init_all();
    int error = capture_init(state, capture_weights);
    if (error)
        panic("capture_init: error %d", error);
    for (uint32_t block = 0;; block++) {
        /* Here the samples of an I2S or ADC driver go to block_in; the demo plays a sawtooth of 93.75 Hz. */
        for (int i = 0; i < CAPTURE_MAX_BLOCK; i++)
            block_in[i] = (float)((block * CAPTURE_MAX_BLOCK + (uint32_t)i) % 512u) * 0x1p-9f - 0.5f;
        uint64_t start = time_us_64();
        capture_process(state, capture_weights, block_in, block_out, CAPTURE_MAX_BLOCK);
        uint64_t spent = time_us_64() - start;
        /* Here block_out goes to the driver. */
        if (block % (SAMPLE_RATE / CAPTURE_MAX_BLOCK) == 0)
            printf("%llu of %llu us per block, last sample %f\n", (unsigned long long)spent,
                   1000000ull * CAPTURE_MAX_BLOCK / SAMPLE_RATE, (double)block_out[CAPTURE_MAX_BLOCK - 1]);
    }
}
