import type { TenantId } from "#core";

/** What bringing an older Temporal up to Postgres after a restore needs to read and to set back. */
export interface Restoring {
  /** Open runs of all organizations that wait for no slot, by id from `after` on. */
  openRuns(after: string | undefined, limit: number): Promise<{ id: string; tenantId: TenantId; parentId: string | null; started: boolean; createdAt: Date }[]>;
  /** Runs that were closed since then. */
  closedRuns(since: Date, after: string | undefined, limit: number): Promise<{ id: string; tenantId: TenantId; hasOpenParent: boolean }[]>;
  /** Makes commands that were applied to open runs since then open again, and the approvals that they answered pending; returns how many. */
  reopenCommands(since: Date): Promise<number>;
  /** Notes that a backup which was begun at `takenAt` has been restored. */
  note(takenAt: Date): Promise<void>;
  /** When a backup was restored last; undefined where none ever was. */
  last(): Promise<Date | undefined>;
}
