import { setTimeout as pause } from "node:timers/promises";
import type { JsonObject } from "#core";
import type { Answer, TestClient } from "../support/client.ts";
import type { Dice } from "./dice.ts";

/** Asks one api after the other until one answers and is able to: an api, or what it needs, may be away. */
export async function insist<T = JsonObject>(
  user: TestClient,
  bases: readonly string[],
  ask: (at: TestClient) => Promise<Answer<T>>,
  withinMs = 120_000,
): Promise<Answer<T>> {
  const deadline = Date.now() + withinMs;
  let last: unknown;
  for (let n = 0; Date.now() < deadline; n++) {
    try {
      const answer = await ask(user.at(bases[n % bases.length] as string));
      if (answer.status < 500) return answer;
      last = answer.body;
    } catch (error) {
      last = error;
    }
    await pause(200);
  }
  throw new Error(`No api answered within ${withinMs} ms; the last said ${last instanceof Error ? last.message : JSON.stringify(last)}`);
}

export interface People {
  /** How many answers were taken. */
  readonly answered: number;
  /** Answers to their answers that should not have come. */
  readonly faults: readonly string[];
  leave(): Promise<void>;
}

/** People who see what waits and decide what its prompt says, after a while; an api that is away they ask again. */
export function startPeople(user: TestClient, bases: readonly string[], dice: Dice): People {
  const due = new Map<string, number>();
  const done = new Set<string>();
  const faults: string[] = [];
  let answered = 0;
  let leaving = false;

  const answer = async (id: string, decision: string): Promise<void> => {
    let asked = 0;
    const reply = await insist(user, bases, (at) => {
      asked++;
      return at.post(`/api/v1/approvals/${id}`, { decision });
    });
    // An answer whose reply was lost with its api has been taken all the same.
    if (reply.status === 200 || reply.status === 202 || (reply.status === 409 && asked > 1)) answered++;
    else if (reply.status !== 409 && reply.status !== 404) faults.push(`the answer to ${id} was answered ${reply.status}: ${JSON.stringify(reply.body)}`);
  };

  const working = (async () => {
    while (!leaving) {
      const { body } = await insist<JsonObject[]>(user, bases, (at) => at.get("/api/v1/approvals?status=pending&limit=100")).catch(() => ({ body: [] }));
      const now = Date.now();
      const ready = body.filter(({ id }) => {
        const known = id as string;
        if (done.has(known)) return false;
        if (!due.has(known)) due.set(known, now + dice.between(0, 1_500));
        return (due.get(known) as number) <= now;
      });
      for (const { id } of ready) done.add(id as string);
      await Promise.all(ready.map(({ id, prompt }) => answer(id as string, prompt as string).catch((error: Error) => void faults.push(error.message))));
      await pause(200);
    }
  })();
  return {
    get answered() {
      return answered;
    },
    faults,
    async leave() {
      leaving = true;
      await working;
    },
  };
}
