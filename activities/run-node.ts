import { ApplicationFailure } from "@temporalio/activity";
import { PerdureError, tenantId, toFailureValue, type FailureValue, type Json, type TenantId } from "#core";
import { type ActivityNode, type ActivityServices, type LiveCredential, type NodeDefinition, shownInputs } from "#nodes";
import type { Logger } from "#platform";
import { type NodeCall, type NodeResult, receiptKey } from "#workflows/messages";
import type { NodeCache, Receipts } from "../db/types/index.ts";
import type { EventWriter } from "../runs/types.ts";
import { attemptFacts, type AttemptFacts, type EndDetails } from "./facts.ts";
import { canRetry, databaseUnavailable, judge, toApplicationFailure, type Verdict } from "./failure.ts";
import { cacheKeyOf } from "./cache-key.ts";
import { credentialsNamed } from "./credentials.ts";
import { databaseReason } from "./database-reason.ts";
import { prepareInputs } from "./node-inputs.ts";
import { type Receipt, readReceipt } from "./receipt.ts";
import { createRedactor, type Redactor } from "./redact.ts";
import { secretsNamed, showSecrets } from "./secrets.ts";
import { whileHeartbeating, withinTime } from "./time.ts";

export interface RunNodeDeps {
  writer: EventWriter;
  receipts: Receipts;
  nodeCache: NodeCache;
  services: ActivityServices;
  /** Values of `{{secrets.NAME}}` by name, of those there are for the tenant. @throws PerdureError of a store that cannot be asked. */
  secrets(tenantId: TenantId, names: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Credentials of the tenant by id, of those there are. */
  credentials(tenantId: TenantId, ids: readonly string[]): Promise<ReadonlyMap<string, LiveCredential>>;
  definitionOf(type: string): NodeDefinition | undefined;
  limits: { outputMaxBytes: number };
  /** When a backup was restored last: runs from before may have made calls that Temporal does not know of. */
  restoredAt?: Date | undefined;
  logger: Logger;
}

/** What Temporal says of this attempt. */
export interface Attempt {
  /** Temporal's number, from 1; workers that died count here, and only here. */
  number: number;
  isLocal: boolean;
  heartbeat(): void;
  /** So long after its start no other attempt can have begun, whatever became of this process: half of the heartbeat time-out. */
  undisputedMs: number;
  /** When Temporal asked for this attempt, in milliseconds since the epoch, by its own clock. */
  scheduledAtMs: number;
  /** Aborts with Temporal's `CancelledFailure`. */
  cancellation: AbortSignal;
  /** Whether the run asked for it, and not a worker that shuts down. */
  cancelRequested(): boolean;
}

/** Models are watched closely, so that a cancel ends the spending soon. In milliseconds; each is a write on the server. */
const HEARTBEAT_MODEL_MS = 500;
const HEARTBEAT_MS = 2_000;
const UUID_VERSION_AT = 14;
/** Attempts of a round are counted from its number times this. */
const ROUND = 1_000_000;
/** How long past its time-out an attempt goes on to keep the receipt of a call that was paid for. Less than the workflow's grace of 10 s. */
const KEEP_TRYING_MS = 8_000;
const STORE_RETRY_MS = 500;

/**
 * Runs one attempt of one node (architecture.md 2). Retried: yes. Idempotent by `run:node:iteration`: the first result that was stored is what
 * every attempt returns, and the key is sent upstream where the service takes one.
 * @throws ApplicationFailure whose `type` is a code of core and whose `details[0]` is a `FailureValue`; the cancellation's own reason.
 */
export async function runNode(deps: RunNodeDeps, call: NodeCall, attempt: Attempt): Promise<NodeResult> {
  const definition = deps.definitionOf(call.type);
  const earlier = call.round === undefined ? 0 : await attemptsBefore(deps, call, call.round);
  const facts = attemptFacts(deps.writer, call, earlier + attempt.number);
  const interval = definition?.provides === "model" ? HEARTBEAT_MODEL_MS : HEARTBEAT_MS;
  return whileHeartbeating(attempt, interval, () => perform(deps, call, attempt, definition, facts));
}

async function perform(deps: RunNodeDeps, call: NodeCall, attempt: Attempt, definition: NodeDefinition | undefined, facts: AttemptFacts): Promise<NodeResult> {
  const key = receiptKey(call);
  const tenant = tenantId(call.tenant_id);
  const shown = shownInputs(showSecrets(call.inputs, call.secret_slots) as Json);
  const leavesReceipt = definition?.effect !== "none" && !(definition?.kind === "activity" && definition.mayAct?.(call.inputs) === false);
  if (leavesReceipt && (attempt.number > 1 || attempt.isLocal || call.round !== undefined || mayBeRepeated(deps, call))) {
    const kept = await ourDatabase(deps, () => deps.receipts.find(tenant, key));
    if (kept?.result !== undefined) {
      const receipt = readReceipt(kept.result, attempt.number);
      // The worker that made it may have died before it told of its start.
      facts.start(shown, receipt.attempt);
      return finish(receipt, facts);
    }
    if (kept?.failure && attempt.isLocal) {
      facts.start(shown);
      facts.failed(kept.failure, 0);
      throw toApplicationFailure({ value: kept.failure, retryInMs: undefined });
    }
  }
  const startedAt = Date.now();
  facts.start(shown);
  const cacheKey = call.cache && cacheKeyOf(call);
  const cached = cacheKey === undefined ? undefined : await findCached(deps, tenant, cacheKey);
  if (cached) return finish({ ...cached, attempt: attempt.number, duration_ms: Date.now() - startedAt }, facts, { isCached: true });
  const used = new Map<string, string>();
  let result: NodeResult;
  try {
    result = await callHandler(deps, call, attempt, definition, facts, used);
  } catch (error) {
    if (error instanceof ApplicationFailure) throw error;
    throw await giveUp(deps, call, attempt, facts, error, createRedactor(used), startedAt, leavesReceipt);
  }
  const receipt: Receipt = { ...result, attempt: attempt.number, duration_ms: Date.now() - startedAt };
  if (call.cache && cacheKey !== undefined) keepCached(deps, tenant, cacheKey, result, call.cache.ttl_ms);
  if (!leavesReceipt) return finish(receipt, facts);
  // Receipt and acknowledgement race: the call is safe as soon as one of them has arrived, which is never later than waiting for the receipt first.
  if (attempt.number === 1 && !attempt.isLocal && isLatest(attempt, startedAt)) return finish(receipt, facts, { receiptKey: key });
  const standing = await keepTrying(deps, attempt, startedAt + call.policy.timeout_ms + KEEP_TRYING_MS, () =>
    deps.receipts.store(tenant, call.run_id, key, receipt as unknown as Json),
  );
  return finish(standing === undefined ? receipt : readReceipt(standing, attempt.number), facts);
}

/** Ids of runs say when they began (UUIDv7), those of children do not. */
function mayBeRepeated({ restoredAt }: RunNodeDeps, { run_id: runId }: NodeCall): boolean {
  if (restoredAt === undefined) return false;
  return runId[UUID_VERSION_AT] !== "7" || Number.parseInt(runId.replace("-", "").slice(0, 12), 16) <= restoredAt.getTime();
}

/**
 * Whether no later attempt can have begun, so that what this one says is heard. By Temporal's clock too: the process may have stood still
 * between being given the attempt and beginning it.
 */
function isLatest({ undisputedMs, scheduledAtMs }: Attempt, startedAt: number): boolean {
  return Date.now() - Math.min(startedAt, scheduledAtMs) < undisputedMs;
}

async function callHandler(
  deps: RunNodeDeps,
  call: NodeCall,
  attempt: Attempt,
  definition: NodeDefinition | undefined,
  facts: AttemptFacts,
  used: Map<string, string>,
): Promise<NodeResult> {
  if (definition?.kind !== "activity") throw new PerdureError("configuration.invalid", `The node type ${call.type} is no activity of this worker.`);
  const secrets = await secretsOf(deps, call);
  const given = { secret: (name: string) => secrets.get(name), credentials: await credentialsOf(deps, call) };
  const { inputs, providers, credentials } = prepareInputs(call, definition, given, deps.definitionOf, used);
  const redactor = createRedactor(used);
  const tokens = redactor.stream(facts.token);
  const handler = definition as ActivityNode;
  const { value, route } = await withinTime(call.policy.timeout_ms, attempt.cancellation, call.name, (signal) =>
    handler.run(inputs, {
      input: call.input,
      scope: call.scope ?? {},
      tenantId: call.tenant_id,
      runId: call.run_id,
      nodeId: call.node_id,
      idempotencyKey: receiptKey(call),
      attempt: attempt.number,
      signal,
      providers,
      credentials,
      token: (text) => tokens.push(text),
      log: (line) => facts.log(redactor.text(line)),
      services: deps.services,
    }),
  );
  tokens.end();
  const output = redactor.json(toJson(value, deps.limits.outputMaxBytes));
  return { value: output, ...(route !== undefined && { route: redactor.text(route) }) };
}

async function secretsOf(deps: RunNodeDeps, call: NodeCall): Promise<ReadonlyMap<string, string>> {
  const names = secretsNamed(call);
  return names.length === 0 ? new Map() : deps.secrets(tenantId(call.tenant_id), names);
}

/** A database that is away costs no attempt; what cannot be opened is the node's failure. */
async function credentialsOf(deps: RunNodeDeps, call: NodeCall): Promise<ReadonlyMap<string, LiveCredential>> {
  const ids = credentialsNamed(call, deps.definitionOf);
  if (ids.length === 0) return new Map();
  try {
    return await deps.credentials(tenantId(call.tenant_id), ids);
  } catch (error) {
    throw error instanceof PerdureError && error.code !== "database.unavailable" ? error : unavailable(deps, error);
  }
}

/** What to throw after a failure of the handler: the cancellation, or a failure that says whether another attempt follows. */
async function giveUp(
  deps: RunNodeDeps,
  call: NodeCall,
  attempt: Attempt,
  facts: AttemptFacts,
  error: unknown,
  redactor: Redactor,
  startedAt: number,
  leavesReceipt: boolean,
): Promise<unknown> {
  const durationMs = Date.now() - startedAt;
  if (attempt.cancellation.aborted) {
    if (attempt.cancelRequested()) facts.cancelled(durationMs);
    return attempt.cancellation.reason;
  }
  if (error instanceof PerdureError && error.code === "database.unavailable") return unavailable(deps, error);
  const { code } = toFailureValue(error);
  const log = { run_id: call.run_id, node_id: call.node_id, attempt: attempt.number, code, reason: redactor.text(describe(error)) };
  if (code === "internal") deps.logger.error(log, "A node's handler failed unexpectedly.");
  else deps.logger.debug(log, "A node's attempt failed.");

  let failures = 1;
  if (canRetry(error, call.policy)) {
    try {
      const before = (call.round ?? 0) * ROUND;
      failures = await deps.receipts.countFailure(tenantId(call.tenant_id), call.run_id, receiptKey(call), before + attempt.number, before);
    } catch (cause) {
      return unavailable(deps, cause);
    }
  }
  const verdict: Verdict = judge(error, failures, call.policy);
  const value = redactor.json({ ...verdict.value, node_id: call.node_id, ...(call.iteration !== "" && { iteration: call.iteration }) });
  if (verdict.retryInMs !== undefined) {
    facts.retry(value, verdict.retryInMs);
    return toApplicationFailure({ ...verdict, value });
  }
  // A first attempt that slept for long may have been given up; only Temporal knows whether its failure is the node's, so the workflow tells it.
  // The history knows of a local activity only with the end of its workflow task, which may be done again.
  if (attempt.isLocal && leavesReceipt) await keepFailure(deps, call, value);
  const isHeard = attempt.number > 1 || attempt.isLocal || isLatest(attempt, startedAt);
  if (isHeard) facts.failed(value, durationMs);
  return toApplicationFailure({ ...verdict, value }, isHeard);
}

/** How many attempts of earlier rounds failed: those of this one are numbered on from there. */
async function attemptsBefore(deps: RunNodeDeps, call: NodeCall, round: number): Promise<number> {
  const kept = await ourDatabase(deps, () => deps.receipts.find(tenantId(call.tenant_id), receiptKey(call)));
  return kept?.failedAttempts.filter((attempt) => attempt < round * ROUND).length ?? 0;
}

/** A cache that does not answer costs a call, not the node. */
async function findCached(deps: RunNodeDeps, tenant: TenantId, key: string): Promise<NodeResult | undefined> {
  try {
    return (await deps.nodeCache.find(tenant, key)) as NodeResult | undefined;
  } catch (error) {
    deps.logger.warn({ reason: databaseReason(error) }, "The node cache could not be read; the call is made.");
    return undefined;
  }
}

function keepCached(deps: RunNodeDeps, tenant: TenantId, key: string, result: NodeResult, ttlMs: number): void {
  deps.nodeCache
    .store(tenant, key, result as unknown as Json, ttlMs)
    .catch((error: unknown) => deps.logger.warn({ reason: databaseReason(error) }, "A result could not be cached."));
}

async function keepFailure(deps: RunNodeDeps, call: NodeCall, failure: FailureValue): Promise<void> {
  try {
    await deps.receipts.storeFailure(tenantId(call.tenant_id), call.run_id, receiptKey(call), failure);
  } catch (error) {
    deps.logger.warn({ reason: databaseReason(error) }, "A failure could not be kept; should its workflow task be done again, the call is too.");
  }
}

function finish({ value, route, attempt, duration_ms }: Receipt, facts: AttemptFacts, how: EndDetails = {}): NodeResult {
  facts.completed(value, route, attempt, duration_ms, how);
  return { value, ...(route !== undefined && { route }) };
}

/** @throws PerdureError `handler.rejected` for what is no JSON, `output.too_large`. */
function toJson(value: unknown, maxBytes: number): Json {
  let text: string;
  try {
    text = JSON.stringify(value ?? null) ?? "null";
  } catch (cause) {
    throw new PerdureError("handler.rejected", "The node's output cannot be written as JSON.", { cause });
  }
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes)
    throw new PerdureError("output.too_large", `The node's output has ${bytes} bytes of JSON; ${maxBytes} are allowed (NODE_OUTPUT_MAX_BYTES).`);
  return JSON.parse(text) as Json;
}

async function ourDatabase<T>(deps: RunNodeDeps, query: () => Promise<T>): Promise<T> {
  try {
    return await query();
  } catch (error) {
    throw unavailable(deps, error);
  }
}

/**
 * A result that was paid for is worth waiting for the database, as long as the attempt may last. Undefined where the database did not come back:
 * the result then goes to Temporal without a receipt, since asking for another attempt would pay again.
 */
async function keepTrying<T>(deps: RunNodeDeps, attempt: Attempt, untilMs: number, store: () => Promise<T>): Promise<T | undefined> {
  for (;;) {
    try {
      return await within(untilMs - Date.now(), store());
    } catch (error) {
      const isOver = attempt.cancellation.aborted || Date.now() + STORE_RETRY_MS > untilMs;
      deps.logger.warn(
        { reason: databaseReason(error) },
        isOver ? "A receipt could not be stored; the result goes on without it." : "A receipt could not be stored; trying again.",
      );
      if (isOver) return undefined;
      await new Promise((resolve) => setTimeout(resolve, STORE_RETRY_MS));
    }
  }
}

/** A connection to a database that no longer answers may take minutes to fail. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new PerdureError("database.unavailable", "The database did not answer in time.")), Math.max(0, ms));
    timer.unref();
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function unavailable(deps: RunNodeDeps, cause: unknown): unknown {
  deps.logger.warn({ reason: databaseReason(cause) }, "The database did not answer; the attempt is made again and not counted.");
  return toApplicationFailure(databaseUnavailable());
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return `${error.stack ?? error.message}${cause instanceof Error ? `\ncaused by ${cause.stack ?? cause.message}` : ""}`;
}
