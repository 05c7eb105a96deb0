/*
 * The interrupt controller: a GICv3.
 *
 * Numbers are the GIC's: 0-15 from other CPUs (SGI), 16-31 the CPU's own devices (PPI), 32 and up shared
 * (SPI). Handlers run with interrupts masked and preemption off, may wake threads, may not block.
 */
#pragma once

#include <os/base.h>

#define PE_IRQ_MAX 1020

typedef void (*pe_irq_handler_t)(void *arg);

/* Boot CPU: finds the controller, resets it, and prepares its own interface. */
void pe_interrupts_init(void);
/* Each other CPU, on it. */
void pe_interrupts_init_cpu(void);
/* This CPU goes: none of its own interrupts comes any more. Interrupts masked. */
void pe_interrupts_leave_cpu(void);

/*
 * Sets the handler of an interrupt; once, before it is enabled. A PPI's handler serves every CPU. False when
 * the number is out of range or taken.
 */
bool pe_irq_register(unsigned irq, pe_irq_handler_t handler, void *arg);

/* A PPI on this CPU, or an SPI, which goes to the boot CPU. Level-triggered unless `edge`. Any context. */
void pe_irq_enable(unsigned irq, bool edge);
void pe_irq_disable(unsigned irq);

/* Interrupt number of entry `index` of the node's "interrupts" (three cells each); -1 if absent. */
int pe_irq_from_node(int32_t node, unsigned index, bool *edge);

/* Sends SGI `sgi` to the CPU with that affinity; writes before it are visible there first. */
void pe_sgi_send(unsigned sgi, uint64_t mpidr);

/* From entry code: takes one interrupt from the controller and calls its handler. */
void pe_irq_dispatch(void);
