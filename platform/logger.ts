import { pino, type Logger } from "pino";

export type { Logger };

/** JSON lines on standard error, so that standard output stays the program's own. */
export function createLogger(name: string, level: string): Logger {
  return pino(
    { name, level, redact: { paths: ["*.password", "*.authorization", "*.token", "*.api_key", "req.headers.authorization"], censor: "[redacted]" } },
    pino.destination({ fd: 2, sync: false }),
  );
}
