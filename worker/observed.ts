import { readFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import type { BreakerState } from "#integrations/breaker";
import type { GaugeReading } from "#telemetry";

/** Circuits that are not closed, by kind; both states are told, also as 0, so that an alert sees one go. */
export function circuitGauges(states: readonly Pick<BreakerState, "kind" | "state">[]): GaugeReading {
  const kinds = ["http", "model"] as const;
  const open = ["open", "half_open"] as const;
  return {
    perdure_circuits: kinds.flatMap((kind) =>
      open.map((state) => ({ labels: { kind, state }, value: states.filter((circuit) => circuit.kind === kind && circuit.state === state).length })),
    ),
  };
}

/** Of this machine alone; for what is given a port and does not say which it took. */
export function anyFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

export function packageVersion(): string {
  return (JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }).version;
}
