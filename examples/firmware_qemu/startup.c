/* Start-up of a bare-metal Cortex-M33: vector table, FPU, .data and .bss, a second core where the board has one. */
#include <stdint.h>

#include "board.h"

extern uint32_t linker_stack_top[], linker_second_stack_top[], linker_data_load[], linker_data_start[], linker_data_end[];
extern uint32_t linker_bss_start[], linker_bss_end[];

int main(void);
void reset_handler(void);

static int semihosting_call(int operation, const void *argument)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void print_text(const char *text)
{
    semihosting_call(0x04 /* SYS_WRITE0 */, text);
}

void print_hex(uint32_t value)
{
    char text[9];
    for (int i = 0; i < 8; i++)
        text[i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
    text[8] = 0;
    print_text(text);
}

void exit_program(int status)
{
    const uint32_t block[2] = {0x20026 /* ADP_Stopped_ApplicationExit */, (uint32_t)status};
    semihosting_call(0x20 /* SYS_EXIT_EXTENDED */, block);
    for (;;)
        ;
}

static void fault_handler(void)
{
    print_text("fault\n");
    exit_program(2);
}

/* CPACR: full access to the coprocessors 10 and 11, which are the FPU; each core has its own. */
static void enable_fpu(void)
{
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
}

void reset_handler(void)
{
    enable_fpu();
    /* volatile: or the compiler would turn the loops into calls of memcpy and memset, which are not there. */
    volatile uint32_t *to = linker_data_start;
    for (const uint32_t *from = linker_data_load; to < linker_data_end;)
        *to++ = *from++;
    for (to = linker_bss_start; to < linker_bss_end;)
        *to++ = 0;
    exit_program(main());
}

static void (*second_core_program)(void);

static void second_core_reset(void)
{
    enable_fpu();
    second_core_program();
    for (;;)
        ;
}

typedef struct {
    uint32_t *stack_top;
    void (*handlers[15])(void);
} vector_table;

#define FAULTS fault_handler, fault_handler, fault_handler, fault_handler, fault_handler, fault_handler

__attribute__((section(".vectors"), used)) static const vector_table vectors = {
    linker_stack_top, {reset_handler, FAULTS}};
__attribute__((aligned(128))) static const vector_table second_core_vectors = {
    linker_second_stack_top, {second_core_reset, FAULTS}};

void start_second_core(void (*program)(void))
{
    second_core_program = program;
    __asm__ volatile("dsb" ::: "memory");
    *(volatile uint32_t *)0x50021114u = (uint32_t)&second_core_vectors; /* SSE-200 INITSVTOR1 */
    *(volatile uint32_t *)0x50021118u = 0;                              /* SSE-200 CPUWAIT */
}
