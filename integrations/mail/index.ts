/** Mail to people: over SMTP, or, where people try it out on their own machine, printed to the log. */
import { createTransport } from "nodemailer";
import { PerdureError } from "#core";
import type { Env, Logger } from "#platform";

export interface Mail {
  to: string;
  subject: string;
  /** Plain text. */
  text: string;
}

export interface Mailer {
  /** @throws an Error of the server or the connection; PerdureError `configuration.invalid` where there is no server to give it to. */
  send(mail: Mail): Promise<void>;
  close(): void;
}

type Settings = Pick<Env, "SMTP_URL" | "SMTP_TIMEOUT_MS" | "MAIL_FROM" | "HOST">;

/** Connections at once; more mails wait. */
const CONNECTIONS = 3;
/** What only this machine reaches. Mails hold secrets: elsewhere a log is read by more people than the one it is written to. */
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|::1|\[::1\])$/;

/** `SMTP_URL`: `smtp://user:password@host:587` (STARTTLS where the server has it), `smtps://…:465`, or `log:`. Without it mails are printed on a machine of one's own. */
export function createMailer({ SMTP_URL: url, SMTP_TIMEOUT_MS: timeoutMs, MAIL_FROM: from, HOST: host }: Settings, logger: Logger): Mailer {
  if (url === undefined || url === "log:") return url === undefined && !LOOPBACK.test(host) ? nowhere(logger) : printed(logger);
  const transport = createTransport(
    {
      url,
      pool: true,
      maxConnections: CONNECTIONS,
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      disableFileAccess: true,
      disableUrlAccess: true,
    },
    { from },
  );
  return {
    async send({ to, subject, text }) {
      // An object, so that an address is never read as a list of several.
      await transport.sendMail({ to: { name: "", address: to }, subject, text });
    },
    close: () => transport.close(),
  };
}

function printed(logger: Logger): Mailer {
  return {
    async send({ to, subject, text }) {
      logger.info({ mail: { to, subject } }, `SMTP_URL is not set, so this mail is printed here.\nTo: ${to}\nSubject: ${subject}\n\n${text}`);
    },
    close: () => undefined,
  };
}

function nowhere(logger: Logger): Mailer {
  logger.warn("SMTP_URL is not set: nobody can verify an address, reset a password or be mailed an invitation.");
  return {
    send: () => Promise.reject(new PerdureError("configuration.invalid", "SMTP_URL is not set: the mail was not sent.")),
    close: () => undefined,
  };
}
