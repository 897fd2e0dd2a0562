import type { Json } from "#core";
import { MISSING, type Missing } from "./scope.ts";

/** What a block (`#each`, `#with`) adds to the scope inside it. */
export class Frame {
  readonly parent: Frame | undefined;
  readonly #values: Map<string, Json>;

  /** @param names - The block's own names: `this`, `@index` …, and its parameters. */
  constructor(parent: Frame | undefined, names: Map<string, Json>) {
    this.parent = parent;
    this.#values = names;
  }

  read(name: string): Json | Missing {
    const value = this.#values.get(name);
    return value === undefined ? MISSING : value;
  }
}
