/* What a driver that is built with sanitizers needs of them. The rest of the driver knows nothing of it. */

#ifdef OTTERPROOF_SANITIZED

/* The library keeps what a conversation needs until it is freed, and a process is ended without that. */
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
