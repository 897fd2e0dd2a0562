/** Keeps what was used last, up to a number of bytes and for a while. What is larger than half of that number is not kept: it would drive out all else. */
export class ByteCache<T> {
  /** What was used longest ago comes first. */
  private readonly entries = new Map<string, { value: T; bytes: number; usedAt: number }>();
  private held = 0;
  private sweeping: NodeJS.Timeout | undefined;

  private readonly maxBytes: number;
  private readonly idleMs: number;

  /** What nobody has used for `idleMs` milliseconds goes, within as long again. */
  constructor(maxBytes: number, idleMs: number) {
    this.maxBytes = maxBytes;
    this.idleMs = idleMs;
  }

  get(key: string): T | undefined {
    const entry = this.entries.get(key);
    if (!entry) return undefined;
    this.entries.delete(key);
    entry.usedAt = Date.now();
    this.entries.set(key, entry);
    return entry.value;
  }

  set(key: string, value: T, bytes: number): void {
    this.delete(key);
    if (bytes > this.maxBytes / 2) return;
    this.entries.set(key, { value, bytes, usedAt: Date.now() });
    this.held += bytes;
    for (const oldest of this.entries.keys()) {
      if (this.held <= this.maxBytes) break;
      this.delete(oldest);
    }
    this.sweeping ??= setTimeout(() => this.sweep(), this.idleMs).unref();
  }

  delete(key: string): void {
    const entry = this.entries.get(key);
    if (!entry) return;
    this.entries.delete(key);
    this.held -= entry.bytes;
  }

  private sweep(): void {
    for (const [key, { usedAt }] of this.entries) {
      if (Date.now() - usedAt < this.idleMs) break;
      this.delete(key);
    }
    this.sweeping = this.entries.size === 0 ? undefined : setTimeout(() => this.sweep(), this.idleMs).unref();
  }
}
