import { PerdureError, type TenantId } from "#core";
import { createParser } from "eventsource-parser";
import { describe, expect, test, vi } from "vitest";
import type { EventReader, StoredEvent } from "#runs";
import { GRAPH, createTestApp } from "../testing/test-app.ts";
import { sseStream } from "./sse.ts";

const tenant = "018f0000-0000-7000-8000-000000000000" as TenantId;
const runId = "018f0000-0000-7000-8000-000000000001";
const event = (seq: number, kind: StoredEvent["kind"] = "token_delta"): StoredEvent => ({
  seq,
  kind,
  key: `${seq}`,
  run_id: runId,
  at: "2026-01-01T00:00:00.000Z",
  data: { text: `token ${seq}` },
});

async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) text += decoder.decode(chunk, { stream: true });
  return text;
}

function eventsIn(text: string): { id: number; event: string; data: Record<string, unknown> }[] {
  const events: { id: number; event: string; data: Record<string, unknown> }[] = [];
  createParser({
    onEvent: ({ id, event: kind, data }) => events.push({ id: Number(id), event: kind ?? "", data: JSON.parse(data) as Record<string, unknown> }),
  }).feed(text);
  return events;
}

function readerOf(make: (after: number, signal: AbortSignal) => AsyncIterable<StoredEvent | { idle: true }>): EventReader {
  return { read: (_tenant, _runId, after, signal) => make(after, signal), close: async () => undefined };
}

const options = (events: EventReader, more: Partial<Parameters<typeof sseStream>[0]> = {}): Parameters<typeof sseStream>[0] => ({
  events,
  tenantId: tenant,
  runId,
  after: 0,
  shutdown: new AbortController().signal,
  ...more,
});

describe("a stream", () => {
  test("G1: When a run goes on, then each event has its number, kind and data, and the closing one ends the stream", async () => {
    const reader = readerOf(async function* () {
      yield event(1, "run_start");
      yield { idle: true };
      yield event(2);
      yield event(3, "workflow_complete");
      yield event(4);
    });
    const events = eventsIn(await textOf(sseStream(options(reader))));
    expect(events.map(({ id, event: kind }) => [id, kind])).toEqual([
      [1, "run_start"],
      [2, "token_delta"],
      [3, "workflow_complete"],
    ]);
    expect(events[1]?.data).toEqual({ seq: 2, kind: "token_delta", run_id: runId, at: "2026-01-01T00:00:00.000Z", text: "token 2" });
  });

  test("G1: When the reader tells an event twice, then the client hears it once", async () => {
    const reader = readerOf(async function* () {
      for (const seq of [1, 2, 2, 1, 3]) yield event(seq);
      yield event(4, "error");
    });
    expect(eventsIn(await textOf(sseStream(options(reader)))).map(({ id }) => id)).toEqual([1, 2, 3, 4]);
  });

  test("G1: When a client is slow, then the log is read no faster than it takes", async () => {
    let read = 0;
    const reader = readerOf(async function* () {
      for (let seq = 1; seq <= 1_000; seq++) {
        read = seq;
        yield event(seq, seq === 1_000 ? "workflow_complete" : "token_delta");
      }
    });
    const stream = sseStream(options(reader)).getReader();
    await stream.read();
    await stream.read();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(read).toBeLessThan(5);
    let text = "";
    for (let next = await stream.read(); !next.done; next = await stream.read()) text += new TextDecoder().decode(next.value);
    expect(eventsIn(text).at(-1)?.id).toBe(1_000);
  });

  test("G1: When a client goes away, also while nothing happens, then the reader stops", async () => {
    let stopped = false;
    const reader = readerOf(async function* (_after, signal) {
      try {
        yield event(1);
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      } finally {
        stopped = true;
      }
    });
    const stream = sseStream(options(reader)).getReader();
    await stream.read();
    await stream.read();
    await stream.cancel();
    await vi.waitFor(() => expect(stopped).toBe(true));
  });

  test("G1: When nothing happens, then comments keep the stream open, and the silence is told; idle turns do not count as speech", async () => {
    let silences = 0;
    const reader = readerOf(async function* () {
      for (let turn = 0; turn < 12; turn++) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        yield { idle: true };
      }
      yield event(1, "workflow_complete");
    });
    const text = await textOf(sseStream(options(reader, { commentIntervalMs: 30, onSilence: () => silences++ })));
    expect(silences).toBeGreaterThanOrEqual(2);
    expect(text.match(/^:\n/gm)?.length).toBe(silences);
    expect(eventsIn(text)).toHaveLength(1);
  });

  test("F1: When the caller may not read any more, then the stream ends by itself, also while nothing happens; while nobody can say, it goes on", async () => {
    let asked = 0;
    const told: unknown[] = [];
    const reader = readerOf(async function* (_after, signal) {
      yield event(1);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    });
    const reauthorize = async () => {
      asked++;
      if (asked === 2) throw new PerdureError("database.unavailable", "away");
      if (asked === 4) throw new PerdureError("auth.invalid", "expired");
    };
    const text = await textOf(sseStream(options(reader, { reauthorize, reauthorizeIntervalMs: 20, onError: (error) => told.push(error) })));
    expect([asked, told.length]).toEqual([4, 1]);
    expect(text).toContain(": not authorized any more");
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(asked).toBe(4);
  });

  test("K5: When the process shuts down, then the stream ends by itself and the reader stops", async () => {
    const shutdown = new AbortController();
    let stopped = false;
    const reader = readerOf(async function* (_after, signal) {
      yield event(1);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      stopped = true;
    });
    setTimeout(() => shutdown.abort(), 20);
    expect(eventsIn(await textOf(sseStream(options(reader, { shutdown: shutdown.signal }))))).toHaveLength(1);
    expect(stopped).toBe(true);
    expect(await textOf(sseStream(options(reader, { shutdown: shutdown.signal })))).toContain("retry:");
  });

  test("G1: When the log cannot be read, then the stream ends, and the client connects again", async () => {
    const failure = new Error("away");
    let told: unknown;
    const reader = readerOf(async function* () {
      yield event(1);
      throw failure;
    });
    const text = await textOf(sseStream(options(reader, { onError: (error) => (told = error) })));
    expect([eventsIn(text).length, told]).toEqual([1, failure]);
  });
});

describe("over HTTP", () => {
  async function withRun() {
    const testApp = createTestApp();
    const { token } = await testApp.signUp();
    const workflowId = await testApp.saveWorkflow(token, GRAPH);
    const runId = await testApp.startRun(token, workflowId);
    const stream = (path: string, headers: Record<string, string> = {}, init: RequestInit = {}) =>
      testApp.app.request(path, { ...init, headers: { authorization: `Bearer ${token}`, ...headers } });
    return { ...testApp, token, workflowId, runId, stream };
  }

  test("G1: When a client connects again with Last-Event-ID, then no event is missing and none comes twice", async () => {
    const { runs, runId, stream } = await withRun();
    for (let n = 0; n < 20; n++) runs.emit(runId, "token_delta", { text: String(n) });
    const heard: number[] = [];
    const first = (await stream(`/api/v1/executions/${runId}/stream`)).body?.getReader();
    while (heard.length < 7) {
      const next = await first?.read();
      heard.push(...eventsIn(new TextDecoder().decode(next?.value)).map(({ id }) => id));
    }
    await first?.cancel();
    const again = stream(`/api/executions/${runId}/stream?after=3`, { "last-event-id": String(heard.at(-1)) });
    setTimeout(() => runs.end(runId, "completed"), 20);
    heard.push(...eventsIn(await (await again).text()).map(({ id }) => id));
    expect(heard).toEqual(Array.from({ length: 22 }, (_, index) => index + 1));
    await vi.waitFor(() => expect(runs.reading).toBe(0));
  });

  test("G1: When the run has ended and all has been heard, then 204 tells an EventSource to stop", async () => {
    const { runs, runId, stream } = await withRun();
    runs.end(runId, "completed");
    expect((await stream(`/api/v1/executions/${runId}/stream`, { "last-event-id": "2" })).status).toBe(204);
    expect(eventsIn(await (await stream(`/api/v1/executions/${runId}/stream?after=1`)).text()).map(({ id }) => id)).toEqual([2]);
    expect((await stream(`/api/v1/executions/${runId}/stream`, { "last-event-id": "x" })).status).toBe(422);
  });

  test("G1: When only the headers of a stream are asked for, then nothing is left reading", async () => {
    const { runs, runId, stream } = await withRun();
    const response = await stream(`/api/v1/executions/${runId}/stream`, {}, { method: "HEAD" });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream; charset=utf-8"]);
    await vi.waitFor(() => expect(runs.reading).toBe(0));
  });

  test.each<[string, string, object, Record<string, string>]>([
    ["at /execute/stream", "/execute/stream", {}, {}],
    ["by its mode", "/execute", { mode: "stream" }, {}],
    ["by what it accepts", "/execute", {}, { accept: "text/event-stream" }],
  ])("A8: When a run is started as a stream %s, then its events come from the first on", async (_how, path, body, headers) => {
    const { runs, workflowId, stream, db } = await withRun();
    const response = await stream(`/api/workflows/${workflowId}${path}`, headers, { method: "POST", body: JSON.stringify(body) });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream; charset=utf-8"]);
    const id = response.headers.get("x-execution-id") ?? "";
    expect(db.state.runs.at(-1)?.id).toBe(id);
    runs.end(id, "completed", { done: true });
    const events = eventsIn(await response.text());
    expect(events.map(({ event: kind }) => kind)).toEqual(["run_queued", "workflow_complete"]);
    expect(events[1]?.data["result"]).toEqual({ done: true });
  });
});
