/* The options of the sanitizers, for a driver built with them. The rest of the driver does not depend on this file. */

#ifdef OTTERPROOF_SANITIZED

/* The library keeps the data of a conversation until it is freed, and the process exits without freeing it. */
const char *__asan_default_options(void)
{
    return "detect_leaks=0:handle_abort=1";
}

const char *__ubsan_default_options(void)
{
    return "print_stacktrace=1";
}

#endif

typedef int not_an_empty_file;
