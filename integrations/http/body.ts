import type { Readable } from "node:stream";
import { pipeline } from "node:stream";
import { constants, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib";
import { PerdureError } from "#core";

export const ACCEPT_ENCODING = "gzip, deflate, br, zstd";

/** 8 MiB, the most that a decoder for HTTP has to take (RFC 9659); the format itself lets a body ask for gigabytes. */
const ZSTD_WINDOW_LOG_MAX = 23;

const DECODERS: Readonly<Record<string, (() => NodeJS.ReadWriteStream & Readable) | undefined>> = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: () => createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX } }),
};

/** More codings over each other than anybody needs: each costs memory, and hundreds of them fit into one header. */
const MAX_ENCODINGS = 5;

/**
 * Reads a body to its end, decompressed.
 * @returns undefined as `decoded` when the encoding is not known and the bytes are as they came.
 * @throws PerdureError `upstream.rejected` when it is encoded more than five times; `output.too_large` as soon as more than `maxBytes` have come out; the rest is not read.
 */
export async function readLimited(body: Readable, contentEncoding: string, maxBytes: number): Promise<{ bytes: Uint8Array; decoded: boolean }> {
  const encodings = contentEncoding
    .toLowerCase()
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "" && each !== "identity");
  if (encodings.length > MAX_ENCODINGS) throw new PerdureError("upstream.rejected", `The answer is encoded ${encodings.length} times over.`);
  const decoders = encodings.map((each) => (Object.hasOwn(DECODERS, each) ? DECODERS[each] : undefined)).reverse();
  const known = decoders.filter((each) => each !== undefined);
  const decoded = known.length === decoders.length;
  const source = decoded ? known.reduce<Readable>((from, make) => pipeline(from, make(), () => {}) as Readable, body) : body;
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw tooLarge(maxBytes);
      chunks.push(chunk);
    }
  } finally {
    body.destroy();
  }
  return { bytes: Buffer.concat(chunks), decoded };
}

export function tooLarge(maxBytes: number): PerdureError {
  return new PerdureError("output.too_large", `The answer is larger than ${maxBytes} bytes (OUTBOUND_MAX_RESPONSE_BYTES).`);
}

/** Lets `maxBytes` through, then fails. */
export function limitStream(maxBytes: number): TransformStream<Uint8Array, Uint8Array> {
  let size = 0;
  return new TransformStream({
    transform(chunk, controller) {
      size += chunk.byteLength;
      if (size > maxBytes) controller.error(tooLarge(maxBytes));
      else controller.enqueue(chunk);
    },
  });
}
