import { mkdir, readFile, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CommandLine } from "../support/command-line.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { type TemporaryFolder, createTemporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

let perdure: Perdure;
let shell: CommandLine;
const folders: TemporaryFolder[] = [];

async function folder(): Promise<string> {
  const made = await createTemporaryFolder();
  folders.push(made);
  return made.path;
}

const GREET = {
  name: "Greet",
  nodes: [
    { id: "start", type: "Start" },
    { id: "greet", type: "Template", data: { inputs: { template: "Hello {{inputs.name}}, {{inputs.n}} times" } } },
    { id: "end", type: "End", data: { inputs: { value: "{{greet}}" } } },
  ],
  edges: [
    { source: "start", target: "greet" },
    { source: "greet", target: "end" },
  ],
};
const ASK = {
  nodes: [
    { id: "start", type: "Start" },
    { id: "review", type: "HumanApproval", data: { inputs: { prompt: "Publish it?" } } },
    { id: "yes", type: "Set", data: { inputs: { values: { published: true } } } },
    { id: "no", type: "Set", data: { inputs: { values: { published: false } } } },
  ],
  edges: [
    { source: "start", target: "review" },
    { source: "review", sourceHandle: "approved", target: "yes" },
    { source: "review", sourceHandle: "rejected", target: "no" },
  ],
};

const write = (name: string, content: unknown): Promise<void> =>
  writeFile(join(shell.folder, name), typeof content === "string" ? content : JSON.stringify(content));

beforeAll(async () => {
  perdure = await startPerdure();
  shell = new CommandLine(await folder());
  for (const [args, input] of [
    [["init", `${perdure.base}/api/v1/`], ""],
    [["login", "--register", "--email", "ada@example.com", "--password-stdin"], "correct horse\n"],
  ] as const) {
    const { code, err } = await shell.run(args, { input });
    if (code !== 0) throw new Error(`perdure ${args.join(" ")} ended with ${code}: ${err}`);
  }
});
afterAll(async () => {
  await perdure?.stop();
  await Promise.all(folders.map((each) => each.remove()));
});

test("D9: When help is asked for, then that of the command that is named is given, and the version is that of the package", async () => {
  const { version } = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
  expect(await shell.run(["--version"])).toMatchObject({ code: 0, out: `${version}\n` });
  const help = await shell.run(["help", "run"]);
  expect(help).toMatchObject({ code: 0, err: "", out: expect.stringMatching(/^perdure run </) as string });
  expect(await shell.run(["run", "--help"])).toMatchObject({ code: 0, out: help.out });
  expect(await shell.run(["help"])).toMatchObject({ code: 0, out: expect.stringContaining("perdure help <command>") as string });
});

describe("signing in", () => {
  test("D9 F1: When somebody signs in, then the tokens are where only they can read them, and not in the project", async () => {
    expect(JSON.parse(await readFile(join(shell.folder, "perdure.json"), "utf8"))).toEqual({ url: perdure.base });
    const sessions = join(shell.folder, "config/perdure/sessions.json");
    expect((await stat(sessions)).mode & 0o777).toBe(0o600);
    expect((await stat(join(shell.folder, "config/perdure"))).mode & 0o777).toBe(0o700);
    expect(Object.keys(JSON.parse(await readFile(sessions, "utf8")) as object)).toEqual([perdure.base]);
    expect(await readdir(join(shell.folder, "config/perdure"))).toEqual(["sessions.json"]);
    expect(await shell.json("whoami")).toMatchObject({ email: "ada@example.com", role: "admin" });
  });

  test("D9 D1: When commands run at once with an access token that has expired, then all of them go on", async () => {
    const file = join(shell.folder, "config/perdure/sessions.json");
    const sessions = JSON.parse(await readFile(file, "utf8")) as Record<string, { refresh_token: string; expires_at: number }>;
    const before = sessions[perdure.base];
    if (!before) throw new Error("no session");
    await writeFile(file, JSON.stringify({ [perdure.base]: { ...before, expires_at: 0 } }));
    const ended = await Promise.all([1, 2, 3].map(() => shell.run(["whoami"])));
    expect(ended.map(({ code, err }) => [code, err])).toEqual([0, 0, 0].map((code) => [code, ""]));
    const after = (JSON.parse(await readFile(file, "utf8")) as typeof sessions)[perdure.base];
    expect(after?.refresh_token).not.toBe(before.refresh_token);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  test("D9: When nobody is signed in, or the password is wrong, or nobody answers, then the exit code says which", async () => {
    const stranger = new CommandLine(await folder(), { PERDURE_URL: perdure.base });
    expect(await stranger.run(["runs"])).toMatchObject({ code: 3, err: expect.stringContaining("perdure login") as string });
    const wrong = await stranger.run(["login", "--email", "ada@example.com", "--json"], { env: { PERDURE_PASSWORD: "wrong wrong" } });
    expect([wrong.code, JSON.parse(wrong.err)]).toEqual([3, { error: expect.objectContaining({ code: "auth.invalid" }) as object }]);
    expect(await stranger.run(["login", "--email", "ada@example.com"])).toMatchObject({ code: 2, err: expect.stringContaining("--password-stdin") as string });
    // A port that nobody listens on.
    const away = await stranger.run(["runs", "--url", "http://127.0.0.1:9"], { env: { PERDURE_TOKEN: "x" } });
    expect(away).toMatchObject({ code: 4, err: expect.stringContaining("http://127.0.0.1:9 does not answer") as string });
    expect(await stranger.run(["whoami"], { env: { PERDURE_TOKEN: "x" } })).toMatchObject({ code: 3 });
  });

  test("D9: When somebody signs out, then their tokens are gone", async () => {
    const other = new CommandLine(await folder(), { PERDURE_URL: perdure.base });
    expect(await other.run(["login", "--register", "--email", "bob@example.com", "--password-stdin"], { input: "correct horse" })).toMatchObject({ code: 0 });
    expect(await other.run(["logout"])).toMatchObject({ code: 0 });
    expect(await readFile(join(other.folder, "config/perdure/sessions.json"), "utf8")).toBe("{}\n");
    expect(await other.run(["whoami"])).toMatchObject({ code: 3 });
  });
});

describe("workflows as files", () => {
  test("D9: When a file is pushed again, then the workflow of its name is changed, and unchanged where nothing is new", async () => {
    await write("greet.json", GREET);
    expect(await shell.json("push", "greet.json")).toMatchObject({ name: "Greet", outcome: "made", version: 1, problems: [] });
    expect(await shell.json("push", "greet.json")).toMatchObject({ outcome: "unchanged", version: 1 });
    await write("greet.yaml", "name: Greet\nnodes:\n  - { id: start, type: Start }\n  - { id: end, type: End }\nedges:\n  - { source: start, target: end }\n");
    expect(await shell.json("push", "greet.yaml", "--publish")).toMatchObject({ outcome: "changed", version: 2, published_version: 2 });
    expect(await shell.json("push", "greet.json")).toMatchObject({ outcome: "changed", version: 3 });
  });

  test("D9 A14: When a graph in code is pushed, then it is run and saved", async () => {
    const code = [
      'import { workflow } from "#builder";',
      "interface Inputs { city: string }",
      'const flow = workflow<Inputs>({ name: "In code" });',
      'const start = flow.add("Start", "start");',
      'start.to(flow.add("End", "end", { value: `Hello ${flow.inputs.city}` }));',
      "export default flow;",
    ];
    await mkdir(join(shell.folder, "flows"));
    await write("flows/code.ts", code.join("\n"));
    expect(await shell.json("push", "flows/code.ts")).toMatchObject({ name: "In code", problems: [] });
    expect(await shell.json("run", "In code", "-i", "city=Oslo", "--wait")).toMatchObject({ status: "completed", outputs: "Hello Oslo" });
    await write("flows/broken.ts", "export default undefinedName;");
    expect(await shell.run(["push", "flows/broken.ts"])).toMatchObject({ code: 1, err: expect.stringContaining("undefinedName") as string });
    await write("flows/named.ts", code.join("\n").replace("In code", "Named").replace("export default flow", "export { flow }"));
    expect(await shell.json("push", "flows/named.ts")).toMatchObject({ name: "Named", problems: [] });
    for (const several of ["", "export const a = 1, b = 2;"]) {
      await write("flows/several.ts", several);
      expect(await shell.run(["push", "flows/several.ts"])).toMatchObject({ code: 1, err: expect.stringContaining("`export default` the workflow") as string });
    }
    await write("flows/number.ts", "export const flow = 1;");
    expect(await shell.run(["push", "flows/number.ts"])).toMatchObject({ code: 1, err: expect.stringContaining("holds no workflow") as string });
  });

  test("D9 A2: When a graph has problems, then they are shown with their nodes and the command ends with 1", async () => {
    await write("bad.json", {
      nodes: [
        { id: "a", type: "HtpRequest" },
        { id: "b", type: "Template" },
      ],
      edges: [{ id: "e1", source: "a", target: "nowhere" }],
    });
    const checked = await shell.run(["push", "bad.json", "--check"]);
    expect([checked.code, checked.err]).toEqual([1, ""]);
    expect(checked.out).toContain("problem node a: There is no node type `HtpRequest`. Did you mean `HttpRequest`? (node.unknown_type)");
    expect(await shell.json<unknown[]>("runs")).toBeInstanceOf(Array);
    expect(await shell.run(["pull", "bad"])).toMatchObject({ code: 1, err: 'There is no workflow named "bad".\n' });
    const pushed = await shell.run(["push", "bad.json", "--publish", "--json"]);
    expect([pushed.code, JSON.parse(pushed.out)]).toMatchObject([
      1,
      { name: "bad", outcome: "made", published_version: null, problems: [{ node_id: "a" }, {}, {}] },
    ]);
    expect(await shell.run(["run", "bad"])).toMatchObject({ code: 1, err: expect.stringContaining("a: There is no node type") as string });
  });

  test("D9: When a workflow is pulled and pushed under another name, then it is the same graph", async () => {
    await write("greet.json", GREET);
    await shell.json("push", "greet.json");
    for (const file of ["pulled.yaml", "pulled.json"]) {
      expect(await shell.run(["pull", "Greet", "-o", file])).toMatchObject({ code: 0, out: `Greet is in ${file}.\n` });
      expect(await shell.json("push", file, "--name", `Copy ${file}`)).toMatchObject({ outcome: "made", problems: [] });
      expect(await shell.json("run", `Copy ${file}`, "--input", "name=Ada", "-i", "n=2", "--wait")).toMatchObject({ outputs: "Hello Ada, 2 times" });
    }
    const printed = await shell.run(["pull", "Greet"]);
    expect(JSON.parse(printed.out)).toMatchObject({ format: "perdure.workflow", name: "Greet" });
  });

  test("D9: When two workflows have one name, then the command asks for the id", async () => {
    const [first, second] = [await shell.json("push", "greet.json", "--name", "Twin"), await shell.json("push", "greet.json", "--name", "Twin 2")];
    await shell.json("push", "greet.json", "--id", String(second["id"]), "--name", "Twin");
    const pushed = await shell.run(["push", "greet.json", "--name", "Twin"]);
    expect(pushed).toMatchObject({ code: 1, err: expect.stringContaining(String(first["id"])) as string });
    expect(await shell.json("push", "greet.json", "--id", String(first["id"]), "--name", "Twin")).toMatchObject({ outcome: "unchanged" });
  });

  test.each([
    [["push"], 2, "It is called so: perdure push <"],
    [["whoami", "x"], 2, "It is called so: perdure whoami\n"],
    [["help", "deploy"], 2, "There is no command"],
    [["push", "missing.json"], 1, "There is no file missing.json"],
    [["push", "perdure.json"], 1, "holds no workflow"],
    [["push", "greet.txt"], 2, "none of .json"],
    [["run", "Greet", "--wacth"], 2, "--wacth"],
    [["run", "Greet", "--input", "name"], 2, "key=value"],
    [["runs", "--status", "broken"], 1, "status"],
    [["logs", "019ab1c0-0000-7000-8000-000000000000"], 1, "resource.not_found"],
    [["approve", "x"], 1, "no id"],
    [["deploy"], 2, "There is no command"],
    [["init"], 2, "--force"],
    [["runs", "--url", "ftp://x"], 2, "is no address"],
  ] as const)("D9: When `perdure %j` is called, then it ends with %i and says why", async (args, code, text) => {
    const ended = await shell.run(args);
    expect([ended.code, ended.out]).toEqual([code, ""]);
    expect(ended.err).toContain(text);
    expect(ended.err).not.toContain("    at ");
  });
});

describe("runs", () => {
  test("D9: When a run is watched, then its events are printed as they come", async () => {
    await write("slow.json", {
      nodes: [
        { id: "start", type: "Start" },
        { id: "rest", type: "Delay", data: { inputs: { duration: "3s" } } },
        { id: "end", type: "End", data: { inputs: { value: "{{inputs.word}}" } } },
      ],
      edges: [
        { source: "start", target: "rest" },
        { source: "rest", target: "end" },
      ],
    });
    await shell.json("push", "slow.json");
    const watched = shell.run(["run", "slow", "--inputs", "-", "--watch"], { input: '{"word":"early\\u001b[31m"}' });
    await until("the delay is seen", () => watched.out().includes("rest"));
    expect(watched.out()).not.toContain("■");
    const ended = await watched;
    expect([ended.code, ended.err]).toEqual([0, ""]);
    expect(ended.out).toMatch(/▶ the run .*\n(.*\n)*● rest .*\n(.*\n)*■ the run +completed/);
    // What a node puts out must not reach the terminal as an order to it.
    expect(ended.out).not.toContain("\u001b");
  });

  test("D9: When Ctrl-C is pressed while a run is watched, then the run goes on and can be followed again", async () => {
    const watched = shell.run(["run", "slow", "-i", "word=late", "--watch", "--json"]);
    await until("the run has begun", () => watched.out().includes("node_start"));
    watched.child.kill("SIGINT");
    const left = await watched;
    expect([left.code, left.err]).toEqual([130, expect.stringContaining("perdure logs") as string]);
    const run = (JSON.parse(left.out.split("\n")[0] ?? "") as { run_id: string }).run_id;
    const followed = await shell.run(["logs", run, "--follow", "--json"]);
    expect(followed.code).toBe(0);
    const numbers = followed.out
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { seq: number }).seq);
    expect(numbers).toEqual(numbers.map((_number, at) => at + 1));
    expect((await shell.run(["logs", run, "--json"])).out).toBe(followed.out);
  });

  test("D9 G1: When the api is killed while a run is watched, then the command goes on and misses nothing", async () => {
    const watched = shell.run(["run", "slow", "-i", "word=late", "--watch", "--json"]);
    await until("the run has begun", () => watched.out().includes("node_start"));
    perdure.api.kill9();
    await perdure.api.exited;
    await perdure.startApi();
    const ended = await watched;
    const events = ended.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { seq: number; kind: string });
    expect([ended.code, ended.err]).toEqual([0, ""]);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_event, at) => at + 1));
    expect(events.at(-1)?.kind).toBe("workflow_complete");
  });

  test("D9: When a run fails, then the command ends with 1 and names the node", async () => {
    await write("fails.json", {
      nodes: [
        { id: "start", type: "Start" },
        { id: "sum", type: "Transform", data: { inputs: { expression: "$error('no sum')" } } },
      ],
      edges: [{ source: "start", target: "sum" }],
    });
    await shell.json("push", "fails.json");
    const waited = await shell.run(["run", "fails", "--wait"]);
    expect(waited).toMatchObject({ code: 1, err: "", out: expect.stringMatching(/^failed sum: .*no sum/) as string });
    expect(await shell.run(["run", "fails", "--watch"])).toMatchObject({ code: 1, out: expect.stringMatching(/✗ sum .*no sum/) as string });
    const listed = await shell.run(["runs", "--workflow", "fails", "--status", "failed,cancelled", "--limit", "1"]);
    expect(listed.out.trim().split("\n").length).toBe(1);
    expect(listed.out).toMatch(/failed .* fails /);
  });

  test("D9: When a key is given, then it names one run", async () => {
    const runs = [await shell.json("run", "Greet", "--key", "order-17"), await shell.json("run", "Greet", "--key", "order-17")];
    expect(runs[0]?.["id"]).toBe(runs[1]?.["id"]);
  });

  test.each([
    ["approve", true],
    ["reject", false],
  ] as const)("D9 A9: When a run waits for a person, then `%s` answers it by the run's id", async (word, published) => {
    await write("ask.json", ASK);
    await shell.json("push", "ask.json");
    const { id } = await shell.json("run", "ask");
    await until("it waits", async () => (await shell.json<{ id: string }[]>("runs", "--status", "waiting")).some((run) => run.id === id));
    expect(await shell.run([word, String(id), "--comment", "as agreed"])).toMatchObject({ code: 0, out: expect.stringContaining("Publish it?") as string });
    expect(await shell.run(["logs", String(id), "--follow"])).toMatchObject({ code: 0 });
    const { out } = await shell.run(["logs", String(id), "--json"]);
    expect(JSON.parse(out.trim().split("\n").at(-1) ?? "")).toMatchObject({ kind: "workflow_complete", result: { published } });
    expect(await shell.run([word, String(id)])).toMatchObject({ code: 1, err: expect.stringContaining("waits for nobody") as string });
  });
});
