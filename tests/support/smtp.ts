import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";
import { until } from "./until.ts";

export interface ReceivedMail {
  to: string[];
  from: string;
  text: string;
}

/** A mail server on loopback that keeps what it is given. */
export async function startSmtp() {
  const mails: ReceivedMail[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    onData(stream, { envelope }, callback) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const from = envelope.mailFrom === false ? "" : envelope.mailFrom.address;
        mails.push({ to: envelope.rcptTo.map(({ address }) => address), from, text: readable(Buffer.concat(chunks).toString("utf8")) });
        callback();
      });
    },
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.server.address() as AddressInfo;
  return {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    /** The next mail to an address with this subject, and the token in it. */
    async next(to: string, subject: string): Promise<{ text: string; token: string }> {
      const wanted = (mail: ReceivedMail) => mail.to.includes(to) && mail.text.includes(`Subject: ${subject}`);
      await until(`a mail "${subject}" to ${to}`, () => mails.some(wanted), 10_000);
      const [mail] = mails.splice(mails.findIndex(wanted), 1);
      return { text: mail?.text ?? "", token: /^([A-Za-z0-9_-]{43})\r?$/m.exec(mail?.text ?? "")?.[1] ?? "" };
    },
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

/** Long lines are folded as quoted-printable. */
function readable(text: string): string {
  return text.replaceAll(/=\r?\n/g, "").replaceAll(/=([0-9A-F]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
