import { AsyncLocalStorage } from "node:async_hooks";
import { DrizzleQueryError, QueryPromise } from "drizzle-orm";
import { drizzle, type PgRemoteDatabase } from "drizzle-orm/pg-proxy";
import { isUuid, type TenantId } from "#core";
import type { Connection, Row } from "./connection.ts";
import { sqlState, translate } from "./errors.ts";
import type { Pool } from "./pool.ts";

/** In whose name statements run: a tenant's (role `perdure_app`), or of what has no tenant yet (role `perdure_system`). */
export type Scope = TenantId | "system";

/** Builds statements; they are sent when awaited. */
export type Statements = PgRemoteDatabase;

export interface Sessions {
  /** One or more statements as one transaction, in one round trip; results in their order. */
  once<T>(scope: Scope, build: (statements: Statements) => PromiseLike<T>): Promise<T>;
  /** As `once`, before all that wait for a connection: for what ends a request that has waited already. */
  last<T>(scope: Scope, build: (statements: Statements) => PromiseLike<T>): Promise<T>;
  onceAll<T extends readonly unknown[]>(scope: Scope, build: (statements: Statements) => { [K in keyof T]: PromiseLike<T[K]> }): Promise<T>;
  /** A transaction of several steps; its beginning travels with the first, and it is rolled back when `work` throws. */
  transaction<T>(scope: Scope, work: (statements: Statements) => Promise<T>): Promise<T>;
}

const IN_FAILED_TRANSACTION = "25P02";

/** @throws {TypeError} where the scope is no tenant: what passes stands in SQL as a literal. */
function opening(scope: Scope): string {
  if (scope === "system") return "begin; set local role perdure_system";
  if (!isUuid(scope)) throw new TypeError("not a tenant id");
  return `begin; set local role perdure_app; set local perdure.tenant = '${scope}'`;
}

export function createSessions(pool: Pool): Sessions {
  async function use<T>(work: (connection: Connection) => Promise<T>, isLast = false): Promise<T> {
    try {
      return await pool.use(work, isLast);
    } catch (error) {
      throw translate(error);
    }
  }

  async function send<T extends readonly unknown[]>(
    scope: Scope,
    build: (statements: Statements) => { [K in keyof T]: PromiseLike<T[K]> },
    isLast = false,
  ): Promise<T> {
    const script = opening(scope);
    return use(async (connection) => {
      const ends: Promise<void>[] = [];
      let unsent = Number.POSITIVE_INFINITY;
      const sending = sendingTo(connection, () => {
        unsent -= 1;
        if (unsent === 0) ends.push(connection.sendScript("commit"));
      });
      const queries = wire.run(sending, () => build(statements));
      unsent = queries.length;
      const begun = connection.sendScript(script);
      const results: PromiseSettledResult<unknown>[] = await wire.run(sending, () => Promise.allSettled([begun, ...queries]));
      if (ends.length === 0 && !connection.lost) ends.push(connection.sendScript("rollback"));
      results.push(...(await Promise.allSettled(ends)));
      const failed = results.flatMap((result) => (result.status === "rejected" ? [cause(result.reason)] : []));
      if (failed.length > 0) throw failed.find((reason) => sqlState(reason) !== IN_FAILED_TRANSACTION) ?? failed[0];
      return results.slice(1, 1 + queries.length).map((result) => (result as PromiseFulfilledResult<unknown>).value) as unknown as T;
    }, isLast);
  }

  return {
    onceAll: (scope, build) => send(scope, build),
    once: async <T>(scope: Scope, build: (statements: Statements) => PromiseLike<T>) => (await send<[T]>(scope, (statements) => [build(statements)]))[0],
    last: async <T>(scope: Scope, build: (statements: Statements) => PromiseLike<T>) => (await send<[T]>(scope, (statements) => [build(statements)], true))[0],
    async transaction(scope, work) {
      const script = opening(scope);
      return use(async (connection) => {
        let begun: Promise<void> | undefined;
        const send = sendingTo(connection, undefined, () => {
          begun ??= connection.sendScript(script);
          begun.catch(() => {});
        });
        try {
          const result = await wire.run(send, () => work(statements));
          await begun;
          if (begun) await connection.sendScript("commit");
          return result;
        } catch (error) {
          if (begun && !connection.lost) await connection.sendScript("rollback").catch(() => {});
          throw (
            (await begun?.then(
              () => undefined,
              (reason: unknown) => reason,
            )) ?? cause(error)
          );
        }
      });
    },
  };
}

type Send = (statement: string, parameters: unknown[], method: string) => Promise<{ rows: Row[] | unknown[][] }>;
/** Where statements go that are awaited now. */
const wire = new AsyncLocalStorage<Send>();
/** Drizzle, once for all connections: building it, and statements, is a good part of what a small request costs. */
const statements: Statements = drizzle((statement, parameters: unknown[], method) => {
  const send = wire.getStore();
  if (!send) throw new Error("A statement was sent outside of a transaction.");
  return send(statement, parameters, method);
});

/** Sends over one connection; `before` and `after` are called around the moment at which a statement is put on the wire. */
function sendingTo(connection: Connection, after: (() => void) | undefined, before?: () => void): Send {
  return async (statement, parameters, method) => {
    before?.();
    const sent: Promise<Row[] | unknown[][]> =
      method === "all" ? connection.send(statement, parameters, "arrays") : connection.send(statement, parameters, "objects");
    after?.();
    return { rows: await sent };
  };
}

class Lazy<T> extends QueryPromise<T> {
  override readonly execute: () => Promise<T>;

  constructor(execute: () => Promise<T>) {
    super();
    this.execute = execute;
  }
}

/** A statement that every request sends, built once: `build` has `sql.placeholder(name)` where values come. Like any other it is sent when awaited. */
export function prepared<V extends Record<string, unknown>, T>(
  build: (statements: Statements) => { prepare(name: string): { execute(values: V): Promise<T> } },
): (values: V) => PromiseLike<T> {
  let ready: { execute(values: V): Promise<T> } | undefined;
  return (values) =>
    new Lazy(() => {
      ready ??= build(statements).prepare("");
      return ready.execute(values);
    });
}

/** Drizzle wraps what the driver threw, with the statement's parameters in the message: they must not get into logs. */
function cause(error: unknown): unknown {
  return error instanceof DrizzleQueryError ? (error.cause ?? new Error("A statement failed.")) : error;
}
