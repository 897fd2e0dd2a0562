import { pino, type DestinationStream, type Logger } from "pino";
import { logContext } from "./log-context.ts";

export type { Logger };

const SECRET_FIELDS = [
  "password",
  "authorization",
  "token",
  "access_token",
  "refresh_token",
  "api_key",
  "apiKey",
  "secret",
  "cookie",
  "set-cookie",
  "x-api-key",
  "client_secret",
  "private_key",
];
const paths = SECRET_FIELDS.flatMap((field) => {
  const name = /^\w+$/.test(field) ? `.${field}` : `["${field}"]`;
  return [name.replace(/^\./, ""), `*${name}`, `*.*${name}`, `*.*.*${name}`];
});

/** JSON lines on standard error, so that standard output stays the program's own. Each says what `inLogContext` has said around it. */
export function createLogger(name: string, level: string, destination: DestinationStream = pino.destination({ fd: 2, sync: false })): Logger {
  return pino({ name, level, mixin: () => ({ ...logContext() }), redact: { paths, censor: "[redacted]" } }, destination);
}
