import { Client, Connection, type DataConverter, isGrpcServiceError } from "@temporalio/client";
import proto from "@temporalio/proto";
import { PerdureError } from "#core";
import type { Logger } from "#platform";
import { SEARCH_ATTRIBUTES } from "#workflows/search-attributes";
import { GRPC, grpcCode, grpcDetails, unavailable } from "./temporal-errors.ts";

export interface TemporalSettings {
  /** `host:port`. */
  address: string;
  namespace: string;
  tls: boolean;
  apiKey?: string;
  /** Of `payloads/`; without it payloads are plain. */
  dataConverter?: DataConverter;
  logger?: Logger;
  /** How long a server that is starting is waited for. @default 60 s */
  patienceMs?: number;
}

const PATIENCE_MS = 60_000;
const ATTEMPT_TIMEOUT_MS = 5_000;
const LONGEST_PAUSE_MS = 5_000;
/** A namespace or attribute that was just registered is known to all of the server's parts only after a while. */
const NAMESPACE_READY_WITHIN_MS = 20_000;
/** Of a namespace that we make: how long Temporal keeps runs that have closed. */
const RETENTION_SECONDS = 7 * 86_400;

const INDEXED = proto.temporal.api.enums.v1.IndexedValueType;
const INDEXED_TYPES = { KEYWORD: INDEXED.INDEXED_VALUE_TYPE_KEYWORD, INT: INDEXED.INDEXED_VALUE_TYPE_INT } as const;

/**
 * Connects, waiting for a server that is still starting, and sees to it that namespace and search attributes are there.
 * @throws PerdureError `temporal.unavailable` when nothing answers in time; `configuration.invalid` when the server refuses us.
 */
export async function connectTemporal({
  address,
  namespace,
  tls,
  apiKey,
  dataConverter,
  logger,
  patienceMs = PATIENCE_MS,
}: TemporalSettings): Promise<{ connection: Connection; client: Client }> {
  const deadline = Date.now() + patienceMs;
  for (let attempt = 1; ; attempt++) {
    try {
      const connection = await Connection.connect({
        address,
        connectTimeout: Math.max(1, Math.min(ATTEMPT_TIMEOUT_MS, deadline - Date.now())),
        ...(tls && { tls: true }),
        ...(apiKey !== undefined && { apiKey }),
      });
      try {
        await ensureNamespace(connection, namespace, logger);
      } catch (error) {
        await connection.close();
        throw error;
      }
      return { connection, client: new Client({ connection, namespace, ...(dataConverter && { dataConverter }) }) };
    } catch (error) {
      if (error instanceof PerdureError) throw error;
      if (grpcCode(error) === GRPC.unauthenticated || grpcCode(error) === GRPC.permissionDenied) {
        throw new PerdureError("configuration.invalid", `Temporal at ${address} refuses the credentials it was given.`, { cause: error });
      }
      const pause = Math.min(LONGEST_PAUSE_MS, 100 * 2 ** attempt);
      if (Date.now() + pause > deadline) throw unavailable(error);
      logger?.info({ address, attempt, retry_in_ms: pause }, "waiting for Temporal");
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

/**
 * Registers the namespace where it is missing, and our search attributes: an unknown one makes the server refuse every start. Where the server
 * does not let us (Temporal Cloud), an administrator must have done so; that is logged.
 */
export async function ensureNamespace(connection: Connection, namespace: string, logger?: Logger): Promise<void> {
  try {
    await connection.workflowService.describeNamespace({ namespace });
  } catch (error) {
    if (grpcCode(error) !== GRPC.notFound) throw error;
    await register(connection, namespace);
    logger?.info({ namespace }, "Temporal namespace registered");
  }
  await addSearchAttributes(connection, namespace, logger);
}

async function register(connection: Connection, namespace: string): Promise<void> {
  try {
    await connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: { seconds: RETENTION_SECONDS as never } });
  } catch (error) {
    if (grpcCode(error) === GRPC.alreadyExists) return;
    if (isNotAllowed(error)) {
      throw new PerdureError(
        "configuration.invalid",
        `The Temporal namespace "${namespace}" does not exist, and the server does not let us make it: ${grpcDetails(error)}`,
        { cause: error },
      );
    }
    throw error;
  }
}

async function addSearchAttributes(connection: Connection, namespace: string, logger: Logger | undefined): Promise<void> {
  const deadline = Date.now() + NAMESPACE_READY_WITHIN_MS;
  for (;;) {
    try {
      const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
      const missing = Object.values(SEARCH_ATTRIBUTES).filter(({ name }) => customAttributes[name] === undefined || customAttributes[name] === null);
      if (missing.length === 0) return;
      await connection.operatorService.addSearchAttributes({
        namespace,
        searchAttributes: Object.fromEntries(missing.map(({ name, type }) => [name, INDEXED_TYPES[type]])),
      });
    } catch (error) {
      if (isNotAllowed(error)) {
        const names = Object.values(SEARCH_ATTRIBUTES).map(({ name }) => name);
        logger?.warn({ namespace, names, reason: grpcDetails(error) }, "search attributes could not be registered; they must exist for runs to start");
        return;
      }
      const isFresh = grpcCode(error) === GRPC.notFound || grpcCode(error) === GRPC.alreadyExists;
      if (!isFresh || Date.now() > deadline) throw error;
    }
    if (Date.now() > deadline) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function isNotAllowed(error: unknown): boolean {
  const code = isGrpcServiceError(error) ? error.code : grpcCode(error);
  return code === GRPC.permissionDenied || code === GRPC.unauthenticated || code === GRPC.unimplemented;
}
