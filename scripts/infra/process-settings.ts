import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** What an api or a worker gets beside its own settings; `deploy/Dockerfile` has the first as well. */
export const PROCESS_SETTINGS = {
  /** glibc keeps a heap for every thread that allocates and gives little of it back: without this a busy worker took a tenth more. */
  MALLOC_ARENA_MAX: "2",
  /** Node keeps there what it has compiled: the imports of a worker take 0.7 s instead of 1. */
  NODE_COMPILE_CACHE: join(fileURLToPath(new URL("../..", import.meta.url)), "node_modules", ".cache", "perdure"),
};
