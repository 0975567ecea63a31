/* Call a Windows object's functions with every register that they must keep full of marks, print a checksum of the
 * output and which marks are gone. On Linux, x86-64. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "read_weights.h"
#include "test_signal.h"

/* What a call needs and leaves; `marks`: rbx, rbp, rdi, rsi, r12 to r15, then xmm6 to xmm15. */
struct call {
    void (*function)(void);
    uint64_t arguments[5];
    uint64_t result;
    uint64_t stack_mark; /* what was above the fifth argument */
    uint64_t marks[8 + 2 * 10];
};
void call_as_windows(struct call *call);

__asm__(
    ".text\n.globl call_as_windows\ncall_as_windows:\n"
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdi\n"
    "sub $48, %rsp\n" /* home of four arguments, the fifth, a mark; aligned to 16 */
    "mov 40(%rdi), %rax; mov %rax, 32(%rsp); mov 56(%rdi), %rax; mov %rax, 40(%rsp)\n"
    "mov 8(%rdi), %rcx; mov 16(%rdi), %rdx; mov 24(%rdi), %r8; mov 32(%rdi), %r9; mov (%rdi), %rax\n"
    "mov 64(%rdi), %rbx; mov 72(%rdi), %rbp; mov 88(%rdi), %rsi\n"
    "mov 96(%rdi), %r12; mov 104(%rdi), %r13; mov 112(%rdi), %r14; mov 120(%rdi), %r15\n"
    "movdqu 128(%rdi), %xmm6; movdqu 144(%rdi), %xmm7; movdqu 160(%rdi), %xmm8; movdqu 176(%rdi), %xmm9\n"
    "movdqu 192(%rdi), %xmm10; movdqu 208(%rdi), %xmm11; movdqu 224(%rdi), %xmm12; movdqu 240(%rdi), %xmm13\n"
    "movdqu 256(%rdi), %xmm14; movdqu 272(%rdi), %xmm15\n"
    "mov 80(%rdi), %rdi\n"
    "call *%rax\n"
    "mov 48(%rsp), %rcx\n" /* the struct again; what rdi held goes through rdx */
    "mov %rdi, %rdx; mov %rcx, %rdi; mov %rdx, 80(%rdi); mov %rax, 48(%rdi)\n"
    "mov 40(%rsp), %rax; mov %rax, 56(%rdi)\n"
    "mov %rbx, 64(%rdi); mov %rbp, 72(%rdi); mov %rsi, 88(%rdi)\n"
    "mov %r12, 96(%rdi); mov %r13, 104(%rdi); mov %r14, 112(%rdi); mov %r15, 120(%rdi)\n"
    "movdqu %xmm6, 128(%rdi); movdqu %xmm7, 144(%rdi); movdqu %xmm8, 160(%rdi); movdqu %xmm9, 176(%rdi)\n"
    "movdqu %xmm10, 192(%rdi); movdqu %xmm11, 208(%rdi); movdqu %xmm12, 224(%rdi); movdqu %xmm13, 240(%rdi)\n"
    "movdqu %xmm14, 256(%rdi); movdqu %xmm15, 272(%rdi)\n"
    "add $48, %rsp\n"
    "pop %rdi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "ret\n"
    /* Clobbers all that a function of Linux may. */
    ".globl careless\ncareless:\n"
    "xor %edi, %edi; xor %esi, %esi\n"
    "pxor %xmm6, %xmm6; pxor %xmm7, %xmm7; pxor %xmm8, %xmm8; pxor %xmm9, %xmm9; pxor %xmm10, %xmm10\n"
    "pxor %xmm11, %xmm11; pxor %xmm12, %xmm12; pxor %xmm13, %xmm13; pxor %xmm14, %xmm14; pxor %xmm15, %xmm15\n"
    "movq $0, 40(%rsp)\n" /* the fifth argument; it belongs to the called function */
    "ret\n");
void careless(void);

static int lost; /* marks gone in all calls so far */

static int call(void (*function)(void), void *a, const void *b, const void *c, void *d, uint64_t e)
{
    struct call call = {function, {(uint64_t)a, (uint64_t)b, (uint64_t)c, (uint64_t)d, e}, 0, 0, {0}};
    call.stack_mark = 0x5eed5eed5eed5eed;
    for (int i = 0; i < 28; i++)
        call.marks[i] = 0x0123456789abcdef * (uint64_t)(2 * i + 1);
    struct call before = call;
    call_as_windows(&call);
    for (int i = 0; i < 28; i++)
        lost += call.marks[i] != before.marks[i];
    lost += call.stack_mark != before.stack_mark;
    return (int)call.result;
}

#define FUNCTION(name) ((void (*)(void))name)

static _Alignas(64) unsigned char state[CAPTURE_STATE_BYTES];
static float block_in[CAPTURE_MAX_BLOCK], block_out[CAPTURE_MAX_BLOCK];

int main(int argc, char **argv)
{
    void *weights = argc == 2 ? read_weights(argv[1]) : NULL;
    if (!weights)
        return 2;
    call(careless, NULL, NULL, NULL, NULL, 0);
    if (lost != 2 + 2 * 10) {
        fprintf(stderr, "only %d marks lost by a function that keeps none\n", lost);
        return 1;
    }
    lost = 0;
    if (call(FUNCTION(capture_init), state, weights, NULL, NULL, 0))
        return 1;
    uint32_t hash = HASH_START;
    for (int done = 0, size = 1; done < SAMPLES; done += size) {
        size = next_block_size(done, size, CAPTURE_MAX_BLOCK);
        for (int i = 0; i < size; i++)
            block_in[i] = next_sample();
        uint64_t n = 0xdeadbeef00000000 | (uint64_t)size; /* an int: its upper half may hold anything */
        call(FUNCTION(capture_process), state, weights, block_in, block_out, n);
        for (int i = 0; i < size; i++)
            hash = hash_sample(hash, block_out[i]);
    }
    printf("checksum %08x\n", (unsigned)hash);
    free(weights);
    if (lost)
        fprintf(stderr, "%d marks lost\n", lost);
    return lost != 0;
}
