/*
 * Start-up of the generic timer: boot CPU, then each other one.
 */
#pragma once

void timer_init(void);
void timer_init_cpu(void);
