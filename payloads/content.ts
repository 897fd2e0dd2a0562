import { promisify } from "node:util";
import { deflateRaw, deflateRawSync, inflateRaw, inflateRawSync } from "node:zlib";
import type { Payload } from "@temporalio/common";
import proto from "@temporalio/proto";
import { PerdureError } from "#core";

const { Payload: ProtoPayload } = proto.temporal.api.common.v1;

/** First byte of what is sealed: what the rest of it is. */
const PLAIN_JSON = 2;
const DEFLATED = 1;

/** Fast and good enough: JSON shrinks to a quarter, 100 KiB take about a millisecond. */
const DEFLATE = { level: 1 };
/** Beyond this a thread does it: the codec runs on the main thread of the worker. */
const SYNCHRONOUS_MAX_BYTES = 10 * 1024;
/** No payload comes near; what inflates to more is not ours. */
const INFLATED_MAX_BYTES = 512 * 1024 * 1024;

const deflateInThread = promisify<Uint8Array, { level: number }, Buffer>(deflateRaw);
const inflateInThread = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflateRaw);

const JSON_ENCODING = Buffer.from("json/plain");
const JSON_METADATA = { encoding: JSON_ENCODING };

/** A payload as bytes: the data alone where it is JSON, which nearly all are, else the whole message. */
export interface Content {
  form: number;
  body: Uint8Array;
}

export function contentOf(payload: Payload): Content {
  const { metadata, data } = payload;
  if (data && metadata && Object.keys(metadata).length === 1 && metadata["encoding"] && JSON_ENCODING.equals(metadata["encoding"])) {
    return { form: PLAIN_JSON, body: data };
  }
  return { form: 0, body: ProtoPayload.encode(payload).finish() };
}

export function payloadOf({ form, body }: Content): Payload {
  return form & PLAIN_JSON ? { metadata: JSON_METADATA, data: body } : ProtoPayload.decode(body);
}

/** Deflated where that makes it smaller; else as it is. */
export async function shrink(content: Content): Promise<Content> {
  const { form, body } = content;
  const small = body.length <= SYNCHRONOUS_MAX_BYTES ? deflateRawSync(body, DEFLATE) : await deflateInThread(body, DEFLATE);
  return small.length < body.length ? { form: form | DEFLATED, body: small } : content;
}

/** Takes apart what was sealed. @throws PerdureError `payload.unreadable` for what does not inflate. */
export async function expand(opened: Buffer): Promise<Content> {
  const form = opened[0] ?? 0;
  const body = opened.subarray(1);
  if (!(form & DEFLATED)) return { form, body };
  const limits = { maxOutputLength: INFLATED_MAX_BYTES };
  try {
    return { form: form & ~DEFLATED, body: body.length <= SYNCHRONOUS_MAX_BYTES ? inflateRawSync(body, limits) : await inflateInThread(body, limits) };
  } catch (cause) {
    throw new PerdureError("payload.unreadable", "A payload could not be decompressed.", { cause });
  }
}
