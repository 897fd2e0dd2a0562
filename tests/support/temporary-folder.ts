import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keeper } from "../../scripts/infra/index.ts";

export interface TemporaryFolder {
  path: string;
  remove(): Promise<void>;
}

/** A folder that another user may pass through, as PostgreSQL needs when we are root; it goes, also when this process is killed. */
export async function createTemporaryFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), "perdure-test-"));
  await chmod(path, 0o711);
  keeper().remove(path);
  return {
    path,
    async remove() {
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
      keeper().keep(path);
    },
  };
}
