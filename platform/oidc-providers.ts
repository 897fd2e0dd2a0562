import { z } from "zod";

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** TLS is what makes the provider's word worth something; on this very machine there is nobody in between. */
function isIssuer(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.has(url.hostname))) && url.search === "" && url.hash === "";
}

const provider = z.strictObject({
  /** Stands in paths. */
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, "must be of a-z, 0-9 and -"),
  /** For people. @default the id */
  name: z.string().min(1).max(100).optional(),
  issuer: z.string().refine(isIssuer, "must be an https URL"),
  client_id: z.string().min(1),
  /** Left out: a public client. */
  client_secret: z.string().min(1).optional(),
  scopes: z
    .string()
    .refine((text) => text.split(" ").includes("openid"), "must hold openid")
    .default("openid email profile"),
});

export type OidcProvider = z.output<typeof provider>;

/** A JSON array of providers. A mistake is told by its place, never by its value: there are secrets among them. */
export const oidcProviders = z.string().transform((text, context): OidcProvider[] => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    context.addIssue({ code: "custom", message: "must be a JSON array" });
    return z.NEVER;
  }
  const parsed = z
    .array(provider)
    .refine((all) => new Set(all.map(({ id }) => id)).size === all.length, "has two providers of one id")
    .safeParse(value);
  if (parsed.success) return parsed.data;
  for (const { path, message } of parsed.error.issues) context.addIssue({ code: "custom", message: `${path.join(".")} ${message}`.trim() });
  return z.NEVER;
});
