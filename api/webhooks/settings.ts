import { type Finding, type Json, type JsonObject, PerdureError, parseDuration, safeParse } from "#core";
import { catalogue } from "#nodes";
import { compileText, nodesOfType } from "#graph";
import ipaddr from "ipaddr.js";

/** Canonical name of the node that webhooks belong to. */
export const WEBHOOK_NODE = "WebhookTrigger";

/** What holds for a webhook's calls: the node's inputs, defaults filled in. */
export interface WebhookSettings {
  authentication_required: boolean;
  signature: "none" | "hmac" | "standard" | "github" | "stripe" | "slack";
  signature_tolerance_seconds: number;
  allowed_ips: string[];
  allowed_event_types: string[];
  /** KiB. */
  max_payload_size: number;
  rate_limit_per_minute: number;
  timeout: string | number;
  response_mode: "result" | "accepted";
  enable_cors: boolean;
  cors_origins: string[];
  deduplication_key: string;
  node_behavior: "auto" | "start_only" | "trigger_only";
}

const definition = catalogue.get(WEBHOOK_NODE);
if (!definition) throw new PerdureError("internal", "There is no node type for webhooks.");
const { inputs: schema, inputAliases = {} } = definition;
const fields = schema.shape as unknown as Record<string, { safeParse(value: unknown): { success: true; data: unknown } | { success: false; error: Error } }>;

/** Settings that are not what they must be (a draft may hold anything) have their default, the strictest there is. */
export function settingsOf(config: JsonObject): WebhookSettings {
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => {
      const own = safeParse(field, config[name]);
      const parsed = own.success ? own : safeParse(field, undefined);
      return [name, parsed.success ? parsed.data : undefined];
    }),
  ) as unknown as WebhookSettings;
}

/** Settings as they were given, under their own names. @throws PerdureError `validation.failed` with all that is wrong. */
export function checkSettings(given: JsonObject): JsonObject {
  const findings: Finding[] = [];
  const wrong = (name: string, message: string): void => void findings.push({ code: "validation.setting", message, path: `config.${name}` });
  const settings: JsonObject = {};
  for (const [written, value] of Object.entries(given)) {
    const name = Object.hasOwn(fields, written) ? written : (inputAliases[written] ?? written);
    const field = fields[name];
    if (!field) {
      wrong(written, "is no setting of a webhook");
      continue;
    }
    if (value === null) continue;
    const parsed = safeParse(field, value);
    if (parsed.success) settings[name] = parsed.data as Json;
    else wrong(written, firstIssue(parsed.error));
  }
  for (const text of settingsOf(settings).allowed_ips) if (!isRange(text)) wrong("allowed_ips", `${text} is no address and no CIDR`);
  const key = settings["deduplication_key"];
  if (typeof key === "string") for (const finding of compileText(key).findings) wrong("deduplication_key", finding.message);
  if (findings.length > 0) throw new PerdureError("validation.failed", "The webhook's settings are not valid.", { findings });
  return settings;
}

/** Webhook nodes of a graph, each with what it says of its settings. */
export function webhookNodes(graph: unknown): { id: string; inputs: JsonObject }[] {
  return mayHaveOne(graph) ? nodesOfType(graph, catalogue, WEBHOOK_NODE) : [];
}

export function timeoutMsOf({ timeout }: WebhookSettings): number {
  return parseDuration(timeout) ?? 30_000;
}

function isRange(text: string): boolean {
  return text.includes("/") ? ipaddr.isValidCIDR(text) : ipaddr.isValid(text);
}

function firstIssue(error: Error): string {
  const { issues } = error as Error & { issues?: { message: string }[] };
  return issues?.[0]?.message ?? "is not valid";
}

/** Spares most graphs a second reading. */
function mayHaveOne(graph: unknown): boolean {
  return /webhook/i.test(JSON.stringify(graph) ?? "");
}
