/*
 * tests/common/listener.h - a plain socket that listens, where a test or a benchmark is the other
 * side.
 */
#pragma once

/* Listen on a port of 127.0.0.1 and write "127.0.0.1:PORT".  Returns the socket; ends the program
 * where that cannot be had. */
int listener_open(char address[static 32]);
