/**
 * The folder /code: files of functions, by the digest of their code. Only the agent writes there.
 */
#ifndef FILES_H
#define FILES_H

#include "frame.h"

enum { DIGEST_CHARACTERS = 64 };

/** Writes a chunk of a file. That it could not is remembered for the digest. */
void files_write(const struct frame *frame);
/** Removes the files of a digest. */
void files_forget(const struct frame *frame);
/** Why the files of a digest could not be written: an errno; 0 when they could. */
int files_error(const char *digest);
/** Whether these are 64 hexadecimal digits, lower case. */
bool files_is_digest(const char *text, size_t length);

#endif
