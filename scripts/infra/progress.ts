export interface Step {
  /** Replaces what is shown while the step runs. */
  update(text: string): void;
  /** A line that stays. */
  note(text: string): void;
  done(text?: string): void;
  failed(text?: string): void;
}

export interface Progress {
  step(title: string): Step;
  line(text?: string): void;
  /** Runs `work` as a step: done when it returns, failed when it throws. */
  run<T>(title: string, work: (step: Step) => Promise<T>, done?: (result: T) => string): Promise<T>;
}

export interface Paint {
  (colour: Colour, text: string): string;
}

const COLOURS = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 } as const;
export type Colour = keyof typeof COLOURS;

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_MS = 90;
/** Without a terminal, how often a step that is under way says so. */
const HEARTBEAT_MS = 5_000;

/** Colours on a terminal only; NO_COLOR turns them off. */
export function paint(stream: NodeJS.WriteStream = process.stdout): Paint {
  const on = stream.isTTY === true && (process.env.NO_COLOR ?? "") === "";
  return (colour, text) => (on ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text);
}

export function seconds(ms: number): string {
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** Steps with their time: one moving line on a terminal, plain lines elsewhere. */
export function createProgress(stream: NodeJS.WriteStream = process.stdout): Progress {
  const colour = paint(stream);
  const moving = stream.isTTY === true;
  const active: { title: string; text: string; startedAt: number }[] = [];
  let frame = 0;
  let drawn = false;
  let timer: NodeJS.Timeout | undefined;

  const erase = () => {
    if (drawn) stream.write("\r\u001b[2K");
    drawn = false;
  };
  const draw = () => {
    const current = active.at(-1);
    if (current === undefined) return;
    const text = `  ${FRAMES[frame++ % FRAMES.length]} ${current.title}${current.text === "" ? "" : ` – ${current.text}`} (${seconds(Date.now() - current.startedAt)})`;
    stream.write(`\r\u001b[2K${text.slice(0, Math.max(20, (stream.columns || 80) - 1))}`);
    drawn = true;
  };
  const line = (text = "") => {
    erase();
    stream.write(`${text}\n`);
    if (moving && active.length > 0) draw();
  };

  const step = (title: string): Step => {
    const state = { title, text: "", startedAt: Date.now() };
    active.push(state);
    let heartbeat: NodeJS.Timeout | undefined;
    if (moving) {
      timer ??= setInterval(draw, FRAME_MS);
      timer.unref();
      draw();
    } else {
      heartbeat = setInterval(
        () => line(`  … ${title}${state.text === "" ? "" : ` – ${state.text}`} (${seconds(Date.now() - state.startedAt)})`),
        HEARTBEAT_MS,
      );
      heartbeat.unref();
    }
    const end = (mark: string, text: string) => {
      const index = active.indexOf(state);
      if (index < 0) return;
      active.splice(index, 1);
      clearInterval(heartbeat);
      if (active.length === 0) {
        clearInterval(timer);
        timer = undefined;
      }
      line(`  ${mark} ${title}${text === "" ? "" : ` – ${text}`} ${colour("dim", `(${seconds(Date.now() - state.startedAt)})`)}`);
    };
    return {
      update: (text) => {
        state.text = text;
      },
      note: (text) => line(`    ${colour("dim", text)}`),
      done: (text = "") => end(colour("green", "✓"), text),
      failed: (text = "") => end(colour("red", "✗"), text),
    };
  };

  return {
    step,
    line,
    async run(title, work, done) {
      const current = step(title);
      try {
        const result = await work(current);
        current.done(done?.(result));
        return result;
      } catch (error) {
        current.failed();
        throw error;
      }
    },
  };
}

/** Shows nothing: for callers that have a report of their own. */
export const silentProgress: Progress = {
  step: () => ({ update: () => {}, note: () => {}, done: () => {}, failed: () => {} }),
  line: () => {},
  run: (_title, work) => work({ update: () => {}, note: () => {}, done: () => {}, failed: () => {} }),
};
