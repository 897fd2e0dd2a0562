import { Client, Connection } from "@temporalio/client";
import { isObject, type Json } from "#core";
import { type Database, openDatabase } from "#db";
import { createPayloads, type Payloads } from "#payloads";
import { readEnv } from "#platform";
import type { TestClient } from "./client.ts";
import type { Perdure } from "./perdure.ts";

/** A Temporal client that reads what an installation has sealed. */
export interface OpenTemporal {
  client: Client;
  payloads: Payloads;
  db: Database;
  close(): Promise<void>;
}

export async function openTemporal({
  databaseUrl,
  temporalAddress,
  namespace,
  settings,
}: Pick<Perdure, "databaseUrl" | "temporalAddress" | "namespace" | "settings">): Promise<OpenTemporal> {
  const db = await openDatabase({ url: databaseUrl, poolSize: 4 });
  const payloads = createPayloads({ store: db.payloads, env: readEnv(settings) });
  const connection = await Connection.connect({ address: temporalAddress });
  return {
    client: new Client({ connection, namespace, dataConverter: payloads.dataConverter }),
    payloads,
    db,
    async close() {
      await connection.close();
      await db.close();
    },
  };
}

interface PayloadJson {
  metadata: Record<string, string>;
  data?: string;
}

/** A history in its JSON form with every payload opened, as Temporal's Web UI would show it to this user. */
export async function opened<T extends Json>(history: T, user: TestClient): Promise<T> {
  const copy = structuredClone(history);
  const found: PayloadJson[] = [];
  const walk = (value: Json): void => {
    if (Array.isArray(value)) value.forEach(walk);
    else if (isObject(value)) {
      if (isObject(value["metadata"]) && typeof value["metadata"]["encoding"] === "string") found.push(value as unknown as PayloadJson);
      else Object.values(value).forEach(walk);
    }
  };
  walk(copy);
  const { status, body } = await user.post<{ payloads: PayloadJson[] }>("/api/v1/codec/decode", { payloads: found });
  if (status !== 200) throw new Error(`the codec endpoint answered ${status}: ${JSON.stringify(body)}`);
  body.payloads.forEach((payload, at) => {
    const place = found[at] as PayloadJson;
    delete place.data;
    Object.assign(place, payload);
  });
  return copy;
}

/** The JSON value of an opened payload. */
export function valueOf({ data = "" }: { data?: string }): unknown {
  return JSON.parse(Buffer.from(data, "base64").toString());
}
