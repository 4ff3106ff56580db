// LLVM's static objects are never destroyed. Their destructors would run at exit(), while the background compiler may be at work
// with them: those inside functions come to life during the first compilations, too late for an exit handler of ours to run before. So this
// library binds the registration of destructors to a function that forgets them; the process's end frees the memory.
extern "C" __attribute__((visibility("hidden"))) int __cxa_atexit(void (*)(void*), void*, void*) { return 0; }
