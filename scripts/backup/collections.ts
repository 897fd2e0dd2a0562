import { createWriteStream, mkdirSync, openAsBlob } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { QdrantClient } from "@qdrant/js-client-rest";
import { describeFile, type Manifest } from "./manifest.ts";

export interface QdrantAddress {
  url: string;
  apiKey?: string | undefined;
}

type Collections = Manifest["collections"];

/** A snapshot takes as long as its collection is large. */
const TIMEOUT_MS = 30 * 60_000;

/** Every collection as a snapshot of its own, made by the server, into `<folder>/qdrant/`. */
export async function dumpCollections(address: QdrantAddress, folder: string): Promise<Collections> {
  const client = clientOf(address);
  const { collections } = await client.getCollections();
  if (collections.length > 0) mkdirSync(join(folder, "qdrant"), { mode: 0o700 });
  const stored: Collections = [];
  for (const { name } of collections.toSorted((a, b) => a.name.localeCompare(b.name))) {
    const made = await client.createSnapshot(name);
    if (made === null) throw new Error(`Qdrant made no snapshot of ${name}.`);
    try {
      const file = `qdrant/${stored.length}.snapshot`;
      const answer = await ask(address, `collections/${encodeURIComponent(name)}/snapshots/${encodeURIComponent(made.name)}`);
      if (answer.body === null) throw new Error(`Qdrant sent no snapshot of ${name}.`);
      await pipeline(Readable.fromWeb(answer.body as ReadableStream), createWriteStream(join(folder, file), { mode: 0o600 }));
      stored.push({ name, ...(await describeFile(folder, file)) });
    } finally {
      await client.deleteSnapshot(name, made.name);
    }
  }
  return stored;
}

/** @param force - Overwrites collections that are there; without it they are refused. */
export async function loadCollections(address: QdrantAddress, folder: string, stored: Collections, { force = false }: { force?: boolean }): Promise<void> {
  const { collections } = await clientOf(address).getCollections();
  const there = stored.filter(({ name }) => collections.some((each) => each.name === name));
  if (there.length > 0 && !force) throw new Error(`Qdrant has ${there.map(({ name }) => name).join(", ")} already. Say --force to overwrite them.`);
  for (const { name, file } of stored) {
    const form = new FormData();
    form.append("snapshot", await openAsBlob(join(folder, file)), "collection.snapshot");
    await ask(address, `collections/${encodeURIComponent(name)}/snapshots/upload?priority=snapshot&wait=true`, { method: "POST", body: form });
  }
}

function clientOf({ url, apiKey }: QdrantAddress): QdrantClient {
  return new QdrantClient({ url, ...(apiKey !== undefined && { apiKey }), timeout: TIMEOUT_MS, checkCompatibility: false });
}

/** What the client library has no method for: bytes of snapshots. */
async function ask({ url, apiKey }: QdrantAddress, path: string, init: RequestInit = {}): Promise<Response> {
  const answer = await fetch(new URL(path, url.endsWith("/") ? url : `${url}/`), {
    ...init,
    headers: apiKey === undefined ? {} : { "api-key": apiKey },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!answer.ok) throw new Error(`Qdrant answered ${answer.status} to ${path.split("?")[0]}.`);
  return answer;
}
