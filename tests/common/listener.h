/*
 * tests/common/listener.h - a plain socket that listens, where a test or a benchmark is the other
 * side.
 */
#pragma once

/* Listen on a port of 127.0.0.1 and write "127.0.0.1:PORT".  Returns the socket; ends the program
 * where that cannot be had. */
int listener_open(char address[static 32]);

/*
 * Write an address where nobody listens, "127.0.0.2:PORT", for who will listen there later, or
 * again.  Nobody takes the port meanwhile: listeners of other tests are at 127.0.0.1, and so are
 * the near ends of all connections.  Ends the program where it cannot be had.
 */
void listener_unused(char address[static 32]);
