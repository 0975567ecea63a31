/* What the start-up code offers: text to the debugger's console, an exit status, and the second core. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

void print_text(const char *text);
void print_hex(uint32_t value);
void exit_program(int status) __attribute__((noreturn));
void start_second_core(void (*program)(void));

#endif
