import { type Terminal, defineCommand } from "../command.ts";
import { EXIT, usage } from "../failure.ts";

export const login = defineCommand({
  summary: "sign in",
  synopsis: "[--email address] [--register] [--password-stdin]",
  help: [
    "The password is asked for, or read from the standard input or PERDURE_PASSWORD; the code of a second factor is asked for, or read from PERDURE_CODE. What it gives is kept in a file that only you can read.",
    "--register makes a new account first, with an organization of its own.",
  ],
  options: { email: { type: "string" }, register: { type: "boolean" }, "password-stdin": { type: "boolean" } },
  arguments: [0, 0],
  async run(context, { email: given, register, "password-stdin": fromInput }) {
    const { terminal, client, signal } = context;
    const email = given ?? terminal.env["PERDURE_EMAIL"] ?? (await terminal.ask("E-mail address: "));
    if (!email) throw usage("Whom? Give --email.");
    const password = fromInput
      ? (await terminal.readInput()).replace(/\r?\n$/, "")
      : (terminal.env["PERDURE_PASSWORD"] ?? (await terminal.ask("Password: ", { isSecret: true })));
    if (!password) throw usage("There is nobody to ask for the password: give --password-stdin or PERDURE_PASSWORD.");
    if (register) await client.auth.register({ email, password }, { signal });
    else await client.auth.login({ email, password, code: () => askForCode(terminal) }, { signal });
    const account = await client.auth.me({ signal });
    context.print(`Signed in to ${context.url} as ${account.email} of ${account.organization.name} (${account.role}).`, { url: context.url, ...account });
    return EXIT.done;
  },
});

async function askForCode(terminal: Terminal): Promise<string> {
  const code = terminal.env["PERDURE_CODE"] ?? (await terminal.ask("Code of the second factor: "));
  if (!code) throw usage("There is nobody to ask for the code of the second factor: give PERDURE_CODE.");
  return code;
}

export const logout = defineCommand({
  summary: "sign out",
  synopsis: "",
  options: {},
  arguments: [0, 0],
  async run(context) {
    await context.client.auth.logout({ signal: context.signal });
    context.print(`Signed out of ${context.url}.`, { url: context.url });
    return EXIT.done;
  },
});

export const whoami = defineCommand({
  summary: "who is signed in, and where",
  synopsis: "",
  options: {},
  arguments: [0, 0],
  async run(context) {
    const account = await context.client.auth.me({ signal: context.signal });
    context.print(`${account.email} of ${account.organization.name} (${account.role}) at ${context.url}`, { url: context.url, ...account });
    return EXIT.done;
  },
});
