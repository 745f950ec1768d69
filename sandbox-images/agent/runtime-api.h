/**
 * The Runtime API: the HTTP interface over which a function's own program takes invocations and answers them.
 */
#ifndef RUNTIME_API_H
#define RUNTIME_API_H

#include "instance.h"
#include "launch.h"

void runtime_api_prepare(size_t max_frame_bytes);
/** Starts the function's program. */
void runtime_api_load(struct instance *instance, const struct frame *frame, const struct load *load);
/** Keeps the event until the program asks for it. */
void runtime_api_invoke(const struct frame *frame);
void runtime_api_watch(struct poll_set *set);
void runtime_api_turn(struct instance *instance, const struct poll_set *set);
/** Takes in all that was posted before the program's end. False: the server is behind; call again. */
bool runtime_api_drain(struct instance *instance);
/** The program has ended by itself; when it never asked for an invocation, its load has failed. */
void runtime_api_ended(struct instance *instance, int code, int signal_number);
void runtime_api_close(void);

#endif
