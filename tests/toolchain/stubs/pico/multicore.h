/* Stands in for the Pico SDK's header, which is not available here. */
#pragma once
void multicore_launch_core1(void (*entry)(void));
