/* Functions that the code does without: each has a bounded counterpart in base/. Included by
 * base/slice.h and so by every file; a use of one of them does not compile. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <alloca.h>

#undef strcpy
#define strcpy(...) banned_strcpy
#undef strcat
#define strcat(...) banned_strcat
#undef strncat
#define strncat(...) banned_strncat
#undef sprintf
#define sprintf(...) banned_sprintf
#undef vsprintf
#define vsprintf(...) banned_vsprintf
#undef strtok
#define strtok(...) banned_strtok
#undef atoi
#define atoi(...) banned_atoi
#undef atol
#define atol(...) banned_atol
#undef alloca
#define alloca(...) banned_alloca
#undef gets
#define gets(...) banned_gets

#endif
