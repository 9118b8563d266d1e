/*
 * tools/bench/command.h - `portolan bench`.
 */
#pragma once

/*
 * Run it; argv[0] is "bench", and what stands before it in the same array is the program's name.
 * Returns an exit code.  Owns: the strings stay argv's, whose order changes.
 */
int ptl_command_bench(int argc, char **argv);
