/* Stand-in for the Pico SDK's header: what examples/pico2/main.c uses of it, with the SDK's signatures. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
bool stdio_init_all(void);
uint64_t time_us_64(void);
__attribute__((noreturn, format(printf, 1, 2))) void panic(const char *format, ...);
