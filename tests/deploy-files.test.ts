import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import * as contract from "#contract";
import { envSchema } from "../platform/env.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

interface Container {
  image?: string;
  args?: string[];
  env?: { name: string }[];
  resources?: { requests?: object };
  securityContext?: { allowPrivilegeEscalation?: boolean };
  livenessProbe?: Probe;
  readinessProbe?: Probe;
  startupProbe?: Probe;
}
interface Probe {
  httpGet?: { path: string; port: string };
}
interface Manifest {
  kind: string;
  metadata: { name: string };
  data?: Record<string, string>;
  spec?: {
    selector?: { matchLabels?: Record<string, string> };
    template?: {
      metadata: { labels: Record<string, string> };
      spec: { terminationGracePeriodSeconds?: number; securityContext?: { runAsNonRoot?: boolean }; containers: Container[] };
    };
  };
}

const folders = ["base", "overlays/autoscaling"].map((name) => join("deploy/kubernetes", name));
const manifests = folders.flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((file) => file !== "kustomization.yaml")
    .flatMap((file) => parseAllDocuments(read(join(folder, file))).map((document) => document.toJS() as Manifest)),
);
const pods = manifests.flatMap(({ kind, metadata, spec }) => (spec?.template ? [{ kind, name: metadata.name, ...spec.template }] : []));
const settings = new Set(Object.keys(envSchema.shape));
const dockerfile = read("deploy/Dockerfile");

interface Compose {
  services: Record<string, { image: string; command?: string[]; environment?: Record<string, string>; healthcheck?: object }>;
}
const compose = parse(read("docker-compose.yml"), { merge: true }) as Compose;

test("K5: When the manifests are built, then each folder names every file in it, and no file is missing", () => {
  for (const folder of folders) {
    const { resources } = parse(read(join(folder, "kustomization.yaml"))) as { resources: string[] };
    const files = readdirSync(join(ROOT, folder)).filter((file) => file !== "kustomization.yaml");
    expect(resources.filter((name) => name.endsWith(".yaml")).toSorted()).toEqual(files.toSorted());
    for (const name of resources) expect(existsSync(join(ROOT, folder, name)), name).toBe(true);
  }
});

test("K5: When settings are given, by Kubernetes or compose, then they are settings there are", () => {
  const given = [
    ...manifests.flatMap(({ kind, data }) => (kind === "ConfigMap" ? Object.keys(data ?? {}) : [])),
    ...pods.flatMap(({ spec }) => spec.containers.flatMap(({ env = [] }) => env.map(({ name }) => name))),
    ...["migrate", "api", "worker"].flatMap((name) => Object.keys(compose.services[name]?.environment ?? {})),
  ];
  expect(given.length).toBeGreaterThan(10);
  expect(given.filter((name) => !settings.has(name))).toEqual([]);
});

test("K5: When a container is started, then it is asked for a file that the image holds, by nobody that may become root", () => {
  expect(pods.map(({ name }) => name).toSorted()).toEqual(["perdure-api", "perdure-migrate", "perdure-worker"]);
  const commands = [
    ...pods.flatMap(({ spec }) => spec.containers.map(({ args }) => args?.[0] ?? "")),
    ...["migrate", "api", "worker"].map((name) => compose.services[name]?.command?.[0] ?? ""),
  ];
  for (const file of commands) {
    expect(existsSync(join(ROOT, file)), file).toBe(true);
    expect(dockerfile, `${file} is copied`).toMatch(new RegExp(`^COPY (${file}|${file.split("/")[0]}) `, "m"));
  }
  expect(dockerfile.slice(dockerfile.lastIndexOf("\nFROM "))).toMatch(/^USER node$/m);
  for (const { spec } of pods) {
    expect(spec.securityContext?.runAsNonRoot).toBe(true);
    for (const { securityContext, resources, image } of spec.containers) {
      expect(securityContext?.allowPrivilegeEscalation).toBe(false);
      expect(resources?.requests).toBeDefined();
      expect(image).toBe("perdure");
    }
  }
});

test("K5: When a program of the image is started, then the image holds all of ours that it imports", () => {
  const copied = [...dockerfile.matchAll(/^COPY (scripts\S*) /gm)].map(([, path = ""]) => path);
  const isCopied = (file: string) => copied.some((path) => file === path || file.startsWith(`${path}/`));
  const reached = new Set<string>();
  const follow = (file: string): void => {
    if (reached.has(file) || !file.startsWith("scripts/")) return;
    reached.add(file);
    for (const [, target = ""] of read(file).matchAll(/from "(\.[^"]+)"/g)) follow(join(dirname(file), target));
  };
  const programs = ["scripts/migrate.ts", "scripts/promote-build.ts", "scripts/bundle-workflows.ts", "scripts/keys-rotate.ts", "scripts/backup/main.ts"];
  for (const program of programs) follow(program);
  expect(reached).toContain("scripts/lock.mjs");
  expect([...reached].filter((file) => !isCopied(file))).toEqual([]);
});

test("K5: When the pages name a program to start in the image, then the image holds it", () => {
  const named = ["docs/deployment.md", "docs/backup.md", "docs/operations.md"].flatMap((page) =>
    [...read(page).matchAll(/(?:node|migrate) (scripts\/[\w/-]+\.ts)/g)].map(([, file = ""]) => file),
  );
  expect(new Set(named).size).toBeGreaterThanOrEqual(4);
  for (const file of new Set(named)) expect(dockerfile, `${file} is copied`).toMatch(new RegExp(`^COPY (${file}|${dirname(file)}) `, "m"));
});

test("K5: When pods are probed, then at routes there are, and a drained one has longer than its own grace", () => {
  const paths = new Set(
    Object.values(contract)
      .flatMap((group) => (typeof group === "object" && group !== null ? Object.values(group) : []))
      .map((route) => (route as { path?: string })?.path),
  );
  const probes = pods.flatMap(({ spec }) =>
    spec.containers.flatMap(({ livenessProbe, readinessProbe, startupProbe }) => [livenessProbe, readinessProbe, startupProbe]),
  );
  const asked = probes.flatMap((probe) => (probe?.httpGet ? [probe.httpGet.path] : []));
  expect(asked).toContain("/health/ready");
  for (const path of asked) expect(paths, path).toContain(path);
  const grace = Number(manifests.find(({ kind }) => kind === "ConfigMap")?.data?.["SHUTDOWN_GRACE_MS"]);
  for (const { kind, spec } of pods) if (kind === "Deployment") expect((spec.terminationGracePeriodSeconds ?? 30) * 1_000).toBeGreaterThan(grace + 10_000);
});

test("K5: When nodes of the cluster are drained, then each deployment keeps a pod", () => {
  const budgets = manifests.filter(({ kind }) => kind === "PodDisruptionBudget").map(({ spec }) => JSON.stringify(spec?.selector?.matchLabels));
  for (const { kind, metadata } of pods.filter((pod) => pod.kind === "Deployment")) expect(budgets, kind).toContain(JSON.stringify(metadata.labels));
});

test("K5: When images are named, then with an exact version", () => {
  const images = [...Object.values(compose.services).map(({ image }) => image), ...[...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image = ""]) => image)];
  for (const image of images) expect(image, image).toMatch(/:(local|v?\d+\.\d+(\.\d+)?(-[\w.-]+)?)$/);
  expect(Object.keys(compose.services).toSorted()).toEqual(["api", "migrate", "postgres", "qdrant", "temporal", "temporal-ui", "worker"]);
});
