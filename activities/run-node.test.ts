import { CancelledFailure } from "@temporalio/activity";
import { pino } from "pino";
import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { PerdureError, tenantId, type FailureValue, type Json, type RunEvent } from "#core";
import { defineNode, type ActivityContext, type ActivityNode, type ActivityServices, type NodeDefinition } from "#nodes";
import type { NodeCall } from "#workflows/messages";
import type { NodeCache, Receipts } from "../db/types/index.ts";
import { runNode, type Attempt, type RunNodeDeps } from "./run-node.ts";

type Handler = (inputs: Record<string, unknown>, context: ActivityContext) => Promise<{ value: unknown; route?: string }>;

function memoryReceipts() {
  const results = new Map<string, Json>();
  const failures = new Map<string, FailureValue>();
  const counted = new Map<string, Set<number>>();
  const receipts: Receipts = {
    find: async (_tenant, key) => ({ result: results.get(key), failure: failures.get(key), failedAttempts: [...(counted.get(key) ?? [])] }),
    results: async (_tenant, keys) => new Map([...results].filter(([key]) => keys.includes(key))),
    store: async (_tenant, _run, key, result) => {
      if (!results.has(key)) results.set(key, result);
      return results.get(key) ?? null;
    },
    storeFailure: async (_tenant, _run, key, failure) => void failures.set(key, failures.get(key) ?? failure),
    countFailure: async (_tenant, _run, key, attempt, after) => {
      const attempts = counted.get(key) ?? new Set();
      counted.set(key, attempts.add(attempt));
      return [...attempts].filter((each) => each > after).length;
    },
  };
  return { receipts, results };
}

function memoryCache(): NodeCache {
  const kept = new Map<string, Json>();
  return {
    find: async (tenant, key) => kept.get(`${tenant}/${key}`),
    store: async (tenant, key, result) => void kept.set(`${tenant}/${key}`, result),
    prune: async () => 0,
  };
}

function bench(
  handler: Handler,
  options: {
    secrets?: Record<string, string>;
    credentials?: RunNodeDeps["credentials"];
    takes?: string[];
    effect?: NodeDefinition["effect"];
    mayAct?: ActivityNode["mayAct"];
    outputMaxBytes?: number;
  } = {},
) {
  const facts: RunEvent[] = [];
  const logged: string[] = [];
  const withEnds: string[] = [];
  const { receipts, results } = memoryReceipts();
  const nodeCache = memoryCache();
  const definition = defineNode({
    kind: "activity",
    type: "Probe",
    category: "test",
    displayName: "Probe",
    description: "Test.",
    policy: { timeout: "1m" },
    effect: options.effect ?? "at_least_once",
    mayAct: options.mayAct,
    credentials: { credential: options.takes ?? ["http_bearer"] },
    inputs: z.object({ text: z.string().optional(), count: z.number().optional(), credential: z.string().optional() }),
    outputs: z.unknown(),
    run: handler as never,
  });
  const deps: RunNodeDeps = {
    writer: {
      write: (_tenant, events, receiptKey) => void (facts.push(...events), receiptKey !== undefined && withEnds.push(receiptKey)),
      flush: async () => {},
      close: async () => {},
    },
    receipts,
    nodeCache,
    services: {} as ActivityServices,
    secrets: async (_tenant, names) => new Map(Object.entries(options.secrets ?? {}).filter(([name]) => names.includes(name))),
    credentials: options.credentials ?? (async () => new Map()),
    definitionOf: (type) => (type === "Probe" ? (definition as unknown as NodeDefinition) : undefined),
    limits: { outputMaxBytes: options.outputMaxBytes ?? 10_000 },
    logger: pino({ level: "debug" }, { write: (line: string) => void logged.push(line) }),
  };
  const run = (call: Partial<NodeCall> = {}, attempt: Partial<Attempt> = {}) => runNode(deps, { ...base, ...call }, { ...first, ...attempt });
  return { run, facts, withEnds, logged, deps, receipts, results, kinds: () => facts.map(({ kind }) => kind) };
}

const base: NodeCall = {
  run_id: "run-1",
  tenant_id: "0198c0de-0000-7000-8000-000000000001",
  node_id: "n1",
  iteration: "",
  type: "Probe",
  name: "My probe",
  inputs: {},
  secret_slots: [],
  input: null,
  policy: {
    maximum_attempts: 2,
    initial_interval_ms: 100,
    backoff_coefficient: 2,
    maximum_interval_ms: 1000,
    non_retryable: [],
    timeout_ms: 5000,
    deadline_ms: 60_000,
  },
};
const first: Attempt = {
  number: 1,
  isLocal: false,
  undisputedMs: 0,
  scheduledAtMs: Infinity,
  heartbeat: () => {},
  cancellation: new AbortController().signal,
  cancelRequested: () => false,
};

describe("success", () => {
  test("A4: When the handler succeeds, then a receipt stands before the log is told, and the result is returned", async () => {
    const { run, facts, results } = bench(async (inputs) => ({ value: { said: inputs["text"], nothing: undefined }, route: "left" }));
    expect(await run({ inputs: { text: "hi" } })).toEqual({ value: { said: "hi" }, route: "left" });
    expect([...results.keys()]).toEqual(["run-1:n1:"]);
    expect(facts).toMatchObject([
      { key: "n1::1:node_start", attempt: 1, data: { type: "Probe", name: "My probe", input: { text: "hi" } } },
      { key: "n1::1:node_end", attempt: 1, data: { status: "completed", output: { said: "hi" }, route: "left" } },
    ]);
  });

  test("A4: When a worker died after the receipt, then the next attempt returns it without a second call", async () => {
    const handler = vi.fn(async () => ({ value: "paid" }));
    const { run, facts } = bench(handler);
    await run();
    expect(await run({}, { number: 2 })).toEqual({ value: "paid" });
    expect(handler).toHaveBeenCalledTimes(1);
    const told = [
      ["n1::1:node_start", 1],
      ["n1::1:node_end", 1],
    ];
    expect(facts.map(({ key, attempt }) => [key, attempt])).toEqual([...told, ...told]);
  });

  test("A4: When a local activity that failed for good is repeated, since its workflow task is done again, then it fails alike without a second call", async () => {
    const handler = vi.fn(async () => {
      throw new PerdureError("upstream.rejected", "No.");
    });
    const { run, facts } = bench(handler);
    const told = facts.length;
    const fail = () => run({}, { isLocal: true }).catch((error: { type?: string; nonRetryable?: boolean }) => [error.type, error.nonRetryable]);
    expect([await fail(), await fail()]).toEqual([
      ["upstream.rejected", true],
      ["upstream.rejected", true],
    ]);
    expect(handler).toHaveBeenCalledTimes(1);
    expect(
      facts
        .slice(told)
        .filter(({ kind }) => kind === "node_error")
        .map(({ key }) => key),
    ).toEqual(["n1::0:node_error", "n1::0:node_error"]);
  });

  test("A4: When a local activity is repeated as its first attempt, then the receipt answers too", async () => {
    const handler = vi.fn(async () => ({ value: 1 }));
    const { run } = bench(handler);
    await run({}, { isLocal: true });
    await run({}, { isLocal: true });
    expect(handler).toHaveBeenCalledTimes(1);
  });

  test("A4: When two attempts overlap, then both return what was stored first", async () => {
    let release = (): void => {};
    const slow = new Promise<void>((done) => (release = done));
    let count = 0;
    const { run } = bench(async () => {
      const mine = ++count;
      if (mine === 1) await slow;
      return { value: mine };
    });
    const paused = run();
    const second = await run({}, { number: 2 });
    release();
    expect([await paused, second]).toEqual([{ value: 2 }, { value: 2 }]);
  });

  test("A4: When no other attempt can have begun, then Temporal hears of the result at once, and the receipt travels with the node's end", async () => {
    const { run, receipts, withEnds } = bench(async () => ({ value: "quick" }));
    receipts.store = () => Promise.reject(new Error("not asked"));
    expect(await run({}, { undisputedMs: 1000 })).toEqual({ value: "quick" });
    expect(withEnds).toEqual(["run-1:n1:"]);
    const free = bench(async () => ({ value: "free" }), { effect: "none" });
    await free.run({}, { undisputedMs: 1000 });
    expect(free.withEnds).toEqual([]);
  });

  test("A4: When the process stood still before it began, then the receipt decides, however quick the call was", async () => {
    const { run, results } = bench(async () => ({ value: "mine" }));
    results.set("run-1:n1:", { value: "first", attempt: 2, duration_ms: 1 });
    expect(await run({}, { undisputedMs: 15_000, scheduledAtMs: Date.now() - 20_000 })).toEqual({ value: "first" });
  });

  test("When a node costs and changes nothing, then the database is not asked", async () => {
    const { run, receipts, results } = bench(async () => ({ value: 1 }), { effect: "none" });
    receipts.find = () => Promise.reject(new Error("away"));
    expect(await run({}, { isLocal: true })).toEqual({ value: 1 });
    expect(results.size).toBe(0);
  });

  test("When the value is undefined, then it is null", async () => {
    expect(await bench(async () => ({ value: undefined })).run()).toEqual({ value: null });
  });
});

describe("failure", () => {
  test("A4: When the handler fails, then failures are counted, not Temporal's attempts", async () => {
    const { run, facts } = bench(() => Promise.reject(new PerdureError("upstream.failed", "Down.")));
    await expect(run({}, { number: 7 })).rejects.toMatchObject({
      type: "upstream.failed",
      nonRetryable: false,
      nextRetryDelay: 100,
      details: [{ code: "upstream.failed", node_id: "n1" }, { told: false }],
    });
    await expect(run({}, { number: 9 })).rejects.toMatchObject({
      type: "upstream.failed",
      nonRetryable: true,
      details: [{ code: "upstream.failed" }, { told: true }],
    });
    expect(facts).toMatchObject([
      { key: "n1::7:node_start" },
      { key: "n1::7:node_retry", data: { retry_in_ms: 100, error: { message: "Down." } } },
      { key: "n1::9:node_start" },
      { key: "n1::0:node_error", attempt: 9, data: { error: { code: "upstream.failed" } } },
    ]);
  });

  test("A4: When a first attempt fails after so long that another may have begun, then it leaves the telling to the workflow", async () => {
    const { run, kinds } = bench(() => Promise.reject(new PerdureError("upstream.rejected", "No.")));
    await expect(run({}, { undisputedMs: 15_000, scheduledAtMs: Date.now() - 20_000 })).rejects.toMatchObject({
      nonRetryable: true,
      details: [{ code: "upstream.rejected" }, { told: false }],
    });
    await expect(run({}, { undisputedMs: 15_000 })).rejects.toMatchObject({ nonRetryable: true, details: [{}, { told: true }] });
    expect(kinds()).toEqual(["node_start", "node_start", "node_error"]);
  });

  test("A2: When inputs do not fit, then every finding is told and there is no other attempt", async () => {
    const { run } = bench(async () => ({ value: 1 }));
    const failed = run({ inputs: { text: 5, count: "x" } });
    await expect(failed).rejects.toMatchObject({ type: "validation.failed", nonRetryable: true });
    await expect(failed).rejects.toMatchObject({ details: [{ details: [{ path: "text" }, { path: "count" }] }, {}] });
  });

  test("When the output is too large or no JSON, then it says so and no receipt stands", async () => {
    const large = bench(async () => ({ value: "x".repeat(200) }), { outputMaxBytes: 100 });
    await expect(large.run()).rejects.toMatchObject({ type: "output.too_large", nonRetryable: true });
    expect(large.results.size).toBe(0);
    await expect(bench(async () => ({ value: { big: 1n } })).run()).rejects.toMatchObject({ type: "handler.rejected", nonRetryable: true });
  });

  test("When the attempt's time is up, then it is network.timed_out, also for a handler that ignores its signal", async () => {
    const policy = { ...base.policy, timeout_ms: 30 };
    const listening = bench((_inputs, { signal }) => new Promise((_done, fail) => signal.addEventListener("abort", () => fail(signal.reason as Error))));
    await expect(listening.run({ policy })).rejects.toMatchObject({ type: "network.timed_out", nonRetryable: false });
    await expect(bench(() => new Promise(() => {})).run({ policy })).rejects.toMatchObject({ type: "network.timed_out" });
  });

  test("When the node type is unknown here, then it is a configuration error", async () => {
    await expect(bench(async () => ({ value: 1 })).run({ type: "Nope" })).rejects.toMatchObject({ type: "configuration.invalid", nonRetryable: true });
  });
});

describe("our database", () => {
  test("A4: When it is away before the call, then the call is not made and no attempt is counted", async () => {
    const handler = vi.fn(async () => ({ value: 1 }));
    const { run, receipts, kinds } = bench(handler);
    receipts.find = () => Promise.reject(new Error("connection refused"));
    await expect(run({}, { number: 2 })).rejects.toMatchObject({ type: "database.unavailable", nonRetryable: false });
    expect(handler).not.toHaveBeenCalled();
    expect(kinds()).toEqual([]);
  });

  test("A4: When it is away for what the handler asks of it, then the attempt is made again, by a node that may be tried once too, and none is counted", async () => {
    const { run, receipts, kinds } = bench(() => Promise.reject(new PerdureError("database.unavailable", "Away.")));
    const counted = vi.spyOn(receipts, "countFailure");
    await expect(run({ policy: { ...base.policy, maximum_attempts: 1 } })).rejects.toMatchObject({
      type: "database.unavailable",
      nonRetryable: false,
      details: [{}, { told: false }],
    });
    expect(counted).not.toHaveBeenCalled();
    expect(kinds()).toEqual(["node_start"]);
  });

  test("A4: When it is away for a while after a paid call, then the receipt is stored when it is back", async () => {
    const { run, receipts, results } = bench(async () => ({ value: "paid" }));
    const { store } = receipts;
    let failures = 2;
    receipts.store = (...given) => (failures-- > 0 ? Promise.reject(new Error("away")) : store(...given));
    expect(await run()).toEqual({ value: "paid" });
    expect(results.size).toBe(1);
  });

  test("A4: When it stays away after a paid call, or does not answer at all, then the result goes on and is not paid for again", async () => {
    vi.useFakeTimers();
    try {
      for (const store of [() => Promise.reject(new Error("away")), () => new Promise<never>(() => {})]) {
        const { run, receipts, kinds } = bench(async () => ({ value: "paid" }));
        receipts.store = store;
        const ended = run();
        await vi.advanceTimersByTimeAsync(base.policy.timeout_ms + 8_000);
        expect(await ended).toEqual({ value: "paid" });
        expect(kinds()).toEqual(["node_start", "node_end"]);
      }
    } finally {
      vi.useRealTimers();
    }
  });

  test("A4: When the failure cannot be counted, then the attempt is made again", async () => {
    const { run, receipts } = bench(() => Promise.reject(new PerdureError("upstream.failed", "Down.")));
    receipts.countFailure = () => Promise.reject(new Error("away"));
    await expect(run()).rejects.toMatchObject({ type: "database.unavailable", nonRetryable: false, details: [{}, { told: false }] });
  });
});

describe("cancel", () => {
  const stopping: Handler = (_inputs, { signal }) => new Promise((_done, fail) => signal.addEventListener("abort", () => fail(signal.reason as Error)));

  test("A9: When the run cancels, then the handler is told and the cancellation goes up", async () => {
    const { run, facts } = bench(stopping);
    const cancel = new AbortController();
    const pending = run({}, { cancellation: cancel.signal, cancelRequested: () => true });
    setTimeout(() => cancel.abort(new CancelledFailure("CANCELLED")), 10);
    await expect(pending).rejects.toBeInstanceOf(CancelledFailure);
    expect(facts.at(-1)).toMatchObject({ key: "n1::0:node_end", data: { status: "cancelled" } });
  });

  test("When only the worker shuts down, then the log does not say that the node was cancelled", async () => {
    const { run, kinds } = bench(stopping);
    const cancel = new AbortController();
    const pending = run({}, { cancellation: cancel.signal });
    setTimeout(() => cancel.abort(new CancelledFailure("WORKER_SHUTDOWN")), 10);
    await expect(pending).rejects.toBeInstanceOf(CancelledFailure);
    expect(kinds()).toEqual(["node_start"]);
  });

  test("A4: When a paid call is answered all the same, then its receipt is kept", async () => {
    const { run, results } = bench(() => new Promise((done) => setTimeout(() => done({ value: "paid" }), 60)));
    const cancel = new AbortController();
    const pending = run({}, { cancellation: cancel.signal, cancelRequested: () => true });
    setTimeout(() => cancel.abort(new CancelledFailure("CANCELLED")), 10);
    expect(await pending).toEqual({ value: "paid" });
    expect(results.size).toBe(1);
  });

  test("A4: When an attempt lasts, then it heartbeats; a short or a local one does not", async () => {
    vi.useFakeTimers();
    try {
      const lasting =
        (ms: number): Handler =>
        () =>
          new Promise((done) => setTimeout(() => done({ value: 1 }), ms));
      for (const [ms, isLocal, beats] of [
        [5000, false, 2],
        [100, false, 0],
        [5000, true, 0],
      ] as const) {
        const heartbeat = vi.fn();
        const ended = bench(lasting(ms)).run({ policy: { ...base.policy, timeout_ms: 10_000 } }, { heartbeat, isLocal });
        await vi.advanceTimersByTimeAsync(ms);
        await ended;
        expect(heartbeat).toHaveBeenCalledTimes(beats);
      }
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("secrets", () => {
  const CANARY = "canary-7f3a9b";
  const call: Partial<NodeCall> = { inputs: { text: "" }, secret_slots: [{ path: ["text"], parts: ["Bearer ", { secret: "X" }] }] };

  test("F2: When a node prints its secret, then no output, token, event, receipt or log has it", async () => {
    const { run, facts, results, logged } = bench(
      async ({ text }, { token }) => {
        expect(text).toBe(`Bearer ${CANARY}`);
        for (const letter of `echo ${CANARY}.`) token(letter);
        return { value: { echo: text, [CANARY]: Buffer.from(CANARY).toString("base64") }, route: CANARY };
      },
      { secrets: { X: CANARY } },
    );
    const result = await run(call);
    expect(result).toEqual({ value: { echo: "Bearer [secret X]", "[secret X]": "[secret X]" }, route: "[secret X]" });
    const everything = JSON.stringify([result, facts, [...results], logged]);
    expect(everything).not.toContain(CANARY);
    expect(everything).toContain("Bearer {{secrets.X}}");
    expect(
      facts
        .filter(({ kind }) => kind === "token_delta")
        .map(({ data }) => data?.text)
        .join(""),
    ).toBe("echo [secret X].");
  });

  test("F2: When a node fails with its secret in the message, then neither failure nor log has it", async () => {
    for (const error of [new PerdureError("upstream.rejected", `Bad ${CANARY}`, { cause: new Error(CANARY) }), new TypeError(`no ${CANARY}`)]) {
      const { run, facts, logged } = bench(() => Promise.reject(error), { secrets: { X: CANARY } });
      const failure = await run(call).catch((thrown: unknown) => thrown as { message: string; details: unknown; stack: string });
      expect(JSON.stringify([failure, facts, logged])).not.toContain(CANARY);
      expect(logged.join("")).toContain("[secret X]");
    }
  });

  test("F6: When a secret is not set, then its name is told and the handler is not called", async () => {
    const handler = vi.fn(async () => ({ value: 1 }));
    await expect(bench(handler).run(call)).rejects.toMatchObject({ type: "secret.missing", nonRetryable: true, message: expect.stringContaining("X") });
    expect(handler).not.toHaveBeenCalled();
  });

  test("When inputs with a secret do not fit, then the finding does not repeat it", async () => {
    const { run } = bench(async () => ({ value: 1 }), { secrets: { X: CANARY } });
    const failure = await run({ inputs: { text: "", count: 0 }, secret_slots: [{ path: ["count"], parts: [{ secret: "X" }] }] }).catch(
      (thrown: unknown) => thrown,
    );
    expect(failure).toMatchObject({ type: "validation.failed" });
    expect(JSON.stringify(failure)).not.toContain(CANARY);
  });
});

describe("tokens", () => {
  test("G4: When tokens come quickly, then they are few facts in order, all before the end", async () => {
    const { run, facts } = bench(async (_inputs, { token }) => {
      for (let count = 0; count < 100; count++) token(`${count} `);
      await new Promise((done) => setTimeout(done, 60));
      token("late");
      return { value: "x" };
    });
    await run();
    const deltas = facts.filter(({ kind }) => kind === "token_delta");
    expect(deltas.map(({ key }) => key)).toEqual(["n1::1:token_delta:1", "n1::1:token_delta:2"]);
    expect(deltas.map(({ data }) => data?.text).join("")).toBe(`${Array.from({ length: 100 }, (_, count) => `${count} `).join("")}late`);
    expect(facts.at(-1)?.kind).toBe("node_end");
  });
});

test("A4: When a node says that a call may not act, then that call leaves no receipt", async () => {
  const { run, results } = bench(async () => ({ value: 1 }), { mayAct: ({ count }) => count === 1 });
  await run({ inputs: { count: 0 } });
  expect([...results.keys()]).toEqual([]);
  await run({ inputs: { count: 1 } });
  expect([...results.keys()]).toEqual(["run-1:n1:"]);
});

test("When a node prints, then its end tells the lines, cut and without secrets", async () => {
  const { run, facts } = bench(
    async ({ text }, { log }) => {
      log(`the token is ${String(text)}`);
      for (let count = 0; count < 150; count++) log("x".repeat(2000));
      return { value: null };
    },
    { secrets: { TOKEN: "hush-hush-1" } },
  );
  await run({ inputs: { text: null }, secret_slots: [{ path: ["text"], parts: [{ secret: "TOKEN" }] }] });
  const logs = facts.at(-1)?.data?.logs ?? [];
  expect(logs).toHaveLength(100);
  expect(logs[0]).not.toContain("hush-hush-1");
  expect(logs[1]).toHaveLength(1024);
});

test("When a node prints and fails, then its failure tells the lines", async () => {
  const { run, facts } = bench(async (_inputs, { log }) => {
    log("so far");
    throw new PerdureError("handler.rejected", "no");
  });
  await expect(run({}, { undisputedMs: 1000 })).rejects.toMatchObject({ type: "handler.rejected" });
  expect(facts.at(-1)).toMatchObject({ kind: "node_error", data: { logs: ["so far"] } });
});

describe("cache", () => {
  const cache = { ttl_ms: 1_000, of: "workflow-1" };

  test("A5: When a node was given the same before, then its result stands and nothing is called", async () => {
    const handler = vi.fn(async () => ({ value: "made", route: "left" }));
    const { run, facts } = bench(handler);
    await run({ cache, inputs: { text: "same" } });
    expect(await run({ cache, inputs: { text: "same" }, run_id: "run-2", node_id: "other" })).toEqual({ value: "made", route: "left" });
    expect(handler).toHaveBeenCalledTimes(1);
    expect(facts.at(-1)).toMatchObject({ kind: "node_end", run_id: "run-2", data: { cached: true, output: "made" } });
    await run({ cache, inputs: { text: "other" } });
    await run({ cache, inputs: { text: "same" }, tenant_id: "0198c0de-0000-7000-8000-000000000002" });
    expect(handler).toHaveBeenCalledTimes(3);
  });

  test("A5: When the node names a key, then that alone counts, for this node of this workflow", async () => {
    const handler = vi.fn(async () => ({ value: 1 }));
    const { run } = bench(handler);
    await run({ cache: { ...cache, key: "k" }, inputs: { text: "a" } });
    await run({ cache: { ...cache, key: "k" }, inputs: { text: "b" } });
    expect(handler).toHaveBeenCalledTimes(1);
    await run({ cache: { ...cache, key: "k", of: "workflow-2" } });
    await run({ cache: { ...cache, key: "k" }, node_id: "other" });
    await run({ cache: { ...cache, key: "l" } });
    expect(handler).toHaveBeenCalledTimes(4);
  });

  test("A5: When the cache does not answer, then the call is made", async () => {
    const { run, deps } = bench(async () => ({ value: 1 }));
    deps.nodeCache.find = () => Promise.reject(new Error("away"));
    deps.nodeCache.store = () => Promise.reject(new Error("away"));
    expect(await run({ cache })).toEqual({ value: 1 });
  });
});

test("A9: When a person has a node tried anew, then failures of earlier rounds do not count and its attempts are numbered on", async () => {
  const { run, facts } = bench(async () => {
    throw new PerdureError("upstream.failed", "Away.");
  });
  const round = async (call: Partial<NodeCall>, number: number) => run(call, { number }).catch((error: { nonRetryable?: boolean }) => error.nonRetryable);
  expect([await round({}, 1), await round({}, 2)]).toEqual([false, true]);
  expect([await round({ round: 1 }, 1), await round({ round: 1 }, 2)]).toEqual([false, true]);
  expect(facts.filter(({ kind }) => kind === "node_start").map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
});

describe("credentials", () => {
  const CANARY = "canary-7f3a9b";
  const id = "0198c0de-0000-7000-8000-0000000000aa";
  const call: Partial<NodeCall> = { inputs: { credential: id } };
  const stored = async () => new Map([[id, { id, type: "http_bearer", values: { token: CANARY, allowed_hosts: "api.example" } }]]);

  test("F2: When a node prints its credential, then no output, event, receipt or log has it; what is no secret stays", async () => {
    const { run, facts, results, logged } = bench(
      async (inputs, { credentials, log }) => {
        expect(inputs["credential"]).toBe(id);
        log(`it is ${credentials["credential"]?.values["token"]}`);
        return { value: { ...credentials["credential"]?.values, encoded: Buffer.from(`user:${CANARY}`).toString("base64") } };
      },
      { credentials: stored },
    );
    expect(await run(call)).toMatchObject({ value: { token: `[secret ${id} token]`, allowed_hosts: "api.example" } });
    const told = JSON.stringify([facts, [...results.values()], logged]);
    expect(told).not.toContain(CANARY);
    expect(told).not.toContain(Buffer.from(CANARY).toString("base64").slice(0, -4));
    expect(facts[0]).toMatchObject({ kind: "node_start", data: { input: { credential: id } } });
  });

  test("A16 F2: When it is gone or of another type, then the node fails for good and its handler is not called", async () => {
    const handler = vi.fn(async () => ({ value: 1 }));
    await expect(bench(handler).run(call)).rejects.toMatchObject({ type: "credential.missing", nonRetryable: true });
    await expect(bench(handler, { credentials: stored, takes: ["openai"] }).run(call)).rejects.toMatchObject({
      type: "credential.missing",
      nonRetryable: true,
    });
    expect(handler).not.toHaveBeenCalled();
  });

  test("A4: When the database is away, then the attempt is made again and not counted; what cannot be opened fails for good", async () => {
    const failing = (code: "database.unavailable" | "payload.unreadable") =>
      bench(async () => ({ value: 1 }), { credentials: () => Promise.reject(new PerdureError(code, "No.")) });
    const away = failing("database.unavailable");
    await expect(away.run(call)).rejects.toMatchObject({ type: "database.unavailable", nonRetryable: false });
    expect((await away.receipts.find(tenantId(base.tenant_id), "run-1:n1:"))?.failedAttempts).toEqual([]);
    await expect(failing("payload.unreadable").run(call)).rejects.toMatchObject({ type: "payload.unreadable", nonRetryable: true });
  });

  test("F2: When credentials are asked for, then by the tenant of the run and by nobody else's name", async () => {
    const asked = vi.fn(stored);
    await bench(async () => ({ value: 1 }), { credentials: asked }).run(call);
    expect(asked.mock.calls).toEqual([[base.tenant_id, [id]]]);
  });
});

describe("after a restore", () => {
  const RESTORED = new Date("2026-11-21T12:00:00.000Z");
  const idAt = (at: Date) =>
    `${at
      .getTime()
      .toString(16)
      .padStart(12, "0")
      .replace(/^(.{8})/, "$1-")}-7000-8000-000000000001`;

  test.each([
    { run: "began before it", id: idAt(new Date(RESTORED.getTime() - 1)), calls: 1 },
    { run: "is a child, whose id does not say when it began", id: "9a229cc3-55c3-4f16-ada9-10b0450db41e", calls: 1 },
    { run: "began after it", id: idAt(new Date(RESTORED.getTime() + 1)), calls: 2 },
  ])("K4: When a run $run, then the first attempts of one node make $calls calls", async ({ id, calls }) => {
    let made = 0;
    const { deps } = bench(async () => ({ value: ++made }));
    const call = { ...base, run_id: id };
    await runNode(deps, call, first);
    await runNode({ ...deps, restoredAt: RESTORED }, call, first);
    expect(made).toBe(calls);
  });
});
