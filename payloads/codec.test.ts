import { randomBytes } from "node:crypto";
import { defaultPayloadConverter, type Payload } from "@temporalio/common";
import type { SerializationContext } from "@temporalio/common/lib/converter/serialization-context.js";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { PerdureError, tenantId, uuidv7 } from "#core";
import { readEnv } from "#platform";
import { createPayloads } from "./index.ts";
import { createMemoryStore } from "./testing/memory-store.ts";

const MASTER = "main:" + Buffer.alloc(32, 7).toString("base64");
const a = tenantId(uuidv7());
const b = tenantId(uuidv7());
const of = (tenant: string): SerializationContext => ({ type: "workflow", namespace: "n", workflowId: `${tenant}/${uuidv7()}` });
const payloadOf = (value: unknown): Payload => defaultPayloadConverter.toPayload(value) as Payload;
const valueOf = (payload: Payload | undefined): unknown => defaultPayloadConverter.fromPayload(payload as Payload);
const noise = (bytes: number): string => randomBytes(Math.ceil((bytes * 3) / 4)).toString("base64");

function bench(settings: Record<string, string> = {}, store = createMemoryStore()) {
  const payloads = createPayloads({ store, env: readEnv({ PAYLOAD_KEYS: MASTER, ...settings }) });
  const codec = payloads.dataConverter.payloadCodecs?.[0];
  if (!codec) throw new Error("no codec");
  const encode = async (value: unknown, context: SerializationContext | undefined = of(a)): Promise<Payload> =>
    (await codec.encode([payloadOf(value)], context))[0] as Payload;
  const decode = async (payload: Payload, context: SerializationContext | undefined = of(a)): Promise<unknown> =>
    valueOf((await codec.decode([payload], context))[0]);
  return { payloads, store, codec, encode, decode };
}

const textOf = (payload: Payload, name: string): string => Buffer.from(payload.metadata?.[name] ?? []).toString();
async function all<T>(given: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const each of given) found.push(each);
  return found;
}
const failure = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => "nothing was thrown",
    (error: unknown) => (error instanceof PerdureError ? [error.code, error.retryable] : error),
  );

describe("sealing", () => {
  test("F2: When any value goes through the codec, then it comes back as it was, and its text is not in what travels", async () => {
    const { encode, decode } = bench();
    for (const value of [
      null,
      undefined,
      true,
      0,
      "",
      "plain text",
      { a: [1, { b: "ü🙂" }] },
      "long ".repeat(5_000),
      noise(100_000),
      new Uint8Array([1, 2, 3]),
    ]) {
      const sealed = await encode(value);
      expect(await decode(sealed)).toEqual(value);
      expect(textOf(sealed, "encoding")).toMatch(/^binary\/sealed/);
      expect(Buffer.from(sealed.data ?? []).includes("plain text")).toBe(false);
    }
  });

  test("F2: When the same value is sealed twice, then the two differ", async () => {
    const { encode } = bench();
    expect((await encode("same")).data).not.toEqual((await encode("same")).data);
  });

  test("F1 F2: When another tenant's workflow is given a payload, sealed or stored, then it cannot read it, whether or not it has a key of its own", async () => {
    const { encode, decode } = bench();
    for (const value of ["small", noise(100_000)]) {
      const sealed = await encode(value);
      expect(await failure(decode(sealed, of(b)))).toEqual(["payload.unreadable", false]);
      await encode("a key of its own", of(b));
      expect(await failure(decode(sealed, of(b)))).toEqual(["payload.unreadable", false]);
    }
  });

  test("F2: When any part of a sealed payload is changed, then it is refused", async () => {
    const { encode, decode, store } = bench();
    const sealed = await encode("text");
    const data = Buffer.from(sealed.data ?? []);
    for (const at of [0, 12, data.length - 1]) {
      const bent = Buffer.from(data);
      bent[at] = (bent[at] ?? 0) ^ 1;
      expect(await failure(decode({ ...sealed, data: bent })), `byte ${at}`).toEqual(["payload.unreadable", false]);
    }
    expect(await failure(decode({ ...sealed, data: data.subarray(0, 20) }))).toEqual(["payload.unreadable", false]);
    for (const key of ["2", "0", "x", "-1", "1.5"]) {
      expect(await failure(decode({ ...sealed, metadata: { ...sealed.metadata, key: Buffer.from(key) } })), key).toEqual(["payload.unreadable", false]);
    }
    expect(store.calls.filter((call) => call === "addKey")).toHaveLength(1);
  });

  test("A10: When a payload was never sealed, as in runs of earlier releases, then it comes back as it is", async () => {
    const { decode, codec } = bench();
    expect(await decode(payloadOf({ old: 1 }))).toEqual({ old: 1 });
    expect(valueOf((await codec.decode([payloadOf("x")], undefined))[0])).toBe("x");
  });

  test("F2: When no workflow is known, then nothing is sealed under a wrong key: what would be told is withheld, what is sealed is refused", async () => {
    const { encode, decode, codec } = bench();
    const [withheld] = await codec.encode([payloadOf({ message: "with a secret", stack_trace: "" })], undefined);
    expect(JSON.stringify(valueOf(withheld))).not.toContain("secret");
    expect(valueOf(withheld)).toMatchObject({ message: expect.any(String) as string, stack_trace: "" });
    expect(await failure(codec.decode([await encode(1)], undefined))).toEqual(["payload.unreadable", false]);
    expect(await failure(encode(1, { type: "workflow", namespace: "n", workflowId: "no-tenant" }))).toEqual(["configuration.invalid", false]);
    expect(await decode(await encode("local", { type: "activity", namespace: "n", workflowId: `${a}/r`, isLocal: true }))).toBe("local");
  });
});

describe("compression", () => {
  test("A10: When a value is over a kibibyte, then it is compressed where that makes it smaller", async () => {
    const { encode, decode } = bench();
    const shrinking = { text: "abc ".repeat(2_000) };
    expect((await encode(shrinking)).data?.length).toBeLessThan(300);
    expect(await decode(await encode(shrinking))).toEqual(shrinking);
    const stubborn = new Uint8Array(randomBytes(5_000));
    expect((await encode(stubborn)).data?.length).toBeLessThan(5_000 + 100);
    expect(await decode(await encode(stubborn))).toEqual(stubborn);
    expect((await encode("a".repeat(900))).data?.length).toBeGreaterThan(900);
  });
});

describe("claims", () => {
  test("A10: When a sealed value is over the limit, then a history gets its name only, and the value is stored once, sealed", async () => {
    const { encode, decode, store } = bench();
    const value = { text: noise(60_000) };
    const [first, second] = await Promise.all([encode(value), encode(value, of(a))]);
    expect(textOf(first, "encoding")).toBe("binary/sealed-claim");
    expect(first.data?.length).toBeLessThan(100);
    expect(second).toEqual(first);
    expect(store.blobs.size).toBe(1);
    expect(store.calls.filter((call) => call === "putBlob")).toHaveLength(1);
    expect([...store.blobs.values()][0]?.includes(value.text.slice(0, 50))).toBe(false);
    expect(await decode(first)).toEqual(value);
    await encode(value, of(b));
    expect(store.blobs.size, "another tenant has its own").toBe(2);
  });

  test("A10: When the limit is set, then it holds", async () => {
    const value = noise(3_000);
    expect(textOf(await bench({ PAYLOAD_INLINE_MAX_BYTES: "2048" }).encode(value), "encoding")).toBe("binary/sealed-claim");
    expect(textOf(await bench().encode(value), "encoding")).toBe("binary/sealed");
    expect(() => readEnv({ PAYLOAD_INLINE_MAX_BYTES: "262144" })).toThrow("PAYLOAD_INLINE_MAX_BYTES");
  });

  test("A10: When another process reads a claim a thousand times, then the store is asked once; without a cache each time", async () => {
    const { encode, store } = bench();
    const claim = await encode(noise(60_000));
    const reader = bench({}, store);
    const before = store.calls.length;
    for (let n = 0; n < 1_000; n++) await reader.decode(claim, of(a));
    expect(store.calls.slice(before)).toEqual(["keys", "getBlob"]);
    const forgetful = bench({ PAYLOAD_CACHE_BYTES: "0" }, store);
    for (let n = 0; n < 3; n++) await forgetful.decode(claim);
    expect(store.calls.slice(before + 2)).toEqual(["keys", "getBlob", "getBlob", "getBlob"]);
  });

  test("A10: When a stored payload is not read for a while, then it is not kept in memory", async () => {
    const { encode, store } = bench();
    const claim = await encode(noise(60_000));
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    onTestFinished(() => void vi.useRealTimers());
    const { decode } = bench({ PAYLOAD_CACHE_IDLE_MS: "1000" }, store);
    const before = store.calls.length;
    for (let n = 0; n < 8; n++) {
      await decode(claim);
      vi.advanceTimersByTime(900);
    }
    expect(store.calls.slice(before), "used all the time").toEqual(["keys", "getBlob"]);
    vi.advanceTimersByTime(2_000);
    expect(vi.getTimerCount(), "timers of an empty cache").toBe(0);
    await decode(claim);
    expect(store.calls.slice(before), "not used for a while").toEqual(["keys", "getBlob", "getBlob"]);
  });

  test("A10: When small values are sealed, then the store is asked for the key once and for nothing else", async () => {
    const { encode, decode, store } = bench();
    for (let n = 0; n < 100; n++) await decode(await encode({ n }));
    expect(store.calls).toEqual(["keys", "addKey", "keys"]);
  });

  test("A10: When a plan is sealed again, then the work is not done again", async () => {
    const { encode } = bench();
    const plan = { steps: Array.from({ length: 1_000 }, (_nothing, n) => ({ id: `step_${n}`, inputs: { k: "lit", v: n } })) };
    expect(await encode(plan)).toBe(await encode(plan, of(a)));
  });

  test("A10: When something is kept in memory, then it keeps nothing else there", async () => {
    const { encode } = bench();
    const sealed = await encode("sealed ".repeat(4_000));
    const claim = await encode(noise(60_000));
    for (const { data, metadata } of [sealed, claim]) {
      for (const bytes of [data, metadata?.["key"], metadata?.["size"]]) expect(bytes?.buffer.byteLength).toBe(bytes?.length);
    }
  });

  test("A10: When what a claim names is gone, damaged or another's, then the error says so and is final; when the store is away, it is passed on", async () => {
    const { encode, store } = bench();
    const [one, two] = [await encode(noise(60_000)), await encode(noise(60_000))];
    const fresh = () => bench({}, store);
    const [nameOne, nameTwo] = [one, two].map((claim) => `${a}/${Buffer.from(claim.data ?? []).toString()}`) as [string, string];
    const bytesOne = store.blobs.get(nameOne) as Buffer;

    store.blobs.set(nameOne, store.blobs.get(nameTwo) as Buffer);
    expect(await failure(fresh().decode(one)), "swapped").toEqual(["payload.unreadable", false]);
    store.blobs.set(nameOne, bytesOne.subarray(0, -1));
    expect(await failure(fresh().decode(one)), "cut").toEqual(["payload.unreadable", false]);
    store.blobs.delete(nameOne);
    expect(await failure(fresh().decode(one)), "gone").toEqual(["payload.unreadable", false]);
    expect(await failure(fresh().decode({ ...one, data: Buffer.from("no such") })), "made up").toEqual(["payload.unreadable", false]);

    const away = { ...store, getBlob: () => Promise.reject(new PerdureError("database.unavailable", "Away.")) };
    expect(await failure(bench({}, away).decode(two))).toEqual(["database.unavailable", true]);
    expect(await failure(bench({}, { ...store, putBlob: away.getBlob }).encode(noise(60_000)))).toEqual(["database.unavailable", true]);
  });
});

describe("keys", () => {
  test("K3 F4: When one payload that shrank is named a thousand times, then it is opened until the limit is reached, and what a claim says of its size is not believed", async () => {
    const { payloads, encode } = bench({ PAYLOAD_SHOWN_MAX_BYTES: "1000000", PAYLOAD_SHOWN_TOTAL_MAX_BYTES: "3000000" });
    const shrunk = await encode("x".repeat(900_000));
    expect(textOf(shrunk, "encoding")).toBe("binary/sealed");
    const shown = await payloads.show(a, [...Array.from({ length: 1_000 }, () => shrunk), payloadOf("never sealed")]);
    const bytes = shown.map(({ data }) => data?.length ?? 0);
    expect(bytes.filter((each) => each > 900_000)).toHaveLength(4);
    expect(valueOf(shown.at(-1)), "which costs nothing").toBe("never sealed");
    expect(valueOf(shown.at(-2))).toBe("Not shown here: 3000000 bytes were opened before it. Ask for fewer at once.");

    const shrunkToo = await encode("y".repeat(2_000_000));
    const claim = await encode(noise(2_000_000));
    const lying = { ...claim, metadata: { ...claim.metadata, size: Buffer.from("1") } };
    const named = (await payloads.show(a, [shrunkToo, lying])).map(valueOf);
    expect(named).toEqual([
      expect.stringMatching(/^Not shown here: 2\d{6} bytes\. The API has it\.$/),
      expect.stringMatching(/^Not shown here: \d+ bytes\. The API has it\.$/),
    ]);
  });

  test("F3: When the key is rotated, then new payloads are sealed with the new one and old ones still open, also in a process that did not know of it", async () => {
    const { payloads, encode, store } = bench();
    const other = bench({}, store);
    const [small, large] = [await encode("old"), await encode({ large: noise(60_000) })];
    await other.decode(small);
    expect(await payloads.rotate(a)).toBe(2);
    const fresh = await encode("new");
    expect([textOf(small, "key"), textOf(fresh, "key")]).toEqual(["1", "2"]);
    expect(await other.decode(fresh)).toBe("new");
    expect([await other.decode(small), Object.keys((await other.decode(large)) as object)]).toEqual(["old", ["large"]]);
    expect(textOf(await other.encode("now knows"), "key")).toBe("2");
  });

  test("F3: When a process does not hear of a rotation, then it seals with the new key after PAYLOAD_KEY_REFRESH_MS", async () => {
    const { payloads, encode, store } = bench();
    const other = bench({ PAYLOAD_KEY_REFRESH_MS: "20" }, store);
    await encode("first");
    expect(textOf(await other.encode(1), "key")).toBe("1");
    await payloads.rotate(a);
    await new Promise((resolve) => setTimeout(resolve, 30));
    // Does not wait for it.
    expect(textOf(await other.encode(2), "key")).toBe("1");
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(textOf(await other.encode(3), "key")).toBe("2");
  });

  test("F3: When many processes make a tenant's first key at once, then there is one", async () => {
    const store = createMemoryStore();
    const sealed = await Promise.all(Array.from({ length: 10 }, (_nothing, n) => bench({}, store).encode(n)));
    expect(store.keyRows.get(a)).toHaveLength(1);
    expect(await Promise.all(sealed.map((payload) => bench({}, store).decode(payload)))).toEqual(Array.from({ length: 10 }, (_nothing, n) => n));
  });

  test("F3: When the master key is replaced, then both open until everything is wrapped anew, and then the new one suffices", async () => {
    const { encode, store } = bench();
    const sealed = await encode("text");
    const next = `next:${Buffer.alloc(32, 9).toString("base64")}`;
    expect(await failure(bench({ PAYLOAD_KEYS: next }, store).payloads.check())).toEqual(["configuration.invalid", false]);
    const both = bench({ PAYLOAD_KEYS: `${next}, ${MASTER}` }, store);
    await both.payloads.check();
    expect(await both.decode(sealed)).toBe("text");
    expect([await all(both.payloads.rewrap()), await all(both.payloads.rewrap())]).toEqual([[1], []]);
    const after = bench({ PAYLOAD_KEYS: next }, store);
    await after.payloads.check();
    expect(await after.decode(sealed)).toBe("text");
    const impostor = bench({ PAYLOAD_KEYS: `next:${Buffer.alloc(32, 1).toString("base64")}` }, store);
    expect(await failure(impostor.payloads.check())).toEqual(["configuration.invalid", false]);
  });

  test("F2: When PAYLOAD_KEYS lacks the key that `npm start` made, then it is said where that one is, and no key is shown", async () => {
    const [made, other] = [Buffer.alloc(32, 3).toString("base64"), Buffer.alloc(32, 9).toString("base64")];
    const { encode, store } = bench({ PAYLOAD_KEYS: `embedded:${made}` });
    await encode("text");
    const message = await bench({ PAYLOAD_KEYS: `main:${other}` }, store)
      .payloads.check()
      .then(
        () => "",
        (error: Error) => error.message,
      );
    expect(message).toContain('lacks the master key "embedded"');
    expect(message).toContain("secrets.json");
    expect(message).not.toContain(made);
    expect(message).not.toContain(other);
    const theirs = bench();
    await theirs.encode("text");
    await expect(bench({ PAYLOAD_KEYS: `other:${other}` }, theirs.store).payloads.check()).rejects.toThrow(
      /master key "main", which wraps keys of this database\.$/,
    );
  });

  test("F2: When PAYLOAD_KEYS is missing or wrong, then nothing starts, and no message shows a key", () => {
    expect(() => createPayloads({ store: createMemoryStore(), env: readEnv({}) })).toThrow("PAYLOAD_KEYS is not set");
    const short = Buffer.alloc(16, 5).toString("base64");
    for (const wrong of [short, `a:${short}`, `a:${short},b`, `${MASTER},${MASTER}`, ":x", "a b:c"]) {
      let message = "";
      try {
        readEnv({ PAYLOAD_KEYS: wrong });
      } catch (error) {
        ({ message } = error as Error);
      }
      expect(message, wrong).toContain("PAYLOAD_KEYS");
      expect(message).not.toContain(short);
    }
  });
});

describe("showing", () => {
  test("K3: When Temporal's Web UI asks for what is too large to show, then it is told how large", async () => {
    const { payloads, encode } = bench({ PAYLOAD_SHOWN_MAX_BYTES: "70000" });
    const [small, large] = [await encode(noise(60_000)), await encode(noise(80_000))];
    const [shown, told] = await payloads.show(a, [small, large]);
    expect((valueOf(shown) as string).length).toBe(60_000);
    expect(valueOf(told)).toMatch(/8\d{4} bytes/);
  });
});
