import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { anyFreePort } from "../../scripts/infra/ports.ts";
import { type Server, startServer } from "../../scripts/infra/process.ts";
import { connect } from "node:net";

/** The newest that our tests have seen work; it is fetched by Maven, into Maven's own folder. */
const VERSION = "1.32.1";
const FETCH_MS = 4 * 60_000;

const run = promisify(execFile);

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>perdure</groupId><artifactId>time-skipping-server</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>io.temporal</groupId><artifactId>temporal-test-server</artifactId><version>${VERSION}</version></dependency>
  </dependencies>
</project>
`;

/**
 * Starts Temporal's test server, which passes over time in which nothing happens.
 * @returns why it cannot be had here, where there is no Java, no Maven, or no way to the jar.
 */
export async function startTimeSkippingServer(folder: string): Promise<Server | { missing: string }> {
  for (const [program, flag] of [
    ["java", "-version"],
    ["mvn", "--version"],
  ] as const) {
    try {
      await run(program, [flag]);
    } catch {
      return { missing: `no "${program}" on the PATH` };
    }
  }
  await mkdir(folder, { recursive: true });
  const classPath = join(folder, "class-path");
  await writeFile(join(folder, "pom.xml"), POM);
  try {
    await run("mvn", ["-q", "-B", "-f", join(folder, "pom.xml"), "dependency:build-classpath", `-Dmdep.outputFile=${classPath}`], { timeout: FETCH_MS });
  } catch (error) {
    return { missing: `Maven cannot fetch io.temporal:temporal-test-server:${VERSION}: ${firstLine(error)}` };
  }
  const port = await anyFreePort();
  return startServer({
    name: "Temporal's test server",
    command: "java",
    args: ["-cp", await readFile(classPath, "utf8"), "io.temporal.testserver.TestServer", String(port), "--enable-time-skipping"],
    cwd: folder,
    logFile: join(folder, "server.log"),
    url: `127.0.0.1:${port}`,
    port,
    answers: () => accepts(port),
  });
}

function firstLine(error: unknown): string {
  const { stdout = "", message = "" } = error as { stdout?: string; message?: string };
  return (stdout.split("\n").find((line) => line.includes("ERROR")) ?? message).slice(0, 300);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => resolve(socket.destroy() && true));
    socket.once("error", () => resolve(false));
  });
}
