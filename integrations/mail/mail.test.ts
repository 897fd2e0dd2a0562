import { afterEach, describe, expect, test } from "vitest";
import { type Logger, readEnv } from "#platform";
import { startSmtp } from "../../tests/support/smtp.ts";
import { createMailer } from "./index.ts";

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

function mailer(settings: Record<string, string>) {
  const logged: string[] = [];
  const note = (...given: unknown[]) => void logged.push(String(given.at(-1)));
  const made = createMailer(readEnv({ SMTP_TIMEOUT_MS: "1000", ...settings }), { info: note, warn: note } as unknown as Logger);
  open.push(made);
  return { logged, ...made };
}
const MAIL = { to: "ada@example.com", subject: "A subject", text: "A secret." };

describe("mail", () => {
  test("D1: When SMTP_URL is set, then the server gets the mail, from MAIL_FROM, and the log nothing", async () => {
    const smtp = await startSmtp();
    const { send, logged } = mailer({ SMTP_URL: smtp.url, MAIL_FROM: "Perdure <no-reply@example.com>" });
    open.push(smtp);
    await send(MAIL);
    expect(smtp.mails).toMatchObject([{ to: ["ada@example.com"], from: "no-reply@example.com" }]);
    expect([smtp.mails[0]?.text.includes("A secret."), logged]).toEqual([true, []]);
  });

  test("D1: When an address holds what would be another one, or a header, then no other gets the mail", async () => {
    const smtp = await startSmtp();
    const { send } = mailer({ SMTP_URL: smtp.url });
    open.push(smtp);
    for (const to of ["a@example.com, b@example.com", "a@example.com\r\nBcc: b@example.com"]) {
      await send({ ...MAIL, to, subject: "A subject\r\nBcc: b@example.com" }).catch(() => undefined);
    }
    expect(smtp.mails.flatMap(({ to }) => to)).not.toContain("b@example.com");
  });

  test("D1: When the server is away, then sending fails within the time it may take", async () => {
    const { send } = mailer({ SMTP_URL: "smtp://127.0.0.1:9" });
    await expect(send(MAIL)).rejects.toThrow();
  });

  test("D1: When SMTP_URL is not set, then mails are printed where only this machine can reach the api, and nowhere else unless that is asked for", async () => {
    const here = mailer({});
    await here.send(MAIL);
    expect(here.logged.join()).toContain("A secret.");
    const elsewhere = mailer({ HOST: "0.0.0.0" });
    await expect(elsewhere.send(MAIL)).rejects.toMatchObject({ code: "configuration.invalid" });
    expect(elsewhere.logged).toEqual(["SMTP_URL is not set: nobody can verify an address, reset a password or be mailed an invitation."]);
    const asked = mailer({ HOST: "0.0.0.0", SMTP_URL: "log:" });
    await asked.send(MAIL);
    expect(asked.logged.join()).toContain("A secret.");
  });
});
