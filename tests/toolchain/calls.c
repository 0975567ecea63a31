/* What the header adds to the object's functions, for a test to call: calls of any length, and calls that are checked
 * (a fault is kept, not fatal). C99 and C++11. */
static const char *last_function, *last_fault;
#define SCHEDC_CHECK_CALLS
#define SCHEDC_CALL_FAULT(function, fault) { last_function = function; last_fault = fault; }
#include "capture.h"

#ifdef __cplusplus
extern "C" {
#endif
int start(void *state, const void *weights);
void play_any(void *state, const void *weights, const float *in, float *out, int n);
const char *fault_of_process(void *state, const void *weights, const float *in, float *out, int n);
int start(void *state, const void *weights) { return capture_init(state, weights); }

void play_any(void *state, const void *weights, const float *in, float *out, int n)
{
    capture_process_any(state, weights, in, out, n);
}

const char *fault_of_process(void *state, const void *weights, const float *in, float *out, int n)
{
    last_function = last_fault = 0;
    capture_process(state, weights, in, out, n);
    return last_fault ? last_fault : "";
}

const char *fault_of_process_any(void *state, const void *weights, const float *in, float *out, int n);

const char *fault_of_process_any(void *state, const void *weights, const float *in, float *out, int n)
{
    last_function = last_fault = 0;
    capture_process_any(state, weights, in, out, n);
    return last_fault ? last_fault : "";
}

#if CAPTURE_STAGES == 3
int start_stage(int stage, void *state, const void *weights);
int start_stage(int stage, void *state, const void *weights)
{
    return stage == 0 ? capture_stage0_init(state, weights)
         : stage == 1 ? capture_stage1_init(state, weights)
                      : capture_stage2_init(state, weights);
}

const char *fault_of_stage(int stage, void *state, const void *weights, void *in, void *out, int n);

const char *fault_of_stage(int stage, void *state, const void *weights, void *in, void *out, int n)
{
    last_function = last_fault = 0;
    if (stage == 0)
        capture_stage0(state, weights, (const float *)in, out, n);
    else if (stage == 1)
        capture_stage1(state, weights, in, out, n);
    else
        capture_stage2(state, weights, in, (float *)out, n);
    return last_fault ? last_fault : "";
}
#endif
#ifdef __cplusplus
}
#endif
